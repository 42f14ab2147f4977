"""Two wild years of published curves, day by day: every day's profit is explained by revaluation, without a plug."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tbill_defi as td
from bench.universe import universe
from tbill_defi.portfolio.pnl_explain import explain

PATH = Path(__file__).resolve().parents[4] / "shared" / "data" / "par_yields.csv"
UNITS = 10**6

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not PATH.exists(), reason=f"no published data at {PATH}")]


@pytest.mark.parametrize("year", [2008, 2020])
def test_a_year_of_days(year):
    """Prices are the curve plus a spread that wanders by security, rounded as quotes are; holdings in base units."""
    frame = td.read_par_yields(PATH).filter(pl.col("date").dt.year() == year)
    days = frame["date"].to_list()
    history = td.CurveHistory.of(frame)
    end = date(year + 1, 1, 31)
    book = td.Book([s for s in universe(80, days[0], seed=year) if s.maturity_date > end][:40])
    rng = np.random.default_rng(year)
    faces = {cusip: int(face) for cusip, face in zip(book.cusips, rng.integers(1, 10**13, len(book)), strict=True)}
    held = np.array(list(faces.values()))
    spreads = rng.normal(0.0, 2e-4, len(book))
    states = []
    for day in days:
        curve = history.curve(day)
        spreads = 0.98 * spreads + rng.normal(0.0, 5e-5, len(book))
        dirty = book.dirty_prices(curve, day)
        duration = book.analytics(curve=curve, settlement=day, convention=td.YieldConvention.STREET).dv01 * 1e4
        states.append((day, curve, np.round(dirty - book.accrued(day) - duration * spreads, 6)))
    small, carries = 0, 0
    for start, close in pairwise(states):
        found = explain(book, faces, start=start, end=close)
        opening, closing = (clean + book.accrued(day) for day, _, clean in (start, close))
        nav = held @ opening / 100.0
        paid = found.profit - (held @ closing - held @ opening) / 100.0
        assert paid > -1.0  # coupons of the day, and no more than half a year's of all of them
        assert paid < 0.06 * nav
        small += abs(found.residual) <= 0.05e-4 * nav
        carries += found.carry > 0
        assert abs(found.spread) < 0.02 * nav
    assert small >= 0.99 * (len(states) - 1)
    assert carries > 0.95 * (len(states) - 1)
