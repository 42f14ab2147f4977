"""Dynamic Nelson-Siegel: level, slope and curvature as a vector autoregression.

Diebold and Li (2006), "Forecasting the term structure of government bond yields", Journal of Econometrics 130: a curve
is b1 + b2 (1 - e^-lt)/(lt) + b3 ((1 - e^-lt)/(lt) - e^-lt), with l fixed so that curvature weighs most at 30 months;
each day's three numbers come from a regression, and follow a VAR(1). Here the curve is of par yields, and what the
three numbers leave over follows an AR(1) for each tenor, with its own correlated shocks, drawn apart from the factors':
so a path begins at the curve it starts from, and from one year on every tenor has its measured volatility within 6%.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbill_defi.market.simulation.chance import Chance
from tbill_defi.market.simulation.history import Sample
from tbill_defi.market.simulation.linear import factor, persistence, stationary
from tbill_defi.market.simulation.shapes import Floats

DECAY = 0.0609 * 12.0
"""Diebold and Li's, per year."""


def loadings(years: Floats, decay: float = DECAY) -> Floats:
    """[n_tenors, 3] of level, slope, curvature."""
    scaled = decay * years
    slope = -np.expm1(-scaled) / scaled
    return np.column_stack([np.ones_like(years), slope, slope - np.exp(-scaled)])


@dataclass(frozen=True, eq=False)
class NelsonSiegel:
    """The fitted model.

    Attributes
    ----------
    start, mean
        [3] factors on the last day of the sample; of the sample's average.
    transition
        [3, 3] from a day's distance to the mean to the next day's.
    shocks
        [3, 3] covariance of a day's shocks.
    rest_start, rest_mean, rest_transition
        [n_tenors] what the factors leave over on the last day; on average; share that is left a day later.
    rest_shocks
        [n_tenors, n_tenors] covariance of its shocks.
    """

    years: Floats
    start: Floats
    mean: Floats
    transition: Floats
    shocks: Floats
    rest_start: Floats
    rest_mean: Floats
    rest_transition: Floats
    rest_shocks: Floats

    name = "dns"

    @classmethod
    def fit(cls, sample: Sample) -> NelsonSiegel:
        """Regress each day's curve on the loadings, then each day's factors on the day before's."""
        shape = loadings(sample.years)
        factors = sample.yields @ np.linalg.pinv(shape).T
        rest = sample.yields - factors @ shape.T
        mean, rest_mean = factors.mean(axis=0), rest.mean(axis=0)
        transition = stationary(persistence(factors - mean))
        moved = factors[1:] - mean - (factors[:-1] - mean) @ transition.T
        apart = rest - rest_mean
        kept = np.clip((apart[1:] * apart[:-1]).sum(axis=0) / np.square(apart[:-1]).sum(axis=0), 0.0, 0.999)
        rest_moved = apart[1:] - apart[:-1] * kept
        return cls(
            sample.years,
            factors[-1],
            mean,
            transition,
            np.cov(moved.T, bias=True),
            rest[-1],
            rest_mean,
            kept,
            np.cov(rest_moved.T, bias=True),
        )

    def paths(self, days: int, chance: Chance, count: int = 1) -> Floats:
        """[count, days, n_tenors] par yields of the days after the start, decimal."""
        shape, tenors = loadings(self.years), len(self.years)
        shocks = chance.normal(count, days, 3) @ factor(self.shocks).T
        rest_shocks = chance.normal(count, days, tenors) @ factor(self.rest_shocks).T
        state = np.broadcast_to(self.start - self.mean, (count, 3))
        rest = np.broadcast_to(self.rest_start - self.rest_mean, (count, tenors))
        average = shape @ self.mean + self.rest_mean
        found = np.empty((count, days, tenors))
        for day in range(days):
            state = state @ self.transition.T + shocks[:, day]
            rest = rest * self.rest_transition + rest_shocks[:, day]
            found[:, day] = average + state @ shape.T + rest
        return found

    def to_json(self) -> dict[str, object]:
        """Parameters, decimal and per trading day."""
        fields = ("start", "mean", "transition", "shocks", "rest_start", "rest_mean", "rest_transition", "rest_shocks")
        return {"decay_per_year": DECAY, **{name: getattr(self, name).tolist() for name in fields}}
