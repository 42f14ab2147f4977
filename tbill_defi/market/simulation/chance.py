"""Random numbers whose stream is part of the format: the same seed gives the same numbers with any numpy.

numpy keeps the raw output of a bit generator for ever, and not what it makes of it; so the few distributions needed are
made here.
"""

from __future__ import annotations

import numpy as np

from tbill_defi.market.simulation.shapes import Floats

SCALE = 2.0**-53


class Chance:
    """A stream of random numbers.

    Parameters
    ----------
    seed
        A whole number, 0 or more.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int) -> Floats:
        """In (0, 1), 53 bits each."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        found: Floats = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * SCALE
        return found.reshape(shape)

    def normal(self, *shape: int) -> Floats:
        """Standard normal, by Box and Muller (1958)."""
        count = int(np.prod(shape))
        pairs = self.uniform(2, (count + 1) // 2)
        radius, angle = np.sqrt(-2.0 * np.log(pairs[0])), 2.0 * np.pi * pairs[1]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count].reshape(shape)
