"""Flows of a book that are no level coupon on a cycle, one by one, as a curve discounts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Bools, Ints
from tbill_defi.pricing.book.floating import Floating
from tbill_defi.pricing.book.odd_last import OddLast


@dataclass(frozen=True, eq=False)
class Loose:
    """Flows of some securities, flattened, by security.

    Attributes
    ----------
    rows
        [n] places of the securities in the book.
    starts
        [n] place of each one's first flow.
    owner, days, amounts
        [n_flows] place among `rows`, day number, amount per 100 face.
    floats
        [n_flows] whether the owner is a floating rate note: 100 at settlement, then only spreads and what has accrued.
    """

    rows: Ints
    starts: Ints
    owner: Ints
    days: Ints
    amounts: Floats
    floats: Bools

    @classmethod
    def of(cls, floating: Floating | None, odd_last: OddLast | None, day: int) -> Self:
        """The loose flows of a book at a settlement."""
        rows, owners, days, amounts, floats = [np.zeros(0, dtype=np.int64)], [], [], [], []
        for part in (floating, odd_last):
            if part is None:
                continue
            owner, at, paid = part.flows(day) if isinstance(part, Floating) else (part.owner, part.days, part.amounts)
            owners.append(owner + sum(map(len, rows)))
            rows.append(part.rows)
            days.append(at)
            amounts.append(paid)
            floats.append(np.full(len(owner), isinstance(part, Floating)))
        none = np.zeros(0, dtype=np.int64)
        every, owner = np.concatenate(rows), np.concatenate([none, *owners])
        return cls(
            rows=every,
            starts=np.searchsorted(owner, np.arange(len(every))),
            owner=owner,
            days=np.concatenate([none, *days]),
            amounts=np.concatenate([np.zeros(0), *amounts]),
            floats=np.concatenate([none.astype(bool), *floats]),
        )

    def values(self, factors: Floats) -> Floats:
        """[n] or [n, n_scenarios] sums of amounts x factors of [n_flows] or [n_flows, n_scenarios]."""
        amounts = self.amounts.reshape(-1, *([1] * (factors.ndim - 1)))
        found: Floats = np.add.reduceat(amounts * factors, self.starts, axis=0)
        return found

    def present_values(self, factors: Floats) -> Floats:
        """[n_flows] worth of each payment; of a floating rate note as the curve's forwards project it."""
        found = self.amounts * factors
        if self.floats.any():
            first = np.zeros(len(self.days), dtype=bool)
            first[self.starts] = True
            last = np.append(first[1:], True) & self.floats
            found[1:] += np.where(self.floats[1:], 100.0 * (factors[:-1] - factors[1:]), 0.0)
            found[last] += 100.0 * factors[last]
            found[first & self.floats] = 0.0
        return found
