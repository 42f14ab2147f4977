"""SOFR compounded over days, as the New York Fed's index and every SOFR swap and floater do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from itertools import accumulate, pairwise

from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.core.errors import ConventionError, DataError

YEAR_DAYS = 360
LARGEST_RATE = 0.25
"""Fixings beyond it are taken for percent."""


class SofrFixings:
    """Growth of a dollar rolled overnight at SOFR.

    A business day's rate runs, simple on Act/360, to the next business day; what has grown by then is lent again.

    Parameters
    ----------
    rates
        Day -> decimal rate; None on holidays, as files have it.

    Raises
    ------
    ConventionError
        If a rate looks like percent, or there is none.
    DataError
        If a business day between the first and the last rate has none.

    Notes
    -----
    New York Fed, "Additional Information about Reference Rates", SOFR Index; ISDA 2006 section 7.1(g), compounding in
    arrears.
    """

    def __init__(self, rates: Mapping[date, float | None]) -> None:
        known = sorted((day, rate) for day, rate in rates.items() if rate is not None)
        if not known:
            raise ConventionError("rates: no day has a rate")
        for day, rate in known:
            if not abs(rate) <= LARGEST_RATE:
                raise ConventionError(f"rates: {rate:g} on {day} is not a decimal rate such as 0.0431")
        self._days = [day for day, _ in known]
        self._rates = [rate for _, rate in known]
        missing = sorted(set(SETTLEMENT.good_days(self._days[0], self._days[-1])) - set(self._days))
        if missing:
            raise DataError(f"sofr: no rate of {missing[0]}, a business day; {len(missing)} such days are missing")
        spans = [(later - day).days for day, later in pairwise(self._days)]
        steps = (1.0 + rate * span / YEAR_DAYS for rate, span in zip(self._rates, spans, strict=False))
        self._growth = list(accumulate(steps, lambda grown, step: grown * step, initial=1.0))

    @property
    def first_date(self) -> date:
        """First day with a rate."""
        return self._days[0]

    @property
    def last_date(self) -> date:
        """The day to which the rates run: the business day after the last of them."""
        return SETTLEMENT.advance(self._days[-1], 1)

    def growth(self, start: date, end: date) -> float:
        """What a dollar of `start` has become by `end`: the ratio of the SOFR index on both days.

        On a day that is no business day, the rate of the one before has run simple up to it.

        Raises
        ------
        ConventionError
            If `end` is before `start`, or the rates do not reach from one to the other.
        """
        if end < start:
            raise ConventionError(f"end: {end} is before the start {start}")
        if start < self.first_date or end > self.last_date:
            raise ConventionError(
                f"sofr: {start} to {end} is not within {self.first_date} to {self.last_date}, which the rates cover"
            )
        return self._until(end) / self._until(start)

    def rate(self, start: date, end: date) -> float:
        """Compounded rate from `start` to `end`: decimal, simple on Act/360. Errors as of `growth`."""
        if end <= start:
            raise ConventionError(f"end: {end} is not after the start {start}")
        return (self.growth(start, end) - 1.0) * YEAR_DAYS / (end - start).days

    def _until(self, day: date) -> float:
        place = bisect_right(self._days, day) - 1
        return self._growth[place] * (1.0 + self._rates[place] * (day - self._days[place]).days / YEAR_DAYS)
