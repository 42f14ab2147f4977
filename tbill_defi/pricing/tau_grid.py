"""Where to look for the decay times of a Nelson-Siegel or Svensson curve: regressions over a grid of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.svensson import loadings

Ints = NDArray[np.int64]
TAUS = np.geomspace(0.12, 30.0, 48)
"""Years."""
RIDGE = 1e-12
"""Share of a loading's square below which what others leave of it is nothing: near-equal taus all but depend."""


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
    By Gram and Schmidt: the level, then slope and hump of the first time (`_basis`), which any second time shares,
    then what these leave of the second hump. So a pair costs a few operations, whatever the number of bonds.
    """

    def __init__(self, weights: Floats, years: Floats, humps: int) -> None:
        self.weights, self.years, self.humps = weights, years, humps
        loads = np.stack([loadings(years, tau, tau)[0][1:3] for tau in TAUS]) @ weights.T
        self._raw = loads
        loads = loads - loads.mean(axis=-1, keepdims=True)
        near, hump = loads[:, 0], loads[:, 1]
        slope = near / np.linalg.norm(near, axis=-1, keepdims=True)
        bend = hump - (hump * slope).sum(axis=-1, keepdims=True) * slope
        bend *= np.sqrt(_inverse((bend * bend).sum(axis=-1), (hump * hump).sum(axis=-1)))[:, None]
        self._basis = np.concatenate([slope, bend, hump])
        self._shared = slope @ hump.T, bend @ hump.T
        squares = (hump * hump).sum(axis=-1)
        self._left = _inverse(squares - self._shared[0] ** 2 - self._shared[1] ** 2, squares)
        np.fill_diagonal(self._left, 0.0)

    def starts(self, yields: Floats, count: int) -> Floats:
        """Points to begin a fit at, the most promising first.

        Parameters
        ----------
        yields
            [n_bonds] to explain: decimal, continuous.

        Returns
        -------
        [at most `count`, n_parameters] betas and logarithms of taus: at the taus whose regressions
        are not worse than their neighbours'.
        """
        slope, bend, hump = (self._basis @ (yields - yields.mean())).reshape(3, len(TAUS))
        explained = (slope * slope + bend * bend)[:, None]
        if self.humps == 2:
            more = hump - slope[:, None] * self._shared[0]
            more -= bend[:, None] * self._shared[1]
            more *= more
            more *= self._left
            explained = explained + more
            np.fill_diagonal(explained, -1.0)
        first, second = _peaks(explained)
        order = np.argsort(-explained[first, second], kind="stable")[:count]
        first, second = first[order], second[order]
        columns = np.empty((len(order), 2 + self.humps, len(yields)))
        columns[:, 0] = 1.0
        columns[:, 1:3] = self._raw[first]
        if self.humps == 2:
            columns[:, 3] = self._raw[second, 1]
        gram = columns @ columns.mT
        diagonal = np.arange(gram.shape[1])
        gram[:, diagonal, diagonal] *= 1.0 + RIDGE
        betas = np.linalg.solve(gram, (columns @ yields)[..., None])[..., 0]
        taus = np.column_stack([TAUS[first], TAUS[second]])[:, : self.humps]
        return np.concatenate([betas, np.log(taus)], axis=1)


def _inverse(left: Floats, whole: Floats) -> Floats:
    """1/left, or 0 where it is nothing beside the whole."""
    some = left > RIDGE * whole
    return np.where(some, 1.0 / np.where(some, left, 1.0), 0.0)


def _peaks(table: Floats) -> tuple[Ints, Ints]:
    """Rows and columns of the values that no neighbour exceeds."""
    high = table.copy()
    np.maximum(high[1:], table[:-1], out=high[1:])
    np.maximum(high[:-1], table[1:], out=high[:-1])
    wide = high.copy()
    np.maximum(wide[:, 1:], high[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], high[:, 1:], out=wide[:, :-1])
    first, second = np.nonzero(table == wide)
    return first, second
