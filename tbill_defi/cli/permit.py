"""`tbill permit sign`, `send`, `draw`, `show`: allowances, signed by a holder, submitted by anybody (ERC-2612)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger

Asset = Annotated[str, typer.Argument(metavar="ASSET", help="CUSIP, or a currency.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A permit of `permit sign`, or of another wallet.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Allowances that a holder signs and anybody submits.")
    for command in (sign, send, draw, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="permit")


def sign(
    asset: Asset,
    spender: Annotated[str, typer.Argument(help="Who may take: a party, or an address.")],
    amount: Annotated[str, typer.Argument(help="At most this face or cash; 0 takes an allowance back.")],
    party: Annotated[str, typer.Option(help="The holder, whose key signs.")] = "desk",
    hours: Annotated[int, typer.Option(min=1, max=8_784, help="How long it can be submitted.")] = 24,
    out: Annotated[
        Path | None, typer.Option(help="Where it goes.", show_default="HOME/permit/ASSET-NONCE.json")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Sign a permit into a file; nothing is sent.

    It is for this ledger and token only, and needs the holder's key alone. Each is used once, in order of their nonces.
    """
    from tbill_defi.core.clock import moment
    from tbill_defi.core.errors import KeyStoreError
    from tbill_defi.core.files import write_output
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger import permits
    from tbill_defi.ledger.open import desk_keys

    code = asset.upper()
    with _opened(home, read_only=True) as ledger:
        key, wallet = desk_keys(home).key(party), ledger.address_of(party)
        if key.address != wallet:
            raise KeyStoreError(f"key {party!r} is 0x{key.address.hex()}, and not {party}'s wallet 0x{wallet.hex()}")
        made = permits.sign(
            ledger, key, code, _account(ledger, spender), _units(ledger, code, amount), seconds=hours * 3600
        )
    path = out or home_path(home) / "permit" / f"{code}-{made.nonce}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, (json.dumps(made.to_json(), indent=1) + "\n").encode())
    if json_:
        print_json({"file": str(path), "permit": made.to_json()})
        return
    console().print(f"{spender} may take {amount} {code} of {party}'s, once {path} is submitted", soft_wrap=True)
    console().print(f"until {moment(made.deadline)}, nonce {made.nonce}", soft_wrap=True)
    hint(f"tbill permit send {path}")


def send(
    file: File,
    by: Annotated[str, typer.Option(help="Who submits it.")] = "dealer",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Submit a permit to its token.

    If another was first, what was signed is in place, and that is said. One that is altered, expired, used, or for
    another chain is refused.
    """
    from tbill_defi.core.errors import DataError
    from tbill_defi.core.files import read_text
    from tbill_defi.core.json_text import parse_json
    from tbill_defi.ledger import permits

    try:
        found = permits.Permit.from_json(parse_json(read_text(file)))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"permit send: {file} cannot be read as a permit ({why})") from None
    with _opened(home, read_only=False) as ledger:
        done = permits.send(ledger, found, by)
        owner, spender = (ledger.books().name("0x" + who.hex()) for who in (found.owner, found.spender))
        amount = _shown(ledger, done.asset, done.units)
    height = done.receipt.height if done.receipt else None
    if json_:
        print_json(_row(done.asset, owner, spender, done.units) | {"block": height})
        return
    said = f"in block {height}" if height else "another submitted it before; nothing was sent"
    console().print(f"{spender} may take {amount} {done.asset} of {owner}'s: {said}", soft_wrap=True)
    hint(f"tbill permit draw {done.asset} {owner} AMOUNT --party {spender}")


def draw(
    asset: Asset,
    owner: Annotated[str, typer.Argument(help="Whose units: a party, or an address.")],
    amount: Annotated[str, typer.Argument(help="Face, or cash.")],
    party: Annotated[str, typer.Option(help="Who takes them, within the allowance.")] = "dealer",
    to: Annotated[str | None, typer.Option(help="Who gets them.", show_default="who takes them")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Take what an allowance permits. The security's rules hold as for any transfer."""
    from tbill_defi.ledger import permits

    code = asset.upper()
    with _opened(home, read_only=False) as ledger:
        giver, taker = _account(ledger, owner), ledger.address_of(party)
        receiver = taker if to is None else _account(ledger, to)
        receipt = permits.draw(ledger, code, party, giver, receiver, _units(ledger, code, amount))
        left = permits.allowance(ledger, code, giver, taker)
        rest = _shown(ledger, code, left)
    if json_:
        print_json(_row(code, owner, party, left) | {"block": receipt.height})
        return
    console().print(f"{to or party} has {amount} {code} of {owner}'s; {party} may take {rest} more", soft_wrap=True)


def show(
    asset: Asset,
    owner: Annotated[str, typer.Argument(help="Whose units: a party, or an address.")],
    spender: Annotated[str, typer.Argument(help="Who may take: a party, or an address.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show what one party may take of another's."""
    from tbill_defi.ledger import permits

    code = asset.upper()
    with _opened(home, read_only=True) as ledger:
        left = permits.allowance(ledger, code, _account(ledger, owner), _account(ledger, spender))
        amount = _shown(ledger, code, left)
    if json_:
        print_json(_row(code, owner, spender, left))
        return
    console().print(f"{spender} may take {amount} {code} of {owner}'s", soft_wrap=True)


# --- inside -----------------------------------------------------------------------------------------------------


@contextmanager
def _opened(home: Path | None, *, read_only: bool) -> Iterator[Ledger]:
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=read_only, progress=advance) as ledger:
        yield ledger


def _account(ledger: Ledger, text: str) -> bytes:
    from tbill_defi.cli.registry import address

    return address("account", text) if text.startswith("0x") else ledger.address_of(text)


def _units(ledger: Ledger, asset: str, text: str) -> int:
    from tbill_defi.core.money import units

    found = units(text, field="amount", decimals=ledger.books().decimals.get(asset, 6))
    if found < 0:
        raise UsageError(f"amount: {text} is negative")
    return found


def _shown(ledger: Ledger, asset: str, units: int) -> str:
    from tbill_defi.core.money import format_units

    places = ledger.books().decimals.get(asset, 6)
    return format_units(units, min(2, places), places)


def _row(asset: str, owner: str, spender: str, units: int) -> dict[str, Any]:
    return {"asset": asset, "owner": owner, "spender": spender, "allowance": str(units)}
