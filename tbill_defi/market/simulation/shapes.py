"""Par yields, discount factors and zero rates of whole arrays of curves, on a half-year grid.

The recipe is the framework's curve's, with months for day counts: under a year a tenor is a simple bond-equivalent rate
over months / 12, from one year on a semiannual par bond. Between tenors of a year and more par yields are linear, so
that par yields -> discount factors -> par yields is exact at every tenor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HALF = 0.5


def tenor_years(tenor: str) -> float:
    """Years of a tenor such as "3 Mo" or "10 Yr"."""
    number, _, unit = tenor.partition(" ")
    return float(number) / (12.0 if unit == "Mo" else 1.0)


def discounts_of_par(yields: Floats, years: Floats) -> tuple[Floats, Floats]:
    """Discount factors at half a year, a year, ... up to the longest tenor, and at the tenors under a year.

    Parameters
    ----------
    yields
        [..., n_tenors] decimal par yields.
    years
        [n_tenors] ascending; at least one under a year, and one of a year or more.

    Returns
    -------
    tuple
        [..., n_halves] and [..., n_short].
    """
    short = years < 1.0
    bills = 1.0 / (1.0 + yields[..., short] * years[short])
    grid = np.arange(HALF, years[-1] + HALF / 2, HALF)
    coupons = _along(grid, years, yields)
    factors = np.empty(coupons.shape)
    factors[..., 0] = 1.0 / (1.0 + coupons[..., 0] * HALF)
    annuity = factors[..., 0].copy()
    for place in range(1, len(grid)):
        half = coupons[..., place] * HALF
        factors[..., place] = (1.0 - half * annuity) / (1.0 + half)
        annuity += factors[..., place]
    return factors, bills


def par_of_discounts(factors: Floats, bills: Floats, years: Floats) -> Floats:
    """[..., n_tenors] par yields: the inverse of `discounts_of_par`."""
    short = years < 1.0
    par = np.empty((*factors.shape[:-1], len(years)))
    par[..., short] = (1.0 / bills - 1.0) / years[short]
    places = np.rint(years[~short] / HALF).astype(np.int64) - 1
    annuities = np.cumsum(factors, axis=-1)
    par[..., ~short] = (1.0 - factors[..., places]) / (HALF * annuities[..., places])
    return par


def zeros_of_par(yields: Floats, years: Floats) -> Floats:
    """[..., n_tenors] continuously compounded zero rates of the tenors."""
    factors, bills = discounts_of_par(yields, years)
    short = years < 1.0
    places = np.rint(years[~short] / HALF).astype(np.int64) - 1
    zeros: Floats = -np.log(np.concatenate([bills, factors[..., places]], axis=-1)) / years
    return zeros


def _along(grid: Floats, years: Floats, yields: Floats) -> Floats:
    """[..., n_grid] linear in time between tenors, of each curve."""
    right = np.clip(np.searchsorted(years, grid), 1, len(years) - 1)
    weight = (grid - years[right - 1]) / (years[right] - years[right - 1])
    found: Floats = yields[..., right - 1] * (1.0 - weight) + yields[..., right] * weight
    return found


def years_of(tenors: Sequence[str]) -> Floats:
    """[n_tenors] years."""
    return np.array([tenor_years(tenor) for tenor in tenors])
