"""Where the search for yields begins: the price turned round by a polynomial, within a millionth of the price.

In x = P^(-1/4) the u = log(1 + y/f) of a bond of any maturity is nearly a polynomial of low degree. Newton's, through
u and its first two derivatives at three of Chebyshev's places in `RANGE`, is made once for a book at a settlement; it
is off by up to 6e-7 of the price there, and by more outside, where the search takes its own steps.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import cos, pi

import numpy as np

from tbill_defi.conventions.yields import Floats

RANGE = 0.0, 0.045
"""u of yields from 0 to 9 percent or so, in which the polynomial serves."""
LOWEST, HIGHEST = -0.05, 0.5
"""u between which solving begins."""
_MIDDLE, _HALF = 0.5 * sum(RANGE), 0.5 * (RANGE[1] - RANGE[0])
PLACES = tuple(_MIDDLE - _HALF * cos((2 * k + 1) * pi / 6) for k in range(3))

Measure = Callable[[float], tuple[Floats, Floats, Floats]]
"""u -> [n] prices, means and variances of the times to payment, as of `yields.Moments`."""


class Inverse:
    """[n] u as polynomials of a power of [n] prices, in single precision."""

    def __init__(self, measure: Measure) -> None:
        places, slopes, bends = zip(*(_turned(*measure(u)) for u in PLACES), strict=True)
        self._centre, self._scale = places[1].astype(np.float32), (2.0 / (places[2] - places[0])).astype(np.float32)
        centre, scale = self._centre.astype(np.float64), self._scale.astype(np.float64)
        nodes = [(x - centre) * scale for x in places]
        self._nodes = [node.astype(np.float32) for node in nodes]
        units = [slope / scale for slope in slopes], [bend / scale**2 for bend in bends]
        self._terms = [term.astype(np.float32) for term in _divided(nodes, *units)]

    def __call__(self, dirty: Floats) -> Floats:
        """[n] u of [n] positive dirty prices."""
        with np.errstate(all="ignore"):  # far outside, where the bounds below hold
            place = np.sqrt(dirty).astype(np.float32)
            np.sqrt(place, out=place)
            np.divide(1.0, place, out=place)
            place -= self._centre
            place *= self._scale
            away = np.empty_like(place)
            u = self._terms[-1].copy()
            for i, term in reversed(list(enumerate(self._terms[:-1]))):
                if i % 3 == 2 or i == len(self._terms) - 2:
                    np.subtract(place, self._nodes[i // 3], out=away)
                u *= away
                u += term
        if not (u.min(initial=LOWEST) >= LOWEST and u.max(initial=HIGHEST) <= HIGHEST):
            u = np.fmax(np.fmin(u, HIGHEST), LOWEST)
        return u.astype(np.float64)


def _turned(price: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """x, du/dx and half of d2u/dx2 where the logarithm of the price has the slope -mean and the bend variance in u."""
    x = price**-0.25
    slope = 4.0 / (x * mean)
    return x, slope, 0.125 * x * (variance - 0.25 * mean * mean) * slope**3


def _divided(nodes: list[Floats], slopes: list[Floats], bends: list[Floats]) -> list[Floats]:
    """Newton's coefficients of u over every node three times, the constant first."""
    column = [np.full_like(nodes[0], u) for u in PLACES for _ in range(3)]
    known = {1: slopes, 2: bends}
    terms = [column[0]]
    for order in range(1, len(column)):
        column = [
            known[order][i // 3]
            if i // 3 == (i + order) // 3
            else (above - below) / (nodes[(i + order) // 3] - nodes[i // 3])
            for i, (below, above) in enumerate(pairwise(column))
        ]
        terms.append(column[0])
    return terms
