"""`tbill kyc add`, `revoke`, `show` and `tbill limits`: who may deal, and how much."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli import claims
from tbill_defi.cli.claims import tell
from tbill_defi.cli.common import Home, Json, console, group, parse_date, print_json, progress
from tbill_defi.cli.registry import address, recover
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.limits import Standing

NONE = "none"
_DURATION = re.compile(r"([0-9]+)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

PartyName = Annotated[str, typer.Argument(help="A party's name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Identities: who may deal, with which wallets, until when.")
    commands.command("add")(add)
    commands.command("revoke")(revoke)
    commands.command("show")(show)
    commands.command("recover")(recover)
    claims.register(commands)
    app.add_typer(commands, name="kyc")
    app.command("limits")(limits)


def add(
    party: PartyName,
    until: Annotated[str | None, typer.Option(help="Last day of the claim.", show_default="in two years")] = None,
    country: Annotated[int | None, typer.Option(help="ISO 3166-1 numeric.", show_default="840")] = None,
    wallet: Annotated[str | None, typer.Option(help="Address to bind; a party may have several.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Register a party or renew its claim, and bind a wallet to it.

    A new party without --wallet gets a key of its name, and that key's address as its wallet.
    """
    from datetime import timedelta

    from tbill_defi.core.clock import new_york_midnight
    from tbill_defi.ledger import identities
    from tbill_defi.ledger.ledger import ROLE_NAMES
    from tbill_defi.ledger.open import CLAIM_SECONDS, open_ledger
    from tbill_defi.ledger.oracle import PRICER_KEYS

    if country is not None and not 0 < country < 1_000:
        raise UsageError(f"country: {country} is not an ISO 3166-1 numeric code such as 840")
    if party in (*ROLE_NAMES, *PRICER_KEYS):
        raise UsageError(f"party: {party!r} is the name of a key of the ledger itself; take another")
    bound = None if wallet is None else address("wallet", wallet)
    last = None if until is None else new_york_midnight(parse_date(until) + timedelta(days=1)) - 1
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        now = ledger.chain.now()
        if last is not None and last < now:
            raise UsageError(f"until: {until} is over on the ledger ({ledger.market_date}); `tbill kyc revoke` revokes")
        expiry = now + CLAIM_SECONDS if last is None else last
        found = identities.admit(ledger, party, claim_expiry=expiry, country=country, wallet=bound)
    tell([found], json_=json_)


def revoke(party: PartyName, home: Home = None, json_: Json = False) -> None:
    """Revoke a claim: no securities out or in until renewed."""
    from tbill_defi.ledger import identities
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        found = identities.revoke(ledger, party)
    tell([found], json_=json_)


