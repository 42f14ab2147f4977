"""What a security pays on a coupon date, as an exact fraction of face, and how the contract is told.

Of bills, notes, bonds and bonds of other issuers the terms alone fix it. What linked securities pay follows published
figures: the contract gets the figures and computes the fraction itself, so that the announcement shows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import groupby
from typing import Protocol

from tbill_defi.conventions.reference_cpi import ReferenceCpi, truncated_and_rounded
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import AnySecurity, CashFlows, CorporateBond, Frn, MunicipalBond, Tips
from tbill_defi.ledger.abi import encode_call

_PER_CENT = Fraction(1, 100)
_E5, _E9 = 10**5, 10**9
_YEAR_DAYS = 360


class DailyIndex(Protocol):
    """Rates of floating rate notes by the day, as `conventions.frn_index.FrnIndex` has them: it needs a calendar, and
    this wing knows none.
    """

    def between(self, start: date, stop: date, *, end: date) -> list[tuple[int, Decimal]]:
        """(days, decimal rate) of the days from `start` to before `stop` that accrue towards a payment on `end`."""


@dataclass(frozen=True, slots=True)
class Fixings:
    """Published figures that linked securities follow; None: not at hand.

    Attributes
    ----------
    reference_cpi
        Of inflation-protected securities.
    frn_index
        Of floating rate notes.
    """

    reference_cpi: ReferenceCpi | None = None
    frn_index: DailyIndex | None = None

    def cpi_e5(self, security: Tips, day: date) -> int:
        """Reference CPI of a day, 10^-5.

        Raises
        ------
        DataError
            If it is not known.
        """
        if self.reference_cpi is None:
            raise DataError(f"{security.cusip}: what it pays on {day} needs the reference CPI; none was given")
        return _whole(self.reference_cpi.on(day), _E5)

    def index_of(self, security: Frn, day: date) -> DailyIndex:
        """The index of floating rate notes; DataError if there is none."""
        if self.frn_index is None:
            raise DataError(f"{security.cusip}: what it pays on {day} needs the index of 13-week bills; none was given")
        return self.frn_index


NO_FIXINGS = Fixings()


@dataclass(frozen=True, slots=True)
class CpiLink:
    """The real coupon (a fraction of face) and the reference CPIs, 10^-5, whose quotient scales it."""

    real: Fraction
    reference_e5: int
    dated_e5: int

    @property
    def ratio(self) -> Fraction:
        """Index ratio, 5 decimals."""
        return index_ratio(self.reference_e5, self.dated_e5)


@dataclass(frozen=True, slots=True)
class FloatingLink:
    """Interest of a floating rate note: spread, and the index by days in a row; rates 10^-9."""

    accrual_start: date
    spread_e9: int
    stretches: tuple[tuple[int, int], ...]

    @property
    def fraction(self) -> Fraction:
        """Sum of days x max(0, index + spread) / 360."""
        total = sum(days * max(0, index + self.spread_e9) for days, index in self.stretches)
        return Fraction(total, _YEAR_DAYS * _E9)


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon of a security: `fraction` of face, exact, for the position at the start of `day`.

    Attributes
    ----------
    link
        The published figures that the fraction follows; None: the terms alone fix it.
    """

    day: date
    fraction: Fraction
    link: CpiLink | FloatingLink | None = None

    @property
    def record_time(self) -> int:
        """Unix seconds of the New York midnight at which the coupon date starts; positions before it count."""
        return new_york_midnight(self.day)

    def units(self, face_units: int) -> int:
        """Cash for a position, base units: floor(face x fraction)."""
        return face_units * self.fraction.numerator // self.fraction.denominator

    def announcement(self, token: bytes, payable_from: int) -> bytes:
        """Calldata that tells the CouponPayer of it."""
        start = (token, self.record_time, payable_from)
        match self.link:
            case CpiLink(real, reference, _):
                indexed = (real.numerator, real.denominator, reference)
                return encode_call("CouponPayer", "announceIndexed", *start, *indexed)
            case FloatingLink(since, spread, stretches):
                floating = (new_york_midnight(since), spread, list(stretches))
                return encode_call("CouponPayer", "announceFloating", *start, *floating)
            case _:
                parts = (self.fraction.numerator, self.fraction.denominator)
                return encode_call("CouponPayer", "announce", *start, *parts)


def index_ratio(reference_e5: int, dated_e5: int) -> Fraction:
    """Index ratio of two reference CPIs: truncated to six decimals, rounded half up to five."""
    return Fraction(truncated_and_rounded(Fraction(reference_e5, dated_e5)))


