"""Many curves at once are the curves that QuantLib builds one at a time."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tbill_defi.conventions import add_months
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import Note
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.curve_history import FAR_DAYS, CurveHistory
from tbill_defi.pricing.history_bootstrap import months_after

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TENORS = ("1 Mo", "1.5 Mo", "3 Mo", "6 Mo", "1 Yr", "2 Yr", "3 Yr", "5 Yr", "7 Yr", "10 Yr", "20 Yr", "30 Yr")
NAN = float("nan")
ROWS = {
    date(1990, 1, 2): [NAN, NAN, 0.0783, 0.0789, 0.0781, 0.0787, 0.0790, 0.0787, 0.0798, 0.0794, NAN, 0.0800],
    date(2000, 2, 29): [NAN, NAN, 0.0579, 0.0606, 0.0622, 0.0652, 0.0655, 0.0660, 0.0664, 0.0642, 0.0653, 0.0614],
    date(2003, 8, 31): [0.0097, NAN, 0.0098, 0.0105, 0.0131, 0.0186, 0.0235, 0.0346, 0.0401, 0.0445, 0.0537, NAN],
    date(2020, 3, 31): [0.0005, NAN, 0.0011, 0.0015, 0.0017, 0.0023, 0.0029, 0.0037, 0.0055, 0.0070, 0.0115, 0.0135],
    date(2026, 8, 21): [0.038, 0.0377, 0.0388, 0.0395, 0.0403, 0.0424, 0.0431, 0.0443, 0.0457, 0.0474, 0.0525, 0.0527],
}


METHODS = ["monotone_convex", "log_linear"]


def history(method="monotone_convex"):
    return CurveHistory.bootstrap(list(ROWS), TENORS, list(ROWS.values()), method)


@pytest.fixture(scope="module", params=METHODS)
def curves(request):
    return history(request.param)


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_discount_factors_are_those_of_quantlib(curves, row):
    day, rates = list(ROWS.items())[row]
    curve = Curve.bootstrap(day, dict(zip(TENORS, rates, strict=True)), curves.interpolation)
    offsets = np.arange(len(curve.factors) + 5_000)
    ours = np.exp(-curves.logarithms(np.full(len(offsets), row), offsets))
    theirs = curve.discount_factors(np.datetime64(day) + offsets)
    assert np.abs(ours - theirs).max() < 1e-13


@pytest.mark.parametrize("seed", range(5))
def test_curves_of_any_shape_are_those_of_quantlib(seed):
    """Steps of a percent between neighbours reach every region of the interpolation."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.choice(np.arange(7_000, 20_000), 40, replace=False)).astype("datetime64[D]")
    rates = 0.05 + 0.01 * rng.uniform(-1, 1, (40, len(TENORS)))
    rates[:, 6:] = rates[:, 5:6] + 0.004 * rng.uniform(-1, 1, (40, len(TENORS) - 6))
    rates[rng.uniform(size=rates.shape) < 0.1] = np.nan
    many = CurveHistory.bootstrap(days, TENORS, rates)
    for place in range(0, 40, 4):
        curve = Curve.bootstrap(days[place].astype(date), dict(zip(TENORS, rates[place], strict=True)))
        offsets = np.arange(len(curve.factors))
        assert np.abs(np.exp(-many.logarithms(np.full(len(offsets), place), offsets)) - curve.factors).max() < 1e-12


@pytest.mark.realdata
@pytest.mark.parametrize("method", METHODS)
def test_every_day_since_1990_has_its_curve(method):
    frame = pl.read_csv(DATA / "par_yields.csv", try_parse_dates=True).rename({"Date": "date"})
    frame = frame.with_columns(pl.exclude("date").cast(pl.Float64) / 100.0)
    many = CurveHistory.of(frame, method)
    assert len(many) == frame.height == 9166
    worst = 0.0
    for place in range(0, len(many), 101):
        day = many.dates[place].astype(date)
        curve = Curve.bootstrap(day, dict(zip(many.tenors, many.par_yields[place], strict=True)), method)
        offsets = np.arange(1, len(curve.factors))
        logs = many.logarithms(np.full(len(offsets), place), offsets)
        worst = max(worst, np.abs((logs + np.log(curve.factors[1:])) / offsets * 365.0).max())
    assert worst < 1e-12


def test_the_last_forward_goes_on(curves):
    last = curves.logarithms(np.array([0, 0, 0]), np.array([20_000, 20_001, FAR_DAYS]))
    assert last[1] - last[0] == pytest.approx((last[2] - last[1]) / (FAR_DAYS - 20_001), rel=1e-9)


