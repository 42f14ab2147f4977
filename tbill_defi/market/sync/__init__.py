"""Market data from their publishers: what is asked, how, and what must be true of an answer before it is stored."""

from tbill_defi.market.sync.feeds import FEEDS, Feed, Span
from tbill_defi.market.sync.fetcher import Fetcher, Limits, Timer
from tbill_defi.market.sync.runner import FeedReport, sync
from tbill_defi.market.sync.settings import FeedSettings, read_feeds
from tbill_defi.market.sync.state import SyncFolder

__all__ = [
    "FEEDS",
    "Feed",
    "FeedReport",
    "FeedSettings",
    "Fetcher",
    "Limits",
    "Span",
    "SyncFolder",
    "Timer",
    "read_feeds",
    "sync",
]
