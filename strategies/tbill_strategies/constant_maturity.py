"""One security of a constant maturity, rolled."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from tbill_defi import Holdings, Infeasible, Lots, Strategy, StrategyConfig, View, Weights


class ConstantMaturityConfig(StrategyConfig):
    """Settings of `ConstantMaturity`."""

    tenor: str = Field("10 Yr", description="tenor of the par curve, such as 3 Mo, 2 Yr or 10 Yr")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class ConstantMaturity(Strategy[ConstantMaturityConfig]):
    """What is the total return of always holding the par bond of one tenor?

    On each decision day everything is moved into the security that matures nearest to the tenor. In a backtest it is
    offered the day's par bonds, so that it sells the bond of the last decision and buys the new par bond of exactly
    the tenor; its return is price change, coupon and roll-down.
    """

    universe: ClassVar[str] = "par"

    def decide(self, view: View, book: Holdings) -> Weights:
        """All in one security."""
        tenor = self.config.tenor
        if tenor not in view.curve:
            raise Infeasible(
                f"no {tenor} is issued on {view.date}: the tenors with a par yield are {', '.join(view.curve)}"
            )
        number, unit = tenor.split()
        years = float(number) / (12.0 if unit == "Mo" else 1.0)
        usable = np.flatnonzero(np.isfinite(view.offer_dirty))
        distance = np.abs(view.years_to_maturity[usable] - years)
        best = view.cusips[usable[np.lexsort((-view.years_to_maturity[usable], distance.round(6)))[0]]]
        return Weights.of({best: 1.0}, lots=Lots(self.config.lot), reasons={best: f"nearest to {tenor}"})
