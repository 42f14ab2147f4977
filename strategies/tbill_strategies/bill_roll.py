"""A bill held to maturity and bought again."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from tbill_defi import Holdings, Infeasible, Lots, Strategy, StrategyConfig, View, Weights


class BillRollConfig(StrategyConfig):
    """Settings of `BillRoll`."""

    months: int = Field(3, ge=1, le=6, description="term of the bill, months")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class BillRoll(Strategy[BillRollConfig]):
    """What is the return of lending to the Treasury for three months at a time?

    Buys the bill of the term with all cash, holds it to maturity, and buys the next with what it pays. In a backtest it
    is asked on the days on which a bill pays, and offered the day's par curve, so that its return compounds the
    bond-equivalent yields of the term, simple interest within each.
    """

    universe: ClassVar[str] = "par"
    schedule: ClassVar[str] = "maturity"

    def decide(self, view: View, book: Holdings) -> Weights:
        """What is held, or the bill nearest to the term."""
        lots = Lots(self.config.lot)
        held = {view.index(cusip): face for cusip, face in book.positions.items()}
        if held:
            values = {i: float(view.mid_dirty[i]) * face / 100.0 for i, face in held.items()}
            nav = sum(values.values()) + book.cash_units
            return Weights.of({view.cusips[i]: value / nav for i, value in values.items()}, lots=lots)
        tenor = f"{self.config.months} Mo"
        if tenor not in view.curve:
            raise Infeasible(
                f"no {tenor} bill is issued on {view.date}: the tenors with a yield are {', '.join(view.curve)}"
            )
        bills = np.array([security.kind == "bill" for security in view.securities])
        usable = np.flatnonzero(np.isfinite(view.offer_dirty) & bills)
        if not usable.size:
            raise Infeasible(f"no bill is offered on {view.date}")
        distance = np.abs(view.years_to_maturity[usable] - self.config.months / 12.0)
        best = view.cusips[usable[int(np.argmin(distance))]]
        return Weights.of({best: 1.0}, lots=lots, reasons={best: f"nearest to {tenor}"})
