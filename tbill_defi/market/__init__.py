"""Readers of published files, the Parquet store, and point-in-time snapshots of the market."""

from tbill_defi.market.auctions import read_auctions
from tbill_defi.market.data import MarketData
from tbill_defi.market.fedinvest import read_fedinvest
from tbill_defi.market.gsw import read_gsw
from tbill_defi.market.par_yields import TENORS, read_par_yields
from tbill_defi.market.reference_cpi import read_reference_cpi
from tbill_defi.market.sample import SAMPLE_DATE, sample_data, sample_snapshot
from tbill_defi.market.snapshot import (
    MarketSnapshot,
    Quote,
    RepoRate,
    Sheet,
    par_yields_on,
    snapshot,
    trading_days,
)
from tbill_defi.market.sofr import read_sofr
from tbill_defi.market.store import ImportReport, MarketStore
from tbill_defi.market.universe import Listing

__all__ = [
    "SAMPLE_DATE",
    "TENORS",
    "ImportReport",
    "Listing",
    "MarketData",
    "MarketSnapshot",
    "MarketStore",
    "Quote",
    "RepoRate",
    "Sheet",
    "par_yields_on",
    "read_auctions",
    "read_fedinvest",
    "read_gsw",
    "read_par_yields",
    "read_reference_cpi",
    "read_sofr",
    "sample_data",
    "sample_snapshot",
    "snapshot",
    "trading_days",
]
