"""A curve over another: its zero rates moved by a spread that depends on the term."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.curve_values import DiscountCurve
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve


@dataclass(frozen=True, eq=False)
class SpreadCurve(Curve):
    """A curve whose zero rates are those of another plus a spread of the term: credit, or a shock.

    Attributes
    ----------
    base
        The curve without it.
    years
        [n_nodes] ascending. Between nodes the spread is linear, outside them flat.
    spreads
        [n_nodes] decimal, continuous Act/365.
    """

    base: DiscountCurve
    years: Floats
    spreads: Floats

    @property
    def curve_date(self) -> date:  # type: ignore[override]
        """Of the base."""
        return self.base.curve_date

    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        years = offsets / DAYS_PER_YEAR
        base = self.base.discount_factors(np.datetime64(self.curve_date, "D") + offsets)
        factors: Floats = base * np.exp(-np.interp(years, self.years, self.spreads) * years)
        return factors
