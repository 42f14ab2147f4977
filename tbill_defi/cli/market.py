"""`tbill market`: write sample files, import published ones, show what is known on a date and what was revised."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, group, hint, parse_date, print_json, view_at
from tbill_defi.cli.market_simulate import simulate
from tbill_defi.cli.market_sync import sync
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import write_durably

if TYPE_CHECKING:
    from tbill_defi.market.sightings import Revision
    from tbill_defi.market.sync.freshness import Freshness
    from tbill_defi.portfolio.view import View

KINDS_HELP = "par_yields, auctions, fedinvest, sofr or reference_cpi."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Market data: import published files, show a date.")
    commands.command("sample")(sample)
    commands.command("import")(import_files)
    commands.command("sync")(sync)
    commands.command("simulate")(simulate)
    commands.command("show")(show)
    commands.command("log")(log)
    app.add_typer(commands, name="market")


def sample(folder: Annotated[Path, typer.Argument(help="Where they go.")] = Path("sample")) -> None:
    """Write the sample market as files to import; none is overwritten.

    Prices of 25 Treasuries on 2026-03-24, curves and SOFR from then to 2026-06-30, in the layouts of their publishers.
    """
    from tbill_defi.market.sample import sample_files

    files = {folder / name: text for name, text in sample_files().items()}
    for path in files:
        if path.exists() and not (path.is_file() and path.read_text() == files[path]):
            raise UsageError(f"market sample: {path} is there already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        write_durably(path, text.encode())
        console().print(f"{path}: {text.count(chr(10)):,} lines", soft_wrap=True)
    hint(f"tbill market import {folder}/*.csv")


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Par yields, auctions, FedInvest, SOFR or reference CPI.")],
    kind: Annotated[str | None, typer.Option(help=KINDS_HELP, show_default="found by content")] = None,
    price_date: Annotated[
        str | None, typer.Option(help="Date of a FedInvest sheet.", show_default="from its name")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Import published files, each whole or not at all.

    Files are par yields (Treasury CSV or XML, FRED) and auction results (TreasuryDirect or FiscalData, CSV or JSON) of
    the US Treasury, price sheets of FedInvest, SOFR (New York Fed CSV or JSON, FRED), and the reference CPI of TIPS
    (FiscalData, TreasuryDirect). Importing a file again changes nothing; a value that differs replaces the stored one,
    is named, and stays in `tbill market log` with both dates.
    """
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore

    store = MarketStore(home_path(home))
    day = parse_date(price_date, "price-date") if price_date else None
    now = SystemClock().now()
    reports = [store.import_file(path, kind=kind, price_date=day, seen_at=now) for path in files]
    if json_:
        print_json(
            [
                {
                    "file": r.source,
                    "kind": r.kind,
                    "rows": r.rows,
                    "new": r.new,
                    "changed": r.changed,
                    "removed": r.removed,
                    "first": r.first.isoformat(),
                    "last": r.last.isoformat(),
                    "changes": list(r.changes),
                }
                for r in reports
            ]
        )
        return
    for report in reports:
        console().print(report.describe(), soft_wrap=True)
    hint("tbill market show --date DATE, or tbill holdings import positions.csv")


