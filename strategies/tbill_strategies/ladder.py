"""Equal rungs to a longest maturity."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tbill_defi import Holdings, Infeasible, Lots, Strategy, StrategyConfig, View, Weights

SOMETIMES_ISSUED = ("20 Yr", "30 Yr")
"""A ladder out to one of these wants it to be issued: there was no 30-year from February 2002 to February 2006."""


class LadderConfig(StrategyConfig):
    """Settings of `Ladder`."""

    rungs: int = Field(10, ge=1, le=60, description="equal maturities")
    longest_years: float = Field(10.0, gt=0, le=30, description="maturity of the last rung, years")
    cash_weight: float = Field(0.0, ge=0, lt=1, description="share of NAV kept in cash")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class Ladder(Strategy[LadderConfig]):
    """What do I own if I want the same amount maturing at even steps out to a longest maturity?

    Rung k of n is due in k/n of the longest maturity. It is filled with the security that matures nearest and
    has an offer or is already held; the higher yield decides a tie.
    """

    def decide(self, view: View, book: Holdings) -> Weights:
        """Equal weights over the rungs."""
        config = self.config
        held = np.array([cusip in book.positions for cusip in view.cusips])
        usable = np.flatnonzero(np.isfinite(view.offer_dirty) | held)
        if usable.size < config.rungs:
            raise Infeasible(f"ladder: {config.rungs} rungs, but only {usable.size} securities can be held")
        weights: dict[str, float] = {}
        reasons: dict[str, str] = {}
        longest = f"{config.longest_years:g} Yr"
        if longest in SOMETIMES_ISSUED and longest not in view.curve:
            tenors = ", ".join(view.curve)
            raise Infeasible(f"ladder: no {longest} is issued on {view.date}; the tenors with a par yield are {tenors}")
        for rung in range(1, config.rungs + 1):
            due = config.longest_years * rung / config.rungs
            distance = np.abs(view.years_to_maturity[usable] - due).round(3)
            place = np.lexsort((-view.yield_[usable], distance))[0]
            best = int(usable[place])
            usable = np.delete(usable, place)
            weights[view.cusips[best]] = (1.0 - config.cash_weight) / config.rungs
            reasons[view.cusips[best]] = f"rung {rung} of {config.rungs}, due in {due:.2f} y"
        for cusip in book.positions:
            reasons.setdefault(cusip, "on no rung")
        return Weights.of(weights, lots=Lots(config.lot), reasons=reasons)
