from datetime import date

import pytest

from tbill_defi.core.clock import (
    SHOWN_UNTIL,
    SimulatedClock,
    age_days,
    market_date,
    moment,
    new_york_midnight,
    parse_time,
)
from tbill_defi.core.errors import UsageError


def test_the_market_date_is_new_yorks():
    # 2026-08-22 02:00 UTC is still 21 August in New York (UTC-4)
    assert market_date(parse_time("2026-08-22T02:00+00:00")) == date(2026, 8, 21)
    assert market_date(parse_time("2026-08-21T15:00-04:00")) == date(2026, 8, 21)


@pytest.mark.parametrize(("day", "utc"), [(date(2026, 1, 15), "05:00"), (date(2026, 7, 15), "04:00")])
def test_midnight_in_new_york_follows_daylight_saving(day, utc):
    assert new_york_midnight(day) == parse_time(f"{day}T{utc}+00:00")


def test_a_time_without_offset_is_new_yorks():
    assert parse_time("2026-08-21T15:00") == parse_time("2026-08-21T15:00-04:00")
    with pytest.raises(UsageError, match="ISO 8601"):
        parse_time("yesterday")


def test_a_time_that_no_calendar_has_is_a_number():
    assert moment(1_774_378_800) == "2026-03-24 15:00:00 EDT"
    assert moment(SHOWN_UNTIL - 1).startswith("6325-")
    assert [moment(time) for time in (SHOWN_UNTIL, 2**64 - 1)] == ["137438953472", "18446744073709551615"]


def test_a_simulated_clock_only_goes_forward():
    clock = SimulatedClock(100)
    clock.advance(5)
    assert clock.now() == 105
    with pytest.raises(UsageError, match="go back"):
        clock.advance(-1)


def test_age():
    assert age_days(date(2026, 7, 30), date(2026, 8, 21)) == 22
