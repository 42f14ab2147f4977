"""A publisher on a local port, a store, and time that passes only when somebody waits."""

from dataclasses import replace

import pytest

from tbill_defi.core.clock import SimulatedClock, parse_time
from tbill_defi.market.store import MarketStore
from tbill_defi.market.sync import FEEDS, Fetcher, Limits, Timer, sync
from tests.unit.market.sync.publisher import Publisher

NOW = parse_time("2026-03-24T18:00-04:00")


@pytest.fixture
def publisher(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Publisher()
    yield made
    made.close()


class Desk:
    """A store, its clock, and one sync after another."""

    def __init__(self, home, publisher):
        self.store, self.publisher, self.clock, self.slept = MarketStore(home), publisher, SimulatedClock(NOW), []
        self.limits = Limits(timeout_seconds=5.0, total_seconds=5.0)

    def fetcher(self):
        import time

        timer = Timer(time.monotonic, self.slept.append, lambda: 0.5)
        return Fetcher(self.limits, clock=self.clock, timer=timer, agent="tbill_defi/test")

    def sync(self, *names, first="2024-01-01", **more):
        from datetime import date

        feeds = [replace(FEEDS[name], base=self.publisher.base(name)) for name in names or FEEDS]
        reports = sync(
            self.store, feeds, first=date.fromisoformat(first), fetcher=self.fetcher(), clock=self.clock, **more
        )
        return {report.feed: report for report in reports}


@pytest.fixture
def desk(tmp_path, publisher):
    return Desk(tmp_path / "home", publisher)
