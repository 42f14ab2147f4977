"""The published curves that a model is fitted to: whole rows of the tenors that were there all the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.simulation.shapes import Floats, years_of

FEWEST_DAYS = 500
"""Two years: fewer say nothing about mean reversion."""
LONGEST_GAP_DAYS = 5
"""A change over more calendar days is not a daily one."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Curves of consecutive days.

    Attributes
    ----------
    tenors
        Those without a gap, shortest first; at least one under a year, the last 10 years or more.
    days
        Dates, ascending.
    yields
        [n_days, n_tenors] decimal par yields.
    """

    tenors: tuple[str, ...]
    days: tuple[date, ...]
    yields: Floats

    @property
    def years(self) -> Floats:
        """[n_tenors] years of the tenors."""
        return years_of(self.tenors)

    def changes(self) -> Floats:
        """[n_changes, n_tenors] from one day to the next, where no days are missing in between."""
        numbers = np.array([day.toordinal() for day in self.days])
        near = np.diff(numbers) <= LONGEST_GAP_DAYS
        found: Floats = np.diff(self.yields, axis=0)[near]
        return found


def sample_of(frame: pl.DataFrame, last: date, years: float) -> Sample:
    """The curves of the `years` before `last`, and of `last` itself; nothing later.

    Parameters
    ----------
    frame
        Par yields as the reader returns them.

    Raises
    ------
    DataError
        If there is no curve near `last`, too few before it, or they are simulated themselves.
    """
    first = last - timedelta(days=round(365.25 * years))
    window = frame.filter(pl.col("date").is_between(first, last)).sort("date")
    if window["simulated"].null_count() < window.height:
        raise DataError("simulate: the par yields are simulated themselves; a model is fitted to published ones")
    if window.is_empty() or (last - window["date"][-1]).days > LONGEST_GAP_DAYS:
        raise DataError(f"simulate: there is no published curve near {last} to start from")
    tenors = tuple(tenor for tenor in TENORS if window[tenor].null_count() == 0)
    if window.height < FEWEST_DAYS:
        raise DataError(
            f"simulate: {window.height} curves from {first} to {last} are too few to fit (at least {FEWEST_DAYS})"
        )
    times = years_of(tenors)
    if not len(times) or times[0] >= 1.0 or times[-1] < 10.0 or 1.0 not in times:
        raise DataError(
            f"simulate: of {first} to {last} only {', '.join(tenors) or 'no tenor'} is there on every day; needed are "
            "one under a year, 1 Yr, and 10 Yr or more"
        )
    return Sample(tenors, tuple(window["date"].to_list()), window.select(tenors).to_numpy())
