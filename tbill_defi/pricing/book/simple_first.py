"""Simple interest for the part of a period before sums of flows in whole periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.yields import Sensitivity, Sums


@dataclass(frozen=True, eq=False)
class SimpleFirst:
    """Sums whose times begin at the next cycle date, with simple interest for the part of a period before it.

    Attributes
    ----------
    sums
        Times in whole periods from the next cycle date.
    simple
        [n] part of a period.
    """

    sums: Sums
    simple: Floats

    @property
    def frequency(self) -> Floats:
        """[n] periods a year."""
        return self.sums.frequency

    def at(self, u: Floats) -> Sensitivity:
        """Prices and their derivatives in u."""
        found, growth = self.sums.at(u), np.expm1(u)
        base = 1.0 + self.simple * growth
        share = self.simple * (1.0 + growth) / base
        bend = 2.0 * share * share - share
        return Sensitivity(
            found.price / base,
            (found.slope - share * found.price) / base,
            (found.curvature - 2.0 * share * found.slope + bend * found.price) / base,
        )

    def subset(self, rows: Ints) -> SimpleFirst:
        """The kernel of some of the securities."""
        return SimpleFirst(self.sums.subset(rows), self.simple[rows])
