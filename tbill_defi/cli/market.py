"""`tbill market`: write sample files, import published ones, show what is known on a date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, group, hint, parse_date, print_json, view_at
from tbill_defi.core.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Market data: import published files, show a date.")
    commands.command("sample")(sample)
    commands.command("import")(import_files)
    commands.command("show")(show)
    app.add_typer(commands, name="market")


def sample(folder: Annotated[Path, typer.Argument(help="Where they go.")] = Path("sample")) -> None:
    """Write the sample market as files to import; none is overwritten.

    Prices of 25 Treasuries on 2026-03-24, curves and SOFR from then to 2026-06-30, in the layouts of their publishers.
    """
    from tbill_defi.market.sample import sample_files

    files = {folder / name: text for name, text in sample_files().items()}
    for path in files:
        if path.exists():
            raise UsageError(f"market sample: {path} is there already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text)
        console().print(f"{path}: {text.count(chr(10)):,} lines", soft_wrap=True)
    hint(f"tbill market import {folder}/*.csv")


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Par yields, auctions, FedInvest or SOFR files.")],
    kind: Annotated[
        str | None, typer.Option(help="par_yields, auctions, fedinvest or sofr.", show_default="found by content")
    ] = None,
    price_date: Annotated[
        str | None, typer.Option(help="Date of a FedInvest sheet.", show_default="from its name")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Import published files, each whole or not at all.

    Files are par yields (Treasury CSV or XML, FRED) and auction results (TreasuryDirect or FiscalData, CSV or JSON) of
    the US Treasury, price sheets of FedInvest, and SOFR (New York Fed CSV or JSON, FRED). Importing a file again
    changes nothing; a value that differs replaces the stored one and is named.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore

    store = MarketStore(home_path(home))
    day = parse_date(price_date, "price-date") if price_date else None
    reports = [store.import_file(path, kind=kind, price_date=day) for path in files]
    if json_:
        print_json(
            [
                {
                    "file": r.path.name,
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
    """Show what is known on a date: curve, repo, prices and sources."""
    from collections import Counter

    view = view_at(home, chosen_date(home, day))
    kinds = Counter(security.kind for security in view.securities)
    sources = Counter(view.sources)
    if json_:
        print_json(
            {
                "date": view.date.isoformat(),
                "market_settlement_date": view.market_settlement_date.isoformat(),
                "market_hash": "0x" + view.market_hash.hex(),
                "par_yields": dict(view.curve),
                "repo": {"rate": view.repo_rate, "source": view.repo_source, "date": view.repo_date.isoformat()},
                "universe": dict(kinds),
                "inferred": sum(view.inferred),
                "sources": dict(sources),
                "excluded": {kind: list(cusips) for kind, cusips in view.excluded.items()},
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
        )
        return
    from tbill_defi.core.clock import age_days
    from tbill_defi.report import formats, tables

    out = console()
    out.print(tables.curve(view))
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
        out.print(f"excluded, no pricer yet: {len(cusips)} {kind}")
    out.print(f"market hash 0x{view.market_hash.hex()}")
