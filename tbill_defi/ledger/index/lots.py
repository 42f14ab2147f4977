"""Tax lots: what was bought when and for what, and what of it was sold, first in first out or as identified."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tbill_defi.core.errors import DataError

FIFO, SPECIFIC = "fifo", "specific"
METHODS = (FIFO, SPECIFIC)


@dataclass(slots=True)
class Lot:
    """Units of a security acquired in one entry, and what is left of them; amounts in base units, cost dirty."""

    lot: int
    entry: int
    units: int
    cost: int
    currency: str
    basis: str
    remaining: int
    remaining_cost: int


class Closure(NamedTuple):
    """Part of a lot that was disposed of: its units, cost and proceeds (dirty), base units."""

    lot: int
    units: int
    cost: int
    proceeds: int


class Shelf:
    """Open lots of one party and security, oldest first."""

    def __init__(self) -> None:
        self._open: deque[Lot] = deque()

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._open)

    def add(self, lot: Lot) -> None:
        """Shelve a new lot."""
        self._open.append(lot)

    @property
    def units(self) -> int:
        """Units in all lots."""
        return sum(lot.remaining for lot in self._open)

    def take(
        self, units: int, proceeds: int | None, chosen: Mapping[int, int] | None = None
    ) -> list[tuple[Lot, Closure]]:
        """Dispose of units: of the lots that were identified, then of the oldest.

        Costs and proceeds are shared out in proportion, rounded down, so that the last part of a lot takes all that is
        left of its cost, and the last part of the disposal all that is left of its proceeds.

        Parameters
        ----------
        proceeds
            Cash received, dirty; None: at cost.
        chosen
            Lot -> units of it.

        Raises
        ------
        DataError
            If there are fewer units, or fewer in a lot that was identified.
        """
        parts = self._parts(units, chosen or {})
        closures: list[tuple[Lot, Closure]] = []
        taken = given = 0
        for lot, part in parts:
            cost = lot.remaining_cost * part // lot.remaining
            lot.remaining -= part
            lot.remaining_cost -= cost
            taken += part
            share = cost if proceeds is None else proceeds * taken // units - given
            given += share
            closures.append((lot, Closure(lot.lot, part, cost, share)))
        while self._open and not self._open[0].remaining:
            self._open.popleft()
        if chosen:
            self._open = deque(lot for lot in self._open if lot.remaining)
        return closures

    def _parts(self, units: int, chosen: Mapping[int, int]) -> list[tuple[Lot, int]]:
        parts: list[tuple[Lot, int]] = []
        left = units
        if chosen:
            shelf = {lot.lot: lot for lot in self._open}
            for number, part in chosen.items():
                there = shelf[number].remaining if number in shelf else 0
                if not 0 < part <= there:
                    raise DataError(f"lot {number}: {part} units identified, it has {there} at that moment")
                parts.append((shelf[number], part))
                left -= part
            if left < 0:
                raise DataError(f"lots: {units - left} units identified for a disposal of {units}")
        for lot in self._open:
            if not left:
                break
            part = min(left, lot.remaining - chosen.get(lot.lot, 0))
            if part:
                parts.append((lot, part))
                left -= part
        if left:
            raise DataError(f"lots: a disposal of {units} units, only {units - left} are there")
        return parts
