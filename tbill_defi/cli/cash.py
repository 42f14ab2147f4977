"""`tbill cash create`, `deposit`, `show`: the currencies of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress

if TYPE_CHECKING:
    from tbill_defi.ledger.currencies import Currency

Code = Annotated[str, typer.Argument(metavar="CURRENCY", help="ISO 4217 code, such as EUR.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Currencies beside the dollar, and cash in them.")
    for command in (create, deposit, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="cash")


def create(
    currency: Code,
    name: Annotated[str, typer.Argument(help="Its name, such as euro.")],
    decimals: Annotated[int, typer.Option(min=0, max=18, help="One unit is 10^-decimals of the currency.")] = 6,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a currency, once; the bank issues and redeems it."""
    from tbill_defi.ledger.currencies import create_currency
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        made = create_currency(ledger, currency.upper(), name, decimals=decimals)
    if json_:
        print_json(_row(made))
        return
    console().print(f"{made.code}, {made.name}: token 0x{made.token.hex()}, units of 10^-{made.decimals}")
    hint(f"tbill cash deposit PARTY {made.code} AMOUNT")


def deposit(
    party: Annotated[str, typer.Argument(help="Whose cash it is.")],
    currency: Code,
    amount: Annotated[str, typer.Argument(help="In the currency, such as 1,000,000.00.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Have the bank issue cash of a currency into a party's wallet."""
    from tbill_defi.core.money import units
    from tbill_defi.ledger.currencies import deposit_cash, require_currency
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        found = require_currency(ledger, currency.upper())
        given = units(amount, decimals=found.decimals)
        (receipt,) = deposit_cash(ledger, party, found.code, given)
        wallet = ledger.wallet(party)
    balance = wallet.cash if found.code == "USD" else wallet.currencies.get(found.code, 0)
    if json_:
        value = {"party": party, "currency": found.code, "units": str(given), "balance": str(balance)}
        print_json({"block": receipt.height, **value})
        return
    console().print(
        f"{party}: {found.format(given)} deposited in block {receipt.height}; it holds {found.format(balance)}"
    )


def show(home: Home = None, json_: Json = False) -> None:
    """Show the currencies and how much of each is in circulation."""
    from tbill_defi.ledger.currencies import currencies
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as ledger:
        supply, found = dict(ledger.books().supply()), currencies(ledger)
    if json_:
        print_json({"currencies": [_row(one) | {"supply": str(supply.get(one.code, 0))} for one in found]})
        return
    for one in found:
        console().print(f"{one.code}, {one.name}: {one.format(supply.get(one.code, 0))} in circulation")


def _row(currency: Currency) -> dict[str, Any]:
    return {
        "currency": currency.code,
        "name": currency.name,
        "decimals": currency.decimals,
        "token": "0x" + currency.token.hex(),
    }
