"""Two ends of the curve, weighted to a duration."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from tbill_defi import Holdings, Infeasible, Lots, Strategy, StrategyConfig, View, Weights


class BarbellConfig(StrategyConfig):
    """Settings of `Barbell`."""

    short_years: float = Field(1.0, gt=0, le=30, description="maturity of the short end, years")
    long_years: float = Field(10.0, gt=0, le=30, description="maturity of the long end, years")
    duration: float = Field(4.0, gt=0, le=30, description="modified duration of the whole, years")
    names: int = Field(2, ge=1, le=20, description="securities at each end")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")

    @model_validator(mode="after")
    def _ends(self) -> BarbellConfig:
        if self.short_years >= self.long_years:
            raise ValueError(f"short_years {self.short_years} is not below long_years {self.long_years}")
        return self


class Barbell(Strategy[BarbellConfig]):
    """What do I own if I want a duration from the two ends of the curve and nothing between?

    Each end holds, in equal parts, the securities on offer that mature nearest to it. With S and L the durations of the
    ends, the short one weighs (L - duration) / (L - S), the long one the rest; the portfolio has the duration before
    lots and costs.
    """

    def decide(self, view: View, book: Holdings) -> Weights:
        """Weights of the two ends."""
        config = self.config
        usable = np.flatnonzero(np.isfinite(view.offer_dirty))
        if usable.size < 2 * config.names:
            raise Infeasible(f"barbell: {2 * config.names} securities, but only {usable.size} are on offer")
        years = view.years_to_maturity[usable]
        short = usable[np.argsort(np.abs(years - config.short_years), kind="stable")[: config.names]]
        rest = usable[~np.isin(usable, short)]
        far = np.argsort(np.abs(view.years_to_maturity[rest] - config.long_years), kind="stable")
        long = rest[far[: config.names]]
        low, high = (float(view.modified_duration[end].mean()) for end in (short, long))
        if not low <= config.duration <= high or low == high:
            raise Infeasible(
                f"barbell: duration {config.duration:g} is not between the ends' {low:.3f} and {high:.3f} years",
                {"duration": max(low - config.duration, config.duration - high)},
            )
        light = (high - config.duration) / (high - low)
        weights: dict[str, float] = {}
        reasons: dict[str, str] = {}
        for end, share, name in ((short, light, "short"), (long, 1.0 - light, "long")):
            for index in end:
                weights[view.cusips[index]] = share / config.names
                reasons[view.cusips[index]] = f"{name} end, {view.modified_duration[index]:.2f} y of duration"
        return Weights.of(weights, lots=Lots(config.lot), reasons=reasons)
