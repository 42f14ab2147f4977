"""`tbill security` and `tbill kyc recover`: what the registries keep of a security, and of a lost wallet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, print_json, progress
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.recovery import Recovery


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("security")(security)


def address(name: str, text: str) -> bytes:
    """An account, as 0x and 40 hex digits."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise UsageError(f"{name}: {text!r} is not an address of 0x and 40 hex digits")
    return bytes.fromhex(text[2:])


def security(
    cusip: Annotated[str, typer.Argument(help="CUSIP of a security on the ledger.")],
    pause: Annotated[bool | None, typer.Option("--pause/--resume", help="Stop dealing in it, or go on.")] = None,
    denomination: Annotated[
        str | None, typer.Option(help="Dollars of face of which every amount is a multiple, such as 100 or 0.01.")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show how a security may be dealt in, or set it.

    A paused one is neither issued, transferred, settled nor put on hold; it is still redeemed at maturity.
    """
    from tbill_defi.core.money import format_units, units
    from tbill_defi.ledger import securities
    from tbill_defi.ledger.open import open_ledger

    lot = None if denomination is None else units(denomination, field="denomination")
    read_only = lot is None and pause is None
    with progress("replaying") as advance, open_ledger(home=home, read_only=read_only, progress=advance) as ledger:
        if lot is not None:
            securities.denominate(ledger, cusip, lot)
        if pause is not None:
            securities.pause(ledger, cusip, pause)
        found = securities.dealing(ledger, cusip)
    if json_:
        print_json({"cusip": found.cusip, "denomination": str(found.denomination), "paused": found.paused})
        return
    state = "paused" if found.paused else "open"
    console().print(f"{found.cusip}: dealing is {state}; denomination ${format_units(found.denomination)}")


def recover(
    wallet: Annotated[str, typer.Argument(help="The wallet whose key is lost.")],
    to: Annotated[str | None, typer.Option(help="The wallet that shall take its place: announces it.")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Carry out what was announced a day ago.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the announcement back.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Recover a lost wallet: announce its successor, then confirm.

    The registrar announces, the enforcer confirms a day later at the earliest; a wallet that is not lost contests it.
    Securities, holds, cash, options and repos go with it, and limits stay the party's.
    """
    from tbill_defi.ledger import recovery
    from tbill_defi.ledger.open import open_ledger

    if sum((to is not None, confirm, withdraw)) != 1:
        raise UsageError("recover: give one of --to ADDRESS, --confirm, --withdraw")
    lost = address("wallet", wallet)
    successor = None if to is None else address("to", to)
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        if successor is not None:
            found = recovery.announce(ledger, lost, successor)
        elif confirm:
            found = recovery.confirm(ledger, lost)
        else:
            found = recovery.announced(ledger, lost)
            recovery.withdraw(ledger, lost)
    _tell(found, "announced" if to is not None else "confirmed" if confirm else "withdrawn", json_=json_)


def _tell(found: Recovery, state: str, *, json_: bool) -> None:
    from tbill_defi.report import formats

    value: dict[str, Any] = {
        "lost": "0x" + found.lost.hex(),
        "successor": "0x" + found.successor.hex(),
        "since": found.since,
        "state": state,
    }
    if json_:
        print_json(value)
        return
    then = f"; to be confirmed from {formats.moment(found.since)} on" if state == "announced" else ""
    console().print(f"recovery of {value['lost']} to {value['successor']} {state}{then}")
