"""The index of Treasury floating rate notes: the rate of 13-week bill auctions, by the day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise
from typing import Any

from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.core.errors import ConventionError, DataError

TERM = "13-Week"
LOCKOUT_DAYS = 2
"""Good settlement days before a payment or a settlement whose new rates do not count."""
LONGEST_WEEK_DAYS = 8
"""A 13-week bill is auctioned each week, after a holiday a day later: an older rate means that one is missing."""
LARGEST_RATE = 0.5

_PLACES = Decimal("0.000000001")
_DIGITS = 40


def index_rate(discount_rate: float, days: int) -> Decimal:
    """Index rate of a 13-week auction's high discount rate: d / (1 - d days/360), decimal, rounded to 9 places.

    Parameters
    ----------
    discount_rate
        Decimal, Act/360 on face.
    days
        From the bill's issue to its maturity, 91 or a day either way.

    Raises
    ------
    ConventionError
        If the rate looks like percent, or is not finite.

    Notes
    -----
    31 CFR 356 Appendix B, I.C.
    """
    if not -LARGEST_RATE <= discount_rate <= LARGEST_RATE:
        raise ConventionError(f"discount_rate: {discount_rate:g} is not a decimal rate such as 0.0365")
    with localcontext() as context:
        context.prec = _DIGITS
        rate = Decimal(repr(float(discount_rate)))
        return (rate / (1 - rate * days / 360)).quantize(_PLACES, ROUND_HALF_UP)


class FrnIndex:
    """Index rates by the day they take effect: the day after the auction.

    Parameters
    ----------
    rates
        Day of effect -> decimal rate, 9 places.
    """

    def __init__(self, rates: Mapping[date, Decimal]) -> None:
        self._days = sorted(rates)
        self._rates = [rates[day] for day in self._days]

    @classmethod
    def of_auctions(cls, rows: Iterable[Mapping[str, Any]]) -> FrnIndex:
        """From auction records; all but those of 13-week bills are passed over.

        Parameters
        ----------
        rows
            With the columns of `read_auctions`, such as its `iter_rows(named=True)`.
        """
        rates = {}
        for row in rows:
            if row["type"] == "Bill" and row["securityTerm"] == TERM and row["highDiscountRate"] is not None:
                days = (row["maturityDate"] - row["issueDate"]).days
                rates[row["auctionDate"] + timedelta(days=1)] = index_rate(row["highDiscountRate"], days)
        return cls(rates)

    def held(self, day: date, until: date) -> FrnIndex:
        """The index if the rate projected on `day` stays: it takes effect again each week, up to `until`.

        Rates that take effect in the lockout before `day`, or later, are left out.

        Raises
        ------
        DataError
            If the rate of the day is not known.
        """
        rate, first = self.on(day, end=day), self.lockout(day)
        rates = {at: known for at, known in zip(self._days, self._rates, strict=True) if at < first}
        weeks = range(0, (until - first).days + 1, 7)
        return FrnIndex(rates | {first + timedelta(days=n): rate for n in weeks})

    @staticmethod
    def lockout(end: date) -> date:
        """First day of the lockout before a payment or settlement on `end`: the second good day before it."""
        return SETTLEMENT.advance(end, -LOCKOUT_DAYS)

    def on(self, day: date, *, end: date) -> Decimal:
        """Rate that accrues on `day` towards a payment or settlement on `end`.

        The latest rate in effect; one that takes effect in the lockout before `end` does not count.

        Raises
        ------
        DataError
            If no rate is known, or the latest one is so old that an auction after it is missing.
        """
        last = min(day, self.lockout(end) - timedelta(days=1))
        place = bisect_right(self._days, last) - 1
        if place < 0 or (last - self._days[place]).days > LONGEST_WEEK_DAYS:
            before = (
                f"the last one before it was on {self._days[place] - timedelta(days=1)}" if place >= 0 else "none is"
            )
            raise DataError(
                f"FRN index of {last}: no 13-week bill auction of the {LONGEST_WEEK_DAYS} days before it is known "
                f"({before}); import the auctions of {last - timedelta(days=LONGEST_WEEK_DAYS)} to {last}"
            )
        return self._rates[place]

    def between(self, start: date, stop: date, *, end: date) -> list[tuple[int, Decimal]]:
        """(days, rate) of the days from `start` to before `stop`, those of one rate together; `on` for each.

        Raises
        ------
        DataError
            If a day's rate is not known.
        """
        if start >= stop:
            return []
        # a rate may change where one takes effect; ages are checked at the last day of each stretch
        first, last = bisect_right(self._days, start), bisect_left(self._days, stop)
        edges = [start, *self._days[first:last], stop]
        found = []
        for left, right in pairwise(edges):
            found.append(((right - left).days, self.on(right - timedelta(days=1), end=end)))
        return found
