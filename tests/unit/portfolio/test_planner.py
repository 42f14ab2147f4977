"""From a target to a plan, or a reason why not."""

import pytest
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi import Holdings, Lots, Weights
from tbill_defi.core.errors import PlanError, UnknownSecurity
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.planner import build_plan
from tests.unit.portfolio.support import DOLLAR, needs_data, real_data, toy_cusip, toy_view

IDENTITY = StrategyIdentity("by-hand", bytes(32), {})


def build(target, view, book, counterparty="dealer", dealing=None):
    return build_plan(target, view, book, strategy=IDENTITY, counterparty=counterparty, dealing=dealing)


def wide(count):
    return toy_view([100.0] * count, [0.04] * count, [1.0] * count, [1 + i / 100 for i in range(count)])


def equal(count):
    return Weights.of({toy_cusip(i): 0.9 / count for i in range(count)}, lots=Lots(1_000))


def test_63_orders_and_cash_are_one_instruction():
    plan = build(equal(63), wide(63), Holdings("desk", {}, 10_000_000 * DOLLAR))
    assert len(plan.orders) == 63
    assert len(plan.legs) == 64


def test_64_orders_are_refused_with_the_split_that_fits():
    with pytest.raises(PlanError, match=r"64 orders and a cash leg are more than the 64 legs.*2 plans fit"):
        build(equal(64), wide(64), Holdings("desk", {}, 10_000_000 * DOLLAR))


@pytest.mark.parametrize(("count", "parts"), [(56, 2), (99, 2)])
def test_rules_that_count_leave_fewer(count, parts):
    cash = Holdings("desk", {}, 10_000_000 * DOLLAR)
    under = DealingLimits(legs=56)
    assert len(build(equal(55), wide(55), cash, dealing=under).legs) == 56
    with pytest.raises(PlanError, match=rf"{count} orders .* the 56 legs .* under the rules .*; {parts} plans fit"):
        build(equal(count), wide(count), cash, dealing=under)


def test_nothing_to_invest(sample):
    with pytest.raises(PlanError, match="neither securities nor cash"):
        td.plan(Ladder(rungs=3), sample, Holdings("desk", {}))
    with pytest.raises(PlanError, match="neither securities nor cash"):
        td.plan(DurationTarget(), sample, Holdings("desk", {}))


def test_nobody_deals_with_himself(sample, book):
    with pytest.raises(PlanError, match="desk cannot deal with itself"):
        build(equal(1), sample, book, counterparty="desk")


def test_unknown_holding(sample):
    for cusip in ("91282CPZ9", "912797AAA"):
        with pytest.raises(UnknownSecurity, match=cusip):
            td.plan(Ladder(rungs=3), sample, Holdings("desk", {cusip: DOLLAR}))


@pytest.mark.realdata
@needs_data
def test_held_tips_are_named():
    view = td.view("2026-03-24", data=real_data())
    cusip = view.excluded["TIPS"][0]
    with pytest.raises(UnknownSecurity, match=f"{cusip} is TIPS"):
        td.plan(Ladder(rungs=3), view, Holdings("desk", {cusip: DOLLAR}, DOLLAR))


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize("day", ["2026-03-24", "2026-08-21"])
def test_real_days(day):
    """Both shipped strategies on a $25m book over everything outstanding."""
    view = td.view(day, data=real_data())
    step = len(view.cusips) // 20
    book = Holdings("desk", dict.fromkeys(view.cusips[::step][:20], 1250000 * DOLLAR), 100_000 * DOLLAR)
    for strategy in (Ladder(rungs=10), DurationTarget()):
        plan = td.plan(strategy, view, book)
        assert plan.orders
        assert plan.after.cash >= 0
        assert all(limit.slack >= -1e-9 for limit in plan.limits)
    assert 1.9 <= plan.after.duration <= 2.1


def test_no_offer():
    view = toy_view([100.0, 100.0], [0.04, 0.05], [2.0, 2.0], [2.0, 2.1], without_offer=[1])
    book = Holdings("desk", {}, 1_000_000 * DOLLAR)
    with pytest.raises(PlanError, match=f"{toy_cusip(1)}: no offer"):
        build(Weights.of({toy_cusip(1): 0.5}), view, book)
    plan = td.plan(DurationTarget(lower=0, upper=3, max_weight=1.0), view, book)
    assert {order.cusip for order in plan.orders} == {toy_cusip(0)}, "the optimiser does not buy what is not offered"


def test_a_target_that_is_reached_has_no_orders():
    view = toy_view([100.0], [0.04], [2.0], [2.0])
    plan = build(Weights.of({toy_cusip(0): 1.0}), view, Holdings("desk", {toy_cusip(0): 5_000 * DOLLAR}))
    assert plan.orders == ()
    assert plan.legs == ()
    assert (plan.cost_32nds, plan.breakeven_days) == (0.0, None)


def test_before_and_after(plan, sample, book):
    positions = dict(book.positions)
    for order in plan.orders:
        positions[order.cusip] = positions.get(order.cusip, 0) + (1 if order.side == "buy" else -1) * order.face_units
    assert all(face >= 0 for face in positions.values())
    assert plan.after.securities == sum(face > 0 for face in positions.values())
    value = sum(sample.mid_dirty[sample.index(c)] * f / 1e8 for c, f in positions.items())
    assert plan.after.nav == pytest.approx(value + plan.after.cash, rel=1e-12)
    assert [o.cusip for o in plan.orders] == [c for c in sample.cusips if c in {o.cusip for o in plan.orders}]


def test_reasons(ladder_plan, band_plan):
    assert all(order.reason for plan in (ladder_plan, band_plan) for order in plan.orders)
    assert {"on no rung"} < {order.reason for order in ladder_plan.orders}
