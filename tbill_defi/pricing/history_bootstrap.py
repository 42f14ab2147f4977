"""Bootstrap of many days' par yields together: days with the same published tenors, tenor by tenor.

The recipe is that of a single curve: tenors under a year are zero-coupon, simple, Act/365; from a year they are
semiannual par bonds with unadjusted dates, settled on the curve date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.monotone_convex import Shapes, monotone_shapes

Ints = NDArray[np.int64]
DAYS_PER_YEAR = 365.0
STEPS = 60
ACCURACY = 1e-14
"""Of a forward rate per year; Newton's last step is squared again, so it is met to the last digits."""
ROUGH = 1e-4
"""Of the forward rates that a monotone convex curve starts from."""
FOUND = 1e-11
"""Of a par bond's price per 1 face, before the last step, which takes it below 1e-13."""
BLOCK = 256
"""Days solved together: their coupons stay in the processor's cache."""


def months_after(days: Ints, months: ArrayLike) -> Ints:
    """`add_months` on days since 1970-01-01: the day of the month stays, or is the month's last.

    Parameters
    ----------
    days
        int64.
    months
        Whole months from 0 on, of a shape that broadcasts with `days`.
    """
    added = np.asarray(months, np.int64)
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    origin = int(month.min(initial=0))
    reach = int(month.max(initial=0)) + int(added.max(initial=0)) + 2
    firsts = np.arange(origin, reach).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    lengths = np.append(np.diff(firsts), 31)
    place = month - origin
    later = place + added
    shifted: Ints = firsts[later] + np.minimum(days - firsts[place], lengths[later] - 1)
    return shifted


