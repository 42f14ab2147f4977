"""The reference CPI of Treasury inflation-protected securities: a value for each day from the monthly CPI-U."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.errors import ConventionError, DataError

LAG_MONTHS = 3
"""The first day of a month has the CPI of three months before."""
LOWEST, HIGHEST = 50.0, 5_000.0
"""CPI-U, 1982-84 = 100: what is outside is no CPI; the first TIPS has 158.43548."""

_PUBLISHED = Decimal("0.001")
_DIGITS = 40


def truncated_and_rounded(value: Fraction) -> Decimal:
    """`value` truncated to six decimals, then rounded half up to five (31 CFR 356 Appendix B, I.B)."""
    truncated = Decimal(math.floor(value * 10**6)).scaleb(-6)
    return truncated.quantize(Decimal("0.00001"), ROUND_HALF_UP)


def checked_cpi(name: str, value: float) -> float:
    """`value` if it can be a CPI-U (1982-84 = 100).

    Raises
    ------
    ConventionError
        If it is not finite, or not between 50 and 5,000.
    """
    if not LOWEST <= value <= HIGHEST:
        raise ConventionError(f"{name}: {value:g} is not a CPI-U (1982-84 = 100) such as 324.088")
    return float(value)


class ReferenceCpi:
    """Reference CPI by the day: as published, else interpolated from the monthly CPI-U with its lag of three months.

    Parameters
    ----------
    daily
        Published reference CPI of single days, 5 decimals.
    monthly
        CPI-U, not seasonally adjusted, by the first day of its month, 3 decimals. What `daily` says of the first and
        the last days of months is added: such a day is the CPI of a month.

    Notes
    -----
    31 CFR 356 Appendix B, I.B: on day t of a month of D days, CPI(m-3) + (t - 1)/D (CPI(m-2) - CPI(m-3)), truncated to
    six decimals and rounded to five. A month whose CPI is not there is taken from the month before it,
    CPI(m-1) (CPI(m-1)/CPI(m-13))^(1/12), to 3 decimals; a second such month in a row is an error.
    """

    def __init__(self, daily: Mapping[date, Decimal], monthly: Mapping[date, Decimal]) -> None:
        self._daily = dict(daily)
        self._monthly = _implied_months(self._daily) | dict(monthly)

    @classmethod
    def of_daily(cls, values: Mapping[date, float] | Iterable[tuple[date, float]]) -> ReferenceCpi:
        """From days and their reference CPI, such as the rows of `read_reference_cpi`."""
        return cls(_decimals("reference CPI", values), {})

    @classmethod
    def of_monthly(cls, values: Mapping[date, float] | Iterable[tuple[date, float]]) -> ReferenceCpi:
        """From months (any day of each) and their CPI-U, not seasonally adjusted."""
        return cls({}, {day.replace(day=1): value for day, value in _decimals("CPI-U", values).items()})

    def on(self, day: date) -> Decimal:
        """Reference CPI of a day, 5 decimals.

        Raises
        ------
        DataError
            If the CPI it needs is not there, and the fallback does not reach it; names month and day.
        """
        known = self._daily.get(day)
        if known is not None:
            return known
        first = day.replace(day=1)
        here, there = self._cpi(add_months(first, -LAG_MONTHS), day), None
        if day == first:
            return here.quantize(Decimal("0.00001"))
        there = self._cpi(add_months(first, 1 - LAG_MONTHS), day)
        days = (add_months(first, 1) - first).days
        step = Fraction(there) - Fraction(here)
        return truncated_and_rounded(Fraction(here) + Fraction(day.day - 1, days) * step)

    def is_estimated(self, day: date) -> bool:
        """Whether the day's value rests on the fallback for a month without a CPI."""
        if day in self._daily:
            return False
        first = day.replace(day=1)
        needed = [add_months(first, -LAG_MONTHS)] + ([] if day == first else [add_months(first, 1 - LAG_MONTHS)])
        return any(month not in self._monthly for month in needed)

    def _cpi(self, month: date, day: date) -> Decimal:
        known = self._monthly.get(month)
        if known is not None:
            return known
        before, year_before = (self._monthly.get(add_months(month, -back)) for back in (1, 13))
        if before is None or year_before is None:
            last = max((m for m in self._monthly if m < month), default=None)
            ends = f"; the last one before it is of {last:%Y-%m}" if last else "; there is none before it"
            raise DataError(
                f"reference CPI of {day}: needs the CPI-U of {month:%Y-%m}, which is not there{ends}, and the fallback "
                f"of 31 CFR 356 needs those of {add_months(month, -1):%Y-%m} and {add_months(month, -13):%Y-%m}"
            )
        with localcontext() as context:
            context.prec = _DIGITS
            growth = (before / year_before) ** (Decimal(1) / Decimal(12))
            return (before * growth).quantize(_PUBLISHED, ROUND_HALF_UP)


def _decimals(name: str, values: Mapping[date, float] | Iterable[tuple[date, float]]) -> dict[date, Decimal]:
    pairs = values.items() if isinstance(values, Mapping) else values
    return {day: Decimal(repr(checked_cpi(f"{name} of {day}", value))) for day, value in pairs}


def _implied_months(daily: Mapping[date, Decimal]) -> dict[date, Decimal]:
    """The months' CPI that the first and last days of months determine."""
    found = {add_months(day, -LAG_MONTHS): value for day, value in daily.items() if day.day == 1}
    for day, value in daily.items():
        first, following = day.replace(day=1), day + timedelta(days=1)
        if following.day == 1 and following not in daily and first in daily:
            start = daily[first]
            with localcontext() as context:
                context.prec, context.rounding = _DIGITS, ROUND_FLOOR
                end = start + (value - start) * day.day / (day.day - 1)
            found[add_months(following, -LAG_MONTHS)] = end.quantize(_PUBLISHED, ROUND_HALF_UP)
    return found
