"""Securities against a curve: what the market pays over the model, and how unusual that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.columns import Bools, Columns
from tbill_defi.pricing.book.curve_values import DiscountCurve

if TYPE_CHECKING:
    import polars as pl

LEAST_FIT_DAYS = 30
"""To maturity, of what a curve is fitted to: in the last month a price says little of a yield."""
LEAST_HISTORY = 5
"""Earlier residuals of a security that a z-score needs."""


@dataclass(frozen=True, eq=False)
class RichCheap:
    """Market against model, in the order of the book; prices per 100 face.

    Attributes
    ----------
    settlement
        Of the prices.
    curve
        The model: the curve given, or the one fitted.
    maturity
        [n] datetime64[D].
    clean_price, model_clean_price
        [n] per 100 face.
    residual
        [n] market less model price: positive is rich.
    yield_, model_yield
        [n] decimal, in the convention asked for.
    residual_bp
        [n] market less model yield in basis points: positive is cheap. Of a floating rate note of its margin.
    z_spread_bp
        [n] spread over the curve's continuous zero rates.
    fitted
        [n] whether the curve was fitted to the price.
    z_score
        [n] residual_bp less the mean of the history's, over their standard deviation; NaN where it has fewer than
        `LEAST_HISTORY` of the security. None without a history.
    """

    cusips: tuple[str, ...]
    settlement: date
    curve: DiscountCurve
    maturity: NDArray[np.datetime64]
    clean_price: Floats
    model_clean_price: Floats
    residual: Floats
    yield_: Floats
    model_yield: Floats
    residual_bp: Floats
    z_spread_bp: Floats
    fitted: Bools
    z_score: Floats | None = None

    @property
    def rms_bp(self) -> float:
        """Root mean square of the fitted residuals, basis points of yield; NaN if nothing was fitted."""
        fitted = self.residual_bp[self.fitted]
        return float(np.sqrt(np.mean(fitted**2))) if len(fitted) else float("nan")

    def frame(self) -> pl.DataFrame:
        """One row a security."""
        import polars as pl

        left_out = ("cusips", "settlement", "curve", *(() if self.z_score is not None else ("z_score",)))
        names = [name for name in self.__dataclass_fields__ if name not in left_out]
        columns = {name.removesuffix("_"): getattr(self, name) for name in names}
        return pl.DataFrame({"cusip": list(self.cusips), **columns})


def fit_mask(columns: Columns, day: int, chosen: Any) -> Bools:
    """[n] which securities a curve is fitted to: those chosen, else Treasuries of fixed coupons and bills.

    Raises
    ------
    ConventionError
        If the mask has another shape, or real and nominal securities are in one book.
    """
    if chosen is not None:
        mask: Bools = np.asarray(chosen)
        if mask.shape != (len(columns),) or mask.dtype != bool:
            raise ConventionError(f"fitted: is not [{len(columns)}] of True and False, one for each security")
        return mask
    real = columns.kind == "tips"
    if real.any() and not real.all():
        row = int(np.flatnonzero(real)[0])
        raise ConventionError(
            f"securities[{row}] ({columns.cusips[row]}): a TIPS is priced by a real curve, the others by a "
            "nominal one; give them a book of their own"
        )
    mask = np.isin(columns.kind, ("bill", "note", "bond", "tips")) & (columns.maturity - day > LEAST_FIT_DAYS)
    return mask


def z_scores(cusips: Sequence[str], residual_bp: Floats, history: Sequence[RichCheap]) -> Floats:
    """[n] residuals in standard deviations from the mean of the history's, by CUSIP; NaN where it is too short."""
    place = {cusip: i for i, cusip in enumerate(cusips)}
    past = np.full((len(history), len(cusips)), np.nan)
    for day, earlier in enumerate(history):
        for i, cusip in enumerate(earlier.cusips):
            if cusip in place:
                past[day, place[cusip]] = earlier.residual_bp[i]
    known = ~np.isnan(past)
    counts = known.sum(axis=0)
    enough = np.maximum(counts, 1)
    values = np.where(known, past, 0.0)
    mean = values.sum(axis=0) / enough
    variance = np.where(known, (past - mean) ** 2, 0.0).sum(axis=0) / np.maximum(counts - 1, 1)
    usable = (counts >= LEAST_HISTORY) & (variance > 0.0)
    scores: Floats = np.where(usable, (residual_bp - mean) / np.sqrt(np.where(usable, variance, 1.0)), np.nan)
    return scores
