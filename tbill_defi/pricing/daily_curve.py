"""A discount curve known day by day, with a flat forward beyond its last node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve

LARGEST_RATE = 0.25
"""Rates of a curve's tenors beyond it are taken for percent."""


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


def tenor_rates(of: str, rates: Mapping[str, float | None], length: Callable[[str], float]) -> dict[str, float]:
    """Tenor label -> decimal rate, ascending in tenor, of what a curve goes through.

    Parameters
    ----------
    of
        What the rates are, for errors: "par yields of 2026-03-24".
    rates
        Decimal; tenors with None or NaN are left out.
    length
        Of a label, to order by; it refuses what is none.

    Raises
    ------
    ConventionError
        If fewer than two tenors have a rate, two are the same tenor, or a rate looks like percent.
    """
    given = {label: float(rate) for label, rate in rates.items() if rate is not None and not math.isnan(rate)}
    lengths = {label: length(label) for label in given}
    found = {label: given[label] for label in sorted(given, key=lengths.__getitem__)}
    if len(set(lengths.values())) < max(len(found), 2):
        raise ConventionError(
            f"{of}: {len(found)} tenors ({', '.join(found) or 'none'}); a curve needs at least two, each once"
        )
    for label, rate in found.items():
        if not abs(rate) <= LARGEST_RATE:
            raise ConventionError(f"{of}, {label}: {rate:g} looks like percent; give a decimal such as {rate / 100:g}")
    return found
