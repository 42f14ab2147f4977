"""The two calendars of the Treasury market: days that trade, and days that settle.

They differ: on 2026-04-03, a Good Friday with an employment report, there is a curve and trading until noon,
but nothing settles. Both are QuantLib's `UnitedStates.GovernmentBond` with dated exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType

from tbill_defi.core.errors import ConventionError

FIRST_DAY = date(1962, 1, 2)
"""First day of the calendars: the Treasury's yield curve begins here."""
LAST_DAY = date(2150, 12, 31)

NOT_TRADING: Mapping[date, str] = MappingProxyType(
    {
        date(1994, 4, 27): "national day of mourning, President Nixon; the Treasury published no curve",
        date(2001, 9, 11): "market closed; the Treasury published no curve",
        date(2001, 9, 12): "market closed; the Treasury published no curve",
    }
)
"""Days that QuantLib counts as business days and on which the market did not trade."""

NOT_SETTLING: Mapping[date, str] = MappingProxyType(
    {
        **NOT_TRADING,
        date(2018, 12, 5): "national day of mourning, President G. H. W. Bush; the New York Fed published no SOFR",
        date(2021, 4, 2): "Good Friday; early close for trading, no SOFR",
        date(2023, 4, 7): "Good Friday; early close for trading, no SOFR",
        date(2026, 4, 3): "Good Friday; SIFMA holiday recommendations 2026: early close, not a settlement day",
    }
)
"""Days that QuantLib counts as business days and on which Treasuries do not settle."""


SATURDAY = 5


@cache
def _holidays(year: int) -> frozenset[date]:
    """Weekdays of a year on which the market is closed."""
    from QuantLib import Date, UnitedStates

    calendar = UnitedStates(UnitedStates.GovernmentBond)
    found = calendar.holidayList(Date(1, 1, year), Date(31, 12, year), False)
    return frozenset(date(year, int(day.month()), int(day.dayOfMonth())) for day in found)


class MarketCalendar:
    """Good days of one activity of the US Treasury market.

    Parameters
    ----------
    name
        "trading" or "settlement"; used in errors.
    exceptions
        Date -> reason: days that are not good although QuantLib's calendar says so.
    """

    def __init__(self, name: str, exceptions: Mapping[date, str]) -> None:
        self.name = name
        self.exceptions = exceptions

    def __repr__(self) -> str:
        return f"MarketCalendar({self.name!r})"

    def is_good(self, day: date) -> bool:
        """Whether `day` is a good day.

        Raises
        ------
        ConventionError
            If `day` is outside 1962 to 2150, where no calendar is known.
        """
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ConventionError(f"date: {day} is outside {FIRST_DAY} to {LAST_DAY}, the days of the calendars")
        return day.weekday() < SATURDAY and day not in _holidays(day.year) and day not in self.exceptions

    def following(self, day: date) -> date:
        """`day` if it is good, else the next good day."""
        while not self.is_good(day):
            day += timedelta(days=1)
        return day

    def preceding(self, day: date) -> date:
        """`day` if it is good, else the last good day before it."""
        while not self.is_good(day):
            day -= timedelta(days=1)
        return day

    def advance(self, day: date, days: int) -> date:
        """The good day `days` good days after `day` (before it, if negative); 0 is `following`.

        `day` itself is not counted, good or not: from a Saturday, 1 is Monday.
        """
        if days == 0:
            return self.following(day)
        step = timedelta(days=1 if days > 0 else -1)
        for _ in range(abs(days)):
            day += step
            while not self.is_good(day):
                day += step
        return day

    def good_days(self, first: date, last: date) -> list[date]:
        """Good days in [first, last], ascending."""
        span = (last - first).days + 1
        return [day for day in (first + timedelta(days=n) for n in range(span)) if self.is_good(day)]


TRADING = MarketCalendar("trading", NOT_TRADING)
"""Days with a curve: the market trades, if only until noon."""

SETTLEMENT = MarketCalendar("settlement", NOT_SETTLING)
"""Days on which Treasuries settle and payments are made (SIFMA's recommendations)."""


def is_trading_day(day: date) -> bool:
    """Whether the market trades and the Treasury publishes a curve on `day`."""
    return TRADING.is_good(day)


def is_settlement_day(day: date) -> bool:
    """Whether Treasuries settle on `day` by market convention."""
    return SETTLEMENT.is_good(day)


def settlement_date(trade_date: date, days: int = 1) -> date:
    """Settlement date by market convention: `days` good settlement days after the trade date.

    Parameters
    ----------
    trade_date
        A trading day.
    days
        1 for secondary trading (T+1); 0 is cash settlement, moved to the next good day if need be.

    Raises
    ------
    ConventionError
        If `trade_date` is not a trading day, or `days` is negative.

    Notes
    -----
    Trades of 2026-04-02 and of 2026-04-03 both settle on 2026-04-06.
    """
    if days < 0:
        raise ConventionError(f"days: {days} is negative; a trade settles 0, 1 or more days after it")
    if not TRADING.is_good(trade_date):
        last = TRADING.preceding(trade_date)
        raise ConventionError(f"trade_date: {trade_date:%Y-%m-%d, a %A,} is not a trading day; the last one is {last}")
    return SETTLEMENT.advance(trade_date, days)
