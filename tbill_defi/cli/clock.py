"""`tbill clock`: the ledger's time, and letting it pass."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, print_json, progress
from tbill_defi.core.errors import UsageError

EARLIEST, LATEST = 365 * 86_400, 7_258_118_400
"""Unix seconds that a simulated clock may show: 1971 to 2200."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("clock")(clock)


def parse_moment(field: str, text: str) -> int:
    """Unix seconds of a time of a simulated clock; a date alone is its start in New York."""
    from tbill_defi.core.clock import parse_time

    seconds = parse_time(text)
    if not EARLIEST <= seconds <= LATEST:
        raise UsageError(f"{field}: {text} is not between 1971 and 2200")
    return seconds


def clock(
    to: Annotated[str | None, typer.Option("--to", help="Let time pass until then: 2026-03-25T15:00.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show the ledger's time, or move a simulated clock.

    A time without an offset is New York's; a date alone is its start. Only a ledger of `tbill init --at` can be moved,
    and only forward: a block with nothing in it is written at that time.
    """
    from tbill_defi.ledger.clock import clock_kind, move_clock
    from tbill_defi.ledger.open import open_ledger

    until = None if to is None else parse_moment("to", to)
    with progress("replaying") as advance, open_ledger(home=home, read_only=until is None, progress=advance) as ledger:
        if until is not None:
            move_clock(ledger, until)
        value: dict[str, Any] = {
            "time": ledger.chain.now(),
            "market_date": ledger.market_date.isoformat(),
            "clock": clock_kind(ledger),
            "height": ledger.chain.height,
        }
    if json_:
        print_json(value)
        return
    from tbill_defi.core.clock import moment

    console().print(f"{moment(value['time'])}, {value['clock']} clock, block {value['height']}")
