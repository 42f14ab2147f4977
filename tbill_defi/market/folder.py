"""Market files of a folder, read at once and kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.data import KINDS, MarketData
from tbill_defi.market.merging import merge
from tbill_defi.market.store import parse, sniff
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
    frames: dict[str, pl.DataFrame] = {}
    for path in sorted(place.glob("*.csv")):
        try:
            text = read_text(path)
            name = sniff(text, path.name)
        except DataError:
            continue
        if name in kinds:
            kind = KINDS[name]
            frame = parse(text, path.name, name)
            frames[name] = merge(kind, frames[name], frame).frame if name in frames else frame.sort(kind.order)
    if not frames:
        raise DataError(f"{place}: holds no CSV file of {', '.join(kinds)}")
    return MarketData(**frames)
