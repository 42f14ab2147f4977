"""For any book and any limits: a plan of whole lots within cash and limits that settles, or a reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.core.errors import Infeasible, PlanError
from tbill_defi.market import sample_data
from tests.unit.portfolio.support import DOLLAR, ledger_with

VIEW = td.view("2026-03-24", data=sample_data())
LOTS = st.sampled_from([1_000, 10_000, 50_000])


@st.composite
def books(draw):
    faces = draw(st.dictionaries(st.sampled_from(VIEW.cusips), st.integers(1, 3_000_000), max_size=10))
    cash = draw(st.sampled_from([0, 1, 12_345, 4_000_000]))
    frozen = draw(st.dictionaries(st.sampled_from(VIEW.cusips), st.integers(0, 2_000_000), max_size=3))
    positions = {c: f * DOLLAR for c, f in faces.items()}
    blocked = {c: min(f * DOLLAR, positions[c]) for c, f in frozen.items() if c in positions}
    return td.Holdings("desk", positions, cash * DOLLAR + draw(st.integers(0, 1)), blocked)


@st.composite
def bands(draw):
    lower = draw(st.floats(0, 8))
    config = {
        "lower": lower,
        "upper": lower + draw(st.sampled_from([0.05, 0.2, 1.0, 5.0])),
        "max_weight": draw(st.sampled_from([0.06, 0.1, 0.3, 1.0])),
        "turnover": draw(st.sampled_from([None, 0.1, 0.5])),
        "horizon_years": draw(st.sampled_from([0.1, 1.0, 10.0])),
        "lot": draw(LOTS),
    }
    if draw(st.booleans()):
        config["buckets"] = {"0-1y": (0.1, 0.6)}
    return config


def check(plan, book, lot):
    """Everything from the orders alone."""
    cash, positions = book.cash_units, dict(book.positions)
    for order in plan.orders:
        assert order.face_units % (lot * DOLLAR) == 0
        assert order.face_units > 0
        sign = 1 if order.side == "buy" else -1
        cash -= sign * order.cash_units
        positions[order.cusip] = positions.get(order.cusip, 0) + sign * order.face_units
        if order.side == "sell":
            assert order.face_units <= book.available(order.cusip)
    assert cash >= 0
    assert all(face >= 0 for face in positions.values())
    assert len(plan.legs) <= 64
    assert sum(1 for leg in plan.legs if leg.asset == "USD") <= 1
    return {c: f for c, f in positions.items() if f}, cash


@settings(max_examples=60, derandomize=True, deadline=None)
@given(books(), bands())
def test_within_limits_or_infeasible(book, config):
    try:
        plan = td.plan(DurationTarget(**config), VIEW, book)
    except (Infeasible, PlanError) as refused:
        if isinstance(refused, PlanError):
            assert not book.positions
            assert not book.cash_units
        return
    positions, cash = check(plan, book, config["lot"])
    values = {c: VIEW.mid_dirty[VIEW.index(c)] * f / 1e8 for c, f in positions.items()}
    nav = sum(values.values()) + cash / DOLLAR
    duration = sum(v * VIEW.modified_duration[VIEW.index(c)] for c, v in values.items()) / nav
    assert config["lower"] - 1e-9 <= duration <= config["upper"] + 1e-9
    assert all(value / nav <= config["max_weight"] + 1e-9 for value in values.values())
    if "buckets" in config:
        short = sum(v for c, v in values.items() if VIEW.years_to_maturity[VIEW.index(c)] <= 1) / nav
        assert 0.1 - 1e-9 <= short <= 0.6 + 1e-9
    if config["turnover"] is not None:
        traded = sum(o.face_units * VIEW.mid_dirty[VIEW.index(o.cusip)] / 1e8 for o in plan.orders) / 2
        assert traded / plan.before.nav <= config["turnover"] + 1e-9


@settings(max_examples=60, derandomize=True, deadline=None)
@given(books(), st.integers(1, 20), st.floats(0.5, 30), st.sampled_from([0.0, 0.3]), LOTS)
def test_ladders(book, rungs, longest, cash_weight, lot):
    strategy = Ladder(rungs=rungs, longest_years=longest, cash_weight=cash_weight, lot=lot)
    try:
        plan = td.plan(strategy, VIEW, book)
    except PlanError as refused:
        assert "below a lot" in str(refused) or "neither securities nor cash" in str(refused)  # noqa: PT017
        return
    check(plan, book, lot)


@pytest.mark.invariant("I6")
@settings(max_examples=12, derandomize=True, deadline=None)
@given(books(), st.integers(1, 12), LOTS)
def test_what_is_planned_settles(book, rungs, lot):
    """On the contracts: balances are those recomputed from the orders, to the base unit."""
    book = td.Holdings(book.party, book.positions, book.cash_units)
    try:
        plan = td.plan(Ladder(rungs=rungs, lot=lot), VIEW, book)
    except PlanError:
        return
    if not plan.orders:
        return
    with ledger_with(VIEW, book) as ledger:
        assert plan.execute(ledger, approve_by="desk").settled
        wallet = ledger.wallet("desk")
        assert (wallet.positions, wallet.cash) == (
            dict(sorted(check(plan, book, lot)[0].items())),
            check(plan, book, lot)[1],
        )
