"""Coupon schedules: counted backward from maturity, unadjusted, end-of-month when the maturity is one."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

MONTHS_PER_PERIOD = 6
"""Treasury notes and bonds pay twice a year."""
SHORTEST_MONTH = 28


def is_month_end(day: date) -> bool:
    """Whether `day` is the last day of its month."""
    return (day + timedelta(days=1)).day == 1


def month_end(year: int, month: int) -> date:
    """Last day of a month."""
    return date(year, month, monthrange(year, month)[1])


def add_months(day: date, months: int, *, end_of_month: bool = False) -> date:
    """`day` moved by whole months.

    The day of the month stays, or becomes the month's last if there is no such day; with `end_of_month` it is
    always the month's last.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if day.day <= SHORTEST_MONTH and not end_of_month:
        return date(year, month + 1, day.day)
    last = month_end(year, month + 1)
    return last if end_of_month or day.day >= last.day else date(year, month + 1, day.day)


def quasi_coupon_dates(start: date, maturity: date, months: int = MONTHS_PER_PERIOD) -> tuple[date, ...]:
    """Cycle dates from the last one at or before `start` to `maturity`, ascending.

    Consecutive dates bound the quasi-coupon periods of 31 CFR 356 Appendix B: full half-years, whether or not a
    coupon is paid at their end. Each date is counted from maturity, so short months leave no trace.

    Parameters
    ----------
    start
        A date before `maturity`, usually the dated date.
    maturity
        Last date of the cycle; if it ends a month, every date does.
    months
        Between two dates, at most 12: 6, or 3 for a floating rate note.
    """
    end_of_month = is_month_end(maturity)
    day, dates = maturity.day, [maturity]
    while dates[-1] > start:
        if day <= SHORTEST_MONTH and not end_of_month:
            year, month = dates[-1].year, dates[-1].month - months
            dates.append(date(year, month, day) if month > 0 else date(year - 1, month + 12, day))
        else:
            dates.append(add_months(maturity, -months * len(dates), end_of_month=end_of_month))
    return tuple(reversed(dates))


def coupon_dates(dated_date: date, maturity: date, first_coupon_date: date | None = None) -> tuple[date, ...]:
    """Unadjusted coupon dates after `dated_date`, ascending; the last is `maturity`.

    Parameters
    ----------
    dated_date
        Interest accrues from this date.
    maturity
        Last coupon and principal.
    first_coupon_date
        Leaves out cycle dates before it (a long first period); None: the first cycle date after `dated_date`.
    """
    first = first_coupon_date or dated_date + timedelta(days=1)
    return tuple(day for day in quasi_coupon_dates(dated_date, maturity) if day >= first)


def days_in_year_from(day: date) -> int:
    """366 if a 29 February falls within the year that starts on `day`, else 365.

    The `y` of 31 CFR 356 Appendix B, VI.D, and of bond-equivalent yields of bills.
    """
    leap_year = day.year if (day.month, day.day) <= (2, 29) else day.year + 1
    try:
        date(leap_year, 2, 29)
    except ValueError:
        return 365
    if day.year == leap_year:
        return 366
    return 366 if (day.month, day.day) >= (3, 1) else 365
