"""Durations, convexity and DV01, analytic in the yield."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.valuation import Valuation, checked_price, checked_rate, valuation

BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything a desk shows of one security at one yield; prices per 100 face.

    Attributes
    ----------
    yield_
        Decimal, in the convention asked for.
    clean_price, dirty_price, accrued
        Per 100 face.
    modified_duration, macaulay_duration
        Years.
    convexity
        Years squared.
    dv01
        Positive dollars per 1 bp fall in yield, per 100 face.
    """

    yield_: float
    clean_price: float
    dirty_price: float
    accrued: float
    modified_duration: float
    macaulay_duration: float
    convexity: float
    dv01: float


def _measures(place: Valuation, yield_: float) -> Measures:
    price, slope, curvature = place.derivatives(yield_)
    return Measures(
        yield_=yield_,
        clean_price=price - place.accrued,
        dirty_price=price,
        accrued=place.accrued,
        modified_duration=-slope / price,
        macaulay_duration=place.mean_time(yield_),
        convexity=curvature / price,
        dv01=-slope * BASIS_POINT,
    )


def measures_from_yield(
    security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention
) -> Measures:
    """All measures at a decimal yield. Errors as of `dirty_price_from_yield`."""
    return _measures(valuation(security, settlement, convention), checked_rate("yield_", yield_, security.cusip))


def measures_from_clean_price(
    security: AnySecurity, clean_price: float, *, settlement: date, convention: YieldConvention
) -> Measures:
    """All measures at a clean price per 100 face, its yield included. Errors as of `yield_from_clean_price`."""
    place = valuation(security, settlement, convention)
    return _measures(place, place.yield_at(checked_price("clean_price", clean_price, security.cusip) + place.accrued))


def modified_duration(security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention) -> float:
    """Modified duration, years: -(dP/dy)/P of the dirty price P.

    Parameters and errors as of `dirty_price_from_yield`.
    """
    price, slope, _ = valuation(security, settlement, convention).derivatives(
        checked_rate("yield_", yield_, security.cusip)
    )
    return -slope / price


def macaulay_duration(security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention) -> float:
    """Macaulay duration, years: mean time of the flows, weighted by present value.

    Times are in half-year quasi-coupon periods; days over the year for a bill. Where interest compounds
    semiannually to every flow it is the modified duration times (1 + yield/2).
    """
    return valuation(security, settlement, convention).mean_time(checked_rate("yield_", yield_, security.cusip))


def convexity(security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention) -> float:
    """Convexity, years squared: (d2P/dy2)/P of the dirty price P."""
    price, _, curvature = valuation(security, settlement, convention).derivatives(
        checked_rate("yield_", yield_, security.cusip)
    )
    return curvature / price


def dv01(
    security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention, face: float = 100.0
) -> float:
    """Positive dollars that `face` dollars of face gain per 1 bp fall in yield: -(dP/dy) x 0.0001 x face/100.

    Analytic: QuantLib's `basisPointValue` is of the other sign and adds a part of the second order.
    """
    _, slope, _ = valuation(security, settlement, convention).derivatives(
        checked_rate("yield_", yield_, security.cusip)
    )
    return -slope * BASIS_POINT * checked_price("face", face) / 100.0
