"""Floating rate notes: price and discount margin, accrued interest, on the index of 13-week bill auctions."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.frn import Frn
from tbill_defi.pricing.valuation import checked_price, checked_rate

YEAR = 360
_STEPS = 100
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class _Floating:
    """A floating rate note at a settlement date, its future index taken to stay at the last one.

    Attributes
    ----------
    amounts
        [n_flows] projected payments per 100 face.
    years
        [n_flows] lengths of the periods between settlement and the payments, Act/360.
    index
        The projected index, decimal.
    accrued
        Per 100 face at settlement.
    """

    amounts: Floats
    years: Floats
    index: float
    accrued: float

    def dirty(self, margin: float) -> tuple[float, float]:
        """Dirty price per 100 face at a discount margin, and its derivative in it."""
        growth = 1.0 + (self.index + margin) * self.years
        if growth.min() <= 0.0:
            lowest = -self.index - 1.0 / float(self.years.max())
            raise ConventionError(f"discount_margin: {margin:g} is not above {lowest:g}, where the price is infinite")
        values = self.amounts / np.cumprod(growth)
        return float(values.sum()), -float(values @ np.cumsum(self.years / growth))


def _checked(frn: Frn, settlement: date, index: FrnIndex) -> None:
    if not isinstance(frn, Frn):
        raise ConventionError(f"frn: {type(frn).__name__} {frn.cusip} is not a floating rate note; it has a yield")
    if not isinstance(index, FrnIndex):
        raise ConventionError(f"index: {type(index).__name__} is not an FrnIndex; make one with FrnIndex.of_auctions")
    if isinstance(settlement, datetime) or not isinstance(settlement, date):
        raise ConventionError(f"settlement: {settlement!r} is not a datetime.date such as date(2026, 8, 24)")
    first = frn.issue_date or frn.dated_date
    if not first <= settlement < frn.maturity_date:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is not in {frn.cusip}'s life, from its issue on {first} to before maturity "
            f"{frn.maturity_date}"
        )


def _accrued(frn: Frn, start: date, settlement: date, index: FrnIndex) -> Fraction:
    spread = Decimal(repr(frn.spread))
    stretches = index.between(start, settlement, end=settlement)
    total = sum((days * max(Decimal(0), rate + spread) for days, rate in stretches), Decimal(0))
    return Fraction(total) * 100 / YEAR


def _period_start(frn: Frn, settlement: date) -> tuple[date, tuple[date, ...]]:
    """Where the running period's interest starts, and the payment dates that are left."""
    dates = frn.payment_dates
    place = bisect_right(dates, settlement)
    return (dates[place - 1] if place else frn.dated_date), dates[place:]


def _floating(frn: Frn, settlement: date, index: FrnIndex) -> _Floating:
    _checked(frn, settlement, index)
    start, dates = _period_start(frn, settlement)
    accrued = float(_accrued(frn, start, settlement, index))
    projected = float(index.on(settlement, end=settlement))
    edges = [settlement, *dates]
    years = np.array([(right - left).days / YEAR for left, right in pairwise(edges)])
    amounts = 100.0 * max(0.0, projected + frn.spread) * years
    amounts[0] += accrued
    amounts[-1] += 100.0
    return _Floating(amounts, years, projected, accrued)


def floating_accrued_interest(frn: Frn, *, settlement: date, index: FrnIndex) -> float:
    """Accrued interest per 100 face, unrounded: each day's max(0, index + spread)/360, summed.

    Parameters
    ----------
    settlement
        A date in [issue date, maturity). Rates that take effect on or after the second good day before it do not
        count.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is not in that range.
    DataError
        If the index of a day is not known.
    ConventionError
        If the security is not a floating rate note.

    Notes
    -----
    31 CFR 356 Appendix B, I.C.
    """
    _checked(frn, settlement, index)
    return float(_accrued(frn, _period_start(frn, settlement)[0], settlement, index))


def floating_coupon(frn: Frn, *, payment_date: date, index: FrnIndex) -> float:
    """Interest paid on a payment date per 100 face: each day's max(0, index + spread)/360, summed.

    Parameters
    ----------
    payment_date
        An unadjusted payment date. Rates that take effect on or after the second good day before it do not count.

    Raises
    ------
    ConventionError
        If the security is not a floating rate note, or does not pay on that date.
    DataError
        If the index of a day is not known.

    Notes
    -----
    31 CFR 356 Appendix B, I.C.
    """
    _checked(frn, frn.issue_date or frn.dated_date, index)
    dates = frn.payment_dates
    if payment_date not in dates:
        near = sorted(sorted(dates, key=lambda day: abs((day - payment_date).days))[:2])
        raise ConventionError(
            f"payment_date: {frn.cusip} does not pay on {payment_date}; near it are {', '.join(map(str, near))}"
        )
    place = dates.index(payment_date)
    return float(_accrued(frn, dates[place - 1] if place else frn.dated_date, payment_date, index))


def price_from_discount_margin(frn: Frn, discount_margin: float, *, settlement: date, index: FrnIndex) -> float:
    """Clean price per 100 face of a discount margin.

    Parameters
    ----------
    discount_margin
        Decimal, over the index.
    settlement
        A date in [issue date, maturity).
    index
        Rates of 13-week auctions up to the settlement.

    Raises
    ------
    SettlementOutOfRange, DataError
        As of `floating_accrued_interest`.
    ConventionError
        If the margin looks like percent, or is so low that no price is finite.

    Notes
    -----
    31 CFR 356 Appendix B, II.I and following. The index is taken to stay at the one of the settlement. Each payment
    is the days of its period/360 of max(0, index + spread), the first with what has accrued, discounted by
    1 + (index + margin) days/360 a period.
    """
    place = _floating(frn, settlement, index)
    return place.dirty(checked_rate("discount_margin", discount_margin, frn.cusip))[0] - place.accrued


def discount_margin_from_price(frn: Frn, clean_price: float, *, settlement: date, index: FrnIndex) -> float:
    """Discount margin (decimal, over the index) of a clean price per 100 face.

    The inverse of `price_from_discount_margin`; Newton's method on the price's logarithm.

    Raises
    ------
    ConventionError
        If the dirty price is not positive, or no margin below 100% gives it.
    """
    place = _floating(frn, settlement, index)
    dirty = checked_price("clean_price", clean_price, frn.cusip) + place.accrued
    if dirty <= 0.0:
        raise ConventionError(f"clean_price: {clean_price:g} with accrued interest must be positive")
    low, guess = -place.index - 1.0 / float(place.years.max()), frn.spread
    for _ in range(_STEPS):
        price, slope = place.dirty(guess)
        step = math.log(price / dirty) * price / -slope
        target = guess + step if guess + step > low else 0.5 * (low + guess)
        if abs(target - guess) <= 4.0 * _EPSILON * (1.0 + abs(guess) + price / -slope):
            return target
        guess = target
        if guess > 1e3:
            break
    raise ConventionError(f"clean_price: {clean_price:g} has no discount margin for {frn.cusip}")


def discount_margin_duration(frn: Frn, discount_margin: float, *, settlement: date, index: FrnIndex) -> float:
    """Spread duration, years: -(dP/dm)/P of the dirty price P in the discount margin m, the payments unchanged."""
    price, slope = _floating(frn, settlement, index).dirty(checked_rate("discount_margin", discount_margin, frn.cusip))
    return -slope / price
