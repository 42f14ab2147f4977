"""`tbill config`, `backup`, `restore`: the settings in force, and a home as one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, hint, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (config, backup, restore):
        app.command(command.__name__)(command)


def config(context: typer.Context, home: Home = None, json_: Json = False) -> None:
    """Show the settings in force and where each is from.

    A flag comes before the environment (TBILL_HOME, TBILL_LOG, TBILL_LOG_LEVEL), that before the file which
    TBILL_CONFIG names, or tbill.toml in the working folder, or tbill/config.toml in the user's configuration folder.
    """
    from tbill_defi.core.settings import Settings, configuration

    found = configuration({**(context.obj or {}), "home": home})
    rows = {name: str(getattr(found.settings, name)) for name in Settings.model_fields}
    if json_:
        settings = {name: {"value": value, "source": found.sources[name]} for name, value in rows.items()}
        print_json({"file": str(found.file) if found.file else None, "settings": settings})
        return
    from tbill_defi.report.layout import Column, Sheet

    described = {name: field.description or "" for name, field in Settings.model_fields.items()}
    table = Sheet("", *(Column(name, left=True) for name in ("setting", "value", "from", "what it is")))
    for name, value in rows.items():
        table.add(name, value, found.sources[name], described[name])
    console().print(table)
    console().print(f"settings file: {found.file or 'none; TBILL_CONFIG, tbill.toml or ~/.config/tbill/config.toml'}")


def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write, such as desk.tar; it is not there yet.")],
    keys: Annotated[
        bool, typer.Option("--keys", help="The keystores too, encrypted as they are; never the passphrase.")
    ] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Write a home into one file while its ledger is at work.

    The journal is copied as it is at one moment. Keys are left out unless asked for: keep them elsewhere.
    """
    from tbill_defi.ledger.backup import take_backup

    with steps() as advance:
        made = take_backup(file, home=home, keys=keys, progress=advance)
    if json_:
        print_json(_figures(made))
        return
    console().print(f"{made.path}: {made.files} files, {made.size:,} bytes{_head_words(made)}")
    hint(f"tbill restore {made.path} --home ANOTHER, which replays it, shows that it serves")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `tbill backup` wrote.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a home of a backup, replayed before it is put in place.

    It is unpacked beside the home, replayed to the head it was taken at, and moved whole. The home must be absent or
    empty.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.backup import restore as put_back

    with steps() as advance:
        made, replayed = put_back(file, home=home, progress=advance)
    if json_:
        print_json({**_figures(made), "home": str(home_path(home)), "transactions": replayed})
        return
    told = f"; {replayed} transactions executed again" if made.head else ""
    console().print(f"{home_path(home)}: {made.files} files{_head_words(made)}{told}")
    if not made.keys:
        console().print("no keys were in it: put the keystores and their passphrase into its keys folder")


def _head_words(made: Any) -> str:
    return f", ledger at block {made.head.height} {made.head.block_hash.hex()[:16]}" if made.head else ", no journal"


def _figures(made: Any) -> dict[str, Any]:
    head = made.head
    return {
        "file": str(made.path),
        "files": made.files,
        "bytes": made.size,
        "keys": made.keys,
        "height": head.height if head else None,
        "block_hash": "0x" + head.block_hash.hex() if head else None,
    }


@contextmanager
def steps() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for (step, done, total), a line a step; only where a person looks."""
    import sys

    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:

        def advance(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=None)
            bar.update(tasks[step], completed=done, total=total)

        yield advance