@dataclass(frozen=True, eq=False)
class Grid:
    """Where nodes and coupons lie; the tenors are the same on all days.

    Attributes
    ----------
    nodes
        [n_days, n_tenors + 1] days after the curve date; the first is 0.
    coupons
        [n_days, n_coupons] dates of semiannual coupons, to the last whole half-year.
    first
        The first tenor that is a par bond.
    ends
        Per tenor: how many coupons fall at or before its node.
    """

    nodes: Ints
    coupons: Ints
    first: int
    ends: tuple[int, ...]

    @classmethod
    def of(cls, days: Ints, months: Sequence[float]) -> Grid:
        """Of curve dates, days since 1970-01-01, and tenors in months, ascending."""
        nodes = np.zeros((len(days), len(months) + 1), np.int64)
        whole = np.array([int(term) for term in months])
        half_months = np.array([15 if term > int(term) else 0 for term in months])
        nodes[:, 1:] = months_after(days[:, None], whole) + half_months - days[:, None]
        coupons = months_after(days[:, None], 6 * np.arange(1, whole.max() // 6 + 1)) - days[:, None]
        first = next((place for place, term in enumerate(months) if term >= 12), len(months))
        return cls(nodes, coupons, first, tuple(int(term) // 6 for term in months))

    def rows(self, rows: slice) -> Grid:
        """Of some of the days."""
        return Grid(self.nodes[rows], self.coupons[rows], self.first, self.ends)


def log_linear(grid: Grid, rates: Floats, accuracy: float = ACCURACY) -> Floats:
    """Minus log factors of the nodes, [n_days, n_tenors + 1], with forwards constant between them.

    Parameters
    ----------
    rates
        [n_days, n_tenors] decimal par yields.
    accuracy
        Of forward rates a year.

    Returns
    -------
    nan or infinite on days through whose yields no such curve passes.
    """
    values = np.zeros(grid.nodes.shape)
    factors = np.zeros(grid.coupons.shape)
    done = 0
    for column, last in enumerate(grid.ends, start=1):
        rate, node, before = rates[:, column - 1], grid.nodes[:, column], grid.nodes[:, column - 1]
        spans = (grid.coupons[:, done:last] - before[:, None]).astype(np.float64)
        if column <= grid.first:
            values[:, column] = np.log1p(rate * node / DAYS_PER_YEAR)
            forward = (values[:, column] - values[:, column - 1]) / (node - before)
        else:
            scale = np.exp(-values[:, column - 1])
            forward = _par_forward(rate, factors[:, :done].sum(axis=1), spans, scale, accuracy)
            values[:, column] = values[:, column - 1] + forward * (node - before)
        factors[:, done:last] = np.exp(-values[:, column - 1][:, None] - forward[:, None] * spans)
        done = last
    return values


def _par_forward(rate: Floats, known: Floats, spans: Floats, scale: Floats, accuracy: float) -> Floats:
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
        if not np.abs(step).max() * DAYS_PER_YEAR > accuracy:
            break
    return forward


def monotone_convex(grid: Grid, rates: Floats) -> tuple[Floats, Shapes]:
    """Minus log factors of the nodes and the shapes between them; parameters as of `log_linear`.

    A segment's shape depends on its neighbours, so all par bonds of a day are solved together, from the log-linear
    curve on. The Jacobian is the log-linear one (triangular), corrected from step to step (Broyden's method). Days
    that find no curve have nan.
    """
    values = np.empty(grid.nodes.shape)
    for start in range(0, len(rates), BLOCK):
        rows = slice(start, start + BLOCK)
        values[rows] = _Block(grid.rows(rows), rates[rows]).solved().T
    spans = np.diff(grid.nodes.T, axis=0) / DAYS_PER_YEAR
    return values, monotone_shapes(np.diff(values.T, axis=0) / spans, spans)


class _Block:
    """Some days' par bonds as a system of equations in the logs of their nodes; the days are the last axis."""

    def __init__(self, grid: Grid, rates: Floats) -> None:
        self.first = grid.first
        self.start = log_linear(grid, rates, ROUGH).T.copy()
        self.spans = np.diff(grid.nodes.T, axis=0) / DAYS_PER_YEAR
        self.half = rates[:, self.first :].T / 2.0
        self.ends = np.array(grid.ends[self.first :], np.int64)
        # coupon j lies in segment places[j], at a share of its span
        self.places = np.searchsorted(np.array(grid.ends), np.arange(grid.coupons.shape[1]), side="right")
        nodes = np.ascontiguousarray(grid.nodes.T)
        left = nodes[self.places]
        self.share = (grid.coupons.T - left) / (nodes[self.places + 1] - left)
        self.span = self.spans[self.places]

    def factors(self, values: Floats) -> Floats:
        """[n_coupons, n_days] discount factors of the coupon dates."""
        steps = np.diff(values, axis=0)
        shapes = monotone_shapes(steps / self.spans, self.spans)
        logs = self.span * shapes.at(self.places).excess(self.share)
        logs += values[self.places] + self.share * steps[self.places]
        return np.exp(-logs)

    def residual(self, factors: Floats) -> Floats:
        """[n_bonds, n_days] value of the par bonds less their face, per 1 face."""
        sums = np.add.reduceat(factors, np.concatenate([[0], self.ends[:-1]]), axis=0).cumsum(axis=0)
        residual: Floats = self.half * sums + factors[self.ends - 1] - 1.0
        return residual

    def jacobian(self, factors: Floats) -> Floats:
        """[n_days, n_bonds, n_bonds] of `residual` in the logs of the bonds' nodes, shapes held; lower triangular."""
        count, days = len(self.ends), factors.shape[1]
        own, sums = np.zeros((count, days)), np.zeros((count, days))
        for bond in range(count):
            inside = self.places == self.first + bond
            own[bond] = (factors[inside] * self.share[inside]).sum(axis=0)
            if bond:
                sums[bond - 1] = own[bond - 1] + (factors[inside] * (1.0 - self.share[inside])).sum(axis=0)
        matrix = np.zeros((days, count, count))
        for bond in range(count):
            matrix[:, bond, :bond] = -(self.half[bond] * sums[:bond]).T
            matrix[:, bond, bond] = -self.half[bond] * own[bond] - factors[self.ends[bond] - 1]
        matrix[~(np.abs(np.linalg.det(matrix)) > 0.0)] = np.nan
        return matrix

    def solved(self) -> Floats:
        """[n_nodes, n_days] logs of the nodes at which every bond is worth par; nan on days where none are found."""
        values = self.start
        if not len(self.ends):
            return values
        factors = self.factors(values)
        inverse = np.linalg.inv(self.jacobian(factors)).astype(np.float64, copy=False)
        residual = self.residual(factors).T
        for _ in range(STEPS):
            step = -_times(inverse, residual)
            values[self.first + 1 :] += step.T
            if np.abs(residual).max() < FOUND:
                break
            last, residual = residual, self.residual(self.factors(values)).T
            change = _times(inverse, residual - last)
            scale = (step * change).sum(axis=1)
            scale[scale == 0.0] = 1.0
            inverse += ((step - change) / scale[:, None])[:, :, None] * _times(inverse.mT, step)[:, None, :]
        values[:, ~(np.abs(residual).max(axis=1) < FOUND)] = np.nan
        return values


def _times(matrices: Floats, vectors: Floats) -> Floats:
    product: Floats = np.einsum("dij,dj->di", matrices, vectors)
    return product
