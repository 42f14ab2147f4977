"""Many curves at once are the curves that QuantLib builds one at a time."""

from datetime import date

import numpy as np
import pytest

from tbill_defi.conventions import add_months
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.curve_grid import FAR_DAYS, CurveGrid, months_after

TENORS = ("1 Mo", "1.5 Mo", "3 Mo", "6 Mo", "1 Yr", "2 Yr", "3 Yr", "5 Yr", "7 Yr", "10 Yr", "20 Yr", "30 Yr")
NAN = float("nan")
ROWS = {
    date(1990, 1, 2): [NAN, NAN, 0.0783, 0.0789, 0.0781, 0.0787, 0.0790, 0.0787, 0.0798, 0.0794, NAN, 0.0800],
    date(2000, 2, 29): [NAN, NAN, 0.0579, 0.0606, 0.0622, 0.0652, 0.0655, 0.0660, 0.0664, 0.0642, 0.0653, 0.0614],
    date(2003, 8, 31): [0.0097, NAN, 0.0098, 0.0105, 0.0131, 0.0186, 0.0235, 0.0346, 0.0401, 0.0445, 0.0537, NAN],
    date(2020, 3, 31): [0.0005, NAN, 0.0011, 0.0015, 0.0017, 0.0023, 0.0029, 0.0037, 0.0055, 0.0070, 0.0115, 0.0135],
    date(2026, 8, 21): [0.038, 0.0377, 0.0388, 0.0395, 0.0403, 0.0424, 0.0431, 0.0443, 0.0457, 0.0474, 0.0525, 0.0527],
}


@pytest.fixture(scope="module")
def grid():
    return CurveGrid.from_par_yields(list(ROWS), TENORS, np.array(list(ROWS.values())))


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_discount_factors_are_those_of_quantlib(grid, row):
    day, rates = list(ROWS.items())[row]
    curve = Curve.bootstrap(day, dict(zip(TENORS, rates, strict=True)), "log_linear")
    offsets = np.arange(len(curve.factors) + 5_000)
    ours = np.exp(-grid.logarithms(np.full(len(offsets), row), offsets))
    theirs = curve.discount_factors(np.datetime64(day) + offsets)
    assert np.abs(ours - theirs).max() < 1e-13


def test_the_last_forward_goes_on(grid):
    last = grid.logarithms(np.array([0, 0, 0]), np.array([20_000, 20_001, FAR_DAYS]))
    assert last[1] - last[0] == pytest.approx((last[2] - last[1]) / (FAR_DAYS - 20_001), rel=1e-9)


@pytest.mark.parametrize("months", [1, 6, 18, 120])
def test_months_are_those_of_the_calendar(months):
    days = [date(2000, 2, 29), date(2001, 8, 31), date(1969, 12, 31), date(2024, 1, 30)]
    numbers = np.array(days, dtype="datetime64[D]").astype(np.int64)
    expected = np.array([add_months(day, months) for day in days], dtype="datetime64[D]").astype(np.int64)
    assert months_after(numbers, months).tolist() == expected.tolist()


def test_a_row_with_one_tenor_is_named():
    rows = np.array([[0.01, 0.02], [NAN, 0.02]])
    with pytest.raises(ConventionError, match="2020-01-03: a curve needs at least two tenors"):
        CurveGrid.from_par_yields([date(2020, 1, 2), date(2020, 1, 3)], ("3 Mo", "1 Yr"), rows)
