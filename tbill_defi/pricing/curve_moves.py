"""Moves of the curve: what happened from day to day, its principal components, and scenarios made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.book import KEY_YEARS
from tbill_defi.pricing.book.curve_values import checked_nodes
from tbill_defi.pricing.curve_history import FAR_DAYS, CurveHistory
from tbill_defi.pricing.history_bootstrap import DAYS_PER_YEAR


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of curve moves, largest first: on Treasuries level, slope, curvature.

    Attributes
    ----------
    vectors
        [n_components, n_nodes] orthonormal; the sign makes the longest node's loading of the first positive, and the
        last loading of the others.
    deviations
        [n_components] standard deviation of the score of each, decimal.
    explained
        [n_components] share of the total variance.
    """

    vectors: Floats
    deviations: Floats
    explained: Floats


@dataclass(frozen=True, eq=False)
class CurveMoves:
    """Changes of zero rates at fixed terms over a horizon.

    Attributes
    ----------
    dates
        [n_moves] datetime64[D], the day on which each move was complete.
    nodes
        [n_nodes] years.
    moves
        [n_moves, n_nodes] decimal changes of continuous Act/365 zero rates.
    horizon_days
        Trading days that a move takes; moves of more than one overlap.
    """

    dates: NDArray[np.datetime64]
    nodes: Floats
    moves: Floats
    horizon_days: int

    @classmethod
    def of(cls, history: CurveHistory, nodes: Sequence[float] = KEY_YEARS, horizon_days: int = 1) -> CurveMoves:
        """The moves within a history, but for those between days with other published tenors.

        A tenor that comes or goes bends the curve without anything having moved in the market.

        Parameters
        ----------
        nodes
            Years, ascending; beyond a day's last tenor its forward is flat.

        Raises
        ------
        ConventionError
            If nodes do not ascend or reach beyond a curve, or the history is not longer than the horizon.
        """
        years = checked_nodes(np.array(nodes))
        offsets = np.round(years * DAYS_PER_YEAR).astype(np.int64)
        if offsets[0] < 1 or offsets[-1] > FAR_DAYS:
            raise ConventionError(f"nodes: {years.tolist()} are not years from a day to a hundred")
        if not 1 <= horizon_days < len(history):
            raise ConventionError(
                f"horizon_days: {horizon_days} is not from 1 to {len(history) - 1}, the days less one"
            )
        count = len(history)
        rows = np.repeat(np.arange(count), len(offsets))
        logs = history.logarithms(rows, np.tile(offsets, count)).reshape(count, len(offsets))
        rates = logs / offsets * DAYS_PER_YEAR
        known = ~np.isnan(history.par_yields)
        alike = (known[horizon_days:] == known[:-horizon_days]).all(axis=1)
        moves = rates[horizon_days:] - rates[:-horizon_days]
        return cls(history.dates[horizon_days:][alike], years, moves[alike], horizon_days)

    def __len__(self) -> int:
        return len(self.moves)

    def last(self, count: int) -> CurveMoves:
        """The latest `count` moves."""
        if not 1 <= count <= len(self):
            raise ConventionError(f"count: {count} is not from 1 to {len(self)}, the moves there are")
        return CurveMoves(self.dates[-count:], self.nodes, self.moves[-count:], self.horizon_days)

    def covariance(self) -> Floats:
        """[n_nodes, n_nodes] about a mean of 0, as risk managers take daily moves."""
        matrix: Floats = self.moves.T @ self.moves / len(self.moves)
        return matrix

    def components(self, count: int = 3) -> Components:
        """The first principal components of the moves."""
        if not 1 <= count <= len(self.nodes):
            raise ConventionError(f"count: {count} is not from 1 to {len(self.nodes)}, the nodes there are")
        variances, vectors = np.linalg.eigh(self.covariance())
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors.T[::-1]
        signs = np.where(vectors[:, -1:] < 0.0, -1.0, 1.0)
        return Components(
            (vectors * signs)[:count], np.sqrt(variances[:count]), variances[:count] / max(variances.sum(), 1e-300)
        )


def parallel(nodes: Sequence[float] | Floats, sizes_bp: Sequence[float]) -> Floats:
    """[n_scenarios, n_nodes] decimal moves of all zero rates alike."""
    return np.outer(np.asarray(sizes_bp, dtype=np.float64) * 1e-4, np.ones(len(nodes)))


def steepeners(
    nodes: Sequence[float] | Floats, sizes_bp: Sequence[float], *, pivot_years: float = 5.0, far_years: float = 30.0
) -> Floats:
    """[n_scenarios, n_nodes] decimal moves that grow linearly around a pivot.

    Parameters
    ----------
    sizes_bp
        Move at `far_years`; the short end moves against it in proportion. Negative: flatteners.
    """
    if not 0.0 < pivot_years < far_years:
        raise ConventionError(f"pivot_years: {pivot_years:g} is not between 0 and far_years {far_years:g}")
    slope = (np.asarray(nodes, dtype=np.float64) - pivot_years) / (far_years - pivot_years)
    return np.outer(np.asarray(sizes_bp, dtype=np.float64) * 1e-4, slope)


def component_moves(components: Components, sizes: Sequence[float] = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)) -> Floats:
    """[n_components x n_sizes, n_nodes] decimal moves of each component alone, in its standard deviations."""
    scaled = components.vectors * components.deviations[:, None]
    moves: Floats = (scaled[:, None, :] * np.asarray(sizes, dtype=np.float64)[:, None]).reshape(-1, scaled.shape[1])
    return moves
