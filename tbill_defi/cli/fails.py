"""`tbill fails show`, `claim`: what late deliveries cost, by the TMPG's charge, and its payment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, print_json, progress

if TYPE_CHECKING:
    from tbill_defi.ledger.fail_claims import Claim, FailCharge
    from tbill_defi.ledger.ledger import Ledger

Rates = Annotated[
    Path,
    typer.Option(
        "--rates", metavar="FILE", help="CSV of effective_date,lower_bound: the target federal funds range, decimal."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Late deliveries and the TMPG's fails charge.")
    for command in (show, claim):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="fails")


def show(rates: Rates, home: Home = None, json_: Json = False) -> None:
    """Show each fail, its charge, and each month's claims.

    A charge is proceeds x days / 360 x max(1%, 3% - R), R of the business day before each day.
    """
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        charges, claims = _found(ledger, rates)
    value = {"fails": [_charge(one) for one in charges], "claims": [_claim(one) for one in claims]}
    if json_:
        print_json(value)
        return
    from tbill_defi.core.money import format_units

    for one in charges:
        state = "delivered" if one.delivered else "open"
        console().print(
            f"0x{one.reference.hex()[:10]} {one.debtor} to {one.creditor}: {format_units(one.charge.proceeds)} "
            f"{one.currency} due {one.failed}, {state} after {one.days} days: {format_units(one.charge.units)}",
            soft_wrap=True,
        )
    for found in claims:
        console().print(f"{found.month}: {_words(found)}", soft_wrap=True)
    if not charges:
        console().print("nothing has failed")


def claim(
    month: Annotated[str, typer.Argument(help="Such as 2026-03; it must have ended.")],
    rates: Rates,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Settle a month's claims, once.

    Each is a cash leg that its debtor signs. A claim that does not exceed the minimum is not made.
    """
    from tbill_defi.ledger.fail_claims import pay
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        _, claims = _found(ledger, rates)
        paid = pay(ledger, claims, month)
        block = ledger.chain.height
    if json_:
        print_json({"block": block, "claims": [_claim(one) for one in paid]})
        return
    for one in paid:
        console().print(f"paid in block {block}: {_words(one)}", soft_wrap=True)


def _found(ledger: Ledger, rates: Path) -> tuple[list[FailCharge], list[Claim]]:
    from tbill_defi.conventions import SETTLEMENT
    from tbill_defi.ledger.fail_claims import charges, claims
    from tbill_defi.ledger.fails import FailsPractice, read_rates

    practice = FailsPractice(read_rates(rates), lambda day: SETTLEMENT.advance(day, -1))
    found = charges(ledger, practice)
    return found, claims(ledger, practice)


def _charge(one: FailCharge) -> dict[str, Any]:
    return {
        "reference": "0x" + one.reference.hex(),
        "debtor": one.debtor,
        "creditor": one.creditor,
        "currency": one.currency,
        "proceeds": str(one.charge.proceeds),
        "failed": one.failed.isoformat(),
        "delivered": one.delivered.isoformat() if one.delivered else None,
        "days": one.days,
        "charge": str(one.charge.units),
        "rates": [{"from": d.first.isoformat(), "days": d.count, "rate": d.rate_e6 / 10**6} for d in one.charge.days],
    }


def _claim(one: Claim) -> dict[str, Any]:
    return {
        "month": one.month,
        "debtor": one.debtor,
        "creditor": one.creditor,
        "currency": one.currency,
        "charges": str(one.total),
        "claimable": str(one.units),
        "paid": one.paid,
    }


def _words(one: Claim) -> str:
    from tbill_defi.core.money import format_units

    state = "paid" if one.paid else "claimable" if one.units else "not above the minimum, not claimed"
    return f"{one.debtor} owes {one.creditor} {format_units(one.total)} {one.currency}, {state}"