def show(
    day: Day = None,
    securities: Annotated[bool, typer.Option("--securities", help="List the universe as well.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show what is known on a date: curve, repo, prices, sources.

    Names what of its figures was revised since, how old the latest of each kind of record is, and when their publishers
    were last asked.
    """
    view = view_at(home, chosen_date(home, day))
    fresh, simulation = _known_on(home, view.date)
    revised = revised_on(home, view.date)
    kinds = Counter(security.kind for security in view.securities)
    sources = Counter(view.sources)
    if json_:
        print_json({**_figures(view, revised, fresh), "simulation": simulation})
        return
    from tbill_defi.core.clock import age_days
    from tbill_defi.report import formats, market_tables, tables

    out = console()
    if simulation:
        out.print(f"simulated market, by {simulation}: this curve was never published")
    out.print(tables.curve(view))
    if revised:
        out.print(market_tables.revisions(revised))
    if securities:
        out.print(tables.universe(view))
    out.print(
        f"regular settlement {view.market_settlement_date}; repo {formats.percent(view.repo_rate, 2)} from "
        f"{view.repo_source} of {view.repo_date} ({age_days(view.repo_date, view.date)} d old)"
    )
    out.print(
        f"universe: {len(view.securities)} securities ("
        + ", ".join(f"{count} {kind}s" for kind, count in kinds.items())
        + f"), terms of {sum(view.inferred)} inferred"
    )
    for source, count in sources.items():
        dates = sorted({d for s, d in zip(view.sources, view.quote_dates, strict=True) if s == source})
        out.print(f"prices: {count} {source}, of {', '.join(map(str, dates))}")
    for kind, cusips in view.excluded.items():
        out.print(f"excluded, no nominal yield: {len(cusips)} {kind}")
    out.print(market_tables.freshness(fresh))
    out.print(f"market hash 0x{view.market_hash.hex()}")


def _figures(view: View, revised: list[Revision], fresh: list[Freshness]) -> dict[str, Any]:
    """What `show` prints as JSON."""
    return {
        "date": view.date.isoformat(),
        "market_settlement_date": view.market_settlement_date.isoformat(),
        "market_hash": "0x" + view.market_hash.hex(),
        "par_yields": dict(view.curve),
        "repo": {"rate": view.repo_rate, "source": view.repo_source, "date": view.repo_date.isoformat()},
        "universe": dict(Counter(security.kind for security in view.securities)),
        "inferred": sum(view.inferred),
        "sources": dict(Counter(view.sources)),
        "excluded": {kind: list(cusips) for kind, cusips in view.excluded.items()},
        "revisions": [asdict(revision) for revision in revised],
        "freshness": [
            {**asdict(row), "first": row.first.isoformat(), "last": row.last.isoformat(), "feeds": list(row.feeds)}
            for row in fresh
        ],
        "securities": [
            {
                "cusip": s.cusip,
                "kind": s.kind,
                "maturity_date": s.maturity_date.isoformat(),
                "clean_price": float(view.clean_price[i]),
                "yield": float(view.yield_[i]),
                "modified_duration": float(view.modified_duration[i]),
                "source": view.sources[i],
                "quote_date": view.quote_dates[i].isoformat(),
                "inferred": view.inferred[i],
            }
            for i, s in enumerate(view.securities)
        ],
    }


def _known_on(home: Path | None, day: date) -> tuple[list[Freshness], str | None]:
    """How fresh each kind of record is on a date, and what made the curves if they are simulated."""
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore
    from tbill_defi.market.sync.freshness import freshness
    from tbill_defi.market.sync.state import SyncFolder

    store = MarketStore(home_path(home))
    data = store.load()
    return freshness(data, day, SyncFolder(store.folder).load()), data.simulation


def revised_on(home: Path | None, day: date) -> list[Revision]:
    """Replaced values of rows of a date."""
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore

    found = MarketStore(home_path(home)).sightings().revisions()
    return [revision for revision in found if day.isoformat() in revision.key]


def log(
    kind: Annotated[str | None, typer.Option(help=KINDS_HELP, show_default="all")] = None,
    fills: Annotated[bool, typer.Option("--fills", help="Also cells that were empty before.")] = False,
    last: Annotated[int, typer.Option(help="Show the last N.", min=1)] = 50,
    home: Home = None,
    json_: Json = False,
) -> None:
    """List published values that were revised.

    Old and new value, when each was first seen, and the file or feed that brought it.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.market.data import KINDS
    from tbill_defi.market.store import MarketStore

    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
    folder = home_path(home)
    if not (folder / "market").is_dir():
        raise DataError(f"home: {folder} has no market data; bring some with `tbill market import`")
    found = list(MarketStore(folder).sightings().revisions(kind, fills=fills))
    if json_:
        print_json([asdict(revision) for revision in found[-last:]])
        return
    from tbill_defi.report import market_tables

    out = console()
    if not found:
        out.print("nothing that was imported has been revised")
        return
    out.print(market_tables.revisions(found[-last:]))
    if len(found) > last:
        out.print(f"the last {last:,} of {len(found):,}; --last shows more")
