"""Yield conventions: enum members that know their arithmetic.

A convention turns a yield into a discount factor for each flow. Everything else (price, duration, convexity, the
yield of a price) follows from the factors and their derivatives, and is written once, in `pricing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tbill_defi.core.errors import ConventionError

Floats = NDArray[np.float64]


class Factors(NamedTuple):
    """Discount factors of the flows and their first and second derivatives in the yield, each [n_flows]."""

    value: Floats
    slope: Floats
    curvature: Floats


@dataclass(frozen=True, eq=False)
class CouponTimes:
    """Where the remaining flows of a coupon security lie, in quasi-coupon periods.

    Attributes
    ----------
    fraction
        Part of the current quasi-coupon period that is left: r/s of 31 CFR 356 Appendix B, in (0, 1].
    periods
        [n_flows] whole periods from the end of the current one to each flow.
    delays
        [n_flows] periods from each coupon date to its payment on a good day.
    days
        Actual days from settlement to the last flow.
    per_year
        Periods a year: 2 of Treasury securities.
    """

    fraction: float
    periods: Floats
    delays: Floats
    days: int
    per_year: int = 2

    @property
    def is_final_period(self) -> bool:
        """Whether only the final coupon remains, within the current period."""
        return len(self.periods) == 1 and self.periods[0] == 0.0


@dataclass(frozen=True)
class BillTimes:
    """Where the one flow of a bill lies.

    Attributes
    ----------
    days
        Actual days from settlement to maturity.
    year_days
        365, or 366 if a 29 February falls within the year that starts on the settlement date.
    delay_days
        Days from maturity to payment on a good day.
    """

    days: int
    year_days: int
    delay_days: int


Times = CouponTimes | BillTimes


class YieldArithmetic(Protocol):
    """What a member of `YieldConvention` carries."""

    def factors(self, times: Times, yield_: float) -> Factors:
        """Discount factors of the flows at a decimal yield."""
        ...

    def years(self, times: Times) -> Floats:
        """[n_flows] times in years that a Macaulay duration weighs."""
        ...

    def lowest_yield(self, times: Times) -> float:
        """Yields must be above this, where the discount factors are infinite."""
        ...


def simple_factors(years: float, yield_: float) -> Factors:
    """Factor 1 / (1 + years x yield) of simple interest, and its derivatives."""
    value = 1.0 / (1.0 + years * yield_)
    return Factors(
        np.array([value]), np.array([-years * value * value]), np.array([2.0 * years * years * value * value * value])
    )


def product(left: Factors, right: Factors) -> Factors:
    """Factors of discounting by both."""
    return Factors(
        left.value * right.value,
        left.slope * right.value + left.value * right.slope,
        left.curvature * right.value + 2.0 * left.slope * right.slope + left.value * right.curvature,
    )


def _compound(times: Floats, yield_: float, per_year: int) -> Factors:
    """Factors (1 + yield/per_year)^-times, times in periods."""
    part = 1.0 / per_year
    base = 1.0 + yield_ * part
    value = base**-times
    slope = -part * times * value / base
    return Factors(value, slope, -part * (times + 1.0) * slope / base)


def _bond_equivalent(days: int, year_days: int, yield_: float) -> Factors:
    """31 CFR 356 Appendix B, VI.D: simple up to half a year, then one half-year's interest is compounded."""
    years = days / year_days
    if years <= 0.5:
        return simple_factors(years, yield_)
    return product(simple_factors(years - 0.5, yield_), simple_factors(0.5, yield_))


def _bond_equivalent_lowest(days: int, year_days: int) -> float:
    years = days / year_days
    return -1.0 / years if years <= 0.5 else -2.0


@dataclass(frozen=True)
class _SimpleFirstPeriod:
    """31 CFR 356 Appendix B, II: simple interest in the fractional period, compound after it."""

    def factors(self, times: Times, yield_: float) -> Factors:
        if isinstance(times, BillTimes):
            return _bond_equivalent(times.days, times.year_days, yield_)
        first = simple_factors(times.fraction / times.per_year, yield_)
        return product(_compound(times.periods, yield_, times.per_year), first)

    def years(self, times: Times) -> Floats:
        if isinstance(times, BillTimes):
            return np.array([times.days / times.year_days])
        return (times.periods + times.fraction) / times.per_year

    def lowest_yield(self, times: Times) -> float:
        if isinstance(times, BillTimes):
            return _bond_equivalent_lowest(times.days, times.year_days)
        return -times.per_year / times.fraction if times.is_final_period else -float(times.per_year)


@dataclass(frozen=True)
class _Compound:
    """Compound interest to every flow; simple once only the final coupon remains."""

    on_payment_dates: bool

    def factors(self, times: Times, yield_: float) -> Factors:
        if isinstance(times, BillTimes):
            return _bond_equivalent(self._days(times), times.year_days, yield_)
        years = self.years(times)
        if times.is_final_period:
            return simple_factors(float(years[0]), yield_)
        return _compound(times.per_year * years, yield_, times.per_year)

    def years(self, times: Times) -> Floats:
        if isinstance(times, BillTimes):
            return np.array([self._days(times) / times.year_days])
        nominal = times.periods + times.fraction
        return (nominal + times.delays if self.on_payment_dates else nominal) / times.per_year

    def lowest_yield(self, times: Times) -> float:
        if isinstance(times, BillTimes):
            return _bond_equivalent_lowest(self._days(times), times.year_days)
        return -1.0 / float(self.years(times)[0]) if times.is_final_period else -float(times.per_year)

    def _days(self, times: BillTimes) -> int:
        return times.days + (times.delay_days if self.on_payment_dates else 0)


@dataclass(frozen=True)
class _MoneyMarket:
    """Simple interest, Act/360, on a single remaining flow."""

    def factors(self, times: Times, yield_: float) -> Factors:
        return simple_factors(self._term(times), yield_)

    def years(self, times: Times) -> Floats:
        return np.array([self._term(times)])

    def lowest_yield(self, times: Times) -> float:
        return -1.0 / self._term(times)

    def _term(self, times: Times) -> float:
        if isinstance(times, CouponTimes) and not times.is_final_period:
            raise ConventionError(
                "convention: MONEY_MARKET is defined when only the final payment remains; "
                f"{len(times.periods)} remain, use STREET or TREASURY"
            )
        return times.days / 360.0


class YieldConvention(Enum):
    """How a yield discounts; always passed, never assumed. Yields are decimal.

    TREASURY
        31 CFR 356 Appendix B: simple interest in the fractional first period, compound semiannually after it. The
        convention of auctions. Bills: investment rate (coupon-equivalent yield).
    STREET
        Compound at the coupon's frequency, also in the fractional first period; simple once only the final coupon
        remains. The convention of secondary trading: ActAct(Bond), semiannual for Treasury securities, 30/360 for
        corporate and municipal bonds (MSRB Rule G-33). Bills: bond-equivalent yield, which is the investment rate:
        simple on 365 (366) days up to half a year, then compounded once.
    TRUE_YIELD
        STREET with each flow on the good settlement day it is paid on.
    MONEY_MARKET
        Simple, Act/360; only when one payment remains.
    """

    TREASURY = _SimpleFirstPeriod()
    STREET = _Compound(on_payment_dates=False)
    TRUE_YIELD = _Compound(on_payment_dates=True)
    MONEY_MARKET = _MoneyMarket()

    @property
    def arithmetic(self) -> YieldArithmetic:
        """The member's arithmetic."""
        arithmetic: YieldArithmetic = self.value
        return arithmetic
