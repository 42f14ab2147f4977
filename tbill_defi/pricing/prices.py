"""Prices from yields, yields from prices, accrued interest: the same verbs on bills, notes and bonds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.core.money import decimal_price
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.valuation import (
    checked_price,
    checked_rate,
    checked_settlement,
    valuation,
)


def dirty_price_from_yield(
    security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention
) -> float:
    """Dirty price per 100 face.

    Parameters
    ----------
    yield_
        Decimal, in the convention's basis.
    settlement
        A date in [issue date, maturity). Market quotes are for T+1 on the settlement calendar.
    convention
        How the yield discounts; see `YieldConvention`.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue (or dated) date, or not before maturity.
    ConventionError
        If the yield looks like percent, or the convention does not apply.

    Notes
    -----
    31 CFR 356 Appendix B, II.A to II.G for `TREASURY`, unrounded, with r days left of the s days of the current
    quasi-coupon period and k whole periods from its end to a flow C_k:
    dirty (1 + r/s y/2) = sum of C_k / (1 + y/2)^k. `STREET`: dirty = sum of C_k / (1 + y/2)^(k + r/s), and
    C / (1 + r/s y/2) once only the final coupon remains.
    """
    return valuation(security, settlement, convention).dirty_price(checked_rate("yield_", yield_, security.cusip))


def clean_price_from_yield(
    security: AnySecurity, yield_: float, *, settlement: date, convention: YieldConvention
) -> float:
    """Clean price per 100 face: the dirty price less unrounded accrued interest.

    Parameters, errors and source as of `dirty_price_from_yield`.
    """
    place = valuation(security, settlement, convention)
    return place.dirty_price(checked_rate("yield_", yield_, security.cusip)) - place.accrued


def yield_from_dirty_price(
    security: AnySecurity, dirty_price: float, *, settlement: date, convention: YieldConvention
) -> float:
    """Decimal yield of a dirty price per 100 face, to the last digits that the price determines.

    Negative for a price above the sum of the flows.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue (or dated) date, or not before maturity.
    ConventionError
        If the price is not positive and finite, or the convention does not apply.
    """
    return valuation(security, settlement, convention).yield_at(
        checked_price("dirty_price", dirty_price, security.cusip)
    )


def yield_from_clean_price(
    security: AnySecurity, clean_price: float, *, settlement: date, convention: YieldConvention
) -> float:
    """Decimal yield of a clean price per 100 face; as `yield_from_dirty_price` with accrued interest added."""
    place = valuation(security, settlement, convention)
    return place.yield_at(checked_price("clean_price", clean_price, security.cusip) + place.accrued)


def _accrued(security: AnySecurity, settlement: date) -> Fraction:
    flows = security.resolve()
    checked_settlement(security, flows, settlement)
    return flows.accrued(settlement)


def accrued_interest(security: AnySecurity, *, settlement: date) -> float:
    """Accrued interest per 100 face at settlement, unrounded; 0 on a coupon date and for a bill.

    ActAct(ICMA): half the annual coupon for each full quasi-coupon period, actual days over the period's days for a
    part of one, from the last coupon date or the dated date.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue (or dated) date, or not before maturity.

    Notes
    -----
    31 CFR 356 Appendix B, I.B, II.D to II.G.
    """
    return float(_accrued(security, settlement))


def official_accrued(security: AnySecurity, *, settlement: date) -> Decimal:
    """Accrued interest per 100 face as the Treasury charges it at an auction.

    The exact fraction is rounded half up to 6 decimals: 2.875% for 61 days of 184 is 0.4765625, a true tie.
    """
    exact = _accrued(security, settlement)
    millionths = (2_000_000 * exact + 1) // 2
    return Decimal(millionths).scaleb(-6)


def auction_price(security: AnySecurity, yield_: float, *, settlement: date) -> Decimal:
    """The price per 100 face that an auction at `yield_` publishes, to 6 decimals.

    `TREASURY` dirty price less the rounded accrued interest, rounded half up; for a bill `yield_` is its
    investment rate.
    """
    dirty = dirty_price_from_yield(security, yield_, settlement=settlement, convention=YieldConvention.TREASURY)
    return decimal_price(dirty - float(official_accrued(security, settlement=settlement)))
