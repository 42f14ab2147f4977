"""`tbill net open`, `novate`, `settle`, `show`: a central counterparty that nets what its members owe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress

if TYPE_CHECKING:
    from tbill_defi.ledger.clearing import Clearing, NetKey
    from tbill_defi.ledger.ledger import Ledger

Ccp = Annotated[str, typer.Argument(metavar="CCP", help="The central counterparty's name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Clearing: novation to a CCP, multilateral nets.")
    commands.command("open")(open_house)
    for command in (novate, settle, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="net")


def open_house(ccp: Ccp, home: Home = None, json_: Json = False) -> None:
    """Make a party's clearing house.

    Trades that name it (`trade agree --ccp`) can be novated to it.
    """
    from tbill_defi.ledger.clearing import open_clearing

    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        house = open_clearing(ledger, ccp)
    if json_:
        print_json({"ccp": ccp, "clearing_house": "0x" + house.address.hex()})
        return
    console().print(f"{ccp}: clearing house 0x{house.address.hex()}")
    hint(f"tbill trade agree ... --ccp {ccp}")


def novate(ccp: Ccp, home: Home = None, json_: Json = False) -> None:
    """Take over every open trade between its members that names the CCP.

    Gross trades close; each member owes and is owed by the CCP alone, net per date, security and currency.
    """
    from tbill_defi.ledger.clearing import Clearing

    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        house = Clearing(ledger, ccp)
        ids = ["0x" + one.hex() for one in house.novate()]
        rows, words = _obligations(house), _words(house)
    if json_:
        print_json({"novated": ids, "obligations": rows})
        return
    console().print(f"{ccp}: {len(ids)} trades novated, {len(rows)} obligations")
    _print(words)


def settle(
    ccp: Ccp,
    failing: Annotated[list[str] | None, typer.Option(help="A member that gives nothing now; once each.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Settle the nets that are due.

    Whole securities in as few instructions as 64 legs allow. Where a member fails, what the others deliver goes to the
    receivers pro rata; the rest stays owed.
    """
    from tbill_defi.ledger.clearing import Clearing

    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        house = Clearing(ledger, ccp)
        for member in failing or ():
            ledger.address_of(member)
        lines = [_key(line.key) | {"settled_face": str(line.face)} for line in house.settle_due(failing=failing or ())]
        rows, words, block = _obligations(house), _words(house), ledger.chain.height
    if json_:
        print_json({"block": block, "settled": lines, "obligations": rows})
        return
    console().print(f"{len(lines)} obligations settled by block {block}" if lines else "nothing is due")
    _print(words)


def show(ccp: Ccp, home: Home = None, json_: Json = False) -> None:
    """Show what each member owes and is owed.

    Past its settlement date it is a fail: of the member, or of the CCP.
    """
    from tbill_defi.ledger.clearing import Clearing
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        house = Clearing(ledger, ccp)
        rows, words = _obligations(house), _words(house)
    if json_:
        print_json({"obligations": rows})
    elif not words:
        console().print("nothing is owed")
    else:
        _print(words)


# --- inside -----------------------------------------------------------------------------------------------------


def _ledger(home: Path | None, advance: Any) -> Ledger:
    from tbill_defi.ledger.open import open_ledger

    return open_ledger(home=home, progress=advance)


def _key(key: NetKey) -> dict[str, str]:
    from tbill_defi.core.clock import market_date

    return {
        "settlement_date": market_date(key.opens).isoformat(),
        "asset": key.asset,
        "currency": key.currency,
        "member": key.member,
    }


def _obligations(house: Clearing) -> list[dict[str, str]]:
    return [_key(key) | {"face": str(one.face), "cash": str(one.cash)} for key, one in house.obligations().items()]


def _words(house: Clearing) -> list[str]:
    from tbill_defi.core.clock import market_date
    from tbill_defi.core.money import format_units

    def side(units: int, what: str, places: int) -> str:
        verb = "is owed" if units > 0 else "owes"
        return f"{verb} {format_units(abs(units), min(2, places), places)} {what}"

    today, said = house.market_date, []
    for key, one in house.obligations().items():
        places = house.decimals(key.currency)
        late = "; failed" if market_date(key.opens) < today else ""
        sides = [side(one.face, key.asset, 6)] if one.face else []
        sides += [side(one.cash, key.currency, places)] if one.cash else []
        said.append(f"{market_date(key.opens)} {key.member} {' and '.join(sides)}{late}")
    return said


def _print(words: list[str]) -> None:
    for line in words:
        console().print(line, soft_wrap=True)
