"""Interest and inflation accrued on a face at a date: exact, as `pricing` values them, rounded half up to a unit once.

Interest of a floating rate note is its days' index and spread; of an inflation-protected security the real interest
times the index ratio. Inflation is what the index added to the principal: face x (index ratio - 1), and of what is
redeemed at maturity at least 0 (31 CFR 356 Appendix B, I.B, I.C, III).
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tbill_defi.core.errors import DataError
from tbill_defi.instruments import AnySecurity, Frn, Tips
from tbill_defi.ledger.coupons import Fixings, dated_cpi_e5, floating_fraction, index_ratio

_PER_CENT = Fraction(1, 100)


class PerFace(NamedTuple):
    """Exact, per unit of face."""

    interest: Fraction
    inflation: Fraction


class Accrued(NamedTuple):
    """Base units; of units that go they are negative."""

    interest: int
    inflation: int


def per_face(security: AnySecurity, day: date, fixings: Fixings) -> PerFace | None:
    """What has accrued per unit of face at a date of its life; later, as at its maturity; before, nothing.

    None: a published figure that it follows is not at hand.
    """
    day = min(day, security.maturity_date)
    try:
        if isinstance(security, Frn):
            return PerFace(_floating(security, day, fixings), Fraction(0))
        if not isinstance(security, Tips):
            return PerFace(_fixed(security, day), Fraction(0))
        day = max(day, security.dated_date)
        ratio = index_ratio(fixings.cpi_e5(security, day), dated_cpi_e5(security))
    except DataError:
        return None
    growth = ratio - 1
    return PerFace(_fixed(security, day) * ratio, max(growth, Fraction(0)) if day == security.maturity_date else growth)


def accrued_units(each: PerFace, units: int, *, principal_only: bool = False) -> Accrued:
    """Of a face, each amount rounded half up by size; `principal_only`: what was redeemed, its interest paid apart."""
    return Accrued(0 if principal_only else _rounded(each.interest * units), _rounded(each.inflation * units))


def _fixed(security: AnySecurity, day: date) -> Fraction:
    flows = security.resolve()
    return flows.accrued(day) * _PER_CENT if day > flows.accrual_start else Fraction(0)


def _floating(security: Frn, day: date, fixings: Fixings) -> Fraction:
    dates = security.payment_dates
    place = bisect_right(dates, day)
    start = dates[place - 1] if place else security.dated_date
    if day <= start:
        return Fraction(0)
    return floating_fraction(security, start, day, fixings.index_of(security, day))


def _rounded(exact: Fraction) -> int:
    size = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return size if exact >= 0 else -size
