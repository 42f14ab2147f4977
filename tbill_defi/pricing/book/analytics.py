"""The figures of a book at one settlement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Analytics:
    """Figures of a book, in its order; prices per 100 face.

    Attributes
    ----------
    clean_price, dirty_price, accrued
        [n] per 100 face.
    yield_
        [n] decimal, in the convention asked for, to maturity; of a floating rate note index + discount margin.
    modified_duration, convexity
        [n] years, years squared: analytic in the yield; of a floating rate note in the discount margin.
    dv01
        [n] positive dollars per 100 face for a fall of 1 bp in the yield.
    effective_duration, effective_convexity
        [n] the same for a parallel move of the curve's continuous zero rates; None without a curve.
    key_rate_dv01
        [n, n_nodes] dollars per 100 face for a fall of 1 bp in the zero rate at each node; None without a curve.
    key_years
        [n_nodes] the nodes, years.
    yield_to_worst, worst_date
        [n] decimal, the lowest yield to a call or maturity, and the day it is to; None without callable bonds.
    discount_margin
        [n] decimal, over the index; NaN of a fixed coupon; None without floating rate notes.
    """

    cusips: tuple[str, ...]
    clean_price: Floats
    dirty_price: Floats
    accrued: Floats
    yield_: Floats
    modified_duration: Floats
    convexity: Floats
    dv01: Floats
    effective_duration: Floats | None = None
    effective_convexity: Floats | None = None
    key_rate_dv01: Floats | None = None
    key_years: Floats | None = None
    yield_to_worst: Floats | None = None
    worst_date: NDArray[np.datetime64] | None = None
    discount_margin: Floats | None = None

    def frame(self) -> pl.DataFrame:
        """One row a security, key rates as columns `key_rate_dv01_2y`."""
        import polars as pl

        columns = {"cusip": list(self.cusips), **{name: getattr(self, name) for name in _COLUMNS}}
        columns |= {name: getattr(self, name) for name in _OF_SOME if getattr(self, name) is not None}
        if self.key_rate_dv01 is not None and self.key_years is not None:
            columns |= {
                f"key_rate_dv01_{years:g}y": self.key_rate_dv01[:, i] for i, years in enumerate(self.key_years.tolist())
            }
        return pl.DataFrame({name.removesuffix("_"): values for name, values in columns.items()})


_COLUMNS = ("clean_price", "dirty_price", "accrued", "yield_", "modified_duration", "convexity", "dv01")
_OF_SOME = ("yield_to_worst", "worst_date", "discount_margin", "effective_duration", "effective_convexity")
