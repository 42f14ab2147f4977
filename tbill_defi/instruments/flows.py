"""Resolved terms: dated, unadjusted cash flows, immutable."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.schedules import quasi_coupon_dates

HALF = Fraction(1, 2)
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class CashFlows:
    """What a security pays, per 100 face, and the periods its interest accrues in.

    Attributes
    ----------
    dates
        [n_flows] datetime64[D], ascending, unadjusted: payment is made on the next good settlement day.
    amounts
        [n_flows] float64, interest and principal; the last holds the principal of 100.
    coupons
        [n_flows] float64, the interest in `amounts`, each the correctly rounded value of
        100 x coupon x year fraction.
    fractions
        [n_flows] exact ActAct(ICMA) year fractions of the coupons: 1/2 in a regular period.
    accrual_start
        First day of interest: the dated date.
    first_settlement
        Earliest settlement: the issue date.
    quasi_dates
        [n_periods + 1] dates that bound the quasi-coupon periods, from the last cycle date at or before
        `accrual_start` to maturity.
    first_flow
        Index in `quasi_dates` of `dates[0]`: 1, or more in a long first period.
    rate
        Exact annual interest per 100 face.
    periods_per_year
        Regular coupon periods in a year: 2 of every Treasury security.
    last_part
        Part of a regular period that the last one is.
    """

    dates: NDArray[np.datetime64]
    amounts: NDArray[np.float64]
    coupons: NDArray[np.float64]
    fractions: tuple[Fraction, ...]
    accrual_start: date
    first_settlement: date
    quasi_dates: tuple[date, ...]
    first_flow: int
    rate: Fraction
    periods_per_year: int = 2
    last_part: float = 1.0

    @property
    def maturity(self) -> date:
        """Date of the last flow."""
        return self.quasi_dates[-1]

    @property
    def payment_dates(self) -> tuple[date, ...]:
        """`dates` as `datetime.date`."""
        return self.quasi_dates[self.first_flow :]

    def accrued(self, day: date) -> Fraction:
        """Exact interest per 100 face at `day` since the last coupon date, or since `accrual_start`; 0 on one."""
        if not self.rate:
            return self.rate
        dates = self.accrual_dates
        return self.rate * accrued_fraction(dates[: bisect_right(dates, day) + 1], self.accrues_from(day), day)

    @property
    def accrual_dates(self) -> tuple[date, ...]:
        """Dates that bound the quasi-coupon periods in which interest accrues."""
        return self.quasi_dates

    def accrues_from(self, day: date) -> date:
        """Since when interest at `day` has accrued: the last coupon date, or `accrual_start`."""
        end = bisect_right(self.quasi_dates, day)
        return self.quasi_dates[end - 1] if end > self.first_flow else self.accrual_start

    def part_left(self, day: date) -> float:
        """Part of the current quasi-coupon period that is left at `day`, by actual days; in (0, 1]."""
        end = bisect_right(self.quasi_dates, day)
        left, right = self.quasi_dates[end - 1], self.quasi_dates[end]
        return (right - day).days / (right - left).days


def accrued_fraction(quasi_dates: tuple[date, ...], start: date, end: date) -> Fraction:
    """ActAct(ICMA) year fraction from `start` to `end`, exact.

    Each quasi-coupon period counts half a year; a part of one counts its actual days over the period's days
    (31 CFR 356 Appendix B, I.B; long first periods are the sum of their parts).
    """
    total = Fraction(0)
    first = max(bisect_right(quasi_dates, start) - 1, 0)
    for left, right in pairwise(quasi_dates[first:]):
        days = (min(end, right) - max(start, left)).days
        if days > 0:
            total += Fraction(days, 2 * (right - left).days)
    return total


def frozen(values: list[float]) -> NDArray[np.float64]:
    """A read-only array."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def day_numbers(days: Iterable[date]) -> NDArray[np.int64]:
    """Days since 1970-01-01."""
    return np.array([day.toordinal() for day in days], dtype=np.int64) - EPOCH


def frozen_dates(days: tuple[date, ...]) -> NDArray[np.datetime64]:
    """A read-only array of days."""
    array = day_numbers(days).view("datetime64[D]")
    array.flags.writeable = False
    return array


def exact_rate(coupon: float) -> Fraction:
    """Exact annual interest per 100 face of a decimal rate."""
    return Fraction(Decimal(repr(float(coupon)))) * 100


@lru_cache(maxsize=4096)
def _rates(coupon: float) -> tuple[Fraction, float, float]:
    """Exact annual interest per 100 face of a decimal rate; floats nearest to half of it, bare and with 100 more."""
    rate = exact_rate(coupon)
    return rate, float(rate * HALF), float(rate * HALF + 100)


@lru_cache(maxsize=4096)
def coupon_flows(
    coupon: float, dated_date: date, maturity: date, first_coupon_date: date | None, issue_date: date
) -> CashFlows:
    """Flows of a fixed semiannual coupon; a function of the terms alone."""
    quasi = quasi_coupon_dates(dated_date, maturity)
    first = 1 if first_coupon_date is None else quasi.index(first_coupon_date)
    paid = quasi[first:]
    whole = first == 1 and quasi[0] == dated_date
    initial = HALF if whole else accrued_fraction(quasi[: first + 1], dated_date, paid[0])
    fractions = (initial, *([HALF] * (len(paid) - 1)))
    rate, regular, last = _rates(coupon)
    coupons = [regular if whole else float(rate * initial), *([regular] * (len(paid) - 1))]
    last = last if fractions[-1] is HALF else float(rate * initial + 100)
    return CashFlows(
        dates=frozen_dates(paid),
        amounts=frozen([*coupons[:-1], last]),
        coupons=frozen(coupons),
        fractions=fractions,
        accrual_start=dated_date,
        first_settlement=issue_date,
        quasi_dates=quasi,
        first_flow=first,
        rate=rate,
    )


def discount_flow(issue_date: date, maturity: date) -> CashFlows:
    """The one flow of a bill: 100 at maturity, in one period; it accrues nothing."""
    return _payment((issue_date, maturity), issue_date)


def single_flow(start: date, maturity: date) -> CashFlows:
    """The one flow of a strip: 100 at maturity, in the semiannual periods before it; it accrues nothing."""
    return _payment(quasi_coupon_dates(start, maturity), start)


@lru_cache(maxsize=4096)
def _payment(quasi_dates: tuple[date, ...], start: date) -> CashFlows:
    return CashFlows(
        dates=frozen_dates(quasi_dates[-1:]),
        amounts=frozen([100.0]),
        coupons=frozen([0.0]),
        fractions=(Fraction(0),),
        accrual_start=start,
        first_settlement=start,
        quasi_dates=quasi_dates,
        first_flow=len(quasi_dates) - 1,
        rate=Fraction(0),
    )
