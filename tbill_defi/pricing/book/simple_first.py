"""Simple interest for the part of a period before sums of flows in whole periods."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.yields import Moments, Sums, simple_first


@dataclass(frozen=True, eq=False)
class SimpleFirst:
    """Sums whose times begin at the next cycle date, with simple interest for the part of a period before it.

    Attributes
    ----------
    sums
        Times in whole periods from the next cycle date.
    simple
        [n] part of a period.
    """

    sums: Sums
    simple: Floats

    @property
    def frequency(self) -> Floats:
        """[n] periods a year."""
        return self.sums.frequency

    def start(self, dirty: Floats) -> Floats:
        """[n] u to begin with."""
        return self.sums.start(dirty)

    def at(self, u: Floats, *, skew: bool = True) -> Moments:
        """Prices and the moments of the times to payment."""
        return simple_first(self.simple, u, self.sums.at(u, skew=skew))

    def subset(self, rows: Ints) -> SimpleFirst:
        """The kernel of some of the securities."""
        return SimpleFirst(self.sums.subset(rows), self.simple[rows])
