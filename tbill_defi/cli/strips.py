"""`tbill strips`: a note or bond taken apart into its payments, and put together again (31 CFR 356.31)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, positive_units, print_json
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import read_text

if TYPE_CHECKING:
    from tbill_defi.automation.scene import Scene
    from tbill_defi.instruments import Bond, Note
    from tbill_defi.ledger.stripping import OpenAct

Cusip = Annotated[str, typer.Argument(metavar="CUSIP", help="The note or bond.")]
Face = Annotated[str, typer.Argument(metavar="FACE", help="Dollars.")]
Party = Annotated[str, typer.Option(help="Whose it is.")]
ActId = Annotated[str, typer.Argument(metavar="ACT", help="Its id, or the first digits.")]
PRINCIPAL = "principal"
HEADER = "date,cusip"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("STRIPS: a bond's payments as securities of their own.")
    for command in (name, strip, reconstitute, finish, seize, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="strips")


def name(
    cusip: Cusip,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"CSV with {HEADER}; one row says {PRINCIPAL}.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Name the pieces of a note or bond, once.

    A row for each payment date, and one with `principal` in place of the date. Interest due on one date is one
    security, whatever bond it comes from; pieces that the ledger lacks are made, and their terms kept in the home.
    """
    from tbill_defi.instruments import strip as pieces_of
    from tbill_defi.ledger.stripping import Stripping

    interest, principal = _named(file)
    with open_scene(home) as scene:
        bond = _bond(scene, cusip.upper())
        _require_dates(bond, interest, file)
        Stripping(scene.ledger).name_pieces(bond, interest, principal)
        pieces = pieces_of(bond, interest_cusips=interest, principal_cusip=principal)
        for piece in pieces:
            scene.keep(piece)
    rows = [
        {
            "cusip": piece.cusip,
            "date": piece.maturity_date.isoformat(),
            "principal": piece.cusip == principal,
            "fraction": [(part / 100).numerator, (part / 100).denominator],
        }
        for piece, part in sorted(pieces.items(), key=lambda entry: (entry[0].maturity_date, entry[1]))
    ]
    if json_:
        print_json({"cusip": bond.cusip, "pieces": rows})
        return
    console().print(f"{bond.cusip}: {len(rows)} pieces named")
    hint(f"tbill strips strip {bond.cusip} 100000")


def strip(cusip: Cusip, face: Face, party: Party = "desk", home: Home = None, json_: Json = False) -> None:
    """Take a face apart: a strip for each payment to come."""
    _act("strip", cusip, face, party, home, json_)


def reconstitute(cusip: Cusip, face: Face, party: Party = "desk", home: Home = None, json_: Json = False) -> None:
    """Put a face together again from all its strips."""
    _act("reconstitute", cusip, face, party, home, json_)


