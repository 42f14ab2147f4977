"""Desk quotes: 32nds and their fractions."""

from __future__ import annotations

import re
from fractions import Fraction

from tbill_defi.core.errors import ConventionError

EIGHTHS_PER_POINT = 256
"""The finest tick of a 32nds quote is an eighth of a 32nd."""

_QUOTE = re.compile(r"(-?)(\d+)-(\d\d)([+0-7]?)")


def format_32nds(price: float) -> str:
    """A price per 100 face in 32nds, to the nearest eighth of a 32nd.

    "99-16" is 99 and 16/32; "99-16+" has half a 32nd more; "99-162" two eighths of a 32nd more. A tie goes to the
    even eighth.

    Raises
    ------
    ConventionError
        If `price` is not finite.
    """
    try:
        eighths = round(Fraction(price) * EIGHTHS_PER_POINT)
    except (ValueError, OverflowError):
        raise ConventionError(f"price: {price} is not a finite number") from None
    sign = "-" if eighths < 0 else ""
    points, rest = divmod(abs(eighths), EIGHTHS_PER_POINT)
    ticks, eighth = divmod(rest, 8)
    return f"{sign}{points}-{ticks:02d}" + {0: "", 4: "+"}.get(eighth, str(eighth))


def parse_32nds(text: str) -> float:
    """Price per 100 face of a quote in 32nds ("99-16", "99-16+", "99-162"); exact in binary.

    Raises
    ------
    ConventionError
        If `text` is not such a quote, or its 32nds exceed 31.
    """
    match = _QUOTE.fullmatch(text.strip())
    if match is None or int(match[3]) > 31:
        raise ConventionError(f"quote: {text!r} is not a price in 32nds such as 99-16, 99-16+ or 99-162")
    eighths = int(match[2]) * EIGHTHS_PER_POINT + int(match[3]) * 8 + int({"": "0", "+": "4"}.get(match[4], match[4]))
    return (-eighths if match[1] else eighths) / EIGHTHS_PER_POINT


def ticks_from_price(price: float) -> float:
    """A price difference per 100 face in 32nds."""
    return price * 32.0
