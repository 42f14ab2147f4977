"""A quote as text and a clean price, whichever way the security is quoted."""

from __future__ import annotations

from datetime import date

from tbill_defi.conventions.quotes import format_discount_rate, format_quote, parse_discount_rate, parse_quote
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.securities import Bill
from tbill_defi.pricing.bills import discount_rate_from_price, price_from_discount_rate


def price_from_quote(security: AnySecurity, quote: str, *, settlement: date) -> float:
    """Clean price per 100 face of a quote: a bill's discount rate in percent ("4.285"), else a price ("99-16+").

    Raises
    ------
    SettlementOutOfRange
        If the security is a bill and `settlement` is not in [issue date, maturity).
    ConventionError
        Names the text and the right form.
    """
    if isinstance(security, Bill):
        return price_from_discount_rate(security, parse_discount_rate(quote), settlement=settlement)
    return parse_quote(quote)


def quote_from_price(security: AnySecurity, clean_price: float, *, settlement: date) -> str:
    """The quote of a clean price: a bill's discount rate in percent, else 32nds to the nearest eighth of one."""
    if isinstance(security, Bill):
        return format_discount_rate(discount_rate_from_price(security, clean_price, settlement=settlement))
    return format_quote(clean_price)
