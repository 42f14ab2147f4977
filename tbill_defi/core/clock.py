"""Ledger time is integer Unix seconds UTC; the market date of a time is its New York date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as day_time
from typing import Protocol
from zoneinfo import ZoneInfo

from tbill_defi.core.errors import UsageError

NEW_YORK = ZoneInfo("America/New_York")
SHOWN_UNTIL = 2**37
"""Unix seconds, in the year 6325: what is later is said as a number, or as without end."""


class Clock(Protocol):
    """Where time comes from. Injected; nothing below the command line reads the wall clock."""

    def now(self) -> int:
        """Unix seconds UTC."""
        ...


class SystemClock:
    """The machine's clock: the one place of the framework that reads it."""

    def now(self) -> int:
        """Unix seconds UTC."""
        return int(time.time())


@dataclass
class SimulatedClock:
    """A clock that stands still until it is set or advanced."""

    seconds: int

    def now(self) -> int:
        """Unix seconds UTC."""
        return self.seconds

    def advance(self, seconds: int) -> None:
        """Move forward."""
        if seconds < 0:
            raise UsageError(f"clock: cannot go back {-seconds} s; ledger time never decreases")
        self.seconds += seconds


def market_date(timestamp: int) -> date:
    """New York date of a ledger time."""
    return datetime.fromtimestamp(timestamp, NEW_YORK).date()


def new_york_midnight(day: date) -> int:
    """Unix seconds of the start of `day` in New York: a record time."""
    return int(datetime.combine(day, day_time(), NEW_YORK).timestamp())


def parse_time(text: str) -> int:
    """Unix seconds of an ISO 8601 time with offset, such as 2026-08-21T15:00-04:00.

    Without an offset the time is New York's.

    Raises
    ------
    UsageError
        If the text is not such a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"time: {text!r} is not ISO 8601 such as 2026-08-21T15:00-04:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=NEW_YORK)
    return int(moment.timestamp())


def moment(timestamp: int) -> str:
    """A ledger time in New York, to the second; beyond `SHOWN_UNTIL` the number that it is."""
    if timestamp >= SHOWN_UNTIL:
        return str(timestamp)
    return datetime.fromtimestamp(timestamp, NEW_YORK).strftime("%Y-%m-%d %H:%M:%S %Z")


def age_days(earlier: date, later: date) -> int:
    """Calendar days from `earlier` to `later`."""
    return (later - earlier) // timedelta(days=1)
