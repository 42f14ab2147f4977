"""`tbill market sync`: bring market data up to date from their publishers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Interrupted, Json, console, hint, parse_date, print_json, progress
from tbill_defi.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tbill_defi.market.sync import FeedReport, Fetcher, Limits

SINCE = "1990-01-02"
"""The first day of the Treasury's par yields."""


def sync(
    first: Annotated[str, typer.Option("--from", help="First day; whole years are read.")] = SINCE,
    feed: Annotated[
        list[str] | None,
        typer.Option(help="treasury, fiscaldata, newyorkfed or fred; can be given again.", show_default="all"),
    ] = None,
    recheck: Annotated[bool, typer.Option("--recheck", help="Ask again for years that count as final.")] = False,
    feeds: Annotated[
        Path | None, typer.Option(help="TOML file with other addresses and limits.", show_default="HOME/feeds.toml")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Read market data from their publishers; what is there is kept.

    Par yields of the Treasury (and FRED, which only fills what the Treasury did not say), auctions of FiscalData, SOFR
    of the New York Fed. An answer is stored whole or not at all; one that is not what it should be is kept in
    market/sync/quarantine. The same command goes on after an interruption. Exit code 3 if a feed failed; what the
    others brought is stored.
    """
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore
    from tbill_defi.market.sync import read_feeds
    from tbill_defi.market.sync import sync as run

    place, since, clock = home_path(home), parse_date(first, "from"), SystemClock()
    settings = read_feeds(feeds, place)
    chosen = settings.only(feed)
    with progress("asking") as advance:
        try:
            reports = run(
                MarketStore(place),
                chosen,
                first=since,
                fetcher=_fetcher(settings.limits),
                clock=clock,
                recheck=recheck,
                progress=advance,
            )
        except KeyboardInterrupt:
            raise Interrupted("interrupted; every answer so far is stored, the same command goes on") from None
    if json_:
        print_json([_figures(report) for report in reports])
    else:
        _show(reports)
    failed = [report for report in reports if report.faults]
    if failed:
        more = sum(len(report.faults) for report in failed) - 1
        raise DataError(
            f"market sync: {len(failed)} of {len(reports)} feeds failed: {failed[0].faults[0]}"
            + (f"; and {more} more" if more else "")
            + ("\nwhat the others brought is stored" if len(failed) < len(reports) else "")
        )
    if not json_:
        hint("tbill market show --date DATE")


def _fetcher(limits: Limits) -> Fetcher:
    import secrets
    import time
    from importlib.metadata import version

    from tbill_defi.core.clock import SystemClock
    from tbill_defi.market.sync import Fetcher, Timer

    timer = Timer(time.monotonic, time.sleep, secrets.SystemRandom().random)
    return Fetcher(limits, clock=SystemClock(), timer=timer, agent=f"tbill_defi/{version('tbill-defi')}")


def _figures(report: FeedReport) -> dict[str, Any]:
    return {**asdict(report), "quarantined": [str(path) for path in report.quarantined]}


def _show(reports: Sequence[FeedReport]) -> None:
    from tbill_defi.report import market_tables

    out = console()
    out.print(market_tables.synced(reports))
    for report in reports:
        for change in report.changes:
            what = "differs, not taken" if report.differing else "replaced"
            out.print(f"{report.feed}: {what}: {change}", soft_wrap=True)
        for fault in report.faults:
            out.print(f"failed: {fault}", soft_wrap=True)
