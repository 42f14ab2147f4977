"""Best yield less cost within a duration band."""

from __future__ import annotations

from pydantic import Field, model_validator

from tbill_defi import (
    Constraint,
    Duration,
    Holdings,
    Lots,
    MaturityBucket,
    MaxWeight,
    Optimize,
    Strategy,
    StrategyConfig,
    TransactionCost,
    Turnover,
    View,
    Yield,
    maximize,
)


class DurationTargetConfig(StrategyConfig):
    """Settings of `DurationTarget`."""

    lower: float = Field(1.9, ge=0, le=30, description="least modified duration, years")
    upper: float = Field(2.1, ge=0, le=30, description="largest modified duration, years")
    max_weight: float = Field(0.10, gt=0, le=1, description="largest share of NAV in one issue")
    buckets: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description='weights by maturity, such as {"0-1y": [0.1, 0.4]}'
    )
    horizon_years: float = Field(1.0, gt=0, le=30, description="years over which costs must earn themselves back")
    turnover: float | None = Field(None, ge=0, le=2, description="half of all bought and sold, share of NAV at most")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")

    @model_validator(mode="after")
    def _band(self) -> DurationTargetConfig:
        if self.lower > self.upper:
            raise ValueError(f"lower {self.lower} is above upper {self.upper}")
        return self


class DurationTarget(Strategy[DurationTargetConfig]):
    """What is the best yield less cost that I can hold within a duration band?

    A linear programme in whole lots (`portfolio.optimiser`): issue caps, maturity buckets and turnover are
    limits, each with its shadow price.
    """

    def decide(self, view: View, book: Holdings) -> Optimize:
        """The programme for this band."""
        config = self.config
        limits: list[Constraint | Lots | Turnover] = [
            Duration.between(config.lower, config.upper),
            MaxWeight(config.max_weight),
            Lots(config.lot),
        ]
        limits += [MaturityBucket(label, low, high) for label, (low, high) in sorted(config.buckets.items())]
        if config.turnover is not None:
            limits.append(Turnover.at_most(config.turnover))
        return maximize(Yield() - TransactionCost(horizon_years=config.horizon_years), subject_to=limits)