def show(
    party: Annotated[list[str] | None, typer.Argument(help="Parties.", show_default="all")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show identities: country, claim, wallets."""
    from tbill_defi.ledger import identities
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        names = party or ledger.books().parties()
        found = [identities.identity(ledger, name) for name in names]
    tell(found, json_=json_)


def limits(
    party: Annotated[
        str | None,
        typer.Option(help="Whose volume limit and cap are set; whose standing is shown.", show_default="all"),
    ] = None,
    trade: Annotated[str | None, typer.Option(help="Dollars of face in one transfer, or none.")] = None,
    volume: Annotated[str | None, typer.Option(help="Dollars sent and received in a window, or none.")] = None,
    window: Annotated[str | None, typer.Option(help="The window, such as 24h or 7d.", show_default="24h")] = None,
    holding_cap: Annotated[str | None, typer.Option(help="Dollars of face held in all, or none.")] = None,
    admit: Annotated[str | None, typer.Option(help="Countries that may deal, such as 840,826; any for all.")] = None,
    refuse: Annotated[str | None, typer.Option(help="Countries that may not.")] = None,
    general: Annotated[bool, typer.Option("--general", help="Put --party under the general limits again.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show limits and where parties stand, or set them.

    Volume counts in a sliding window: in any stretch of that length. Limits follow a party over all its wallets and
    securities; holds count as if executed.
    """
    from tbill_defi.ledger.open import open_ledger

    own = {"--volume": volume, "--holding-cap": holding_cap}
    general_only = {"--trade": trade, "--window": window, "--admit": admit, "--refuse": refuse}
    if party is not None and (wrong := [name for name, value in general_only.items() if value is not None]):
        raise UsageError(f"limits: {wrong[0]} is general; it cannot be set for one party")
    if general and (party is None or any(value is not None for value in own.values())):
        raise UsageError("limits: --general needs --party and no limit of its own")
    if admit is not None and refuse is not None:
        raise UsageError("limits: give --admit or --refuse, not both")
    changes = _changes(trade, volume, window, holding_cap, admit, refuse)
    with (
        progress("replaying") as advance,
        open_ledger(home=home, read_only=not (changes or general), progress=advance) as ledger,
    ):
        if party is not None:
            ledger.wallet(party)
        _set(ledger, party, changes, general=general)
        value = _limits_json(ledger, [party] if party else ledger.books().parties())
    if json_:
        print_json(value)
    else:
        _show_limits(value)


def _changes(
    trade: str | None,
    volume: str | None,
    window: str | None,
    holding_cap: str | None,
    admit: str | None,
    refuse: str | None,
) -> dict[str, Any]:
    """What is to be set, parsed before anything is opened."""
    changes: dict[str, Any] = {}
    for name, text in (("trade", trade), ("volume", volume), ("holding_cap", holding_cap)):
        if text is not None:
            changes[name] = parse_units(name.replace("_", "-"), text)
    if window is not None:
        changes["window"] = parse_span("window", window)
    for rule, text in (("admit", admit), ("refuse", refuse)):
        if text is not None:
            changes["countries"] = ("any", []) if text == "any" else (rule, _countries(rule, text))
    return changes


def _set(ledger: Ledger, party: str | None, changes: dict[str, Any], *, general: bool) -> None:
    from tbill_defi.ledger import limits as rules

    if general and party is not None:
        rules.clear_own_limits(ledger, party)
        return
    now_general = rules.limits(ledger) if changes else None
    if party is not None and now_general is not None:
        if changes.get("volume") is not None and not now_general.window_seconds:
            raise UsageError(
                f"limits: no window is in force, so a volume of {party}'s own would not bind; set one first, such as "
                "`tbill limits --window 24h`"
            )
        now = rules.standings(ledger, [party])[party]
        rules.set_own_limits(
            ledger, party, changes.get("volume", now.volume), changes.get("holding_cap", now.holding_cap)
        )
        return
    if "trade" in changes:
        rules.set_trade_limit(ledger, changes["trade"])
    if now_general is not None and ("volume" in changes or "window" in changes):
        units = changes.get("volume", now_general.volume)
        usual = _SECONDS["d"] if units is not None else 0
        window = changes.get("window", now_general.window_seconds or usual)
        rules.set_volume_limit(ledger, units, window)
    if "holding_cap" in changes:
        rules.set_holding_cap(ledger, changes["holding_cap"])
    if "countries" in changes:
        rules.set_countries(ledger, *changes["countries"])


def parse_units(name: str, text: str) -> int | None:
    """Base units of dollars; None for "none"."""
    from tbill_defi.core.money import units

    if text == NONE:
        return None
    amount = units(text, field=name)
    if amount < 0:
        raise UsageError(f"{name}: {text} is negative; give dollars, or {NONE}")
    return amount


def parse_span(name: str, text: str) -> int:
    """Seconds of a length such as 90s, 24h or 7d, at most 366 days."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= 366 * _SECONDS["d"]:
        raise UsageError(f"{name}: {text!r} is not a length such as 24h or 7d, at most 366d")
    return seconds


def _countries(rule: str, text: str) -> list[int]:
    try:
        codes = sorted({int(code) for code in text.split(",")})
    except ValueError:
        codes = [0]
    if not all(0 < code < 1_000 for code in codes):
        raise UsageError(f"{rule}: {text!r} is not a list of ISO 3166-1 numeric codes such as 840,826")
    return codes


def _limits_json(ledger: Ledger, parties: list[str]) -> dict[str, Any]:
    from tbill_defi.ledger import limits as rules

    general, found = rules.limits(ledger), rules.standings(ledger, parties)
    return {
        "trade": _text(general.trade),
        "volume": _text(general.volume),
        "window_seconds": general.window_seconds,
        "holding_cap": _text(general.holding_cap),
        "country_rule": general.country_rule,
        "countries": list(general.countries),
        "parties": [_standing_json(one) for one in found.values()],
    }


def _standing_json(one: Standing) -> dict[str, Any]:
    return {
        "party": one.party,
        "volume": _text(one.volume),
        "volume_used": str(one.volume_used),
        "volume_left": _text(one.volume_left),
        "holding_cap": _text(one.holding_cap),
        "held": str(one.held),
        "holding_left": _text(one.holding_left),
    }


def _text(units: int | None) -> str | None:
    return None if units is None else str(units)


def _show_limits(value: dict[str, Any]) -> None:
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    def dollars(text: str | None) -> str:
        return NONE if text is None else formats.cents(int(text))

    out = console()
    hours = value["window_seconds"] / 3_600
    window = f" in any {hours:g} h" if value["window_seconds"] else ""
    codes = ", ".join(f"{code:03d}" for code in value["countries"])
    out.print(f"one transfer {dollars(value['trade'])}; volume {dollars(value['volume'])}{window}")
    out.print(f"holding cap {dollars(value['holding_cap'])}; countries: {value['country_rule']} {codes}".rstrip())
    columns = ("volume", "used", "left", "cap", "held", "may receive")
    sheet = Sheet("Where parties stand, face", Column("party", left=True), *columns)
    for one in value["parties"]:
        names = ("volume", "volume_used", "volume_left", "holding_cap", "held", "holding_left")
        sheet.add(one["party"], *(dollars(one[name]) for name in names))
    out.print(sheet)
