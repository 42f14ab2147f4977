"""From real to nominal: the index ratio of a TIPS, its adjusted price, and what it pays.

Prices, yields and risk of a TIPS are real, by the same verbs as of a note. Amounts are per 100 of original face.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from tbill_defi.conventions.reference_cpi import ReferenceCpi, truncated_and_rounded
from tbill_defi.core.errors import ConventionError, DataError, SettlementOutOfRange
from tbill_defi.instruments.tips import Tips
from tbill_defi.pricing.valuation import checked_price, checked_settlement


def _ratio(tips: Tips, day: date, reference_cpi: ReferenceCpi) -> Decimal:
    if not isinstance(tips, Tips):
        raise ConventionError(f"tips: {type(tips).__name__} {tips.cusip} has no index ratio; give a Tips")
    if isinstance(day, datetime) or not isinstance(day, date):
        raise ConventionError(f"settlement: {day!r} is not a datetime.date such as date(2026, 8, 24)")
    if not tips.dated_date <= day <= tips.maturity_date:
        raise SettlementOutOfRange(
            f"settlement: {day} is not within {tips.cusip}'s life, {tips.dated_date} to {tips.maturity_date}"
        )
    if not isinstance(reference_cpi, ReferenceCpi):
        raise ConventionError(
            f"reference_cpi: {type(reference_cpi).__name__} is not a ReferenceCpi; "
            "make one with ReferenceCpi.of_daily or ReferenceCpi.of_monthly"
        )
    try:
        reference = reference_cpi.on(day)
    except DataError as error:
        raise DataError(f"{error} ({tips.cusip})") from None
    return truncated_and_rounded(Fraction(reference) / Fraction(Decimal(repr(tips.dated_reference_cpi))))


def index_ratio(tips: Tips, *, settlement: date, reference_cpi: ReferenceCpi) -> float:
    """Index ratio of a day, 5 decimals: reference CPI of the day over that of the dated date.

    The quotient is truncated to six decimals and rounded half up to five, as the Treasury publishes it.

    Parameters
    ----------
    settlement
        A date in [dated date, maturity].

    Raises
    ------
    SettlementOutOfRange
        If it is not.
    DataError
        If the reference CPI of the day is not known.
    ConventionError
        If the security is not a TIPS.

    Notes
    -----
    31 CFR 356 Appendix B, I.B and III.
    """
    return float(_ratio(tips, settlement, reference_cpi))


def adjusted_price(tips: Tips, price: float, *, settlement: date, reference_cpi: ReferenceCpi) -> float:
    """Dollars per 100 of original face of a real price (clean, dirty) or of real accrued interest.

    The price times the index ratio of the settlement date, unrounded; for a DV01 too, per 1 bp of real yield.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is not in [issue date, maturity).
    DataError
        If the reference CPI of the day is not known.

    Notes
    -----
    31 CFR 356 Appendix B, III.B.
    """
    ratio = _ratio(tips, settlement, reference_cpi)
    checked_settlement(tips, tips.resolve(), settlement)
    return checked_price("price", price, tips.cusip) * float(ratio)


def nominal_coupon(tips: Tips, *, coupon_date: date, reference_cpi: ReferenceCpi) -> float:
    """Interest paid on a coupon date per 100 of original face: the real coupon times the index ratio.

    It has no floor: in deflation below the dated date's level the coupon is of less than the original face.

    Raises
    ------
    ConventionError
        If `coupon_date` is not a coupon date; names the neighbours.
    DataError
        If its reference CPI is not known.
    """
    ratio = _ratio(tips, coupon_date, reference_cpi)
    flows = tips.resolve()
    dates = flows.payment_dates
    if coupon_date not in dates:
        near = sorted(dates, key=lambda day: abs((day - coupon_date).days))[:2]
        raise ConventionError(
            f"coupon_date: {coupon_date} is not a coupon date of {tips.cusip}; near it are "
            f"{', '.join(map(str, sorted(near)))}"
        )
    exact: Fraction = flows.rate * flows.fractions[dates.index(coupon_date)] * Fraction(ratio)
    return float(exact)


def nominal_principal(tips: Tips, *, reference_cpi: ReferenceCpi) -> float:
    """Principal paid at maturity per 100 of original face: 100 times the index ratio, and at least 100.

    The floor is of the principal alone, at maturity alone (31 CFR 356 Appendix B, III.A).

    Raises
    ------
    DataError
        If the reference CPI of the maturity is not known.
    """
    return 100.0 * max(1.0, index_ratio(tips, settlement=tips.maturity_date, reference_cpi=reference_cpi))
