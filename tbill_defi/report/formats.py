"""A desk's formats: 32nds, basis points, dollars."""

from __future__ import annotations

from tbill_defi.conventions import format_quote
from tbill_defi.core.clock import moment as moment
from tbill_defi.core.money import decimal_price, format_cents, format_units
from tbill_defi.instruments import AnySecurity


def price(security: AnySecurity, clean: float) -> str:
    """Clean price: bills in decimals, notes and bonds in 32nds and eighths of a 32nd."""
    return decimals(clean) if security.kind == "bill" else format_quote(clean)


def decimals(price: float) -> str:
    """A price per 100 face to six decimals, half up, as the Treasury publishes it: 1/128 ends in a tie."""
    return str(decimal_price(price))


def percent(rate: float, places: int = 3) -> str:
    """A decimal rate as percent."""
    return f"{rate * 100:.{places}f}%"


def basis_points(rate: float, *, sign: bool = True) -> str:
    """A decimal rate in basis points."""
    return f"{rate * 1e4:{'+' if sign else ''}.1f} bp"


def dollars(amount: float, *, sign: bool = False) -> str:
    """Whole dollars."""
    minus = amount < 0 and (sign or f"{amount:.0f}" != "-0")
    return f"{'-' if minus else '+' if sign else ''}${abs(amount):,.0f}"


def cents(units: int) -> str:
    """Exact dollars of base units; at least cents."""
    return f"-${format_units(-units)}" if units < 0 else f"${format_units(units)}"


def cash(units: int) -> str:
    """Dollars of base units, rounded half up to the cent."""
    text = format_cents(units)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def face(units: int) -> str:
    """Exact dollars of face: no decimals unless there are some."""
    return format_units(units, places=0)


def shadow_price(bp_per_unit: float, unit: str) -> str:
    """What relaxing a limit earns: per tenth of a year, percentage point, million dollars of face, or basis point."""
    step, name = {"years": (10.0, "0.1 y"), "$m": (1.0, "$1m"), "bp": (1.0, "bp")}.get(unit, (100.0, "1%"))
    return f"{bp_per_unit / step:.2f} bp per {name}"


def coupon(security: AnySecurity) -> str:
    """Coupon in percent, empty where there is no fixed one."""
    rate: float | None = getattr(security, "coupon", None)
    return "" if rate is None else f"{rate * 100:.3f}"


def short_hash(text: str) -> str:
    """First and last digits of a 0x-hash."""
    return f"{text[:10]}…{text[-6:]}" if len(text) > 20 else text
