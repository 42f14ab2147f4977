"""`tbill default` and `tbill call`: a security that does not pay as promised, and one that ends early."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, print_json, read_document
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction

Cusip = Annotated[str, typer.Argument(metavar="CUSIP", help="The security.")]
Document = Annotated[Path, typer.Option(metavar="FILE", help="The evidence; its Keccak-256 goes on record.")]
MOST_DECIMALS = 12


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Securities in default, and what is recovered of them.")
    for command in (declare, lift, recover, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="default")
    app.command("call")(call)


def declare(cusip: Cusip, document: Document, home: Home = None, json_: Json = False) -> None:
    """Declare a default: nothing of it moves or is redeemed.

    What was set aside before, on hold, as repo collateral or in the early redemption queue, still goes to whom it
    is due.
    """
    from tbill_defi.ledger.defaults import declare_default

    evidence = read_document(document, "evidence")
    with open_scene(home) as scene:
        receipts = declare_default(scene.ledger, cusip.upper(), evidence)
    _mark(cusip.upper(), evidence, True, receipts[-1].height, json_)
    if not json_:
        hint(f"tbill default recover {cusip.upper()} 0.4")


def lift(cusip: Cusip, document: Document, home: Home = None, json_: Json = False) -> None:
    """Lift a default: the security performs again."""
    from tbill_defi.ledger.defaults import cure_default

    evidence = read_document(document, "evidence")
    with open_scene(home) as scene:
        receipts = cure_default(scene.ledger, cusip.upper(), evidence)
    _mark(cusip.upper(), evidence, False, receipts[-1].height, json_)


def recover(
    cusip: Cusip,
    fraction: Annotated[str, typer.Argument(metavar="FRACTION", help="Of face, such as 0.4.")],
    day: Annotated[
        str | None, typer.Option("--date", help="Positions at its start count.", show_default="the ledger's")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Pay what is recovered of a security in default, pro rata.

    The Treasury pays; one recovery a day. The same words again go on with wallets that could not be paid.
    """
    from tbill_defi.conventions.calendars import SETTLEMENT
    from tbill_defi.ledger.defaults import pay_recovery
    from tbill_defi.ledger.passing import pass_on

    part, wanted = _fraction(fraction), None if day is None else parse_date(day)
    with open_scene(home) as scene:
        record = wanted or scene.today
        payable = SETTLEMENT.following(record)
        if payable > scene.today:
            raise UsageError(f"date: a recovery of {record} is payable on {payable}; the ledger is at {scene.today}")
        scene.token(cusip.upper())
        security = scene.terms(cusip.upper())
        payment = pay_recovery(scene.ledger, security, part, record, payment_date=payable)
        passed = pass_on(scene.ledger, security, record)
        books = scene.ledger.books()
        paid: dict[str, int] = {}
        for wallet, units in payment.paid.items():
            paid[books.party_of(wallet)] = paid.get(books.party_of(wallet), 0) + units
        value = {
            "cusip": cusip.upper(),
            "date": record.isoformat(),
            "due": str(payment.due),
            "paid": {party: str(units) for party, units in sorted(paid.items())},
            "passed": {party: str(units) for party, units in passed.items()},
            "withheld": [books.party_of(wallet) for wallet in payment.withheld],
            "block": payment.height,
        }
    if json_:
        print_json(value)
        return
    _tell_recovery(value)


def show(home: Home = None, json_: Json = False) -> None:
    """Show what is in default, and what was recovered."""
    from tbill_defi.core.clock import moment
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.defaults import defaults_in_force
    from tbill_defi.report.layout import Column, Sheet

    with open_scene(home, read_only=True) as scene:
        found = defaults_in_force(scene.ledger)
    if json_:
        print_json(
            [
                {
                    "cusip": one.cusip,
                    "evidence": "0x" + one.evidence_hash.hex(),
                    "since": one.since,
                    "recovered": str(one.recovered_units),
                }
                for one in found
            ]
        )
        return
    sheet = Sheet(
        "In default", Column("CUSIP", left=True), "since", "recovered $", Column("evidence", rank=1, left=True)
    )
    for one in found:
        sheet.add(one.cusip, moment(one.since), format_units(one.recovered_units), "0x" + one.evidence_hash.hex())
    console().print(sheet if found else "no security on this ledger is in default")


def call(
    cusip: Cusip,
    day: Annotated[str, typer.Argument(metavar="DATE", help="A date of its call schedule.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Give notice that a callable bond is called. It cannot be taken back.

    Interest stops on the date; `tbill coupon pay` pays it, `tbill redeem` the call price.
    """
    from tbill_defi.conventions.calendars import SETTLEMENT
    from tbill_defi.instruments import CallableBond
    from tbill_defi.ledger.calls import call_bond

    wanted = parse_date(day)
    with open_scene(home) as scene:
        scene.token(cusip.upper())
        bond = scene.terms(cusip.upper())
        if not isinstance(bond, CallableBond):
            raise UsageError(f"call: {bond.cusip} is a {bond.kind}, which cannot be called; a callable bond can")
        payable = SETTLEMENT.following(wanted)
        receipts = call_bond(scene.ledger, bond, wanted, payment_date=payable)
        price = dict(bond.call_schedule)[wanted]
    value = {
        "cusip": bond.cusip,
        "date": wanted.isoformat(),
        "payable": payable.isoformat(),
        "price": price,
        "block": receipts[-1].height,
    }
    if json_:
        print_json(value)
        return
    console().print(f"{bond.cusip} is called on {wanted} at {price}, payable {payable}")


# --- inside -----------------------------------------------------------------------------------------------------


def _fraction(text: str) -> Fraction:
    from decimal import Decimal, InvalidOperation
    from fractions import Fraction

    wrong = UsageError(f"fraction: {text!r} is not a decimal above 0 and at most 1, such as 0.4")
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise wrong from None
    if not found.is_finite() or not 0 < found <= 1:
        raise wrong
    if -int(found.as_tuple().exponent) > MOST_DECIMALS:
        raise UsageError(f"fraction: {text} has more than {MOST_DECIMALS} decimals")
    return Fraction(found)


def _mark(cusip: str, evidence: bytes, in_default: bool, height: int, json_: bool) -> None:
    from tbill_defi.core.hashing import keccak256

    shown = "0x" + keccak256(evidence).hex()
    if json_:
        print_json({"cusip": cusip, "in_default": in_default, "evidence": shown, "block": height})
        return
    console().print(f"{cusip} {'is in default' if in_default else 'performs again'}; evidence {shown}, block {height}")


def _tell_recovery(value: dict[str, Any]) -> None:
    from tbill_defi.core.money import format_units

    for kind, words in (("paid", "paid"), ("passed", "passed on")):
        for party, units in value[kind].items():
            console().print(f"{party}: {format_units(int(units))} {words}, block {value['block']}")
    for party in value["withheld"]:
        console().print(f"{party}: withheld, not registered")
    if not value["paid"] and not value["withheld"]:
        console().print(f"nothing of {value['cusip']} was left to pay of {value['date']}")
