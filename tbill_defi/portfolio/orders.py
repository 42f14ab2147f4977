"""Orders: what a plan trades with the dealer, line by line, with every price and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tbill_defi.core.errors import PlanError
from tbill_defi.core.money import cash_from_price, format_units
from tbill_defi.instruments import Security, terms_hash
from tbill_defi.portfolio.view import View

Side = Literal["buy", "sell"]


@dataclass(frozen=True)
class Order:
    """One line: the party buys at the dealer's offer or sells at his bid, never at mid.

    Attributes
    ----------
    face_units
        10^-6 dollar of face, positive.
    quoted_clean_price, quote_settlement_date
        The quote, per 100 face, and the settlement date it is for.
    quoted_dirty_price
        Quote plus accrued interest at that date, per 100 face.
    clean_price, accrued, dirty_price
        At the settlement date of the plan, per 100 face, 6 decimals: the quoted dirty price carried to that date at
        the view's repo rate; clean + accrued = dirty.
    regular_dirty_price
        What the same quote comes to for regular settlement (T+1); None if the security matures by then.
    cash_units
        face x dirty / 100, rounded half up to 10^-6 dollar.
    cost_units
        What is given up against mid, base units of cash.
    source, quote_date
        Where the price comes from ("observed", "model", ...) and its date.
    """

    security: Security
    side: Side
    face_units: int
    quoted_clean_price: Decimal
    quote_settlement_date: date
    quoted_dirty_price: Decimal
    clean_price: Decimal
    accrued: Decimal
    dirty_price: Decimal
    regular_dirty_price: Decimal | None
    cash_units: int
    cost_units: int
    source: str
    quote_date: date
    reason: str

    @property
    def cusip(self) -> str:
        """CUSIP of the security."""
        return self.security.cusip

    def content(self) -> dict[str, str]:
        """What of the order the plan's context hash covers, as text."""
        return {
            "cusip": self.cusip,
            "terms_hash": "0x" + terms_hash(self.security).hex(),
            "side": self.side,
            "face": str(self.face_units),
            "quoted_clean_price": str(self.quoted_clean_price),
            "quote_settlement_date": self.quote_settlement_date.isoformat(),
            "quoted_dirty_price": str(self.quoted_dirty_price),
            "clean_price": str(self.clean_price),
            "accrued": str(self.accrued),
            "dirty_price": str(self.dirty_price),
            "cash": str(self.cash_units),
            "cost": str(self.cost_units),
            "source": self.source,
            "quote_date": self.quote_date.isoformat(),
        }


def make_order(view: View, index: int, face_units: int, reason: str) -> Order:
    """The order for a signed change of face: bought at the offer, sold at the bid.

    Raises
    ------
    PlanError
        If the dealer does not quote that side.
    """
    cusip = view.cusips[index]
    side: Side = "buy" if face_units > 0 else "sell"
    quote = view.quote(index, side)
    if quote is None:
        raise PlanError(f"{cusip}: no {'offer' if side == 'buy' else 'bid'} on {view.date}; it cannot be {side}ed")
    face = abs(face_units)
    cash = cash_from_price(face, quote.dirty_price)
    mid = cash_from_price(face, view.mid_dirty_price(index))
    return Order(
        security=view.securities[index],
        side=side,
        face_units=face,
        quoted_clean_price=quote.quoted_clean_price,
        quote_settlement_date=quote.quote_settlement_date,
        quoted_dirty_price=quote.quoted_dirty_price,
        clean_price=quote.dirty_price - quote.accrued,
        accrued=quote.accrued,
        dirty_price=quote.dirty_price,
        regular_dirty_price=quote.regular_dirty_price,
        cash_units=cash,
        cost_units=cash - mid if side == "buy" else mid - cash,
        source=view.sources[index],
        quote_date=view.quote_dates[index],
        reason=reason,
    )


def require_cash(orders: Sequence[Order], cash_units: int) -> int:
    """Cash after the orders, base units.

    Raises
    ------
    PlanError
        If it would be negative.
    """
    bought = sum(o.cash_units for o in orders if o.side == "buy")
    sold = sum(o.cash_units for o in orders if o.side == "sell")
    after = cash_units + sold - bought
    if after < 0:
        raise PlanError(
            f"cash: ${format_units(cash_units)} and sales of ${format_units(sold)} do not pay for purchases of "
            f"${format_units(bought)}; ${format_units(-after)} is missing"
        )
    return after
