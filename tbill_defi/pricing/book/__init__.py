"""A vectorised book: the whole market priced and risked at once."""

from tbill_defi.pricing.book.book import KEY_YEARS, Analytics, Book
from tbill_defi.pricing.book.curve_values import DiscountCurve

__all__ = ["KEY_YEARS", "Analytics", "Book", "DiscountCurve"]
