"""Options and output that commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tbill_defi.portfolio.view import View

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder with market files, ledger, keys and plans.", show_default="TBILL_HOME or .tbill"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables (schemas in docs/schemas).")]
Day = Annotated[str | None, typer.Option("--date", help="Market date such as 2026-08-21.", show_default="the ledger's")]


def console() -> Console:
    """Where tables go: as wide as the terminal, or 160 columns in a pipe."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for (done, total); only where a person looks."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def parse_date(text: str) -> date:
    """A date option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"date: {text!r} is not a date such as 2026-08-21") from None


def view_at(home: Path | None, day: date) -> View:
    """The view of a date from the home's market files."""
    from tbill_defi.portfolio.market_view import view

    return view(day, home=home)


def ledger_date(home: Path | None) -> date:
    """Market date of the home's ledger."""
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as found:
        return found.market_date


def chosen_date(home: Path | None, text: str | None) -> date:
    """The date given, else the ledger's market date."""
    return parse_date(text) if text else ledger_date(home)
