"""Profits come apart into what made them."""

from datetime import date

import numpy as np
import pytest

import tbill_defi as td
from bench.universe import universe
from tbill_defi.core.errors import ConventionError
from tbill_defi.portfolio.pnl_explain import explain

FIRST, LAST = date(2026, 3, 24), date(2026, 3, 25)
STREET = td.YieldConvention.STREET
PAR = {"3 Mo": 0.0373, "1 Yr": 0.0372, "2 Yr": 0.0385, "5 Yr": 0.041, "10 Yr": 0.0435, "30 Yr": 0.0494}
BOOK = td.Book([s for s in universe(60, FIRST, seed=2) if s.maturity_date > LAST])
FACE = {cusip: (2 if i % 3 else -1) * 10**12 + 31 * i for i, cusip in enumerate(BOOK.cusips)}


def curve(day, level=0.0, slope=0.0, bump=None):
    years = {"3 Mo": 0.25, "1 Yr": 1, "2 Yr": 2, "5 Yr": 5, "10 Yr": 10, "30 Yr": 30}
    par = {k: v + level + slope * np.log(years[k] / 5) for k, v in PAR.items()}
    return td.Curve.bootstrap(day, par | (bump or {}))


def clean(day, on, spread_bp=0.0, places=6):
    prices = BOOK.dirty_prices(on, day) - BOOK.accrued(day)
    found = BOOK.analytics(clean_prices=prices, settlement=day, convention=STREET)
    return np.round(prices - found.dv01 * spread_bp, places)


def whole(day, prices):
    dirty = prices + BOOK.accrued(day)
    return sum(face * price / 100 for face, price in zip(FACE.values(), dirty.tolist(), strict=True))


NAV = abs(whole(FIRST, clean(FIRST, curve(FIRST))))


def run(after, spread_bp=0.0, last=LAST, face=FACE):
    start, end = clean(FIRST, curve(FIRST)), clean(last, after, spread_bp)
    return explain(BOOK, face, start=(FIRST, curve(FIRST), start), end=(last, after, end)), start, end


def test_parts_add_up_to_the_profit_of_the_ledger():
    found, start, end = run(curve(LAST, 0.0007, 0.0002, {"5 Yr": 0.0425}), spread_bp=1.5)
    assert found.profit == pytest.approx(whole(LAST, end) - whole(FIRST, start), abs=2)  # no coupon on that day
    assert abs(found.residual) <= 3  # one rounding each
    assert abs(found.residual) < 0.05e-4 * NAV


def test_a_curve_that_stands_still_leaves_carry_and_roll_down():
    found, _, _ = run(curve(LAST))
    assert found.carry != 0
    assert found.roll_down != 0
    small = 2e-6 * sum(map(abs, FACE.values())) / 100 * 100  # prices are rounded to 6 decimals
    for part in (found.level, found.slope, found.curvature):
        assert abs(part) < 0.02 * abs(found.carry)
    assert abs(found.spread) <= small


def test_carry_is_the_yield_of_the_day():
    found, start, _ = run(curve(LAST))
    own = BOOK.analytics(clean_prices=start, settlement=FIRST, convention=STREET)
    earned = sum(
        face * price / 100 * np.log1p(rate / 2) * 2 / 365
        for face, price, rate in zip(FACE.values(), own.dirty_price, own.yield_, strict=True)
    )
    assert found.carry == pytest.approx(earned, rel=0.02)


@pytest.mark.parametrize(("level", "slope", "name"), [(0.001, 0.0, "level"), (0.0, 0.0005, "slope")])
def test_a_move_goes_where_it_belongs(level, slope, name):
    longest = {max(BOOK.columns.securities, key=lambda security: security.maturity_date).cusip: 10**12}
    found, _, _ = run(curve(LAST, level, slope), face=longest)
    still, _, _ = run(curve(LAST), face=longest)
    parts, base = found.parts, still.parts
    gained = {part: parts[part] - base[part] for part in parts}
    assert abs(gained[name]) > 4 * max(abs(value) for part, value in gained.items() if part != name)


def test_level_is_dv01_times_the_move():
    found, start, _ = run(curve(LAST, 0.0001))
    own = BOOK.analytics(clean_prices=start, settlement=FIRST, convention=STREET)
    dollars = -sum(face * dv01 / 100 for face, dv01 in zip(FACE.values(), own.dv01, strict=True))
    assert found.level == pytest.approx(dollars, rel=0.03)


def test_a_bulge_is_curvature_and_a_spread_is_spread():
    bulge, _, _ = run(curve(LAST, bump={"5 Yr": PAR["5 Yr"] + 0.002}))
    assert abs(bulge.curvature) > abs(bulge.slope)
    wide, _, _ = run(curve(LAST), spread_bp=5.0)
    own = BOOK.analytics(clean_prices=clean(FIRST, curve(FIRST)), settlement=FIRST, convention=STREET)
    dollars = -5.0 * sum(face * dv01 / 100 for face, dv01 in zip(FACE.values(), own.dv01, strict=True))
    assert wide.spread == pytest.approx(dollars, rel=0.01)


def test_a_coupon_on_the_way_is_income():
    day = date(2026, 4, 1)
    found, start, end = run(curve(day), last=day)
    paid = sum(
        face * security.coupon / 2
        for security, face in zip(BOOK.columns.securities, FACE.values(), strict=True)
        if security.kind != "bill" and any(FIRST < flow <= day for flow in security.resolve().payment_dates)
    )
    assert paid != 0
    assert found.profit == pytest.approx(whole(day, end) + paid - whole(FIRST, start), abs=5)
    assert abs(found.residual) <= 3


def test_bad_input_is_named():
    prices = clean(FIRST, curve(FIRST))
    with pytest.raises(ConventionError, match="end: 2026-03-24 is not after the start 2026-03-25"):
        explain(BOOK, FACE, start=(LAST, curve(LAST), prices), end=(FIRST, curve(FIRST), prices))
    with pytest.raises(ConventionError, match="000000000 is not in the book"):
        explain(BOOK, {"000000000": 1}, start=(FIRST, curve(FIRST), prices), end=(LAST, curve(LAST), prices))
