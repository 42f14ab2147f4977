"""Schedules fall on trading days, at a New York time, on both sides of a clock change."""

from datetime import date

import pytest

from tbill_defi.automation.rules import ScheduleTrigger
from tbill_defi.automation.schedule import following, is_occurrence, latest, moment
from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.clock import parse_time


def every(what, weekday=None, at="15:00"):
    return ScheduleTrigger(every=what, at=at, weekday=weekday)


def days(trigger, first, last):
    return [
        d
        for d in (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
        if is_occurrence(trigger, d)
    ]


def test_daily_is_every_trading_day():
    span = date(2026, 3, 30), date(2026, 4, 8)
    assert days(every("daily"), *span) == TRADING.good_days(*span)


def test_month_start_and_end():
    """1 May 2026 is a Friday, 31 May a Sunday; 1 January and Labor Day are holidays."""
    year = date(2026, 1, 1), date(2026, 12, 31)
    starts, ends = days(every("month-start"), *year), days(every("month-end"), *year)
    assert len(starts) == len(ends) == 12
    assert starts[0] == date(2026, 1, 2)
    assert starts[7] == date(2026, 8, 3)
    assert ends[4] == date(2026, 5, 29)
    for start, end in zip(starts, ends, strict=True):
        good = TRADING.good_days(start.replace(day=1), end)
        assert (start, end) == (good[0], good[-1])


def test_weekly_moves_to_the_next_trading_day():
    """Labor Day, Monday 2026-09-07; Friday 2026-06-19 is a holiday and its occurrence is the Monday after."""
    assert days(every("weekly", "monday"), date(2026, 9, 1), date(2026, 9, 15)) == [date(2026, 9, 8), date(2026, 9, 14)]
    assert days(every("weekly", "friday"), date(2026, 6, 15), date(2026, 6, 26)) == [
        date(2026, 6, 22),
        date(2026, 6, 26),
    ]


def test_once_a_week():
    for weekday in ("monday", "wednesday", "friday"):
        assert len(days(every("weekly", weekday), date(2026, 1, 1), date(2026, 12, 31))) == 52


@pytest.mark.parametrize(("text", "day"), [("2026-03-24T14:59:59", "2026-03-23"), ("2026-03-24T15:00", "2026-03-24")])
def test_due_from_its_second_on(text, day):
    assert latest(every("daily"), parse_time(text)) == date.fromisoformat(day)


def test_next_is_after_now_and_knows_summer_time():
    daily = every("daily")
    assert following(daily, parse_time("2026-03-06T15:00-05:00")) == parse_time("2026-03-09T15:00-04:00")
    assert moment(daily, date(2026, 11, 2)) == parse_time("2026-11-02T15:00-05:00")


def test_before_the_first_time_there_is_the_month_before():
    assert latest(every("month-end"), parse_time("2026-03-24T15:00")) == date(2026, 2, 27)
