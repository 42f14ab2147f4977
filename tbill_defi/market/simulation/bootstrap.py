"""Days of the past in another order: the stationary bootstrap of daily changes, all tenors of a day together.

Politis and Romano (1994), "The Stationary Bootstrap", Journal of the American Statistical Association 89: blocks begin
anywhere and have random lengths, so volatility that comes in clusters stays in clusters. The average change is taken
off: a trend of the sample is not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbill_defi.market.simulation.chance import Chance
from tbill_defi.market.simulation.history import Sample
from tbill_defi.market.simulation.shapes import Floats

BLOCK_DAYS = 21
"""Average length of a block: a month."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """The sample's changes.

    Attributes
    ----------
    start
        [n_tenors] par yields of the last day of the sample.
    changes
        [n_changes, n_tenors] less their average.
    """

    years: Floats
    start: Floats
    changes: Floats

    name = "bootstrap"

    @classmethod
    def fit(cls, sample: Sample) -> Bootstrap:
        """Nothing is fitted but the average."""
        changes = sample.changes()
        return cls(sample.years, sample.yields[-1], changes - changes.mean(axis=0))

    def paths(self, days: int, chance: Chance, count: int = 1) -> Floats:
        """[count, days, n_tenors] par yields of the days after the start, decimal."""
        total = len(self.changes)
        begins = chance.uniform(count, days) < 1.0 / BLOCK_DAYS
        begins[:, 0] = True
        jumps = np.floor(chance.uniform(count, days) * total).astype(np.int64)
        place = np.arange(days)
        since = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
        chosen = (np.take_along_axis(jumps, since, axis=1) + place - since) % total
        found: Floats = self.start + np.cumsum(self.changes[chosen], axis=1)
        return found

    def to_json(self) -> dict[str, object]:
        """What there is of parameters."""
        return {"block_days": BLOCK_DAYS, "changes": len(self.changes), "start": self.start.tolist()}