def test_zero_rates_stand_by_day_and_tenor(curves):
    rates = curves.zero_rates()
    assert rates.shape == (len(ROWS), len(TENORS))
    assert np.isnan(rates[2, -1])  # beyond the 20-year, the last tenor of that day
    assert np.isfinite(rates[0, 1])  # between nodes: not published, but on the curve
    for row, day in enumerate(ROWS):
        curve = Curve.bootstrap(day, dict(zip(TENORS, curves.par_yields[row], strict=True)), curves.interpolation)
        assert rates[row, 9] == pytest.approx(curve.zero_rate(add_months(day, 120)), abs=1e-13)


def test_a_day_is_a_curve_like_any():
    many = history()
    day = date(2026, 8, 21)
    note = Note(cusip="91282CPE5", coupon=0.035, dated_date=date(2025, 10, 31), maturity_date=date(2027, 10, 31))
    curve = Curve.bootstrap(day, dict(zip(TENORS, ROWS[day], strict=True)))
    assert many.curve(day).clean_price(note, settlement=day) == pytest.approx(
        curve.clean_price(note, settlement=day), abs=1e-11
    )
    with pytest.raises(DataError, match="2026-08-20 has no curve; the nearest are of 2020-03-31 and 2026-08-21"):
        many.curve(date(2026, 8, 20))


def test_a_file_gives_the_same_history(curves, tmp_path):
    path = tmp_path / "curves.parquet"
    curves.write(path)
    back = CurveHistory.read(path)
    assert back.interpolation is curves.interpolation
    assert back.tenors == curves.tenors
    assert np.array_equal(back.logs, curves.logs)
    assert np.array_equal(pl.read_parquet(path)["zero 10 Yr"].to_numpy(), curves.zero_rates(["10 Yr"])[:, 0])


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(DataError, match=r"other.parquet: not a history of curves"):
        CurveHistory.read(path)
    with pytest.raises(DataError, match=r"missing.parquet: not a history of curves"):
        CurveHistory.read(tmp_path / "missing.parquet")


@pytest.mark.parametrize("months", [1, 6, 18, 120])
def test_months_are_those_of_the_calendar(months):
    days = [date(2000, 2, 29), date(2001, 8, 31), date(1969, 12, 31), date(2024, 1, 30)]
    numbers = np.array(days, dtype="datetime64[D]").astype(np.int64)
    expected = np.array([add_months(day, months) for day in days], dtype="datetime64[D]").astype(np.int64)
    assert months_after(numbers, months).tolist() == expected.tolist()


TWO = [date(2020, 1, 2), date(2020, 1, 3)]


@pytest.mark.parametrize(
    ("dates", "tenors", "rows", "words"),
    [
        (TWO, ("3 Mo", "1 Yr"), [[0.01, 0.02], [NAN, 0.02]], "2020-01-03: a curve needs at least two tenors"),
        (TWO, ("3 Mo", "1 Yr"), [[0.01, 0.02], [0.01, 1.9]], r"2020-01-03, 1 Yr: 1.9 looks like percent"),
        (TWO, ("3 Mo", "1 Yr"), [[0.01, 0.02], [0.01, float("inf")]], r"2020-01-03, 1 Yr: inf looks like percent"),
        (TWO, ("1 Yr", "3 Mo"), [[0.01, 0.02]] * 2, "'3 Mo' is not longer than the one before it"),
        (TWO, ("3 Mo", "15 Mo"), [[0.01, 0.02]] * 2, "'15 Mo' is not whole half-years"),
        (TWO[::-1], ("3 Mo", "1 Yr"), [[0.01, 0.02]] * 2, "2020-01-02 is not after the day before it"),
        (TWO, ("3 Mo", "1 Yr"), [[0.01, 0.02]], r"shape \(1, 2\) is not \(2, 2\)"),
        ([], ("3 Mo", "1 Yr"), np.zeros((0, 2)), "no days"),
        (
            TWO,
            ("1 Yr", "10 Yr", "30 Yr"),
            [[0.01, 0.02, 0.02], [0.01, 0.01, 0.24]],
            "2020-01-03: no monotone_convex curve passes",
        ),
    ],
)
def test_bad_rows_are_named(dates, tenors, rows, words):
    with pytest.raises(ConventionError, match=words):
        CurveHistory.bootstrap(dates, tenors, rows)


def test_an_unknown_interpolation_is_named():
    with pytest.raises(ConventionError, match="'cubic' is not monotone_convex or log_linear"):
        history("cubic")
