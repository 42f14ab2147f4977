"""A made-up market of a few years, the same every time, for tests that need no published data."""

import math
from datetime import date

import polars as pl

from tbill_defi.conventions import TRADING
from tbill_defi.market.data import KINDS, MarketData

LEVELS = {
    "1 Mo": 0.010, "3 Mo": 0.011, "6 Mo": 0.012, "1 Yr": 0.014, "2 Yr": 0.019, "3 Yr": 0.024,
    "5 Yr": 0.031, "7 Yr": 0.036, "10 Yr": 0.041, "20 Yr": 0.049,
}  # fmt: skip


def par_yields(first=date(2003, 1, 2), last=date(2004, 12, 31), shift=0.0, from_day=None):
    """Smooth yields on every trading day; from `from_day` on, moved by `shift`."""
    rows = []
    for number, day in enumerate(TRADING.good_days(first, last)):
        wave = 0.004 * math.sin(number / 60.0) + 0.0007 * math.sin(number * 1.7)
        moved = shift if from_day is not None and day >= from_day else 0.0
        rows.append({"date": day} | {name: round(level + wave + moved, 4) for name, level in LEVELS.items()})
    return pl.DataFrame(rows, schema_overrides=KINDS["par_yields"].schema).select(
        *(
            pl.col(name) if name in rows[0] else pl.lit(None, dtype=kind).alias(name)
            for name, kind in KINDS["par_yields"].schema.items()
        )
    )


def market(**changes):
    return MarketData(par_yields=par_yields(**changes))
