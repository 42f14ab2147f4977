"""Calendars, schedules, quotes and yield conventions of the US Treasury market."""

from tbill_defi.conventions.calendars import (
    SETTLEMENT,
    TRADING,
    MarketCalendar,
    is_settlement_day,
    is_trading_day,
    settlement_date,
)
from tbill_defi.conventions.quotes import (
    QuoteStyle,
    format_discount_rate,
    format_quote,
    parse_discount_rate,
    parse_quote,
    ticks_from_price,
)
from tbill_defi.conventions.schedules import add_months, coupon_dates, is_month_end, quasi_coupon_dates
from tbill_defi.conventions.yields import YieldConvention

__all__ = [
    "SETTLEMENT",
    "TRADING",
    "MarketCalendar",
    "QuoteStyle",
    "YieldConvention",
    "add_months",
    "coupon_dates",
    "format_discount_rate",
    "format_quote",
    "is_month_end",
    "is_settlement_day",
    "is_trading_day",
    "parse_discount_rate",
    "parse_quote",
    "quasi_coupon_dates",
    "settlement_date",
    "ticks_from_price",
]
