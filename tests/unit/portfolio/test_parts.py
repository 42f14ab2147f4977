"""A plan of more orders than one Instruction settles, in parts that settle one after the other."""

from itertools import pairwise

import pytest

from tbill_defi import Holdings, Lots, Weights
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.parts import MOST, PART, in_parts
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.planner import build_plan
from tests.unit.portfolio.support import toy_cusip, toy_view

COUNT = 98
VIEW = toy_view([100.0] * COUNT, [0.04] * COUNT, [1.0] * COUNT, [1 + i / 100 for i in range(COUNT)])


def plan_of(holdings, cusips):
    """Equal weights of some securities, nearly all of the NAV: purchases wait for sales."""
    target = Weights.of(dict.fromkeys(cusips, 0.99 / len(cusips)), lots=Lots(1_000))
    identity = StrategyIdentity("by-hand", bytes(32), {})
    return build_plan(target, VIEW, holdings, strategy=identity, counterparty="dealer", whole=False)


@pytest.fixture(scope="module")
def plan():
    held = {toy_cusip(i): 100_000 * UNITS_PER_DOLLAR for i in range(0, COUNT, 2)}
    return plan_of(Holdings("desk", held, 1_000 * UNITS_PER_DOLLAR), [toy_cusip(i) for i in range(1, COUNT, 2)])


def test_parts_do_what_the_plan_does_in_instructions_that_fit(plan):
    parts = in_parts(plan, VIEW)
    assert len(plan.orders) == COUNT
    assert [len(part.orders) for part in parts] == [48, 48, 2]
    assert max(len(part.legs) for part in parts) == PART + 1
    assert sorted(order.cusip for part in parts for order in part.orders) == sorted(o.cusip for o in plan.orders)
    assert len({part.hash for part in parts}) == 3
    assert sum(part.cost_units for part in parts) == plan.cost_units
    assert sum(part.net_cash_units for part in parts) == plan.net_cash_units


def test_each_part_begins_where_the_one_before_ends_and_cash_is_never_short(plan):
    parts = in_parts(plan, VIEW)
    assert (parts[0].holdings, parts[0].before, parts[-1].after) == (plan.holdings, plan.before, plan.after)
    for part, later in pairwise(parts):
        assert later.before == part.after
        assert later.holdings.cash_units == part.holdings.cash_units - part.net_cash_units >= 0
    sides = [order.side for part in parts for order in sorted(part.orders, key=lambda order: order.side == "buy")]
    assert sides == sorted(sides, reverse=True)


def test_a_plan_that_fits_is_left_alone():
    plan = plan_of(Holdings("desk", {}, 10**6 * UNITS_PER_DOLLAR), [toy_cusip(i) for i in range(MOST)])
    assert in_parts(plan, VIEW) == (plan,)
