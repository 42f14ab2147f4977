"""What each shipped strategy claims holds for any book: whole lots, cash, and its own figure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tbill_strategies.barbell import Barbell
from tbill_strategies.bullet import Bullet
from tbill_strategies.covered_call_overlay import CoveredCallOverlay
from tbill_strategies.key_rate_match import KeyRateMatch

import tbill_defi as td
from tbill_defi.core.errors import ConventionError, Infeasible, PlanError
from tbill_defi.market import sample_data
from tbill_defi.pricing.keyrates import KeyRates
from tests.unit.portfolio.support import DOLLAR

VIEW = td.view("2026-03-24", data=sample_data())
LOTS = st.sampled_from([1_000, 10_000])


@st.composite
def books(draw, frozen=True):
    faces = draw(st.dictionaries(st.sampled_from(VIEW.cusips), st.integers(1, 3_000_000), max_size=8))
    positions = {cusip: face * DOLLAR for cusip, face in faces.items()}
    blocked = {}
    if frozen and positions:
        blocked = {c: positions[c] // 3 for c in draw(st.sets(st.sampled_from(sorted(positions)), max_size=2))}
    return td.Holdings("desk", positions, draw(st.integers(1, 6_000_000)) * DOLLAR, blocked)


def check(plan, book, lot):
    """Positions and cash after the orders, from the orders alone."""
    cash, positions = book.cash_units, dict(book.positions)
    for order in plan.orders:
        assert order.face_units > 0
        assert order.face_units % (lot * DOLLAR) == 0
        sign = 1 if order.side == "buy" else -1
        cash -= sign * order.cash_units
        positions[order.cusip] = positions.get(order.cusip, 0) + sign * order.face_units
        assert order.side == "buy" or order.face_units <= book.available(order.cusip)
    assert cash >= 0
    return {c: f for c, f in positions.items() if f}, cash


def hold(refused, words):
    assert words in str(refused)


def weighted(positions, cash, figures):
    values = {c: VIEW.mid_dirty[VIEW.index(c)] * f / 100 for c, f in positions.items()}
    nav = sum(values.values()) + cash
    return sum(v * figures[VIEW.index(c)] for c, v in values.items()) / nav, nav


@settings(max_examples=60, derandomize=True, deadline=None)
@given(books(), st.floats(0.5, 3), st.floats(5, 25), st.floats(1, 12), st.integers(1, 3), LOTS)
def test_barbell_has_its_duration(book, short, long, duration, names, lot):
    strategy = Barbell(short_years=short, long_years=long, duration=duration, names=names, lot=lot)
    try:
        plan = td.plan(strategy, VIEW, book)
    except Infeasible as refused:
        hold(refused, "is not between the ends'")
        return
    except PlanError as refused:
        hold(refused, "below a lot")
        return
    positions, cash = check(plan, book, lot)
    chosen = strategy.decide(VIEW, book).weights
    assert len(chosen) == 2 * names
    assert sum(chosen.values()) == pytest.approx(1)
    if book.unavailable or any(face % (lot * DOLLAR) for face in book.positions.values()):
        return
    found, nav = weighted(positions, cash, VIEW.modified_duration)
    rounding = (len(chosen) + 1) * lot * DOLLAR * 1.1 / nav + plan.cost_units / nav
    assert abs(found - duration) <= rounding * VIEW.modified_duration.max()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(books(), st.floats(0.01, 1), st.floats(0.01, 0.6), st.integers(1, 365), st.integers(1, 5), LOTS)
def test_overlay_covers_every_call(book, share, delta, days, names, lot):
    plan = td.plan(CoveredCallOverlay(share=share, delta=delta, days=days, names=names, lot=lot), VIEW, book)
    assert len(plan.writes) <= names
    assert not plan.orders
    for write in plan.writes:
        face, free = book.positions[write.cusip], book.available(write.cusip)
        assert write.face_units % (lot * DOLLAR) == 0
        assert 0 < write.face_units <= free
        assert face - free + write.face_units <= face * share
        assert write.security.kind in ("note", "bond")
        assert write.expiry < write.security.maturity_date
        assert write.delta <= delta + 1e-6
    written = {write.cusip: write.face_units + book.unavailable.get(write.cusip, 0) for write in plan.writes}
    if len(plan.writes) < names:
        again = td.Holdings("desk", book.positions, book.cash_units, {**book.unavailable, **written})
        assert not td.plan(CoveredCallOverlay(share=share, delta=delta, days=days, lot=lot), VIEW, again).writes


@settings(max_examples=60, derandomize=True, deadline=None)
@given(books(), st.floats(0.5, 28), st.floats(0.5, 10), st.integers(1, 4), LOTS)
def test_bullet_is_around_its_maturity(book, years, within, names, lot):
    strategy = Bullet(years=years, within_years=within, names=names, lot=lot)
    near = np.abs(VIEW.years_to_maturity - years)
    try:
        plan = td.plan(strategy, VIEW, book)
    except Infeasible:
        assert (near <= within).sum() < names
        return
    except PlanError as refused:
        hold(refused, "below a lot")
        return
    check(plan, book, lot)
    chosen = {VIEW.index(cusip) for cusip in strategy.decide(VIEW, book).weights}
    assert len(chosen) == names
    assert max(near[list(chosen)]) <= within
    assert max(near[list(chosen)]) <= min((near[i] for i in range(len(near)) if i not in chosen), default=np.inf)
    assert {VIEW.index(order.cusip) for order in plan.orders if order.side == "buy"} <= chosen


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    books(frozen=False),
    st.dictionaries(st.sampled_from(VIEW.cusips[6:]), st.floats(0.05, 0.3), max_size=3),
    st.sampled_from(["yield", "cost"]),
    st.sampled_from([0.02, 0.1]),
)
def test_key_rates_match(book, benchmark, seek, tolerance):
    strategy = KeyRateMatch(benchmark=benchmark, seek=seek, tolerance=tolerance)
    try:
        plan = td.plan(strategy, VIEW, book)
    except Infeasible:
        assert benchmark, "the book itself always matches itself"
        return
    positions, cash = check(plan, book, 1_000)
    start = weighted(book.positions, book.cash_units, VIEW.modified_duration)[1]
    for durations in VIEW.key_rate_durations.values():
        if benchmark:
            wanted = sum(weight * durations[VIEW.index(c)] for c, weight in benchmark.items())
        else:
            wanted = weighted(book.positions, book.cash_units, durations)[0]
        found = weighted(positions, cash, durations)[0]
        assert abs(found - wanted) <= tolerance + 1e-8
    if seek == "cost" and not benchmark:
        assert plan.orders == ()
    if seek == "yield" and not benchmark:
        assert (
            plan.after.yield_ * plan.after.nav - plan.cost_units / DOLLAR >= plan.before.yield_ * start / DOLLAR - 100
        )


def test_key_rates_of_a_view():
    rates = VIEW.key_rate_durations
    assert list(rates) == list(VIEW.curve)
    assert VIEW.key_rate_durations is rates, "computed once"
    place = VIEW.index("91282CPZ8")
    direct = KeyRates(td.Curve.bootstrap(VIEW.date, dict(VIEW.curve))).durations(
        VIEW.securities[place], settlement=VIEW.market_settlement_date
    )
    assert {tenor: float(years[place]) for tenor, years in rates.items()} == direct
    assert sum(direct.values()) == pytest.approx(VIEW.modified_duration[place], rel=0.01)
    with pytest.raises(ValueError, match="read-only"):
        rates["10 Yr"][0] = 1.0
    with pytest.raises(TypeError):
        rates["10 Yr"] = direct
    with pytest.raises(ConventionError, match="'4 Yr' is no tenor of 2026-03-24"):
        td.KeyRate("4 Yr", 0, 1).limits(VIEW)
    with pytest.raises(ConventionError, match="is not a band of years"):
        td.KeyRate("2 Yr", 1, 0)


@pytest.mark.parametrize(
    ("strategy", "settings_", "message"),
    [
        (Barbell, {"short_years": 10, "long_years": 2}, "short_years 10.0 is not below long_years 2.0"),
        (Bullet, {"names": 0}, "bullet: names: 0 is not allowed; expected a whole number, at least 1"),
        (KeyRateMatch, {"seek": "luck"}, "key-rate-match: seek: 'luck' is not allowed; expected one of"),
    ],
)
def test_bad_settings(strategy, settings_, message):
    with pytest.raises(ConventionError, match=message):
        strategy(**settings_)
