"""When a backtest asks its strategy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tbill_defi.core.errors import UsageError

ON_MATURITY = "maturity"
PERIODS = ("daily", "weekly", "monthly", "quarterly", "annual")
FREQUENCIES = (*PERIODS, ON_MATURITY)
"""Each the first trading day of its period; "maturity": the days on which principal is paid."""


def _period(day: date, frequency: str) -> tuple[int, ...]:
    match frequency:
        case "daily":
            return day.year, day.month, day.day
        case "weekly":
            return day.isocalendar()[:2]
        case "monthly":
            return day.year, day.month
        case "quarterly":
            return day.year, (day.month - 1) // 3
        case _:
            return (day.year,)


def decision_days(days: Sequence[date], frequency: str) -> set[date]:
    """The first of the days in each period; the first day of all in any case.

    Raises
    ------
    UsageError
        If the frequency is unknown.
    """
    if frequency not in FREQUENCIES:
        raise UsageError(f"frequency: {frequency!r} is not one of {', '.join(FREQUENCIES)}")
    if frequency == ON_MATURITY:
        return set(days[:1])
    chosen: set[date] = set()
    last: tuple[int, ...] = ()
    for day in days:
        period = _period(day, frequency)
        if period != last:
            chosen.add(day)
        last = period
    return chosen
