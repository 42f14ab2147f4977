"""The curves of many days at once: log-linear discount factors, bootstrapped without a loop over days.

The same curves as `Curve.bootstrap(day, row, "log_linear")`, which builds one a time through QuantLib; a test
holds the two together. Days with the same set of published tenors are solved together, tenor by tenor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.bootstrap import tenor_months

Ints = NDArray[np.int64]
FAR_DAYS = 40_000
"""Beyond the last node the forward is flat: the curve gets a node this much later."""
SLOT = 1 << 17
"""Room for the offsets of one day in the search key of all days."""
STEPS = 60
ACCURACY = 1e-14
"""Of a forward rate per year; Newton's last step is squared again, so it is met to the last digits."""
DAYS_PER_YEAR = 365.0


def months_after(days: Ints, months: int) -> Ints:
    """`add_months` on days since 1970-01-01, [n_days] int64: the day of the month stays, or is the month's last."""
    stamps = days.astype("datetime64[D]")
    first = stamps.astype("datetime64[M]")
    day = (stamps - first.astype("datetime64[D]")).astype(np.int64)
    start = (first + months).astype("datetime64[D]").astype(np.int64)
    length = (first + months + 1).astype("datetime64[D]").astype(np.int64) - start
    shifted: Ints = start + np.minimum(day, length - 1)
    return shifted


@dataclass(frozen=True, eq=False)
class CurveGrid:
    """Discount curves of many days, ascending; numbers of days are since 1970-01-01.

    Attributes
    ----------
    days
        [n_days] int64, curve dates.
    tenors
        Labels of the columns, ascending.
    par_yields
        [n_days, n_tenors] decimal; nan where none was published.
    offsets, logs
        [n_nodes] flattened nodes of all days: days after the curve date, minus the logarithm of the discount factor.
    starts
        [n_days + 1] int64: nodes `starts[i]:starts[i + 1]` are of day i; the first is (0, 0).
    """

    days: Ints
    tenors: tuple[str, ...]
    par_yields: Floats
    offsets: Ints
    logs: Floats
    starts: Ints

    @classmethod
    def from_par_yields(cls, dates: Sequence[date], tenors: Sequence[str], par_yields: Floats) -> CurveGrid:
        """Bootstrap all days.

        Parameters
        ----------
        dates
            Ascending.
        tenors
            Labels such as "3 Mo" and "10 Yr", ascending; from a year on whole half-years.
        par_yields
            [n_days, n_tenors] decimal, nan where missing; each day needs at least two.

        Raises
        ------
        ConventionError
            If a day has fewer than two tenors, or no curve passes through its yields.
        """
        days = np.array(dates, dtype="datetime64[D]").astype(np.int64)
        known = np.isfinite(par_yields)
        if (short := np.flatnonzero(known.sum(axis=1) < 2)).size:
            raise ConventionError(f"par yields of {dates[short[0]]}: a curve needs at least two tenors")
        months = [tenor_months(label) for label in tenors]
        counts = known.sum(axis=1) + 2
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        offsets, logs = np.zeros(starts[-1], np.int64), np.zeros(starts[-1])
        sets = known @ (1 << np.arange(len(tenors), dtype=np.int64))
        for tenor_set in np.unique(sets):
            rows = np.flatnonzero(sets == tenor_set)
            columns = np.flatnonzero(known[rows[0]])
            nodes, values = _bootstrap(days[rows], [months[c] for c in columns], par_yields[np.ix_(rows, columns)])
            if (bad := np.flatnonzero(~np.isfinite(values).all(axis=1))).size:
                raise ConventionError(f"par yields of {dates[rows[bad[0]]]}: no log-linear curve passes through them")
            places = starts[rows][:, None] + np.arange(nodes.shape[1])
            offsets[places], logs[places] = nodes, values
        return cls(days, tuple(tenors), par_yields, offsets, logs, starts)

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
        return values


def _bootstrap(days: Ints, months: Sequence[float], rates: Floats) -> tuple[Ints, Floats]:
    """Nodes of days that have the same tenors: offsets and minus log factors, [n_days, n_tenors + 2]."""
    nodes, values = np.zeros((len(days), len(months) + 2), np.int64), np.zeros((len(days), len(months) + 2))
    halves = int(max(months)) // 6
    dates = (
        np.stack([months_after(days, 6 * (k + 1)) - days for k in range(halves)], axis=1) if halves else nodes[:, :0]
    )
    factors = np.zeros(dates.shape)
    done = 0
    for column, term in enumerate(months, start=1):
        rate, before = rates[:, column - 1], nodes[:, column - 1]
        whole = int(term)
        nodes[:, column] = months_after(days, whole) + (15 if term > whole else 0) - days
        last = whole // 6
        spans = (dates[:, done:last] - before[:, None]).astype(np.float64)
        if term < 12:
            values[:, column] = np.log1p(rate * nodes[:, column] / DAYS_PER_YEAR)
            forward = (values[:, column] - values[:, column - 1]) / (nodes[:, column] - before)
        else:
            scale = np.exp(-values[:, column - 1])
            forward = _par_forward(rate, factors[:, :done].sum(axis=1), spans, scale)
            values[:, column] = values[:, column - 1] + forward * (nodes[:, column] - before)
        factors[:, done:last] = np.exp(-values[:, column - 1][:, None] - forward[:, None] * spans)
        done = last
    slope = (values[:, -2] - values[:, -3]) / (nodes[:, -2] - nodes[:, -3])
    nodes[:, -1] = nodes[:, -2] + FAR_DAYS
    values[:, -1] = values[:, -2] + slope * FAR_DAYS
    return nodes, values


def _par_forward(rate: Floats, known: Floats, spans: Floats, scale: Floats) -> Floats:
    """[n_days] daily forward rate beyond a node at which the par bond is worth 100.

    Newton's method: the bond's value falls in the forward and is convex in it.

    Parameters
    ----------
    known
        Sum of the discount factors of the coupons up to the node.
    spans
        [n_days, n_coupons] days from the node to the later coupons; the last is the bond's maturity.
    scale
        Discount factor of the node.
    """
    half = rate / 2.0
    weights = np.repeat(half[:, None], spans.shape[1], axis=1)
    weights[:, -1] += 1.0
    weights *= scale[:, None]
    forward = rate / DAYS_PER_YEAR
    for _ in range(STEPS):
        values = weights * np.exp(-forward[:, None] * spans)
        step = (half * known + values.sum(axis=1) - 1.0) / (values * spans).sum(axis=1)
        forward = forward + step
        if not np.abs(step).max() * DAYS_PER_YEAR > ACCURACY:
            break
    return forward
