"""A dealer's market in many securities as arrays of integers; a quote is made when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import overload

import numpy as np
import numpy.typing as npt

from tbill_defi.portfolio.view import Floats, Quote

Ints = npt.NDArray[np.int64]
MICRO = 1_000_000


def to_micro(prices: Floats) -> Ints:
    """Prices as whole 10^-6, half up: what `decimal_price` trades."""
    rounded: Ints = np.floor(prices * MICRO + 0.5).astype(np.int64)
    return rounded


def _decimal(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6)


class ModelQuotes(Sequence["Quote | None"]):
    """One side of the dealer's market; a `Quote` is made when it is looked at.

    Arrays are [n] int64: prices in 10^-6 per 100 face, `settlement` days since 1970-01-01, `regular` -1 where the
    security matures by T+1.
    """

    def __init__(self, clean: Ints, quoted_dirty: Ints, settlement: Ints, accrued: Ints, dirty: Ints, regular: Ints):
        self.arrays = (clean, quoted_dirty, settlement, accrued, dirty, regular)
        self._made: dict[int, Quote] = {}

    def __len__(self) -> int:
        return len(self.arrays[0])

    @overload
    def __getitem__(self, index: int) -> Quote | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Quote | None]: ...
    def __getitem__(self, index: int | slice) -> Quote | Sequence[Quote | None] | None:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        made = self._made.get(index)
        if made is None:
            clean, quoted, settles, accrued, dirty, regular = (int(array[index]) for array in self.arrays)
            made = self._made[index] = Quote(
                quoted_clean_price=_decimal(clean),
                quoted_dirty_price=_decimal(quoted),
                quote_settlement_date=date(1970, 1, 1) + timedelta(days=settles),
                accrued=_decimal(accrued),
                dirty_price=_decimal(dirty),
                regular_dirty_price=None if regular < 0 else _decimal(regular),
            )
        return made
