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
"""Share of the diagonal that is added to it: loadings of near-equal taus are all but dependent."""


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
    """

    def __init__(self, weights: Floats, years: Floats, humps: int) -> None:
        self.weights, self.years, self.humps = weights, years, humps
        count = len(TAUS)
        loads = np.stack([loadings(years, tau, tau)[0][1:3] for tau in TAUS])
        near, hump = loads[:, 0] @ weights.T, loads[:, 1] @ weights.T
        self._columns = np.concatenate([np.ones((1, len(weights))), near, hump])
        first = np.arange(count)[:, None]
        if humps == 2:
            second = np.arange(count)[None, :]
            self._index = np.stack(np.broadcast_arrays(0, 1 + first, 1 + count + first, 1 + count + second), axis=-1)
        else:
            self._index = np.stack(np.broadcast_arrays(0, 1 + first, 1 + count + first), axis=-1)
        gram = (self._columns @ self._columns.T)[self._index[..., :, None], self._index[..., None, :]]
        self._same = self._index[..., -1] == self._index[..., -2] if humps == 2 else np.zeros((count, 1), bool)
        size = gram.shape[-1]
        gram[self._same] = np.eye(size)
        diagonal = np.einsum("...ii->...i", gram)
        diagonal *= 1.0 + RIDGE
        self._inverse = np.linalg.inv(np.linalg.cholesky(gram))

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
        rest = yields - yields.mean()  # the constant is in every regression; without it fewer digits are lost
        parts = np.einsum("...ij,...j->...i", self._inverse, (self._columns @ rest)[self._index])
        explained = np.where(self._same, -1.0, (parts * parts).sum(axis=-1))
        first, second = _peaks(explained)
        order = np.argsort(-explained[first, second], kind="stable")[:count]
        first, second = first[order], second[order]
        inverse = self._inverse[first, second]
        betas = (inverse.mT @ (inverse @ (self._columns @ yields)[self._index[first, second]][..., None]))[..., 0]
        taus = np.column_stack([TAUS[first], TAUS[second]])[:, : self.humps]
        return np.concatenate([betas, np.log(taus)], axis=1)


def _peaks(table: Floats) -> tuple[Ints, Ints]:
    """Rows and columns of the values that no neighbour exceeds."""
    rows, columns = table.shape
    framed = np.full((rows + 2, columns + 2), -np.inf)
    framed[1:-1, 1:-1] = table
    around = [
        framed[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        for down, right in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
    ]
    higher = np.logical_and.reduce([table >= other for other in around])
    first, second = np.nonzero(higher)
    return first, second
