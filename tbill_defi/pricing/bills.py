"""Bills: discount rate, investment rate, price."""

from __future__ import annotations

from datetime import date

from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.securities import Bill
from tbill_defi.pricing.prices import clean_price_from_yield, yield_from_clean_price
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement

DISCOUNT_YEAR = 360


def _days(bill: Bill, settlement: date) -> int:
    if not isinstance(bill, Bill):
        raise ConventionError(f"bill: {type(bill).__name__} {bill.cusip} is not a bill; it has no discount rate")
    checked_settlement(bill, bill.resolve(), settlement)
    return (bill.maturity_date - settlement).days


def price_from_discount_rate(bill: Bill, discount_rate: float, *, settlement: date) -> float:
    """Price per 100 face of a bill from its bank discount rate: 100 (1 - d days/360), unrounded.

    Parameters
    ----------
    discount_rate
        Decimal, Act/360 on face.
    settlement
        A date in [issue date, maturity).

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue date, or not before maturity.
    ConventionError
        If the security is not a bill or the rate looks like percent.

    Notes
    -----
    31 CFR 356 Appendix B, VI.A.
    """
    days = _days(bill, settlement)
    return 100.0 * (1.0 - checked_rate("discount_rate", discount_rate, bill.cusip) * days / DISCOUNT_YEAR)


def discount_rate_from_price(bill: Bill, price: float, *, settlement: date) -> float:
    """Bank discount rate (decimal, Act/360) of a price per 100 face. 31 CFR 356 Appendix B, VI.C."""
    days = _days(bill, settlement)
    return (1.0 - checked_price("price", price, bill.cusip) / 100.0) * DISCOUNT_YEAR / days


def investment_rate_from_price(bill: Bill, price: float, *, settlement: date) -> float:
    """Investment rate (coupon-equivalent yield, decimal) of a price per 100 face.

    Simple interest on y days up to half a year, one half-year's compounding beyond it; y is 366 if a 29 February
    falls within the year that starts on the settlement date (the issue date, at auction), else 365.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the issue date, or not before maturity.
    ConventionError
        If the security is not a bill or the price is not positive.

    Notes
    -----
    31 CFR 356 Appendix B, VI.D. The same number as the yield in `TREASURY` and `STREET`.
    """
    _days(bill, settlement)
    return yield_from_clean_price(bill, price, settlement=settlement, convention=YieldConvention.TREASURY)


def price_from_investment_rate(bill: Bill, investment_rate: float, *, settlement: date) -> float:
    """Price per 100 face of a bill from its investment rate; inverse of `investment_rate_from_price`."""
    _days(bill, settlement)
    rate = checked_rate("investment_rate", investment_rate, bill.cusip)
    return clean_price_from_yield(bill, rate, settlement=settlement, convention=YieldConvention.TREASURY)
