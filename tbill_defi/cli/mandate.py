"""`tbill mandate set`, `show`, `apply`, `recognise`, `withdraw`: managed accounts and their limits."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, print_json, progress
from tbill_defi.cli.rules import parse_span, parse_units
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.mandate import ManagedAccount, Mandate

PartyName = Annotated[str, typer.Argument(help="The managed party, whose own key is the owner's.")]
DEFAULTS: dict[str, Any] = {"duration": "0:30", "max_weight": 1.0, "turnover": 1.0, "window": "30d", "slippage_bp": 10}
"""A first mandate's limits where nothing is said."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Mandates: what a manager may do with an account.")
    commands.command("set")(set_mandate)
    commands.command("show")(show)
    commands.command("apply")(apply)
    commands.command("recognise")(recognise)
    commands.command("withdraw")(withdraw)
    app.add_typer(commands, name="mandate")


def set_mandate(
    party: PartyName,
    manager: Annotated[str | None, typer.Option(help="Name of the manager's key; made if new.")] = None,
    duration: Annotated[str | None, typer.Option(help="Band of modified duration, years, such as 1.9:2.1.")] = None,
    max_weight: Annotated[float | None, typer.Option(help="Greatest share of one security.")] = None,
    turnover: Annotated[float | None, typer.Option(help="Share turned over in a window, half of both sides.")] = None,
    window: Annotated[str | None, typer.Option(help="The turnover's sliding window.", show_default="30d")] = None,
    slippage_bp: Annotated[int | None, typer.Option(help="Most a plan may cost at oracle prices.")] = None,
    delay: Annotated[
        str | None, typer.Option(help="How long the owner's loosening takes; fixed when made.", show_default="1d")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Set a party's mandate; the first time, make its account.

    What is nowhere looser is in force at once; else it is announced, and `tbill mandate apply` puts it in force after
    the delay. Limits that are not given stay.
    """
    from tbill_defi.ledger import mandate as mandates
    from tbill_defi.ledger.open import open_ledger

    given = {
        "duration": duration,
        "max_weight": max_weight,
        "turnover": turnover,
        "window": window,
        "slippage_bp": slippage_bp,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    first = _mandate(None, changes)  # refuses bad values before anything is opened
    seconds = parse_span("delay", delay or "1d")
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        account = _existing(ledger, party)
        _require_free(party, manager or party)
        if account is None:
            if manager is None:
                raise UsageError(f"mandate set: {party} has no managed account yet; name a --manager")
            account = mandates.open_account(ledger, party, manager=manager, delay=seconds)
        elif delay is not None and seconds != account.delay:
            raise UsageError(f"delay: the account of {party} was made with {account.delay} s, which stay")
        elif manager is not None:
            mandates.set_manager(ledger, account, manager)
        if changes or account.mandate is None:
            wanted = _mandate(account.mandate, changes) if account.mandate else first
            mandates.set_mandate(ledger, account, wanted)
        value = _json(ledger, mandates.require_account(ledger, party))
    _tell(value, json_=json_)


def show(party: PartyName, home: Home = None, json_: Json = False) -> None:
    """Show a managed account: mandate, books, what is left."""
    from tbill_defi.ledger import mandate as mandates
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        value = _json(ledger, mandates.require_account(ledger, party))
    _tell(value, json_=json_)


def apply(party: PartyName, home: Home = None, json_: Json = False) -> None:
    """Put an announced mandate in force, after the delay."""
    from tbill_defi.ledger import mandate as mandates
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        mandates.apply_mandate(ledger, mandates.require_account(ledger, party))
        value = _json(ledger, mandates.require_account(ledger, party))
    _tell(value, json_=json_)


def recognise(
    party: PartyName,
    asset: Annotated[
        list[str] | None, typer.Option(help="CUSIP or USD; once each.", show_default="all that have a price")
    ] = None,
    by: Annotated[str | None, typer.Option(help="The owner's or manager's key.", show_default="the owner's")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Take deposits, coupons, redemptions into the account's books.

    Plans and limits count only what is in the books; securities need a price (`tbill oracle publish`).
    """
    from tbill_defi.ledger import mandate as mandates
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        account = mandates.require_account(ledger, party)
        ledger.keyring.key(by or party)
        assets = [name.upper() for name in asset] if asset else _priced(ledger, account)
        if assets:
            mandates.recognise(ledger, account, assets, key=by or party)
        value = _json(ledger, mandates.require_account(ledger, party))
    _tell(value, json_=json_)


def withdraw(
    party: PartyName,
    asset: Annotated[str | None, typer.Option(help="CUSIP or USD.")] = None,
    amount: Annotated[str | None, typer.Option(help="Dollars, or dollars of face.")] = None,
    to: Annotated[str | None, typer.Option(help="A party on the ledger.")] = None,
    number: Annotated[int | None, typer.Option(help="Make the announced withdrawal of this number.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Announce the owner's withdrawal, or make an announced one.

    It can be made after the account's delay, within a week.
    """
    from tbill_defi.ledger import mandate as mandates
    from tbill_defi.ledger.open import open_ledger

    announced = [asset, amount, to]
    if (number is None) == any(word is None for word in announced):
        raise UsageError("mandate withdraw: give --asset, --amount and --to to announce, or --number to withdraw")
    units = 0 if amount is None else parse_units("amount", amount)
    if number is None and not units:
        raise UsageError(f"amount: {amount} is not a positive number of dollars")
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        account, making = mandates.require_account(ledger, party), number is not None
        if number is None:
            place = ledger.address_of(to or "")
            number = mandates.announce_withdrawal(ledger, account, (asset or "").upper(), place, units or 0)
        else:
            mandates.withdraw(ledger, account, number)
        due = ledger.chain.now() if making else mandates.withdrawable_from(ledger, account, number)
    if json_:
        print_json({"party": party, "number": number, "withdrawn": making, "due": due})
        return
    from tbill_defi.report import formats

    when = "made" if making else f"announced; it can be made from {formats.moment(due)}"
    console().print(f"withdrawal {number} of {party} {when}")


def _existing(ledger: Ledger, party: str) -> ManagedAccount | None:
    from tbill_defi.core.identifiers import party_name
    from tbill_defi.ledger.mandate import managed_account

    return managed_account(ledger, party_name(party)) if party in ledger.books().parties() else None


def _require_free(party: str, manager: str) -> None:
    """Neither may be the ledger's own: no pricer manages money, no registrar owns it, the Treasury pays by its key."""
    from tbill_defi.ledger.ledger import ROLE_NAMES
    from tbill_defi.ledger.life import TREASURY
    from tbill_defi.ledger.option_deeds import BOOK
    from tbill_defi.ledger.oracle import PRICER_KEYS
    from tbill_defi.ledger.repo_terms import FACILITY

    for name in (party, manager):
        if name in (*ROLE_NAMES, *PRICER_KEYS, TREASURY, FACILITY, BOOK):
            raise UsageError(f"{name!r} is the name of a key of the ledger itself; take another")


def _priced(ledger: Ledger, account: ManagedAccount) -> list[str]:
    from tbill_defi.core.errors import LedgerError
    from tbill_defi.ledger.deployment import CURRENCY
    from tbill_defi.ledger.oracle import Oracle

    oracle, found = Oracle(ledger), []
    for asset in account.unrecognised:
        try:
            if asset != CURRENCY:
                oracle.price(asset)
            found.append(asset)
        except LedgerError as error:
            if error.code not in ("PriceMissing", "StalePrice"):
                raise
    return found


def _mandate(current: Mandate | None, changes: dict[str, Any]) -> Mandate:
    from dataclasses import replace

    from tbill_defi.ledger.mandate import Mandate

    values = (DEFAULTS | changes) if current is None else changes
    new: dict[str, int] = {}
    if "duration" in values:
        new["duration_min_e6"], new["duration_max_e6"] = _band(values["duration"])
    if "max_weight" in values:
        new["issue_cap_bp"] = _share("max-weight", values["max_weight"], most=1.0)
    if "turnover" in values:
        new["turnover_bp"] = _share("turnover", values["turnover"], most=1_000.0)
    if "window" in values:
        new["window_seconds"] = parse_span("window", values["window"])
    if "slippage_bp" in values:
        new["slippage_bp"] = values["slippage_bp"]
        if not 0 <= new["slippage_bp"] <= 1_000:
            raise UsageError(f"slippage-bp: {new['slippage_bp']} is not between 0 and 1000")
    return Mandate(**new) if current is None else replace(current, **new)


def _band(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]{1,6})?):([0-9]+(?:\.[0-9]{1,6})?)", text)
    low, high = (round(float(part) * 1e6) for part in match.groups()) if match else (1, 0)
    if not (low <= high and 0 < high < 2**32):
        raise UsageError(f"duration: {text!r} is not a band of years such as 1.9:2.1")
    return low, high


def _share(name: str, share: float, *, most: float) -> int:
    if not 0 < share <= most or abs(round(share * 10_000) - share * 10_000) > 1e-6:
        raise UsageError(f"{name}: {share} is not a share such as 0.25, in whole basis points, at most {most:g}")
    return round(share * 10_000)


def _json(ledger: Ledger, account: ManagedAccount) -> dict[str, Any]:
    return {
        "party": account.party,
        "account": "0x" + account.address.hex(),
        "owner": "0x" + account.owner.hex(),
        "manager": "0x" + account.manager.hex(),
        "guard": "0x" + account.guard.hex(),
        "delay": account.delay,
        "time": ledger.chain.now(),
        "mandate": asdict(account.mandate) if account.mandate else None,
        "announced": asdict(account.next_mandate) if account.next_mandate else None,
        "announced_from": account.next_from,
        "positions": {cusip: str(units) for cusip, units in account.positions.items()},
        "cash": str(account.cash),
        "unrecognised": {asset: str(units) for asset, units in account.unrecognised.items()},
        "turnover": str(account.turnover),
    }


def _tell(value: dict[str, Any], *, json_: bool) -> None:
    if json_:
        print_json(value)
        return
    out = console()
    out.print(f"{value['party']}: account {value['account']}, owner {value['owner']}, manager {value['manager']}")
    if value["mandate"]:
        _print_mandate(out, "mandate", value["mandate"])
    else:
        out.print("no mandate: nothing can be dealt")
    if value["announced"]:
        from tbill_defi.report import formats

        _print_mandate(out, f"announced, from {formats.moment(value['announced_from'])}", value["announced"])
    _print_books(out, value)


def _print_mandate(out: Console, title: str, mandate: dict[str, int]) -> None:
    low, high = mandate["duration_min_e6"] / 1e6, mandate["duration_max_e6"] / 1e6
    out.print(
        f"{title}: duration {low:g} to {high:g} y; at most {mandate['issue_cap_bp'] / 100:g}% of one security; "
        f"turnover {mandate['turnover_bp'] / 100:g}% in any {mandate['window_seconds'] / 86_400:g} d; slippage "
        f"{mandate['slippage_bp']} bp"
    )


def _print_books(out: Console, value: dict[str, Any]) -> None:
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    sheet = Sheet("In the books", Column("asset", left=True), "face $", "not recognised $")
    held = {**value["positions"], "USD": value["cash"]}
    for asset in dict.fromkeys([*held, *value["unrecognised"]]):
        amounts = (int(of.get(asset, "0")) for of in (held, value["unrecognised"]))
        sheet.add(asset, *(formats.cents(amount)[1:] for amount in amounts))
    out.print(sheet)
    out.print(f"turnover in the window {formats.cents(int(value['turnover']))}")
