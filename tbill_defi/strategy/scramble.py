"""The same market with another future: every row known after a date is altered, none before.

A plan made on that date must be the same to the byte in both worlds; a strategy whose plan differs has looked ahead.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from tbill_defi.market.data import KINDS, Kind, MarketData

SEED = 20_260_324
DAYS = 5
"""Days of an invented future where the records end on the date."""
LEAST, MOST = 0.5, 0.9
"""An altered figure is this share of the true one: nothing keeps its value, its order or its sign of change."""


def scrambled(data: MarketData, day: date) -> MarketData:
    """`data` with every row after `day` altered, and some invented where there are none.

    Identifiers, dates and words stay, so that the future still reads as a market; every number changes.
    """
    rng = np.random.default_rng(SEED)
    return MarketData(**{name: _altered(kind, getattr(data, name), day, rng) for name, kind in KINDS.items()})


def _altered(kind: Kind, frame: pl.DataFrame, day: date, rng: np.random.Generator) -> pl.DataFrame:
    known, later = frame.filter(pl.col(kind.day) <= day), frame.filter(pl.col(kind.day) > day)
    if later.is_empty() and not known.is_empty():
        last = known.filter(pl.col(kind.day) == known[kind.day].max())
        days = [day + timedelta(days=n) for n in range(1, DAYS + 1)]
        later = pl.concat([last.with_columns(pl.lit(d).alias(kind.day)) for d in days])
    columns = []
    for name, kind_of in kind.schema.items():
        if kind_of == pl.Float64():
            shares = pl.Series(rng.uniform(LEAST, MOST, later.height))
            columns.append((pl.col(name) * shares + 1e-4).alias(name))
        elif kind_of == pl.Int64():
            columns.append((pl.col(name) // 2).alias(name))
    return pl.concat([known, later.with_columns(columns)]).sort(kind.order)
