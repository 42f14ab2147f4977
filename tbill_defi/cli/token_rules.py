"""`tbill rules`: the rules that one security is under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, print_json, progress
from tbill_defi.cli.rules import NONE, parse_span, parse_units
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.token_rules import TokenRules

ALL_OF_IT_BP = 10_000
MOST_UNITS = 2**88 - 1
"""Largest number of a rule."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rules")(rules)


def rules(
    cusip: Annotated[str, typer.Argument(help="CUSIP of a security on the ledger.")],
    share_bp: Annotated[
        str | None, typer.Option(help="Most of its supply that a party may receive to, basis points, or none.")
    ] = None,
    holders: Annotated[str | None, typer.Option(help="Parties that may hold it, or none.")] = None,
    lock_up: Annotated[
        str | None, typer.Option(help="How long units stay with who received them, such as 24h or 30d, or none.")
    ] = None,
    minimum: Annotated[str | None, typer.Option(help="Dollars of face that a holder has at least, or none.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Investor classes that may receive it, such as accredited, or none.")
    ] = None,
    exempt: Annotated[list[str] | None, typer.Option(help="A party that none of them binds, such as a dealer.")] = None,
    bind: Annotated[list[str] | None, typer.Option(help="A party that they bind again.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show the rules of one security, or set them.

    Each is a contract that is asked before the security moves. They follow a party over all its wallets; redemption,
    forced transfers and recovery ask none. What is not given stays as it is.
    """
    from dataclasses import replace

    from tbill_defi.ledger import token_rules as ledger_rules
    from tbill_defi.ledger.open import open_ledger

    changes = _changes(share_bp, holders, lock_up, minimum, classes)
    if both := sorted({*(exempt or ())} & {*(bind or ())}):
        raise UsageError(f"rules: {both[0]} is given to --exempt and to --bind")
    read_only = not (changes or exempt or bind)
    with progress("replaying") as advance, open_ledger(home=home, read_only=read_only, progress=advance) as ledger:
        found = ledger_rules.token_rules(ledger, cusip)
        if not read_only:
            found = replace(found, **changes)
            ledger_rules.set_token_rules(ledger, cusip, found, exempt=exempt or (), bind=bind or ())
        value = _json(ledger, cusip, found)
    if json_:
        print_json(value)
    else:
        _show(value, found)


def _changes(
    share_bp: str | None, holders: str | None, lock_up: str | None, minimum: str | None, classes: str | None
) -> dict[str, Any]:
    """What is to be set, parsed before anything is opened."""
    from tbill_defi.ledger.claims import CLASSES

    changes: dict[str, Any] = {}
    if share_bp is not None:
        changes["share_of_supply_bp"] = _whole("share-bp", share_bp, ALL_OF_IT_BP)
    if holders is not None:
        changes["most_holders"] = _whole("holders", holders, MOST_UNITS)
    if lock_up is not None:
        changes["lock_up_seconds"] = 0 if lock_up == NONE else parse_span("lock-up", lock_up)
    if minimum is not None:
        units = parse_units("minimum", minimum)
        if units is not None and not 0 < units <= MOST_UNITS:
            raise UsageError(f"minimum: {minimum} is not dollars that a holder can have, or {NONE}")
        changes["minimum_holding"] = units or 0
    if classes is not None:
        words = [] if classes == NONE else classes.split(",")
        if wrong := [word for word in words if word not in CLASSES]:
            raise UsageError(f"classes: {wrong[0]!r} is none of {', '.join(CLASSES)}")
        changes["classes"] = frozenset(CLASSES[word] for word in words)
    return changes


def _whole(name: str, text: str, most: int) -> int:
    """A whole number, at least 1; 0 for "none"."""
    if text == NONE:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or not 0 < int(text) <= most:
        raise UsageError(f"{name}: {text!r} is not a whole number from 1 to {most}, or {NONE}")
    return int(text)


def _json(ledger: Ledger, cusip: str, found: TokenRules) -> dict[str, Any]:
    from tbill_defi.ledger import token_rules as ledger_rules

    return {
        "cusip": cusip,
        "share_of_supply_bp": found.share_of_supply_bp or None,
        "most_holders": found.most_holders or None,
        "holders": ledger_rules.holders_of(ledger, cusip) if found.most_holders else None,
        "lock_up_seconds": found.lock_up_seconds or None,
        "minimum_holding": str(found.minimum_holding) if found.minimum_holding else None,
        "classes": [kind.label for kind in sorted(found.classes)],
        "exempt": list(ledger_rules.exempt_parties(ledger, cusip)),
    }


def _show(value: dict[str, Any], found: TokenRules) -> None:
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.token_rules import percent, span

    out = console()
    lines = {
        "share of supply": f"{percent(found.share_of_supply_bp)} at most" if found.share_of_supply_bp else NONE,
        "holders": f"{found.most_holders:,} at most, {value['holders']:,} now" if found.most_holders else NONE,
        "lock-up": f"{span(found.lock_up_seconds)} from receipt" if found.lock_up_seconds else NONE,
        "minimum holding": f"${format_units(found.minimum_holding)}" if found.minimum_holding else NONE,
        "investor classes": ", ".join(value["classes"]) or NONE,
        "exempt": ", ".join(value["exempt"]) or NONE,
    }
    out.print(f"{value['cusip']}: rules in force")
    for name, words in lines.items():
        out.print(f"  {name:<17} {words}", soft_wrap=True)
