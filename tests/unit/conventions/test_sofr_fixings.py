"""SOFR compounds as its published index does."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

import tbill_defi as td

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
WEEK = {date(2026, 3, 23) + timedelta(days=n): 0.036 + 0.0001 * n for n in range(5)}


def test_a_weekend_is_three_days_of_fridays_rate():
    fixings = td.SofrFixings(WEEK)
    assert fixings.last_date == date(2026, 3, 30)
    steps = [1 + rate / 360 for rate in WEEK.values()]
    assert fixings.growth(date(2026, 3, 23), date(2026, 3, 27)) == pytest.approx(
        steps[0] * steps[1] * steps[2] * steps[3], abs=1e-15
    )
    over = fixings.growth(date(2026, 3, 27), date(2026, 3, 30))
    assert over == pytest.approx(1 + 0.0364 * 3 / 360, abs=1e-15)
    assert fixings.growth(date(2026, 3, 27), date(2026, 3, 28)) == pytest.approx(1 + 0.0364 / 360, abs=1e-15)
    assert fixings.rate(date(2026, 3, 27), date(2026, 3, 30)) == pytest.approx(0.0364)
    assert fixings.growth(date(2026, 3, 24), date(2026, 3, 24)) == 1.0


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason=f"no published data at {DATA}")
def test_the_published_index_is_reproduced():
    """1,250 values of 2019 to 2024, within the rounding of the index to 8 places and of each day's step."""
    frame = td.read_sofr(DATA / "sofr.csv")
    fixings = td.SofrFixings(dict(zip(frame["date"], frame["rate"], strict=True)))
    with (DATA / "sofr_index.csv").open() as file:
        index = {date.fromisoformat(row["Date"]): float(row["IDX"]) for row in csv.DictReader(file) if row["IDX"]}
    first, start = next(iter(index.items()))
    assert len(index) > 1_200
    for day, value in index.items():
        assert start * fixings.growth(first, day) == pytest.approx(value, abs=9e-9)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: td.SofrFixings({}), td.ConventionError, "no day has a rate"),
        (lambda: td.SofrFixings({date(2026, 3, 23): None}), td.ConventionError, "no day has a rate"),
        (lambda: td.SofrFixings({date(2026, 3, 23): 3.6}), td.ConventionError, "3.6 on 2026-03-23 is not a decimal"),
        (lambda: td.SofrFixings({date(2026, 3, 23): float("nan")}), td.ConventionError, "nan on 2026-03-23"),
        (
            lambda: td.SofrFixings({day: rate for day, rate in WEEK.items() if day != date(2026, 3, 25)}),
            td.DataError,
            "no rate of 2026-03-25, a business day; 1 such",
        ),
        (
            lambda: td.SofrFixings(WEEK).growth(date(2026, 3, 23), date(2026, 3, 31)),
            td.ConventionError,
            "not within 2026-03-23 to 2026-03-30",
        ),
        (lambda: td.SofrFixings(WEEK).rate(date(2026, 3, 24), date(2026, 3, 24)), td.ConventionError, "is not after"),
        (lambda: td.SofrFixings(WEEK).growth(date(2026, 3, 25), date(2026, 3, 24)), td.ConventionError, "is before"),
    ],
)
def test_bad_input_is_named(act, error, words):
    with pytest.raises(error, match=words):
        act()
