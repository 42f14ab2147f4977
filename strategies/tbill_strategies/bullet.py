"""Everything around one maturity."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tbill_defi import Holdings, Infeasible, Lots, Strategy, StrategyConfig, View, Weights


class BulletConfig(StrategyConfig):
    """Settings of `Bullet`."""

    years: float = Field(5.0, gt=0, le=30, description="maturity, years")
    within_years: float = Field(2.5, gt=0, le=30, description="how far from it a security may mature, years")
    names: int = Field(3, ge=1, le=40, description="securities held")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class Bullet(Strategy[BulletConfig]):
    """What do I own if all of it is to mature around one date?

    The securities on offer that mature nearest to the date, in equal parts; none further from it than stated.
    """

    def decide(self, view: View, book: Holdings) -> Weights:
        """Equal weights around the maturity."""
        config = self.config
        distance = np.abs(view.years_to_maturity - config.years)
        usable = np.flatnonzero(np.isfinite(view.offer_dirty) & (distance <= config.within_years))
        if usable.size < config.names:
            raise Infeasible(
                f"bullet: {config.names} securities, but only {usable.size} on offer mature within "
                f"{config.within_years:g} years of {config.years:g}"
            )
        chosen = usable[np.argsort(distance[usable], kind="stable")[: config.names]]
        return Weights.of(
            {view.cusips[i]: 1.0 / config.names for i in chosen},
            lots=Lots(config.lot),
            reasons={view.cusips[i]: f"due in {view.years_to_maturity[i]:.2f} years" for i in chosen},
        )
