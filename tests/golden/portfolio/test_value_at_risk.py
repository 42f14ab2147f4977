"""Value at risk of a book held through 36 years of published curves: as often broken as it says it is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import tbill_defi as td
from bench.universe import universe
from tbill_defi.portfolio.value_at_risk import PositionRisk
from tbill_defi.pricing.curve_moves import CurveMoves

PATH = Path(__file__).resolve().parents[4] / "shared" / "data" / "par_yields.csv"
LAST = date(2026, 8, 21)

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not PATH.exists(), reason=f"no published data at {PATH}")]


@pytest.fixture(scope="module")
def held():
    """Forty securities of all terms, and the moves of all years."""
    history = td.CurveHistory.of(td.read_par_yields(PATH))
    book = td.Book(universe(40, LAST, seed=9))
    faces = dict.fromkeys(book.cusips, 10**12)
    return PositionRisk(book, faces, history.curve(LAST), settlement=LAST), CurveMoves.of(history)


@pytest.mark.parametrize("window", [250, 500, 1000])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_filtered_value_at_risk_holds(held, level, window):
    """As many losses beyond it as the level says, and no clusters of them, at 5% significance."""
    risk, moves = held
    found = risk.backtest(moves, level=level, window=window, filtered=True)
    assert found.days > 8_000
    assert found.kupiec_p > 0.05
    assert found.christoffersen_p > 0.05


def test_plain_historical_value_at_risk_does_not(held):
    """A fixed window forgets how wild the market is today: 1994, 2008, 2020 and 2022 break it."""
    risk, moves = held
    assert risk.backtest(moves, level=0.99, window=500).kupiec_p < 0.01
