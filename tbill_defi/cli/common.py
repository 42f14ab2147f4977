"""Options and output that commands share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tbill_defi.core.errors import ConventionError, DataError, LedgerError, UsageError
from tbill_defi.core.files import read_bytes, read_text

if TYPE_CHECKING:
    from rich.console import Console

    from tbill_defi.automation.scene import Scene
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.portfolio.view import View

YEARS = range(1900, 2200)
"""Of dates: the calendars have rules for these."""
PIPE_WIDTH = 200
"""Columns of a table that goes into a pipe or a file: all of them fit."""


class Interrupted(Exception):
    """Ctrl-C in a command that says itself what it has kept and how to go on."""


Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder with market files, ledger, keys and plans.", show_default="TBILL_HOME or .tbill"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables (schemas in docs/schemas).")]
Day = Annotated[str | None, typer.Option("--date", help="Market date such as 2026-08-21.", show_default="the ledger's")]


def show_help(context: typer.Context) -> None:
    """What a command group does when no command is named."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def group(about: str, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A group of commands that shows its help when none is named."""
    made = typer.Typer(help=about, cls=cls, invoke_without_command=True, rich_markup_mode=None)
    made.callback()(show_help)
    return made


def console() -> Console:
    """Where tables go: as wide as the terminal; in a pipe as wide as COLUMNS says, else `PIPE_WIDTH`."""
    from tbill_defi.report.layout import Screen

    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return Screen(highlight=False, markup=False, emoji=False)
    return Screen(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


def hint(text: str) -> None:
    """What comes naturally next, on stderr, where a person looks."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, highlight=False, markup=False).print(f"next: {text}", style="dim", soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for (done, total); only where a person looks."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def open_scene(home: Path | None, *, read_only: bool = False) -> Iterator[Scene]:
    """The ledger at its time with the home's market files and terms."""
    from tbill_defi.automation.scene import Scene
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=read_only, progress=advance) as ledger:
        yield Scene(ledger, home)


def positive_units(text: str, field: str) -> int:
    """Base units of an amount of dollars that is not nothing."""
    from tbill_defi.core.money import units

    found = units(text, field=field)
    if found <= 0:
        raise UsageError(f"{field}: {text} is not a positive amount of dollars")
    return found


def parse_date(text: str, field: str = "date", other: str = "") -> date:
    """A date option, of the years in `YEARS`; `other` is what may be given in its place."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{field}: {text!r} is not a date such as 2026-08-21{other and f', or {other}'}") from None
    if found.year not in YEARS:
        raise UsageError(f"{field}: {text} is not between {YEARS[0]} and {YEARS[-1]}")
    return found


def read_document(path: Path, what: str) -> bytes:
    """A document that goes on record by its hash; an empty one is no `what`."""
    if not path.is_file():
        raise UsageError(f"document: {path} is not a file")
    found = read_bytes(path)
    if not found:
        raise UsageError(f"document: {path} is empty, which is no {what}")
    return found


def read_terms(path: Path) -> AnySecurity:
    """A security from its file of terms; errors name the file."""
    from tbill_defi.instruments import read_security

    try:
        text = read_text(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; expected JSON with the terms of a security") from None
    try:
        return read_security(text)
    except ConventionError as error:
        raise ConventionError(f"{path.name}: {error}") from None


def the_only(what: str, ids: Sequence[bytes]) -> bytes:
    """The one of these that is meant where none was named."""
    if not ids:
        raise LedgerError(f"{what}: there is none on this ledger to act on", "NothingOpen")
    if len(ids) > 1:
        raise UsageError(f"{what}: {len(ids)} could be meant; name one: {', '.join(i.hex()[:10] for i in ids[:6])}")
    return ids[0]


def view_at(home: Path | None, day: date) -> View:
    """The view of a date from the home's market files."""
    from tbill_defi.portfolio.market_view import view

    return view(day, home=home)


def chosen_date(home: Path | None, text: str | None) -> date:
    """The date given, else the ledger's market date."""
    if text:
        return parse_date(text)
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.open import has_ledger, open_ledger

    if not has_ledger(home):
        raise UsageError(
            f"date: give --date, since there is no ledger in {home_path(home)} whose market date could be taken"
        )
    with open_ledger(home=home, read_only=True) as found:
        return found.market_date
