"""The curves of many days as one object, bootstrapped without a loop over days.

The same curves as `Curve.bootstrap(day, row, interpolation)`, which builds one a time through QuantLib; a test
holds the two together. Days with the same set of published tenors are solved together.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.core.files import write_output
from tbill_defi.pricing.bootstrap import Interpolation, tenor_months
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.daily_curve import LARGEST_RATE
from tbill_defi.pricing.history_bootstrap import DAYS_PER_YEAR, Grid, Ints, log_linear, monotone_convex
from tbill_defi.pricing.monotone_convex import Shapes

if TYPE_CHECKING:
    import polars as pl

FAR_DAYS = 40_000
"""Beyond the last node the forward is flat: the curve gets a node this much later."""
SLOT = 1 << 17
"""Room for the offsets of one day in the search key of all days."""
METHODS = (Interpolation.MONOTONE_CONVEX, Interpolation.LOG_LINEAR)
NOT_TENORS = ("date", "simulated")
"""Columns of the reader's frame of par yields that are no tenor."""


@dataclass(frozen=True, eq=False)
class CurveHistory:
    """Discount curves of many days, ascending; numbers of days are since 1970-01-01.

    Attributes
    ----------
    days
        [n_days] int64, curve dates.
    tenors
        Labels of the columns, ascending.
    par_yields
        [n_days, n_tenors] decimal; nan where none was published.
    interpolation
        MONOTONE_CONVEX or LOG_LINEAR.
    offsets, logs
        [n_nodes] flattened nodes of all days: days after the curve date, minus the logarithm of the discount factor.
    starts
        [n_days + 1] int64: nodes `starts[i]:starts[i + 1]` are of day i; the first is (0, 0), the last `FAR_DAYS`
        beyond the last tenor: there the forward is flat at its average over the last segment.
    shapes
        [n_nodes] of the segment that begins at each node; None where forwards are constant between nodes.
    """

    days: Ints
    tenors: tuple[str, ...]
    par_yields: Floats
    interpolation: Interpolation
    offsets: Ints
    logs: Floats
    starts: Ints
    shapes: Shapes | None

    @classmethod
    def bootstrap(
        cls,
        dates: Sequence[date] | NDArray[np.datetime64],
        tenors: Sequence[str],
        par_yields: ArrayLike,
        interpolation: str | Interpolation = Interpolation.MONOTONE_CONVEX,
    ) -> CurveHistory:
        """The curves of all days in one pass.

        Parameters
        ----------
        dates
            [n_days], ascending.
        tenors
            Labels such as "3 Mo" and "10 Yr", ascending; from a year on whole half-years.
        par_yields
            [n_days, n_tenors] decimal, nan where missing; each day needs at least two.
        interpolation
            "monotone_convex" or "log_linear".

        Raises
        ------
        ConventionError
            If dates or tenors do not ascend, shapes differ, a yield is infinite or looks like percent, a day has fewer
            than two tenors, or no curve passes through its yields.
        """
        method = _method(interpolation)
        days = np.asarray(dates, dtype="datetime64[D]").astype(np.int64)
        rates = np.asarray(par_yields, np.float64)
        months = _checked(days, tenors, rates)
        known = ~np.isnan(rates)
        counts = known.sum(axis=1) + 2
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        offsets, logs = np.zeros(starts[-1], np.int64), np.zeros(starts[-1])
        fields = np.zeros((6, starts[-1]))
        sets = known @ (1 << np.arange(len(tenors), dtype=np.int64))
        for tenor_set in np.unique(sets):
            rows = np.flatnonzero(sets == tenor_set)
            columns = np.flatnonzero(known[rows[0]])
            grid = Grid.of(days[rows], [months[c] for c in columns])
            chosen = rates[np.ix_(rows, columns)]
            places = starts[rows][:, None] + np.arange(len(columns) + 2)
            with np.errstate(all="ignore"):  # what is found is looked at below
                if method is Interpolation.LOG_LINEAR:
                    values = log_linear(grid, chosen)
                else:
                    values, shapes = monotone_convex(grid, chosen)
                    fields[:, places[:, :-2]] = np.stack([field.T for field in shapes.fields])
            if (bad := np.flatnonzero(~np.isfinite(values).all(axis=1))).size:
                raise ConventionError(
                    f"par yields of {_day(days[rows[bad[0]]])}: no {method.value} curve passes through them; "
                    "check the row, or name another interpolation"
                )
            slope = (values[:, -1] - values[:, -2]) / (grid.nodes[:, -1] - grid.nodes[:, -2])
            offsets[places] = np.column_stack([grid.nodes, grid.nodes[:, -1] + FAR_DAYS])
            logs[places] = np.column_stack([values, values[:, -1] + slope * FAR_DAYS])
        kept = None if method is Interpolation.LOG_LINEAR else Shapes(*fields)
        return cls(days, tuple(tenors), rates, method, offsets, logs, starts, kept)

    @classmethod
    def of(
        cls, frame: pl.DataFrame, interpolation: str | Interpolation = Interpolation.MONOTONE_CONVEX
    ) -> CurveHistory:
        """From a frame with a column "date" and decimal par yields in columns named by tenor.

        The reader's column "simulated" is passed over.
        """
        tenors = sorted((name for name in frame.columns if name not in NOT_TENORS), key=tenor_months)
        rates = frame.select(tenors).to_numpy()
        return cls.bootstrap(frame["date"].to_numpy(), tenors, rates, interpolation)

    @classmethod
    def until(
        cls, frame: pl.DataFrame, last: date, interpolation: str | Interpolation = Interpolation.MONOTONE_CONVEX
    ) -> CurveHistory:
        """`of` the days not after `last` that have a curve: what was known on it."""
        import polars as pl

        tenors = [name for name in frame.columns if name not in NOT_TENORS]
        known = pl.sum_horizontal(pl.col(tenors).is_not_null()) >= 2
        return cls.of(frame.filter(known & (pl.col("date") <= last)).sort("date"), interpolation)

    def __len__(self) -> int:
        return len(self.days)

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """[n_days] datetime64[D], curve dates."""
        return self.days.astype("datetime64[D]")

    @cached_property
    def _keys(self) -> Ints:
        row = np.repeat(np.arange(len(self.days)), np.diff(self.starts))
        keys: Ints = row * SLOT + self.offsets
        return keys

    def logarithms(self, rows: Ints, offsets: Ints) -> Floats:
        """Minus the logarithm of discount factors.

        Parameters
        ----------
        rows
            [n] which day's curve.
        offsets
            [n] days after that curve's date, in [0, FAR_DAYS].

        Returns
        -------
        [n] float64.
        """
        if rows.size and (rows == rows[0]).all():
            first, end = self.starts[rows[0]], self.starts[rows[0] + 1]
            place = np.searchsorted(self.offsets[first:end], offsets, side="right") - 1
            place = np.minimum(place + first, end - 2)
        else:
            place = np.searchsorted(self._keys, rows * SLOT + offsets, side="right") - 1
            place = np.minimum(place, self.starts[rows + 1] - 2)
        left, right = self.offsets[place], self.offsets[place + 1]
        low = self.logs[place]
        share = (offsets - left) / (right - left)
        values: Floats = low + (self.logs[place + 1] - low) * share
        if self.shapes is not None:
            values += (right - left) / DAYS_PER_YEAR * self.shapes.at(place).excess(share)
        return values

    def zero_rates(self, tenors: Sequence[str] | None = None) -> Floats:
        """Zero rates of all days: decimal, continuous, Act/365.

        Parameters
        ----------
        tenors
            Labels; None: those of the columns, also on days on which they were not published, where the curve has
            none of its own and is read between its nodes.

        Returns
        -------
        [n_days, n_tenors]; nan beyond a day's last node.
        """
        months = [tenor_months(tenor) for tenor in (self.tenors if tenors is None else tenors)]
        offsets = Grid.of(self.days, months).nodes[:, 1:]
        rows = np.broadcast_to(np.arange(len(self.days))[:, None], offsets.shape)
        rates = self.logarithms(rows.ravel(), offsets.ravel()).reshape(offsets.shape) / offsets * DAYS_PER_YEAR
        last = self.offsets[self.starts[1:] - 2]
        return np.where(offsets <= last[:, None], rates, np.nan)

    def row(self, day: date) -> int:
        """Place of a day. Raises `DataError` if it has no curve, naming the days before and after that have one."""
        number = int(np.datetime64(day, "D").astype(np.int64))
        place = int(np.searchsorted(self.days, number))
        if place < len(self.days) and self.days[place] == number:
            return place
        near = " and ".join(str(_day(d)) for d in self.days[max(place - 1, 0) : place + 1])
        raise DataError(f"date: {day} has no curve; the nearest are of {near}")

    def curve(self, day: date) -> Curve:
        """The curve of a day. Raises `DataError` if it has none."""
        return _DayCurve(day, self, self.row(day))

    def frame(self, tenors: Sequence[str] | None = None) -> pl.DataFrame:
        """Zero rates as a frame: "date" and a column a tenor, null beyond a day's last node."""
        import polars as pl

        names = list(self.tenors if tenors is None else tenors)
        columns = dict(zip(names, self.zero_rates(names).T, strict=True))
        return pl.DataFrame({"date": self.dates} | columns).with_columns(pl.col(names).fill_nan(None))

    def write(self, path: str | Path) -> None:
        """To one Parquet file: par yields and zero rates by tenor; the interpolation stands in its metadata."""
        import polars as pl

        par = pl.DataFrame(self.par_yields, schema=[f"{PAR}{tenor}" for tenor in self.tenors]).fill_nan(None)
        zero = self.frame().rename({tenor: f"{ZERO}{tenor}" for tenor in self.tenors})
        frame = pl.concat([zero, par], how="horizontal")
        data = io.BytesIO()
        frame.write_parquet(data, metadata={INTERPOLATION: self.interpolation.value})
        write_output(Path(path), data.getvalue())

    @classmethod
    def read(cls, path: str | Path) -> CurveHistory:
        """From a file of `write`. Raises `DataError` if it is not one."""
        import polars as pl

        try:
            frame, metadata = pl.read_parquet(path), pl.read_parquet_metadata(path)
            par = frame.select("date", pl.col(f"^{PAR}.*$").name.map(lambda name: name.removeprefix(PAR)))
            return cls.of(par, metadata[INTERPOLATION])
        except (pl.exceptions.PolarsError, KeyError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: not a history of curves ({reason}); write one with CurveHistory.write") from None


PAR, ZERO = "par ", "zero "
INTERPOLATION = "tbill_defi.interpolation"


@dataclass(frozen=True, eq=False)
class _DayCurve(Curve):
    """One day of a history."""

    curve_date: date
    history: CurveHistory
    place: int

    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        flat = offsets.ravel()
        logs = self.history.logarithms(np.full(flat.shape, self.place), flat)
        factors: Floats = np.exp(-logs).reshape(offsets.shape)
        return factors


def _method(interpolation: str | Interpolation) -> Interpolation:
    if interpolation in METHODS or interpolation in [method.value for method in METHODS]:
        return Interpolation(interpolation)
    names = " or ".join(method.value for method in METHODS)
    raise ConventionError(f"interpolation: {interpolation!r} is not {names}")


def _day(number: int) -> date:
    day: date = np.datetime64(int(number), "D").astype(date)
    return day


def _checked(days: Ints, tenors: Sequence[str], rates: Floats) -> list[float]:
    """Months of the tenors, if all is as `CurveHistory.bootstrap` wants it."""
    months = [tenor_months(label) for label in tenors]
    if rates.shape != (len(days), len(months)):
        raise ConventionError(f"par yields: shape {rates.shape} is not ({len(days)}, {len(months)}): days x tenors")
    if not len(days):
        raise ConventionError("par yields: no days; a history needs at least one")
    if (np.diff(days) <= 0).any():
        raise ConventionError(f"dates: {_day(days[1:][np.diff(days) <= 0][0])} is not after the day before it")
    for before, label, term in zip([0.0, *months], tenors, months, strict=False):
        if term <= before:
            raise ConventionError(f"tenors: {label!r} is not longer than the one before it")
        if term >= 12 and term % 6:
            raise ConventionError(f"tenor: {label!r} is not whole half-years; par yields from a year on are semiannual")
    if (wild := np.argwhere(np.abs(rates) > LARGEST_RATE)).size:
        row, column = wild[0]
        raise ConventionError(
            f"par yields of {_day(days[row])}, {tenors[column]}: {rates[row, column]:g} looks like percent; "
            f"give a decimal such as {rates[row, column] / 100:g}"
        )
    if (short := np.flatnonzero((~np.isnan(rates)).sum(axis=1) < 2)).size:
        raise ConventionError(f"par yields of {_day(days[short[0]])}: a curve needs at least two tenors")
    return months
