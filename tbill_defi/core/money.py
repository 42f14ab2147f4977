"""Integer base units, and the one crossing from prices to them.

Cash is counted in 10^-6 of the currency, securities in 10^-6 dollar of (original) face.
Nothing here is a float: prices cross as `Decimal`, and each crossing names its rounding.
"""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from enum import Enum

from tbill_defi.core.errors import ConventionError

UNITS_PER_DOLLAR = 1_000_000
LARGEST_UNITS = 10**24
"""Stated limit of one amount: a quintillion dollars, far inside a uint128."""

_AMOUNT = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|[+-]?\.[0-9]+")
_CONTEXT = decimal.Context(prec=60)


class Rounding(Enum):
    """How an amount that falls between two base units is rounded."""

    HALF_EVEN = decimal.ROUND_HALF_EVEN
    HALF_UP = decimal.ROUND_HALF_UP
    DOWN = decimal.ROUND_DOWN
    UP = decimal.ROUND_UP


def units(dollars: Decimal | str | int, *, field: str = "amount", decimals: int = 6) -> int:
    """Exact base units of an amount of dollars, or of another currency.

    Parameters
    ----------
    dollars
        An exact decimal; a string may carry thousands separators ("1,250,000.50").
    field
        Name used in the error.
    decimals
        One unit is 10^-decimals of the currency.

    Raises
    ------
    ConventionError
        If the amount is not a number, is finer than one unit, or is beyond `LARGEST_UNITS`.
    """
    text = str(dollars).strip()
    if not _AMOUNT.fullmatch(text):
        raise ConventionError(f"{field}: {dollars!r} is not an amount of dollars such as 1000000.00 or 1,000,000.00")
    value = Decimal(text.replace(",", ""))
    scaled = _CONTEXT.multiply(value, Decimal(10**decimals))
    if abs(scaled) > LARGEST_UNITS:
        raise ConventionError(f"{field}: {dollars!r} is out of range")
    if scaled != scaled.to_integral_value():
        finest = "one millionth of a dollar" if decimals == 6 else f"one unit of the currency, 10^-{decimals}"
        raise ConventionError(f"{field}: {dollars!r} is finer than {finest}")
    return int(scaled)


def round_decimal(value: Decimal, places: int, rounding: Rounding = Rounding.HALF_UP) -> Decimal:
    """`value` rounded to `places` decimals."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=rounding.value, context=_CONTEXT)


def decimal_price(price: float, places: int = 6) -> Decimal:
    """A model's float price per 100 face as the decimal that is traded: half up at `places` decimals.

    The float's shortest repr is rounded, so the result is the same on every machine.
    """
    return round_decimal(Decimal(repr(float(price))), places, Rounding.HALF_UP)


def cash_from_price(face_units: int, dirty_price: Decimal, rounding: Rounding = Rounding.HALF_UP) -> int:
    """Cash base units for `face_units` at a dirty price per 100 face.

    cash = face x dirty / 100, rounded once, by default half up.
    """
    exact = _CONTEXT.divide(_CONTEXT.multiply(Decimal(face_units), dirty_price), Decimal(100))
    return int(exact.to_integral_value(rounding=rounding.value))


def format_units(amount: int, places: int = 2, decimals: int = 6) -> str:
    """Dollars, or a currency of other decimals, with thousands separators; more places where the amount needs them."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**decimals)
    digits = f"{fraction:0{decimals}d}" if decimals else ""
    kept = digits[:places] + digits[places:].rstrip("0")
    return f"{sign}{whole:,}" + (f".{kept}" if kept else "")


def format_cents(units: int) -> str:
    """Dollars of base units, rounded half up to the cent, with thousands separators."""
    cent = UNITS_PER_DOLLAR // 100
    rounded = (abs(units) + cent // 2) // cent * cent
    return format_units(-rounded if units < 0 else rounded)
