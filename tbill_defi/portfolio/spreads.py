"""Dealer's bid-offer spreads where no quote is observed: a table in 32nds by type and remaining maturity.

Source: FedInvest prices of 2026-03-24 (US Treasury, Bureau of the Fiscal Service), median of buy less sell over
all securities of the type in the maturity range that have both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

SOURCE = "FedInvest 2026-03-24, median of buy less sell by type and remaining maturity"


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """Bid-offer spread in 32nds of a point, per 100 face, up to and including `up_to_years` of remaining maturity."""

    kind: str
    up_to_years: float
    thirty_seconds: Decimal


TABLE: tuple[SpreadRow, ...] = tuple(
    SpreadRow(kind, years, Decimal(spread))
    for kind, years, spread in (
        ("bill", 0.25, "0.0249"),
        ("bill", 0.5, "0.0933"),
        ("bill", 1.1, "0.3191"),
        ("note", 1.0, "0.5"),
        ("note", 2.0, "0.5"),
        ("note", 3.0, "0.75"),
        ("note", 5.0, "1.0"),
        ("note", 7.0, "0.5"),
        ("note", 10.1, "0.5"),
        ("bond", 1.0, "8.75"),
        ("bond", 2.0, "10.0"),
        ("bond", 3.0, "11.0"),
        ("bond", 5.0, "8.0"),
        ("bond", 10.0, "7.0"),
        ("bond", 20.0, "2.5"),
        ("bond", 30.1, "1.5"),
    )
)


def spread_32nds(kind: str, years: float) -> Decimal:
    """Bid-offer spread in 32nds for a security type and its remaining years; the last row beyond the table."""
    rows = [row for row in TABLE if row.kind == kind]
    return next((row.thirty_seconds for row in rows if years <= row.up_to_years), rows[-1].thirty_seconds)


def half_spread(kind: str, years: float) -> Decimal:
    """Half of the spread, per 100 face."""
    return spread_32nds(kind, years) / 64
