from __future__ import annotations

from datetime import date

import pytest

from tbill_defi.conventions import add_months, coupon_dates, is_month_end, quasi_coupon_dates
from tbill_defi.conventions.schedules import days_in_year_from


def test_month_end_schedules_stay_at_month_ends() -> None:
    # 31 CFR 356 Appendix B, I.A.1: 29 February to 31 August in a leap year
    days = coupon_dates(date(2023, 2, 28), date(2025, 2, 28))
    assert days == (date(2023, 8, 31), date(2024, 2, 29), date(2024, 8, 31), date(2025, 2, 28))
    assert all(is_month_end(day) for day in days)


def test_a_maturity_within_the_month_keeps_its_day() -> None:
    assert coupon_dates(date(2026, 5, 15), date(2027, 11, 15)) == (
        date(2026, 11, 15),
        date(2027, 5, 15),
        date(2027, 11, 15),
    )


def test_short_first_period_starts_inside_a_quasi_period() -> None:
    # Appendix B, II.B
    assert quasi_coupon_dates(date(1990, 4, 2), date(1991, 3, 31)) == (
        date(1990, 3, 31),
        date(1990, 9, 30),
        date(1991, 3, 31),
    )


def test_long_first_period_leaves_a_cycle_date_out() -> None:
    # Appendix B, II.C
    days = coupon_dates(date(1990, 3, 1), date(1991, 11, 15), date(1990, 11, 15))
    assert days == (date(1990, 11, 15), date(1991, 5, 15), date(1991, 11, 15))


@pytest.mark.parametrize(
    ("day", "months", "end_of_month", "moved"),
    [
        (date(2024, 8, 31), 6, False, date(2025, 2, 28)),
        (date(2024, 8, 31), -6, False, date(2024, 2, 29)),
        (date(2025, 2, 28), 6, False, date(2025, 8, 28)),
        (date(2025, 2, 28), 6, True, date(2025, 8, 31)),
        (date(2024, 11, 15), 2, False, date(2025, 1, 15)),
        (date(2024, 1, 15), -1, False, date(2023, 12, 15)),
        (date(2024, 6, 30), 6, True, date(2024, 12, 31)),
    ],
)
def test_add_months(day: date, months: int, end_of_month: bool, moved: date) -> None:
    assert add_months(day, months, end_of_month=end_of_month) == moved


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (date(2023, 2, 28), 365),
        (date(2023, 3, 1), 366),
        (date(2024, 2, 28), 366),
        (date(2024, 2, 29), 366),
        (date(2024, 3, 1), 365),
        (date(2027, 2, 28), 365),
        (date(2027, 3, 1), 366),
        (date(2099, 6, 1), 365),
    ],
)
def test_the_year_that_starts_on_a_day(day: date, days: int) -> None:
    assert days_in_year_from(day) == days
