"""Laws that hold for every book: of any mix of types, at any yields, on any day of their lives."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tbill_defi as td
from bench.universe import frn_index, universe
from tbill_defi.conventions import YieldConvention
from tests.property.pricing.test_properties import fixed

CONVENTIONS = st.sampled_from([YieldConvention.TREASURY, YieldConvention.STREET, YieldConvention.TRUE_YIELD])
DAYS = st.dates(date(2025, 1, 2), date(2026, 12, 30))
BUMP = 1e-6


def book_on(day: date, seed: int) -> td.Book:
    """Bills, notes, bonds, TIPS, floating rate notes, a strip, a callable bond and a note with an odd last coupon."""
    others: list[Any] = [
        td.Strip(cusip="912820XX0", maturity_date=day + timedelta(days=1 + seed % 9_000)),
        td.CorporateBond(
            cusip="594918BZ6",
            coupon=0.01 * (seed % 9),
            dated_date=day - timedelta(days=seed % 700),
            maturity_date=date(day.year + 12, 6, 15),
            call_schedule=((date(day.year + 2, 6, 15), 102.0), (date(day.year + 5, 3, 1), 100.0)),
        ),
        td.Note(
            cusip="91282CQX2",
            coupon=0.04,
            dated_date=day - timedelta(days=seed % 300),
            maturity_date=date(day.year + 4, 2, 16) + timedelta(days=seed % 150),
            penultimate_coupon_date=date(day.year + 3, 8, 15),
        ),
    ]
    return td.Book([*universe(25, day, seed=seed, floating=0.2), *others], frn_index=frn_index(day))


@fixed
@given(DAYS, st.integers(0, 10**6), CONVENTIONS)
def test_round_trips_bumps_and_order(day: date, seed: int, convention: YieldConvention) -> None:
    book = book_on(day, seed)
    yields = np.random.default_rng(seed).uniform(-0.01, 0.12, len(book))
    at: dict[str, Any] = {"settlement": day, "convention": convention}
    low, mid, high = (book.analytics(yields=yields + move, **at) for move in (-BUMP, 0.0, BUMP))
    assert (low.dirty_price > mid.dirty_price).all()
    assert (mid.dirty_price > high.dirty_price).all()
    np.testing.assert_allclose(mid.dv01, (low.dirty_price - high.dirty_price) / (2 * BUMP) * 1e-4, rtol=0, atol=1e-8)
    slope = (low.dv01 - high.dv01) / (2 * BUMP) * 1e4
    np.testing.assert_allclose(mid.convexity, slope / mid.dirty_price, rtol=1e-5, atol=1e-5)
    back = book.analytics(clean_prices=mid.clean_price, **at)
    np.testing.assert_allclose(back.yield_, yields, rtol=0, atol=1e-11)
    np.testing.assert_allclose(mid.clean_price + mid.accrued, mid.dirty_price, rtol=0, atol=1e-12)
    assert mid.yield_to_worst is not None
    assert (mid.discount_margin is None) == all(security.kind != "frn" for security in book.columns.securities)
    assert (mid.yield_to_worst <= mid.yield_ + 1e-14).all()


@fixed
@given(DAYS, st.integers(0, 10**6), st.floats(-0.02, 0.04))
def test_spreads_explain_prices_and_key_rates_add_up(day: date, seed: int, spread: float) -> None:
    book = book_on(day, seed)
    curve = td.Curve.svensson(day, parameters=[0.045, -0.01, -0.02, 0.02, 1.5, 9.0])
    prices = book.prices_at_spreads(curve, np.full(len(book), spread), day)
    np.testing.assert_allclose(book.z_spreads(curve, prices - book.accrued(day), day), spread, rtol=0, atol=1e-10)
    found = book.analytics(curve=curve, settlement=day, convention=YieldConvention.STREET, key_years=(1.0, 5.0, 20.0))
    assert found.key_rate_dv01 is not None
    assert found.effective_duration is not None
    total = found.effective_duration * found.dirty_price * 1e-4
    np.testing.assert_allclose(found.key_rate_dv01.sum(axis=1), total, rtol=0, atol=1e-12)
