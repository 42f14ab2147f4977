"""Days on a year of twelve months of thirty days."""

from __future__ import annotations

from datetime import date

from tbill_defi.conventions.schedules import is_month_end


def thirty_360(start: date, end: date, *, end_of_month: bool = False) -> int:
    """Days from `start` to `end`, 30/360 US (bond basis).

    A 31st at the start is a 30th; a 31st at the end is one if the start is a 30th or 31st.

    Parameters
    ----------
    end_of_month
        Whether interest is due at month ends: then the last day of February counts as a 30th, so that a whole period
        is never more than its months times 30 days.

    Notes
    -----
    MSRB Rule G-33(e)(ii); the rule for February is of the Standard Securities Calculation Methods. QuantLib's
    `Thirty360.BondBasis`, and with `end_of_month` its `Thirty360.USA`.
    """
    first, last = start.day, end.day
    if end_of_month and start.month == 2 and is_month_end(start):
        first = 30
        if end.month == 2 and is_month_end(end):
            last = 30
    first = min(first, 30)
    if last == 31 and first == 30:
        last = 30
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + last - first
