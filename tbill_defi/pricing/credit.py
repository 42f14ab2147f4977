"""Yields of callable bonds to each date they can end on, and spreads over a curve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.callable import CallableTerms
from tbill_defi.instruments.reading import AnySecurity, CallableBond
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve
from tbill_defi.pricing.valuation import Valuation, checked_price, checked_settlement, coupon_valuation, valuation

_STEPS = 100


@dataclass(frozen=True, slots=True)
class YieldToWorst:
    """The lowest yield of a callable bond, and when and at what price it then ends.

    Attributes
    ----------
    yield_
        Decimal, in the convention asked for.
    date
        Call date, or the maturity.
    price
        Redemption price per 100 face.
    """

    yield_: float
    date: date
    price: float


def checked_bond(bond: CallableBond) -> None:
    """Demand a bond with a call schedule.

    Raises
    ------
    ConventionError
        If it is of another kind.
    """
    if not isinstance(bond, CallableTerms):
        raise ConventionError(
            f"bond: {type(bond).__name__} has no call schedule; give a CorporateBond or MunicipalBond"
        )


def to_call(bond: CallableBond, call_date: date, settlement: date, convention: YieldConvention) -> Valuation:
    """What a yield discounts if the bond is called on a date of its schedule. Errors as of `yield_to_call`."""
    checked_bond(bond)
    at_maturity = valuation(bond, settlement, convention)
    flows = bond.resolve_to_call(call_date)
    if call_date <= settlement:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is not before the call of {bond.cusip} on {call_date}; give an earlier date"
        )
    place = coupon_valuation(flows, settlement, convention)
    return Valuation(place.amounts, place.times, convention, at_maturity.accrued)


def yield_to_call(
    bond: CallableBond, clean_price: float, *, settlement: date, call_date: date, convention: YieldConvention
) -> float:
    """Decimal yield of a clean price per 100 face if the bond is called on `call_date`.

    The call price and the interest accrued to that day are paid then; between coupon dates the last period counts its
    days on 30/360.

    Parameters
    ----------
    call_date
        A date of the call schedule, after `settlement`.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue, or not before the call.
    ConventionError
        If the schedule does not have the date, the price is not positive, or the security has no call schedule.

    Notes
    -----
    MSRB Rule G-33(b).
    """
    place = to_call(bond, call_date, settlement, convention)
    return place.yield_at(checked_price("clean_price", clean_price, bond.cusip) + place.accrued)


def yield_to_worst(
    bond: CallableBond, clean_price: float, *, settlement: date, convention: YieldConvention
) -> YieldToWorst:
    """The lowest of the yields to maturity and to each call date after settlement; the earliest date of equal ones.

    Parameters and errors as of `yield_to_call`.
    """
    checked_bond(bond)
    place = valuation(bond, settlement, convention)
    dirty = checked_price("clean_price", clean_price, bond.cusip) + place.accrued
    ends = [
        YieldToWorst(to_call(bond, day, settlement, convention).yield_at(dirty), day, price)
        for day, price in bond.call_schedule
        if day > settlement
    ]
    return min([*ends, YieldToWorst(place.yield_at(dirty), bond.maturity_date, 100.0)], key=lambda end: end.yield_)


def z_spread(security: AnySecurity, clean_price: float, curve: Curve, *, settlement: date) -> float:
    """Spread over a curve's zero rates that explains a clean price to maturity: decimal, continuous, Act/365.

    The dirty price is the sum of the flows x D(date) / D(settlement) x exp(-spread x days / 365), as in
    `Book.z_spreads`; calls are not exercised.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the curve date or the issue, or not before maturity.
    ConventionError
        If the dirty price is not positive.
    """
    flows = security.resolve()
    checked_settlement(security, flows, settlement)
    if settlement < curve.curve_date:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is before the curve of {curve.curve_date}; give a later date"
        )
    dirty = checked_price("clean_price", clean_price, security.cusip) + float(flows.accrued(settlement))
    if dirty <= 0.0:
        raise ConventionError(f"dirty price: {dirty:g} must be positive; no spread discounts flows to it")
    later = flows.dates > np.datetime64(settlement, "D")
    days = flows.dates[later]
    values = flows.amounts[later] * curve.discount_factors(days) / curve.discount(settlement)
    years = (days - np.datetime64(settlement, "D")).astype(np.int64) / DAYS_PER_YEAR
    spread = 0.0
    for _ in range(_STEPS):  # the logarithm of the price is convex and falls in the spread: Newton's method converges
        terms = values * np.exp(-spread * years)
        price = float(terms.sum())
        step = float(np.log(price / dirty)) * price / float(terms @ years)
        spread += step
        if abs(step) <= 1e-15 * (1.0 + abs(spread)):
            break
    return spread
