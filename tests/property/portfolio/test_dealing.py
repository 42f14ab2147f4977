"""A plan made within a ledger's limits settles under them: leg by leg, in the order of its legs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.core.errors import Infeasible, PlanError
from tbill_defi.portfolio.dealing import HOLDING, TRADE, VOLUME, DealingLimits
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.planner import build_plan

DOLLAR = 10**6
ID = StrategyIdentity("test", bytes(32), {})
UNBOUNDED = 2**200
amounts = st.none() | st.integers(0, 4_000_000).map(lambda dollars: dollars * DOLLAR)
limits = st.builds(DealingLimits, trade=amounts, volume=amounts, holding=amounts, counterparty_holding=amounts)


@pytest.fixture(scope="module")
def view():
    return td.view(date="2026-03-24", data=td.sample_data())


@st.composite
def books(draw):
    count = draw(st.integers(1, 6))
    faces = draw(st.lists(st.integers(1, 3_000), min_size=count, max_size=count))
    places = draw(st.lists(st.integers(0, 24), min_size=count, max_size=count, unique=True))
    return dict(zip(places, faces, strict=True)), draw(st.integers(0, 2_000_000))


def holdings(view, case):
    positions, cash = case
    return td.Holdings("desk", {view.cusips[i]: face * 1_000 * DOLLAR for i, face in positions.items()}, cash * DOLLAR)


def assert_within(plan, dealing):
    """Leg by leg: within the trade limit, the desk's volume so far, and the cap on what it holds then."""
    total = dealt = held = 0
    for leg in plan.legs:
        if leg.asset == "USD":
            continue
        bought = leg.to_party == "desk"
        dealt += leg.amount
        held += leg.amount if bought else -leg.amount
        total += leg.amount
        assert leg.amount <= (UNBOUNDED if dealing.trade is None else dealing.trade)
        assert dealt <= (UNBOUNDED if dealing.volume is None else dealing.volume)
        assert not bought or held <= (UNBOUNDED if dealing.holding is None else dealing.holding)
    if dealing.counterparty_holding is not None:
        assert total <= dealing.counterparty_holding
    for report in plan.limits:
        if report.name in (TRADE, VOLUME, HOLDING):
            assert report.value <= report.upper + 1e-12
            assert report.slack == pytest.approx(report.upper - report.value, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(case=books(), dealing=limits, seed=st.integers(0, 2**32 - 1))
def test_weights(view, case, dealing, seed):
    rng = np.random.default_rng(seed)
    picked = rng.choice(len(view.cusips), size=5, replace=False)
    shares = rng.dirichlet(np.ones(6))[:5]
    offered = {view.cusips[i]: float(w) for i, w in zip(picked, shares, strict=True) if view.offer[i] is not None}
    try:
        target = td.Weights.of(offered)
        plan = build_plan(target, view, holdings(view, case), strategy=ID, counterparty="dealer", dealing=dealing)
    except PlanError:
        return
    assert_within(plan, dealing)


@settings(max_examples=25, deadline=None)
@given(case=books(), dealing=limits)
def test_optimised(view, case, dealing):
    target = td.maximize(
        td.Yield() - td.TransactionCost(horizon_years=1.0), subject_to=[td.Duration.between(0, 30), td.Lots(1_000)]
    )
    try:
        plan = build_plan(target, view, holdings(view, case), strategy=ID, counterparty="dealer", dealing=dealing)
    except Infeasible:
        return
    assert_within(plan, dealing)


def test_the_shadow_price_is_what_a_million_more_earns(view):
    """Volume binds: more of it gains its shadow price, until another limit takes over."""
    book = td.Holdings("desk", {view.cusips[0]: 10_000_000 * DOLLAR}, 0)
    target = td.maximize(td.Yield(), subject_to=[td.Duration.between(0, 5), td.Lots(1_000)])
    yields, values = [], []
    for dollars in (2_000_000, 2_100_000):
        dealing = DealingLimits(volume=dollars * DOLLAR)
        plan = build_plan(target, view, book, strategy=ID, counterparty="dealer", dealing=dealing)
        (report,) = (row for row in plan.limits if row.name == VOLUME)
        yields.append(plan.after.yield_)
        values.append(report.value)
        assert report.slack < 0.02
    # whole lots are found to a hundredth of a basis point, twice
    assert (yields[1] - yields[0]) * 1e4 == pytest.approx((values[1] - values[0]) * report.shadow_price_bp, abs=0.02)


def test_the_limits_are_in_the_hash(view):
    book = td.Holdings("desk", {view.cusips[0]: 1_000_000 * DOLLAR}, 0)
    target = td.Weights.of({view.cusips[0]: 0.5})
    plans = [
        build_plan(target, view, book, strategy=ID, counterparty="dealer", dealing=dealing)
        for dealing in (None, DealingLimits(), DealingLimits(trade=10**15))
    ]
    assert len({plan.hash for plan in plans}) == 3
    assert len({plan.legs for plan in plans}) == 1
