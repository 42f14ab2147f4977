"""What linked securities follow, from the records known on a date."""

from __future__ import annotations

from datetime import date

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.market.data import MarketData


def fixings_on(data: MarketData, day: date) -> tuple[ReferenceCpi | None, FrnIndex]:
    """Reference CPI (None: none is imported) and index of floating rate notes, as known on `day`.

    The reference CPI of a day is published weeks before it; what counts here is the day itself.
    """
    rows = [(row["date"], row["value"]) for row in data.datasets["reference_cpi"].known(day)]
    index = FrnIndex.of_auctions(data.datasets["auctions"].known(day))
    return (ReferenceCpi.of_daily(rows) if rows else None), index