def finish(
    act_id: ActId,
    give_up: Annotated[bool, typer.Option("--give-up", help="Turn a reconstitution round.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Go on with an act that was cut off.

    A reconstitution into which a payment date fell can only be given up: its pieces go back to their holder.
    """
    from tbill_defi.ledger.stripping import Stripping

    with open_scene(home) as scene:
        office = Stripping(scene.ledger)
        act = office.find(act_id)
        done = office.finish(act, give_up=give_up)
    taken_in = act.joining and not give_up
    value = {"act_id": "0x" + act.act_id.hex(), "cusip": act.cusip, "party": act.holder, "face": str(act.face_units)}
    pieces = {name_: str(amount) for name_, amount in sorted(done.pieces.items())}
    if json_:
        print_json({**value, "pieces": pieces})
        return
    console().print(f"{act.holder}: {len(pieces)} strips of {act.cusip} {'taken in' if taken_in else 'delivered'}")
    _list(pieces)


def seize(
    act_id: ActId,
    to: Annotated[str, typer.Option(metavar="PARTY", help="Whose it is from now on.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Give what is still to come of an act to another.

    As a court has it: a forced transfer takes what was delivered, this the rest. The enforcer signs.
    """
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.stripping import Stripping

    with open_scene(home) as scene:
        office = Stripping(scene.ledger)
        act = office.find(act_id)
        office.seize(act.act_id, to)
        height = scene.ledger.chain.height
    if json_:
        print_json({**_act_json(act), "party": to, "from": act.holder, "block": height})
        return
    face, left = format_units(act.face_units), act.pieces_left
    console().print(f"{to}: has what is to come of {face} {act.cusip} of {act.holder}, {left} strips, block {height}")
    hint(f"tbill strips finish 0x{act.act_id.hex()[:16]}")


def show(home: Home = None, json_: Json = False) -> None:
    """Show acts that are not complete."""
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.stripping import Stripping
    from tbill_defi.report.layout import Column, Sheet

    with open_scene(home, read_only=True) as scene:
        acts = Stripping(scene.ledger).open_acts()
    if json_:
        print_json([_act_json(act) for act in acts])
        return
    sheet = Sheet("Not complete", *(Column(word, left=True) for word in ("act", "kind", "party", "CUSIP")), "face $")
    for act in acts:
        kind = "reconstitution" if act.joining else "strip"
        sheet.add(f"0x{act.act_id.hex()[:16]}", kind, act.holder, act.cusip, format_units(act.face_units))
    console().print(sheet if acts else "no strip or reconstitution is under way on this ledger")


# --- inside -----------------------------------------------------------------------------------------------------


def _act(word: str, cusip: str, face: str, party: str, home: Path | None, json_: bool) -> None:
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.stripping import Stripping

    units = positive_units(face, "face")
    with open_scene(home) as scene:
        bond = _bond(scene, cusip.upper())
        done = getattr(Stripping(scene.ledger), word)(party, bond, units)
    pieces = {name_: str(amount) for name_, amount in sorted(done.pieces.items())}
    if json_:
        value: dict[str, Any] = {"act_id": "0x" + done.act_id.hex(), "cusip": bond.cusip, "party": party}
        print_json({**value, "face": str(units), "pieces": pieces})
        return
    verb = "taken apart into" if word == "strip" else "put together from"
    console().print(f"{party}: {format_units(units)} {bond.cusip} {verb} {len(pieces)} strips")
    _list(pieces)


def _list(pieces: dict[str, str]) -> None:
    from tbill_defi.core.money import format_units

    for name_, amount in pieces.items():
        console().print(f"  {name_} {format_units(int(amount))}")


def _act_json(act: OpenAct) -> dict[str, Any]:
    kind = "reconstitution" if act.joining else "strip"
    value = {"act_id": "0x" + act.act_id.hex(), "kind": kind, "cusip": act.cusip, "party": act.holder}
    return {**value, "face": str(act.face_units), "pieces_left": act.pieces_left}


def _bond(scene: Scene, cusip: str) -> Note | Bond:
    from tbill_defi.instruments import Bond, Note

    scene.token(cusip)
    found = scene.terms(cusip)
    if not isinstance(found, Note | Bond):
        raise UsageError(f"strips: {cusip} is a {found.kind}; only a note or bond has strips")
    return found


def _named(file: Path) -> tuple[dict[date, str], str]:
    """Payment date -> CUSIP, and the principal's, from a CSV file."""
    from tbill_defi.core.identifiers import cusip as checked_cusip

    try:
        lines = read_text(file).splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not UTF-8 text; expected CSV with {HEADER}") from None
    if not lines or lines[0].replace(" ", "").lower() != HEADER:
        raise DataError(f"{file}: its first line is not {HEADER}")
    interest: dict[date, str] = {}
    principal = ""
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        when, _, text = (part.strip() for part in line.partition(","))
        place, cusip = f"{file} line {number}", checked_cusip(text)
        if when == PRINCIPAL:
            if principal:
                raise DataError(f"{place}: the principal is named twice")
            principal = cusip
            continue
        day = parse_date(when, f"{place}, date", PRINCIPAL)
        if day in interest:
            raise DataError(f"{place}: {day} is named twice")
        interest[day] = cusip
    if not principal:
        raise DataError(f"{file}: no row names the {PRINCIPAL}")
    return interest, principal


def _require_dates(bond: Note | Bond, interest: dict[date, str], file: Path) -> None:
    """Every payment date of a bond is named, and no other."""
    from tbill_defi.instruments import strip as pieces_of

    due = {piece.maturity_date for piece in pieces_of(bond)}
    for day in sorted(due ^ set(interest)):
        why = "has no row" if day in due else f"is no payment date of {bond.cusip}"
        raise DataError(f"{file}: date {day} {why}")
