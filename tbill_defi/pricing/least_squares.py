"""Nonlinear least squares with an analytic Jacobian, for few parameters, most of which are nearly linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats

STEPS = 100
GAIN = 1e-11
"""A step that can lower the sum by less than this share of it is the last."""
DAMPING, LARGEST_DAMPING = 1e-6, 1e12

Residuals = Callable[[Floats], tuple[Floats, Floats]]
"""Point -> [n] residuals, [n, n_parameters] Jacobian."""


class Minimum(NamedTuple):
    """A point, its residuals, their Jacobian, and the sum of squares."""

    point: Floats
    error: Floats
    jacobian: Floats
    total: float


def minimum(residuals: Residuals, start: Floats, *, linear: int, steps: int = STEPS) -> Minimum:
    """The point of least squares near a start.

    Parameters
    ----------
    linear
        The first so many parameters, in which the residuals are nearly linear.
    steps
        At most so many.

    Notes
    -----
    Levenberg-Marquardt with Marquardt's scaling and Nielsen's damping (Madsen, Nielsen and Tingleff 2004, algorithm
    3.16). After each trial step the linear parameters are regressed anew, as in variable projection (Golub and Pereyra
    1973): a valley that is curved only through them is walked in a few steps.
    """
    best = _regressed(residuals, start, linear)
    damping, growth = DAMPING, 2.0
    for _ in range(steps):
        gram, slope = best.jacobian.T @ best.jacobian, best.jacobian.T @ best.error
        scale = np.maximum(gram.diagonal(), 1e-300)
        step = _solved(gram + np.diag(damping * scale), -slope)
        expected = float(step @ (damping * scale * step - slope))
        tried = _regressed(residuals, best.point + step, linear)
        gained = best.total - tried.total
        if gained > 0.0:
            damping *= max(0.1, 1.0 - (2.0 * gained / expected - 1.0) ** 3)
            best, growth = tried, 2.0
        else:
            damping, growth = damping * growth, growth * 2.0
        if expected <= GAIN * best.total or damping > LARGEST_DAMPING:
            break
    return best


def _regressed(residuals: Residuals, point: Floats, linear: int) -> Minimum:
    first = _at(residuals, point)
    part = first.jacobian[:, :linear]
    gram = part.T @ part
    moved = point.copy()
    moved[:linear] -= _solved(gram + np.diag(1e-14 * gram.diagonal()), part.T @ first.error)
    second = _at(residuals, moved)
    return second if second.total < first.total else first


def _at(residuals: Residuals, point: Floats) -> Minimum:
    with np.errstate(over="ignore", invalid="ignore"):
        error, jacobian = residuals(point)
        total = float(error @ error)
    if not np.isfinite(total) or not np.isfinite(jacobian).all():
        return Minimum(point, error, np.ones_like(jacobian), np.inf)
    return Minimum(point, error, jacobian, total)


def _solved(matrix: Floats, right: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)
