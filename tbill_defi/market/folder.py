"""Market files of a folder, read at once and kept nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tbill_defi.core.errors import DataError
from tbill_defi.market.data import KINDS, MarketData
from tbill_defi.market.store import MarketStore, sniff
from tbill_defi.market.table import read_text

HISTORY_KINDS = ("par_yields", "auctions", "sofr")
"""What a history is made of."""


def read_folder(folder: str | Path, kinds: Sequence[str] = HISTORY_KINDS) -> MarketData:
    """Every CSV file of a folder that is of one of the kinds; other files are passed over.

    Raises
    ------
    DataError
        If the folder is not there, holds none of them, or one is bad.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"{place}: is not a folder with market files")
    with tempfile.TemporaryDirectory(prefix="tbill-market-") as home:
        store = MarketStore(home)
        found = []
        for path in sorted(place.glob("*.csv")):
            try:
                kind = sniff(read_text(path), path.name)
            except DataError:
                continue
            if kind in kinds:
                found.append(kind)
                store.import_file(path, kind=kind)
        if not found:
            raise DataError(f"{place}: holds no CSV file of {', '.join(kinds)}")
        return MarketData(**{kind: store.frame(kind) for kind in KINDS})
