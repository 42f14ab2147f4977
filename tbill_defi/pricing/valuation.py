"""The one place where terms, a settlement date and a convention meet: factors, price, derivatives, the solver."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.conventions.schedules import add_months, days_in_year_from, is_month_end
from tbill_defi.conventions.yields import BillTimes, CouponTimes, Factors, Floats, Times, YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.flows import CashFlows
from tbill_defi.instruments.flows_odd_last import OddLastFlows
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.securities import Bill

LARGEST_YIELD = 1.0
"""A yield beyond 100% is taken for a percent."""

LARGEST_SOLVED_YIELD = 1e12
"""No yield beyond it is looked for: a price that needs one is a wrong price."""

_STEPS = 200
_EPSILON = float(np.finfo(np.float64).eps)


def checked_settlement(security: AnySecurity, flows: CashFlows, settlement: date) -> date:
    """`settlement` if it is a date in [issue date, maturity).

    Raises
    ------
    SettlementOutOfRange
        If it is before the issue (or dated) date, or on or after maturity.
    ConventionError
        If it is not a `datetime.date`.
    """
    if isinstance(settlement, datetime) or not isinstance(settlement, date):
        raise ConventionError(f"settlement: {settlement!r} is not a datetime.date such as date(2026, 8, 24)")
    if settlement < flows.first_settlement:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is before {security.cusip}'s issue on {flows.first_settlement}; "
            f"give a date from then to before maturity {flows.maturity}"
        )
    if settlement >= flows.maturity:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is not before {security.cusip}'s maturity {flows.maturity}; give an earlier date"
        )
    return settlement


def _of(cusip: str) -> str:
    return f" ({cusip})" if cusip else ""


def checked_rate(name: str, value: float, cusip: str = "") -> float:
    """`value` if it can be a decimal yield or rate; `cusip` is named in errors.

    Raises
    ------
    ConventionError
        If it is not finite, or beyond 100%: a percent given for a decimal.
    """
    if not math.isfinite(value):
        raise ConventionError(f"{name}: {value} is not a finite number{_of(cusip)}")
    if abs(value) > LARGEST_YIELD:
        cure = f"give a decimal such as {value / 100:g}"
        raise ConventionError(f"{name}: {value:g} looks like percent; {cure}{_of(cusip)}")
    return float(value)


def checked_price(name: str, value: float, cusip: str = "") -> float:
    """`value` if it is finite; `cusip` is named in errors.

    Raises
    ------
    ConventionError
        If it is not.
    """
    if not math.isfinite(value):
        raise ConventionError(f"{name}: {value} is not a finite price per 100 face{_of(cusip)}")
    return float(value)


@dataclass(frozen=True, eq=False)
class Valuation:
    """A security at a settlement date under a convention: price and derivatives as functions of the yield.

    Attributes
    ----------
    amounts
        [n_flows] float64, remaining flows per 100 face.
    times
        Their places in time.
    convention
        Turns a yield into discount factors.
    accrued
        Accrued interest per 100 face at settlement, unrounded.
    """

    amounts: Floats
    times: Times
    convention: YieldConvention
    accrued: float

    def factors(self, yield_: float) -> Factors:
        """[n_flows] discount factors and their derivatives.

        Raises
        ------
        ConventionError
            If the yield is at or below the convention's pole (-200% compounded semiannually).
        """
        arithmetic = self.convention.arithmetic
        lowest = arithmetic.lowest_yield(self.times)
        if yield_ <= lowest:
            raise ConventionError(f"yield_: {yield_:g} is not above {lowest:g}, where the price is infinite")
        return arithmetic.factors(self.times, yield_)

    def dirty_price(self, yield_: float) -> float:
        """Per 100 face."""
        return float(self.amounts @ self.factors(yield_).value)

    def derivatives(self, yield_: float) -> tuple[float, float, float]:
        """Dirty price and its first and second derivative in the yield, per 100 face."""
        factors = self.factors(yield_)
        return (
            float(self.amounts @ factors.value),
            float(self.amounts @ factors.slope),
            float(self.amounts @ factors.curvature),
        )

    def mean_time(self, yield_: float) -> float:
        """Present-value-weighted time of the flows, years."""
        values = self.amounts * self.factors(yield_).value
        return float(values @ self.convention.arithmetic.years(self.times) / values.sum())

    def yield_at(self, dirty_price: float) -> float:
        """The yield of a dirty price per 100 face.

        Newton's method on the logarithm of the price, which is convex and falls in the yield, so that it converges
        from any start; a bracket guards the first steps and the last digits.

        Raises
        ------
        ConventionError
            If the dirty price is not positive, or needs a yield beyond `LARGEST_SOLVED_YIELD`.
        """
        if dirty_price <= 0.0:
            raise ConventionError(f"dirty price: {dirty_price:g} must be positive; no yield discounts flows to it")
        low, high = self.convention.arithmetic.lowest_yield(self.times), math.inf
        guess = 0.04
        for _ in range(_STEPS):
            price, slope, _curvature = self.derivatives(guess)
            error = math.log(price / dirty_price)
            if error == 0.0:
                return guess
            low, high = (guess, high) if error > 0.0 else (low, guess)
            relative_slope = slope / price
            step = -error / relative_slope
            target = guess + step
            if not low < target < high:
                target = 0.5 * (low + high) if math.isfinite(high) else guess + step
            if abs(target - guess) <= 4.0 * _EPSILON * (1.0 + abs(guess) + 1.0 / abs(relative_slope)):
                return target
            if target > LARGEST_SOLVED_YIELD:
                break
            guess = target
        raise ConventionError(f"dirty price: {dirty_price:g} has no yield up to {LARGEST_SOLVED_YIELD:g}")


def _payment_delays(flows: CashFlows, first: int) -> Floats:
    """[n] periods from each coupon date to the good day it is paid on."""
    end, months = flows.maturity, 12 // flows.periods_per_year
    days = flows.quasi_dates[first:]
    later = [*days[1:], add_months(end, months, end_of_month=is_month_end(end))]
    if isinstance(flows, OddLastFlows) and len(days) > 1:
        later[-2] = flows.last_dates[1]
    late = [(SETTLEMENT.following(day) - day).days / (after - day).days for day, after in zip(days, later, strict=True)]
    return np.array(late)


def valuation(security: AnySecurity, settlement: date, convention: YieldConvention) -> Valuation:
    """What a yield of `convention` discounts, for settlement on `settlement`.

    On a coupon date accrued interest is 0 and that coupon is not among the flows: it belongs to the position at the
    start of the day.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is not in [issue date, maturity).
    ConventionError
        If `convention` is not a `YieldConvention`.
    """
    if not isinstance(convention, YieldConvention):
        names = ", ".join(f"YieldConvention.{member.name}" for member in YieldConvention)
        raise ConventionError(f"convention: {convention!r} is not one of {names}")
    flows = security.resolve()
    checked_settlement(security, flows, settlement)
    if isinstance(security, Bill):
        days = (flows.maturity - settlement).days
        on_payment_dates = convention is YieldConvention.TRUE_YIELD
        delay = (SETTLEMENT.following(flows.maturity) - flows.maturity).days if on_payment_dates else 0
        return Valuation(flows.amounts, BillTimes(days, days_in_year_from(settlement), delay), convention, 0.0)
    return coupon_valuation(flows, settlement, convention)


def coupon_valuation(flows: CashFlows, settlement: date, convention: YieldConvention) -> Valuation:
    """As `valuation`, of coupon flows that a checked settlement date is within.

    Raises
    ------
    SettlementOutOfRange
        If no day is left to the last flow by the day count: the 30th before a 31st on 30/360.
    """
    on_payment_dates = convention is YieldConvention.TRUE_YIELD
    quasi = flows.quasi_dates
    end = bisect_right(quasi, settlement)
    paid = max(end, flows.first_flow)
    periods = np.arange(paid - end, len(quasi) - end, dtype=np.float64)
    fraction = flows.part_left(settlement)
    if len(quasi) - end > 1:
        periods[-1] += flows.last_part - 1.0
    elif fraction <= 0.0:
        raise SettlementOutOfRange(
            f"settlement: {settlement} has no day left to {flows.maturity} on 30/360; give an earlier date"
        )
    delays = _payment_delays(flows, paid) if on_payment_dates else np.zeros_like(periods)
    return Valuation(
        amounts=flows.amounts[paid - flows.first_flow :],
        times=CouponTimes(fraction, periods, delays, (flows.maturity - settlement).days, flows.periods_per_year),
        convention=convention,
        accrued=float(flows.accrued(settlement)),
    )
