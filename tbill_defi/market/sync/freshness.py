"""How fresh the store is: what it holds on a day, and when the publishers were last asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tbill_defi.core.clock import age_days
from tbill_defi.market.data import MarketData
from tbill_defi.market.sync.feeds import FEEDS
from tbill_defi.market.sync.state import FeedState


@dataclass(frozen=True, slots=True)
class Freshness:
    """One kind of file, as a day knows it.

    Attributes
    ----------
    kind
        A name of `KINDS`.
    rows, first, last
        How many are known on the day, and the days of the first and last.
    age_days
        Calendar days from the last one to the day.
    checked_at
        Unix seconds at which a feed of this kind was last asked with success; None: never.
    feeds
        The feeds that were.
    """

    kind: str
    rows: int
    first: date
    last: date
    age_days: int
    checked_at: int | None
    feeds: tuple[str, ...]


def freshness(data: MarketData, day: date, states: Mapping[str, FeedState]) -> list[Freshness]:
    """Of every kind of which something is known on `day`; `states` as `SyncFolder.load` returns them."""
    found = []
    for kind, dataset in data.datasets.items():
        digest = dataset.digest(day)
        if digest.first is None or digest.last is None:
            continue
        asked = {
            name: state.checked_at
            for name, state in states.items()
            if name in FEEDS and FEEDS[name].kind == kind and state.checked_at is not None
        }
        age = age_days(digest.last, day)
        checked = max(asked.values(), default=None)
        found.append(Freshness(kind, digest.rows, digest.first, digest.last, age, checked, tuple(asked)))
    return found
