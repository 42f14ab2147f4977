"""A whole amount among holders, to the base unit: no drift between the parts and the whole."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from tbill_defi.core.errors import ConventionError

Name = TypeVar("Name", bound=Hashable)


def split_units(total: int, shares: Mapping[Name, int]) -> dict[Name, int]:
    """Split whole base units in proportion to shares: the parts sum to the whole exactly.

    Each gets its exact part rounded down; the units left over go one each to the largest remainders, of equal ones to
    those named first (the method of largest remainders). So no part is a whole unit from its exact value.

    Parameters
    ----------
    total
        Base units; a negative total is split as the positive one is.
    shares
        Name -> whole units held, none negative, not all 0.

    Raises
    ------
    ConventionError
        If a share is negative or no whole number, or there are none.
    """
    if isinstance(total, bool) or not isinstance(total, int):
        raise ConventionError(f"total: {total!r} is not a whole number of base units")
    for name, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int) or share < 0:
            raise ConventionError(f"shares of {name}: {share!r} is not a whole number of units, at least 0")
    every = sum(shares.values())
    if not every:
        raise ConventionError("shares: nobody holds any; there is nothing to split by")
    size = abs(total)
    parts = {name: size * share // every for name, share in shares.items()}
    left = size - sum(parts.values())
    by_remainder = sorted(shares, key=lambda name: -(size * shares[name] % every))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts if total >= 0 else {name: -part for name, part in parts.items()}