def dated_cpi_e5(security: Tips) -> int:
    """Reference CPI of the dated date, 10^-5."""
    return _whole(Decimal(repr(security.dated_reference_cpi)), _E5)


def coupon_dates(security: AnySecurity, *, called: date | None = None) -> tuple[date, ...]:
    """Dates on which it pays interest, ascending; none of a bill or a strip.

    Parameters
    ----------
    called
        The call date that notice was given of: interest ends there. None: it runs to maturity.
    """
    if isinstance(security, Frn):
        return security.payment_dates
    flows = _flows(security, called)
    return tuple(day for day, part in zip(flows.payment_dates, flows.fractions, strict=True) if flows.rate * part)


def coupons(security: AnySecurity, *, called: date | None = None) -> tuple[Coupon, ...]:
    """Every coupon, in order of date, of a security whose terms alone fix them.

    The fraction is coupon x year fraction of `resolve()`: coupon / 2 in a regular semiannual period.
    """
    if isinstance(security, Frn | Tips):
        raise ConventionError(
            f"{security.cusip}: coupons of a {security.kind} follow an index; ask for one by its date"
        )
    return tuple(Coupon(day, part) for day, part in _fixed(security, called).items())


def coupon_on(security: AnySecurity, day: date, fixings: Fixings = NO_FIXINGS, *, called: date | None = None) -> Coupon:
    """The coupon of a date. That of a floating rate note may be 0.

    Raises
    ------
    ConventionError
        If there is none.
    DataError
        If a published figure that it follows is not among the fixings.
    """
    require_coupon_date(security, day, called=called)
    if isinstance(security, Frn):
        return _floating(security, day, fixings.index_of(security, day))
    real = _fixed(security, called)[day]
    if not isinstance(security, Tips):
        return Coupon(day, real)
    link = CpiLink(real, fixings.cpi_e5(security, day), dated_cpi_e5(security))
    return Coupon(day, real * link.ratio, link)


def require_coupon_date(security: AnySecurity, day: date, *, called: date | None = None) -> None:
    """Raise ConventionError if a security pays no interest on a date; names the nearest that it has."""
    dates = coupon_dates(security, called=called)
    if day not in dates:
        near = sorted(sorted(dates, key=lambda other: abs(other - day))[:2])
        words = f"the nearest are of {' and '.join(map(str, near))}" if near else "it pays no coupons"
        raise ConventionError(f"coupon: {security.cusip} pays none on {day}; {words}")


def _fixed(security: AnySecurity, called: date | None) -> dict[date, Fraction]:
    flows = _flows(security, called)
    parts = zip(flows.payment_dates, flows.fractions, strict=True)
    return {day: flows.rate * part * _PER_CENT for day, part in parts if flows.rate * part}


def _flows(security: AnySecurity, called: date | None) -> CashFlows:
    if called is None:
        return security.resolve()
    if not isinstance(security, CorporateBond | MunicipalBond):
        raise ConventionError(f"{security.cusip}: a {security.kind} is not callable")
    return security.resolve_to_call(called)


def _floating(security: Frn, day: date, index: DailyIndex) -> Coupon:
    dates = security.payment_dates
    place = dates.index(day)
    start = dates[place - 1] if place else security.dated_date
    link = _floating_link(security, start, day, index)
    return Coupon(day, link.fraction, link)


def floating_fraction(security: Frn, start: date, day: date, index: DailyIndex) -> Fraction:
    """Interest of a floating rate note from a payment date to a day, per unit of face, as settled on that day.

    Raises
    ------
    DataError
        If the index of a day is not known.
    """
    return _floating_link(security, start, day, index).fraction


def _floating_link(security: Frn, start: date, day: date, index: DailyIndex) -> FloatingLink:
    found = [(_whole(rate, _E9), days) for days, rate in index.between(start, day, end=day)]
    stretches = tuple((sum(days for _, days in run), rate) for rate, run in groupby(found, lambda part: part[0]))
    return FloatingLink(start, _whole(Decimal(repr(security.spread)), _E9), stretches)


def _whole(value: Decimal, scale: int) -> int:
    """`value` in units of 1 / scale, exact."""
    scaled = value * scale
    whole = scaled.to_integral_value(ROUND_FLOOR)
    if scaled != whole:
        raise ConventionError(f"{value} is finer than 1/{scale}, which is all that the contract takes")
    return int(whole)
