"""A discount curve known day by day, with a flat forward beyond its last node."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve


class DailyCurve(Curve):
    """Discount factors of every day to the last node.

    Attributes
    ----------
    factors
        [n_days + 1] float64, read-only: discount factor i days after the curve date, to the last node.
    tail_forward
        Continuous Act/365 forward rate beyond the last node.
    """

    factors: Floats
    tail_forward: float

    @property
    def last_date(self) -> date:
        """Date of the last node; the forward is flat beyond it."""
        return self.curve_date + timedelta(days=len(self.factors) - 1)

    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        last = len(self.factors) - 1
        inside = self.factors.take(offsets, mode="clip")
        if offsets.max(initial=0) <= last:
            return inside
        values: Floats = inside * np.exp(-self.tail_forward * np.maximum(offsets - last, 0) / DAYS_PER_YEAR)
        return values


def average_forward(factors: Floats, first: int) -> float:
    """Continuous Act/365 forward rate from a day's offset to the last of daily factors."""
    last = len(factors) - 1
    return math.log(factors[first] / factors[last]) / (last - first) * DAYS_PER_YEAR
