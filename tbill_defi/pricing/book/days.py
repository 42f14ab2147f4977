"""Payment dates of day numbers."""

from __future__ import annotations

from datetime import date

import numpy as np

from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.pricing.book.columns import EPOCH, Ints


def late_days(days: Ints) -> Ints:
    """Days from each day to the good settlement day that payment is made on."""
    distinct, place = np.unique(days, return_inverse=True)
    dates = [date.fromordinal(int(number) + EPOCH) for number in distinct]
    late = [(SETTLEMENT.following(day) - day).days for day in dates]
    return np.array(late, dtype=np.int64)[place]
