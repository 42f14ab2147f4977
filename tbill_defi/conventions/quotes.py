"""Desk quotes as text: prices in 32nds, 64ths, eighths of a 32nd and decimals; bills as discount rates.

The grammar of a price per 100 face, a minus sign before it for a difference:

| text | means |
|---|---|
| `99-16` | 99 and 16/32; always two digits, 00 to 31 |
| `99-16+` | half a 32nd more: 33/64 |
| `99-166` | a third digit 0 to 7 is eighths of a 32nd: 16 and 6/8, that is 134/256 |
| `99 33/64` | a fraction of a point, over 2, 4, 8, ... 256 |
| `99.515625` | decimal |

In futures quotes the third digit is the first digit of a decimal (`112-165` is 16.5/32): it is not read so here.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from enum import Enum
from fractions import Fraction

from tbill_defi.core.errors import ConventionError

EIGHTHS_PER_POINT = 256
"""The finest tick of a quote in 32nds is an eighth of a 32nd."""
LARGEST_QUOTE = 1_000_000
"""Points beyond it are no price per 100 face; up to it every 256th is exact in binary."""

_DECIMAL = re.compile(r"-?\d+(\.\d+)?|-?\.\d+")
_TICKS = re.compile(r"(-?)(\d+)-(\d+)(\+?)")
_FRACTION = re.compile(r"(-?)(\d+) (\d+)/(\d+)")
_RATE = re.compile(r"(-?\d+(?:\.\d+)?)\s*%?")
_FORMS = "99-16, 99-16+, 99-166, 99 33/64 or 99.515625"


class QuoteStyle(Enum):
    """How a price is written, and to which tick it is rounded; a tie goes to the even tick.

    EIGHTHS
        Eighths of a 32nd, "99-162"; four of them are "+".
    SIXTY_FOURTHS
        Half a 32nd, "99-16+".
    THIRTY_SECONDS
        Whole 32nds, "99-16".
    FRACTION
        Eighths of a 32nd as a fraction in lowest terms, "99 33/64".
    DECIMAL
        The fewest digits that read back as the same double.
    """

    EIGHTHS = "eighths"
    SIXTY_FOURTHS = "64ths"
    THIRTY_SECONDS = "32nds"
    FRACTION = "fraction"
    DECIMAL = "decimal"


_TICKS_PER_POINT = {QuoteStyle.SIXTY_FOURTHS: 64, QuoteStyle.THIRTY_SECONDS: 32}


def format_quote(price: float, style: QuoteStyle = QuoteStyle.EIGHTHS) -> str:
    """A price per 100 face as a desk writes it.

    `parse_quote` reads it back: exactly in `DECIMAL`, otherwise to the price rounded to the style's tick, and exactly
    where the price is on a tick.

    Parameters
    ----------
    price
        Per 100 face, up to a million.
    style
        See `QuoteStyle`.

    Raises
    ------
    ConventionError
        If `price` is not finite, or beyond a million.
    """
    if not math.isfinite(price):
        raise ConventionError(f"price: {price} is not a finite number")
    if abs(price) > LARGEST_QUOTE:
        raise ConventionError(f"price: {price:g} is beyond {LARGEST_QUOTE:,} per 100 face")
    if style is QuoteStyle.DECIMAL:
        return _shortest(Decimal(repr(float(price))))
    per_point = _TICKS_PER_POINT.get(style, EIGHTHS_PER_POINT)
    ticks = round(Fraction(price) * per_point)
    sign = "-" if ticks < 0 else ""
    points, rest = divmod(abs(ticks), per_point)
    if style is QuoteStyle.FRACTION:
        return f"{sign}{points}" + (f" {Fraction(rest, per_point)}" if rest else "")
    whole, eighth = divmod(rest * (EIGHTHS_PER_POINT // per_point), 8)
    return f"{sign}{points}-{whole:02d}" + {0: "", 4: "+"}.get(eighth, str(eighth))


def parse_quote(text: str) -> float:
    """Price per 100 face of a quote: "99-16", "99-16+", "99-166", "99 33/64" or "99.515625".

    Ticks are exact in binary, a decimal is the nearest double. A bill is quoted by its discount rate: see
    `parse_discount_rate`.

    Raises
    ------
    ConventionError
        Names the text, what is wrong with it and the right form.
    """
    quote = " ".join(text.split()) if isinstance(text, str) else ""
    if _DECIMAL.fullmatch(quote):
        return _within(text, float(quote))
    if match := _TICKS.fullmatch(quote):
        sign, points, ticks, plus = match.groups()
        return _within(text, _signed(sign, int(points) + Fraction(_eighths(text, points, ticks, plus), 256)))
    if match := _FRACTION.fullmatch(quote):
        sign, points, above, below = match.groups()
        parts = int(below)
        if parts not in (2, 4, 8, 16, 32, 64, 128, 256) or int(above) >= parts:
            raise _error(text, "the fraction is below 1, over 2, 4, 8, 16, 32, 64, 128 or 256, as in 99 33/64")
        return _within(text, _signed(sign, int(points) + Fraction(int(above), parts)))
    if quote.endswith("%"):
        raise _error(text, "a rate is not a price; a bill's quote is its discount rate, see parse_discount_rate")
    raise _error(text)


def _eighths(text: str, points: str, ticks: str, plus: str) -> int:
    """Eighths of a 32nd after the dash."""
    if len(ticks) == 1:
        raise _error(text, f"32nds have two digits: {points}-0{ticks}{plus}")
    if int(ticks[:2]) > 31:
        raise _error(text, f"32nds run from 00 to 31, not {ticks[:2]}: {points}-31")
    if len(ticks) == 3 and (plus or ticks[2] in "89"):
        raise _error(text, f"after the 32nds comes + or one digit 0 to 7 (eighths): {points}-{ticks[:2]}+")
    if len(ticks) > 3:
        raise _error(text, f"after the 32nds comes one digit at most: {points}-{ticks[:3]}")
    return int(ticks[:2]) * 8 + (4 if plus else int(ticks[2:] or "0"))


def _error(text: object, cure: str = "") -> ConventionError:
    return ConventionError(f"quote: {text!r} is not a price such as {_FORMS}{cure and ': '}{cure}")


def _signed(sign: str, value: Fraction) -> float:
    return float(-value if sign else value)


def _within(text: str, price: float) -> float:
    if abs(price) > LARGEST_QUOTE:
        raise _error(text, f"beyond {LARGEST_QUOTE:,} per 100 face")
    return price


def _shortest(value: Decimal) -> str:
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def parse_discount_rate(text: str) -> float:
    """Decimal discount rate of a bill's quote in percent: "4.285" or "4.285%" is 0.04285, the nearest double.

    Raises
    ------
    ConventionError
        Names the text and the right form.
    """
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConventionError(f"quote: {text!r} is not a discount rate in percent such as 4.285 or 4.285%")
    percent = Decimal(match[1])
    if abs(percent) >= 100:
        raise ConventionError(f"quote: {text!r} is not below 100%; a discount rate is percent such as 4.285")
    return float(percent / 100)


def format_discount_rate(rate: float) -> str:
    """A bill's quote: a decimal discount rate as percent, in the fewest digits that `parse_discount_rate` reads back.

    Raises
    ------
    ConventionError
        If `rate` is not finite or not below 1.
    """
    if not math.isfinite(rate) or abs(rate) >= 1.0:
        raise ConventionError(f"rate: {rate} is not a decimal discount rate such as 0.04285")
    return _shortest(Decimal(repr(float(rate))) * 100)


def ticks_from_price(price: float) -> float:
    """A price difference per 100 face in 32nds."""
    return price * 32.0
