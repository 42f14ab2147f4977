"""Named securities in equal parts: the same portfolio as the peer's, for `bench.backtest`."""

from __future__ import annotations

from pydantic import Field

from tbill_defi import Holdings, Lots, Strategy, StrategyConfig, View, Weights


class EqualWeightsConfig(StrategyConfig):
    """Settings of `EqualWeights`."""

    cusips: tuple[str, ...] = Field((), description="what is held")
    lot: int = Field(1, ge=1, description="face of a lot, dollars")


class EqualWeights(Strategy[EqualWeightsConfig]):
    """What if I held these in equal parts?"""

    def decide(self, view: View, book: Holdings) -> Weights:
        """The same weight for each."""
        cusips = self.config.cusips
        return Weights.of(dict.fromkeys(cusips, 1.0 / len(cusips)), lots=Lots(self.config.lot))
