"""Months of days and days of months, against numpy's calendar."""

from __future__ import annotations

from datetime import date

import numpy as np

from tbill_defi.pricing.book.columns import END_OF_MONTH, cycle_days, day_number, months_of

DAYS = np.arange(day_number(date.min), day_number(date.max) + 1)


def test_every_day_of_the_calendar_has_its_month_and_place_in_it() -> None:
    expected = DAYS.astype("datetime64[D]").astype("datetime64[M]")
    months, days = months_of(DAYS)
    np.testing.assert_array_equal(months, expected.astype(np.int64))
    np.testing.assert_array_equal(days, DAYS - expected.astype("datetime64[D]").astype(np.int64) + 1)


def test_every_day_is_the_cycle_day_of_its_month() -> None:
    months, days = months_of(DAYS)
    np.testing.assert_array_equal(cycle_days(months, days), DAYS)


def test_a_month_without_the_day_has_its_last() -> None:
    months, _ = months_of(DAYS)
    ends = months_of(DAYS + 1)[1] == 1
    np.testing.assert_array_equal(cycle_days(months, np.full_like(months, END_OF_MONTH))[ends], DAYS[ends])
