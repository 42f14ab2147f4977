"""A vectorised book: the whole market priced and risked at once."""

from tbill_defi.pricing.book.analytics import Analytics
from tbill_defi.pricing.book.book import KEY_YEARS, Book
from tbill_defi.pricing.book.carry_roll import CarryRoll
from tbill_defi.pricing.book.curve_values import DiscountCurve
from tbill_defi.pricing.book.rich_cheap import RichCheap

__all__ = ["KEY_YEARS", "Analytics", "Book", "CarryRoll", "DiscountCurve", "RichCheap"]
