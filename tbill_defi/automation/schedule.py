"""When a schedule falls due: New York times on trading days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tbill_defi.automation.rules import WEEKDAYS, ScheduleTrigger
from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.clock import NEW_YORK, market_date

SEARCH_DAYS = 70
"""Longer than any two months: a schedule has an occurrence in every such stretch."""


def is_occurrence(trigger: ScheduleTrigger, day: date) -> bool:
    """Whether the schedule has an occurrence on a day, which is then a trading day."""
    if not TRADING.is_good(day):
        return False
    match trigger.every:
        case "daily":
            return True
        case "weekly":
            wanted = WEEKDAYS.index(trigger.weekday or WEEKDAYS[0])
            named = day - timedelta(days=(day.weekday() - wanted) % 7)
            return TRADING.following(named) == day
        case "month-start":
            return TRADING.following(day.replace(day=1)) == day
        case "month-end":
            return TRADING.advance(day, 1).month != day.month


def moment(trigger: ScheduleTrigger, day: date) -> int:
    """Unix seconds of the schedule's time on a day."""
    return int(datetime.combine(day, trigger.at, NEW_YORK).timestamp())


def latest(trigger: ScheduleTrigger, now: int) -> date | None:
    """The last occurrence that is due at a time; None if there is none in `SEARCH_DAYS`."""
    today = market_date(now)
    days = (today - timedelta(days=n) for n in range(SEARCH_DAYS))
    return next((day for day in days if is_occurrence(trigger, day) and moment(trigger, day) <= now), None)


def following(trigger: ScheduleTrigger, now: int) -> int | None:
    """Unix seconds of the first occurrence after a time; None if the calendar ends before."""
    today = market_date(now)
    days = (today + timedelta(days=n) for n in range(SEARCH_DAYS))
    return next((moment(trigger, d) for d in days if is_occurrence(trigger, d) and moment(trigger, d) > now), None)
