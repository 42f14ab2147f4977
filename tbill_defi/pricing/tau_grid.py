"""Where to look for the decay times of a Nelson-Siegel or Svensson curve: regressions over a grid of them."""

from __future__ import annotations

import math
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.svensson import loadings

Ints = NDArray[np.int64]
STRIDE = 4
"""Every so many times, in a sparse grid, are tried first; about the best of them, all."""
TAUS = np.geomspace(0.05, 60.0, 51 * STRIDE + 1)
"""Years."""
LOGS = np.log(TAUS).tolist()
REACH = np.arange(3 * STRIDE + 1)
"""Places about one of the sparse grid that are looked at."""
PEAKS = 8
"""So many places of it, at most."""
RIDGE = 1e-12
"""Share of a loading's square below which what others leave of it is nothing: near-equal taus all but depend."""


class Start(NamedTuple):
    """Where to begin a fit: places of decay times in `TAUS`, and the sum of squares that their regression leaves."""

    left: float
    places: tuple[int, ...]


class TauGrid:
    """Regressions of bonds' yields on the loadings at every pair of decay times, laid out once.

    Parameters
    ----------
    weights
        [n_bonds, n_nodes] by which a bond's yield moves with the zero rates at the nodes; rows add up to 1.
    years
        [n_nodes] times of the nodes.
    humps
        2: Svensson; 1: Nelson-Siegel, whose table has one column.

    Notes
    -----
    By Gram and Schmidt: the level, then slope and hump of the first time (`basis`), which any second time shares,
    then what these leave of the second hump. So a pair costs a few operations, whatever the number of bonds: vectors
    are [n_nodes] coefficients, and `_inner` is their inner product over the bonds, without the mean.
    """

    def __init__(self, weights: Floats, years: Floats, humps: int) -> None:
        self.humps = humps
        away = weights - weights.mean(axis=0)
        self.away, self._inner = np.ascontiguousarray(away.T), away.T @ away
        loads = np.stack([loadings(years, tau, tau)[0][1:3] for tau in TAUS])
        self.means = (loads @ weights.mean(axis=0)).tolist()
        slope, hump = loads[:, 0], loads[:, 1]
        shrunk = 1.0 / np.sqrt(self._squares(slope))
        slope = slope * shrunk[:, None]
        common = ((slope @ self._inner) * hump).sum(axis=1)
        bend = hump - common[:, None] * slope
        whole = self._squares(hump)
        thinned = np.sqrt(_inverse(self._squares(bend), whole))
        bend = bend * thinned[:, None]
        self.made = np.stack([shrunk, common, thinned], axis=1).tolist()
        self.basis = np.concatenate([slope, bend, hump])
        on_slope, on_bend = slope @ self._inner @ hump.T, bend @ self._inner @ hump.T
        left = _inverse(whole - on_slope * on_slope - on_bend * on_bend, whole)
        np.fill_diagonal(left, 0.0)
        self.tables = np.stack([on_slope, on_bend, left])
        self.sparse = np.ascontiguousarray(self.tables[:, ::STRIDE, ::STRIDE])
        self.near = sliding_window_view(self.tables, (len(REACH), len(REACH)), axis=(1, 2))
        corner = np.clip(np.arange(len(self.sparse[0])) * STRIDE - len(REACH) // 2, 0, len(TAUS) - len(REACH))
        self.corners = np.stack([each.ravel() for each in np.meshgrid(corner, corner, indexing="ij")])
        """[2, n_sparse^2] first places of the windows of `near` about each pair of the sparse grid."""

    def _squares(self, vectors: Floats) -> Floats:
        squares: Floats = ((vectors @ self._inner) * vectors).sum(axis=1)
        return squares

    def of(self, yields: Floats) -> Regressions:
        """Regressions of [n_bonds] yields, decimal, continuous."""
        return Regressions(self, yields)


class Regressions:
    """Regressions of given yields on a grid of decay times."""

    def __init__(self, grid: TauGrid, yields: Floats) -> None:
        self._grid, self._level = grid, float(yields.sum()) / len(yields)
        centred = yields - self._level
        self._whole = float(centred @ centred)
        self._vectors = np.empty((4, len(TAUS)))
        """What slope, bend and hump of each time see of the yields; the squares that the first two explain."""
        np.dot(grid.basis, grid.away @ centred, out=self._vectors[:3].reshape(-1))
        slope, bend, _, shared = self._vectors
        np.multiply(slope, slope, out=shared)
        shared += bend * bend

    def starts(self, count: int) -> list[Start]:
        """Where a regression is the best of its neighbourhood, at most `count` times, the best first."""
        if self._grid.humps == 1:
            shared = self._vectors[3]
            first = np.flatnonzero(_peaks(shared[:, None])).tolist()
            found: dict[tuple[int, ...], float] = {(place,): float(shared[place]) for place in first}
        else:
            found = self._pairs()
        best = sorted(found, key=found.__getitem__, reverse=True)[:count]
        return [Start(self._whole - found[places], places) for places in best]

    def _pairs(self) -> dict[tuple[int, ...], float]:
        """Pairs of times, by place, that explain most of their neighbourhood, and the squares that they explain."""
        vectors = self._vectors
        slope, bend, hump, shared = vectors[:, ::STRIDE]
        explained = _explained(slope[:, None], bend[:, None], hump, self._grid.sparse)
        explained += shared[:, None]
        explained.reshape(-1)[:: len(explained) + 1] = -1.0
        flat = np.flatnonzero(_peaks(explained))
        if len(flat) > PEAKS:
            flat = flat[np.argpartition(explained.reshape(-1)[flat], -PEAKS)[-PEAKS:]]
        first, second = self._grid.corners.take(flat, axis=1)
        slope, bend, _, shared = vectors[:, first[:, None] + REACH]
        near = _explained(
            slope[:, :, None],
            bend[:, :, None],
            vectors[2].take(second[:, None] + REACH)[:, None],
            self._grid.near[:, first, second],
        )
        near += shared[:, :, None]
        near = near.reshape(len(flat), -1)
        best = near.argmax(axis=1)
        row, column = np.divmod(best, len(REACH))
        pairs = zip((first + row).tolist(), (second + column).tolist(), strict=True)
        return dict(zip(pairs, near[np.arange(len(flat)), best].tolist(), strict=True))

    def point(self, start: Start) -> Floats:
        """[n_parameters] betas and logarithms of taus of the regression at a start: its steps taken back."""
        grid, place = self._grid, start.places[0]
        slope, bend = self._vectors[:2, place].tolist()
        shrunk, common, thinned = grid.made[place]
        further = []
        for second in start.places[1:]:
            on_slope, on_bend, left = grid.tables[:, place, second].tolist()
            beta = (float(self._vectors[2, second]) - slope * on_slope - bend * on_bend) * left
            slope, bend = slope - beta * on_slope, bend - beta * on_bend
            further.append(beta)
        beta2 = bend * thinned
        beta1 = (slope - beta2 * common) * shrunk
        means = [*grid.means[place], *(grid.means[second][1] for second in start.places[1:])]
        betas = [beta1, beta2, *further]
        beta0 = self._level - math.fsum(map(mul, betas, means))
        return np.array([beta0, *betas, *(LOGS[each] for each in start.places)])


def _explained(slope: Floats, bend: Floats, hump: Floats, tables: Floats) -> Floats:
    """Squares that second humps explain of what slope and hump of a first time leave."""
    more: Floats = slope * tables[0]
    np.subtract(hump, more, out=more)
    more -= bend * tables[1]
    more *= more
    more *= tables[2]
    return more


def _inverse(left: Floats, whole: Floats) -> Floats:
    """1/left, or 0 where it is nothing beside the whole."""
    some = left > RIDGE * whole
    return np.where(some, 1.0 / np.where(some, left, 1.0), 0.0)


def _peaks(table: Floats) -> NDArray[np.bool_]:
    """Where no neighbour exceeds a value of the table, of its shape."""
    high = table.copy()
    np.maximum(high[1:], table[:-1], out=high[1:])
    np.maximum(high[:-1], table[1:], out=high[:-1])
    wide = high.copy()
    np.maximum(wide[:, 1:], high[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], high[:, 1:], out=wide[:, :-1])
    peaks: NDArray[np.bool_] = np.equal(table, wide)
    return peaks
