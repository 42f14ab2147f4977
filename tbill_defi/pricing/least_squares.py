"""Nonlinear least squares with an analytic Jacobian, for few parameters, from several starts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats

STEPS = 60
GAIN = 1e-10
"""A step that can lower the sum by less than this share of it is the last."""
DAMPING, LARGEST_DAMPING = 1e-4, 1e12

Residuals = Callable[[Floats], tuple[Floats, Floats]]
"""[n_starts, n_parameters] points -> [n_starts, n] residuals, [n_starts, n_parameters, n] derivatives."""


class Minimum(NamedTuple):
    """Points, [n_starts, n_parameters], and their sums of squares, [n_starts]."""

    points: Floats
    totals: Floats


def minimum(residuals: Residuals, starts: Floats, *, steps: int = STEPS) -> Minimum:
    """The points of least squares near the starts.

    Parameters
    ----------
    starts
        [n_starts, n_parameters].
    steps
        At most so many.

    Notes
    -----
    Levenberg-Marquardt with Marquardt's scaling and Nielsen's damping (Madsen, Nielsen and Tingleff 2004, algorithm
    3.16), each start by itself; it ends when none can gain more.
    """
    points = starts
    error, slopes, totals = _at(residuals, points)
    damping, growth = np.full(len(points), DAMPING), np.full(len(points), 2.0)
    size = points.shape[1]
    for _ in range(steps):
        gram = slopes @ slopes.mT
        slope = (slopes @ error[..., None])[..., 0]
        diagonal = gram.reshape(len(gram), -1)[:, :: size + 1]
        scale = np.maximum(diagonal, 1e-300) * damping[:, None]
        diagonal += scale
        step = _solved(gram, -slope)
        expected = (step * (scale * step - slope)).sum(axis=1)
        if not (expected > GAIN * totals).any():
            break
        tried = points + step
        error2, slopes2, totals2 = _at(residuals, tried)
        gained = totals - totals2
        won = gained > 0.0
        factor = np.maximum(0.1, 1.0 - (2.0 * gained / np.where(won, expected, 1.0) - 1.0) ** 3)
        damping = np.minimum(damping * np.where(won, factor, growth), 2.0 * LARGEST_DAMPING)
        growth = np.where(won, 2.0, np.minimum(growth * 2.0, LARGEST_DAMPING))
        points = np.where(won[:, None], tried, points)
        totals = np.where(won, totals2, totals)
        if won.all():
            error, slopes = error2, slopes2
        else:
            error = np.where(won[:, None], error2, error)
            slopes = np.where(won[:, None, None], slopes2, slopes)
        if (damping > LARGEST_DAMPING).all():
            break
    return Minimum(points, totals)


def _at(residuals: Residuals, points: Floats) -> tuple[Floats, Floats, Floats]:
    with np.errstate(over="ignore", invalid="ignore"):
        error, slopes = residuals(points)
        totals = (error[:, None, :] @ error[:, :, None])[:, 0, 0]
    wild = ~np.isfinite(totals)
    if wild.any():
        error, slopes = np.where(wild[:, None], 0.0, error), np.where(wild[:, None, None], 1.0, slopes)
        totals = np.where(wild, np.inf, totals)
    return error, slopes, totals


def _solved(matrices: Floats, rights: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(matrices, rights[..., None])[..., 0], dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.pinv(matrices) @ rights[..., None])[..., 0], dtype=np.float64)
