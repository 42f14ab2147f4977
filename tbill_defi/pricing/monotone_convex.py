"""Monotone convex interpolation of forward rates, on arrays of curves.

Hagan and West, "Interpolation Methods for Curve Construction" (2006), as QuantLib blends it: a share of the quadratic
that meets the node forwards, the rest of the construction that keeps forwards monotone. Forwards may be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats

QUADRATICITY = 0.3
MONOTONICITY = 0.7
"""QuantLib's defaults. The knee of a segment lies within (1 - MONOTONICITY)/2 and (1 + MONOTONICITY)/2 of it."""
FIRST_KNEE = (1.0 - MONOTONICITY) / 2.0
LAST_KNEE = (1.0 + MONOTONICITY) / 2.0


@dataclass(frozen=True, eq=False)
class Shapes:
    """How forwards depart from their average within segments: the integral of it, in shares of the segment's span.

    With u in [0, 1] the share of the segment passed, the excess is
    u (linear + u (square + u cube)) + before (knee^3 - max(knee - u, 0)^3) + after max(u - knee, 0)^3,
    which is 0 at u = 0 and u = 1.

    Attributes
    ----------
    linear, square, cube, before, after, knee
        float64, all of one shape; of `monotone_shapes`, [n_segments, ...].
    """

    linear: Floats
    square: Floats
    cube: Floats
    before: Floats
    after: Floats
    knee: Floats

    @property
    def fields(self) -> tuple[Floats, ...]:
        """All six."""
        return self.linear, self.square, self.cube, self.before, self.after, self.knee

    def at(self, place: NDArray[np.int64]) -> Shapes:
        """Those at places of the first axis."""
        return Shapes(*(field[place] for field in self.fields))

    def excess(self, share: Floats) -> Floats:
        """Excess at shares of each segment, of one shape with the fields."""
        knee = self.knee
        early, late = np.maximum(knee - share, 0.0), np.maximum(share - knee, 0.0)
        value = share * (self.linear + share * (self.square + share * self.cube))
        value += self.before * (knee * knee * knee - early * early * early)
        value += self.after * (late * late * late)
        return value


def node_forwards(averages: Floats, spans: Floats) -> Floats:
    """Forwards at the nodes from average forwards of the segments between them.

    Parameters
    ----------
    averages, spans
        [n_segments, ...], at least two segments.

    Returns
    -------
    [n_segments + 1, ...]: inside, averages of the neighbours weighted by each other's span; at the ends such that the
    segment's quadratic is level there.
    """
    forwards = np.empty((len(averages) + 1, *averages.shape[1:]))
    before, after = spans[:-1], spans[1:]
    forwards[1:-1] = (before * averages[1:] + after * averages[:-1]) / (before + after)
    forwards[0] = 1.5 * averages[0] - 0.5 * forwards[1]
    forwards[-1] = 1.5 * averages[-1] - 0.5 * forwards[-2]
    return forwards


def monotone_shapes(averages: Floats, spans: Floats) -> Shapes:
    """Shapes of the segments of curves; parameters as of `node_forwards`."""
    forwards = node_forwards(averages, spans)
    start, end = forwards[:-1] - averages, forwards[1:] - averages
    # The four regions of Hagan and West, told by where the forward's departure at the end lies against the start's.
    up = np.where(start < 0.0, -1.0, 1.0)
    high, low = up * start, up * end
    quadratic = (high > 0.0) & (low <= -0.5 * high) & (low >= -2.0 * high)
    flat_first = (high > 0.0) & (low < -2.0 * high)
    flat_last = (high > 0.0) & (low < 0.0) & (low > -0.5 * high)
    total = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        knee = np.where(flat_first, (end + 2.0 * start) / total, 3.0 * end / total)
        free = (flat_first & (knee < LAST_KNEE)) | (flat_last & (knee > FIRST_KNEE))
        both = np.clip(np.nan_to_num(end / (start + end), nan=0.5, posinf=1.0, neginf=0.0), FIRST_KNEE, LAST_KNEE)
        bent = np.where(flat_first, LAST_KNEE, np.where(flat_last, FIRST_KNEE, both))
        knee = np.where(free, knee, bent)
        level = np.where(free, np.where(flat_first, start, end), -0.5 * (knee * start + (1.0 - knee) * end))
        before = np.where(free & flat_first, 0.0, (start - level) / knee**2)
        after = np.where(free & flat_last, 0.0, (end - level) / (1.0 - knee) ** 2)
    share = np.where(quadratic, 1.0, QUADRATICITY)
    rest = 1.0 - share
    return Shapes(
        linear=rest * level + share * start,
        square=-share * (2.0 * start + end),
        cube=share * (start + end),
        before=rest * before / 3.0,
        after=rest * after / 3.0,
        knee=knee,
    )
