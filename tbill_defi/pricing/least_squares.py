"""Nonlinear least squares with an analytic Jacobian, for few parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats

STEPS = 100
GAIN = 1e-7
"""The next step is the last where those after it are expected to lower the sum by less than this share of it, all
together: the sum after it is what it foretells."""
SLOWEST = 0.999
"""Steps' gains are taken to go on as a geometric series, of this ratio at most."""
DAMPING, LARGEST_DAMPING = 1e-4, 1e12

Products = Callable[[Floats], Floats]
"""[p] point -> [p + 1, p + 1] inner products of the rows of [p] falls and the residuals, the residuals last; a fall is
what a residual loses as its parameter grows, the negative of its derivative."""


class Minimum(NamedTuple):
    """A point, [p], and its sum of squares."""

    point: Floats
    total: float


def minimum(products: Products, start: Floats, *, steps: int = STEPS) -> Minimum:
    """The point of least squares near [p] `start`, after at most so many steps.

    Notes
    -----
    Levenberg-Marquardt with Marquardt's scaling and Nielsen's damping (Madsen, Nielsen and Tingleff 2004, algorithm
    3.16). It ends when steps can gain no more and damping takes nothing from them; the last is taken unseen. Where
    residuals are not finite, their sum of squares is infinite.
    """
    size = len(start)
    damping, growth = DAMPING, 2.0
    with np.errstate(all="ignore"):
        point, found = start, products(start)
        total = float(found[-1, -1])
        if not math.isfinite(total):
            return Minimum(start, math.inf)
        before = 0.0
        for _ in range(steps):
            damped, falls = found[:-1, :-1].copy(), found[:-1, -1]
            diagonal = damped.reshape(-1)[:: size + 1]
            scale = np.maximum(diagonal, 1e-300)
            scale *= damping
            diagonal += scale
            step = _solved(damped, falls)
            scale *= step
            lost, expected = float(step @ scale), float(step @ falls)
            expected += lost
            shrinks = expected / before if expected < SLOWEST * before else SLOWEST
            before = expected
            if not max(expected * shrinks / (1.0 - shrinks), lost) > GAIN * total:
                return Minimum(point + step, total - expected) if expected > 0.0 else Minimum(point, total)
            tried = point + step
            there = products(tried)
            left = float(there[-1, -1])
            if left < total:
                damping *= max(0.1, 1.0 - (2.0 * (total - left) / expected - 1.0) ** 3)
                growth = 2.0
                point, found, total = tried, there, left
            else:
                damping *= growth
                growth *= 2.0
                if damping > LARGEST_DAMPING:
                    break
    return Minimum(point, total)


def _solved(matrix: Floats, right: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrix) @ right, dtype=np.float64)
