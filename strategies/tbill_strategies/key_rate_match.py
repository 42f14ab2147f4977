"""The curve exposure of a benchmark, for more yield or for less cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tbill_defi import (
    Constraint,
    Holdings,
    KeyRate,
    Lots,
    MaxWeight,
    Objective,
    Optimize,
    Strategy,
    StrategyConfig,
    TransactionCost,
    Turnover,
    View,
    Yield,
    maximize,
)


class KeyRateMatchConfig(StrategyConfig):
    """Settings of `KeyRateMatch`."""

    benchmark: dict[str, float] = Field(
        default_factory=dict, description='weights such as {"91282CPZ8": 0.5}, the rest is cash; none: the book itself'
    )
    tolerance: float = Field(0.02, gt=0, le=1, description="how far each key rate duration may be off, years")
    seek: Literal["yield", "cost"] = Field("yield", description="most yield less cost, or least cost")
    max_weight: float | None = Field(None, gt=0, le=1, description="largest share of NAV in one issue")
    horizon_years: float = Field(1.0, gt=0, le=30, description="years over which costs must earn themselves back")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class KeyRateMatch(Strategy[KeyRateMatchConfig]):
    """What should I hold to move with every part of the curve as my benchmark does?

    A linear programme in whole lots: for each tenor of the day's par curve the portfolio's key rate duration is within
    the tolerance of the benchmark's. Within that it seeks the highest yield less cost, or the least cost.
    """

    def decide(self, view: View, book: Holdings) -> Optimize:
        """The programme for this benchmark."""
        config = self.config
        weights = config.benchmark or self._weights(view, book)
        index = {cusip: view.index(cusip) for cusip in weights}
        limits: list[Constraint | Lots | Turnover] = [Lots(config.lot)]
        for tenor, durations in view.key_rate_durations.items():
            wanted = sum(weight * float(durations[index[cusip]]) for cusip, weight in weights.items())
            limits.append(KeyRate(tenor, wanted - config.tolerance, wanted + config.tolerance))
        if config.max_weight is not None:
            limits.append(MaxWeight(config.max_weight))
        gain = Yield() if config.seek == "yield" else Objective()
        return maximize(gain - TransactionCost(horizon_years=config.horizon_years), subject_to=limits)

    @staticmethod
    def _weights(view: View, book: Holdings) -> dict[str, float]:
        """Market-value weights of the book at mid."""
        values = {
            cusip: face * float(view.mid_dirty[view.index(cusip)]) / 100 for cusip, face in book.positions.items()
        }
        nav = sum(values.values()) + book.cash_units
        return {cusip: value / nav for cusip, value in values.items()}
