"""`tbill oracle publish`, `show`, `rules`: signed prices on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, console, group, parse_date, print_json, progress, view_at
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.oracle import Oracle, OraclePrice


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Prices on the ledger, signed by k of n pricers.")
    commands.command("publish")(publish)
    commands.command("show")(show)
    commands.command("rules")(rules)
    app.add_typer(commands, name="oracle")


def publish(
    day: Day = None,
    cusip: Annotated[
        list[str] | None, typer.Option(help="A security; give it once each.", show_default="all on the ledger")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every security of the market.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Sign with the higher quorum, which lets prices jump.")
    ] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Publish a market date's prices, signed by this home's pricers."""
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.oracle_round import publish as publish_view

    if everything and cusip:
        raise UsageError("oracle publish: give --cusip or --all, not both")
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        view = view_at(home, parse_date(day) if day else ledger.market_date)
        wanted = view.cusips if everything else [name.upper() for name in cusip] if cusip else None
        done = publish_view(ledger, view, cusips=wanted, confirm=confirm)
    value = {
        "block": done.height,
        "market_date": view.date.isoformat(),
        "observed_at": done.rounds[0].observed_at,
        "rounds": [one.number for one in done.rounds],
        "securities": sum(len(one.quotes) for one in done.rounds),
        "signers": ["0x" + signer.hex() for signer in done.signers],
        "excluded": {reason: list(names) for reason, names in done.excluded.items()},
    }
    if json_:
        print_json(value)
        return
    out = console()
    last = done.rounds[-1].number
    which = f"round {last}" if len(done.rounds) == 1 else f"rounds {done.rounds[0].number} to {last}"
    count = f"{value['securities']} price{'s' * (value['securities'] != 1)} of {view.date}"
    out.print(f"{which}: {count}, {len(done.signers)} signatures, block {done.height}")
    for reason, names in done.excluded.items():
        out.print(f"not priced, {reason}: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}")


def show(
    cusip: Annotated[list[str] | None, typer.Argument(help="Securities.", show_default="all on the ledger")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show the prices that stand, their age and the rules.

    Stale ones are marked.
    """
    from tbill_defi.core.errors import LedgerError
    from tbill_defi.core.identifiers import cusip as checked
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.ledger.oracle import Oracle

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        oracle, now = Oracle(ledger), ledger.chain.now()
        found: list[OraclePrice] = []
        missing: list[str] = []
        for name in [checked(text.upper()) for text in cusip] if cusip else oracle.cusips():
            try:
                found.append(oracle.price(name, stale=True))
            except LedgerError as error:
                if error.code != "PriceMissing":
                    raise
                if name not in (known := oracle.cusips()):
                    text = f"cusip: {name} has no price and no token on this ledger; securities: {', '.join(known)}"
                    raise LedgerError(text, "UnknownAsset") from None
                missing.append(name)
        value: dict[str, Any] = {
            **_rules(oracle),
            "time": now,
            "prices": [_price(price, now, oracle.rules().max_age) for price in found],
            "missing": missing,
        }
    if json_:
        print_json(value)
    else:
        _show(value)


def rules(
    max_move_bp: Annotated[int | None, typer.Option(help="Largest unconfirmed move, bp of price.")] = None,
    interval: Annotated[int | None, typer.Option(help="Least seconds between two prices of a security.")] = None,
    max_age: Annotated[int | None, typer.Option(help="Seconds a price may be used.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show the rules of rounds, or set those given."""
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.ledger.oracle import Oracle

    given = {"max_move_bp": max_move_bp, "interval": interval, "max_age": max_age}
    changes = {name: value for name, value in given.items() if value is not None}
    for name, number in changes.items():
        most = 2**16 if name == "max_move_bp" else 2**32
        if not 0 <= number < most:
            raise UsageError(f"--{name.replace('_', '-')}: {number} is not between 0 and {most - 1}")
    with progress("replaying") as advance, open_ledger(home=home, read_only=not changes, progress=advance) as ledger:
        oracle = Oracle(ledger)
        if changes:
            current = oracle.rules()
            oracle.set_rules(**{name: changes.get(name, getattr(current, name)) for name in given})
        value = _rules(oracle)
    if json_:
        print_json(value)
    else:
        console().print(_rules_line(value["rules"]))


def _rules(oracle: Oracle) -> dict[str, Any]:
    from dataclasses import asdict

    return {"rules": asdict(oracle.rules()), "pricers": ["0x" + place.hex() for place in oracle.pricers()]}


def _rules_line(rules: dict[str, int]) -> str:
    return (
        f"{rules['quorum']} signatures a round, {rules['confirm_quorum']} if a price moves by more than "
        f"{rules['max_move_bp']} bp; {rules['interval']} s between prices of a security; usable for "
        f"{rules['max_age'] / 3600:g} h"
    )


def _price(price: OraclePrice, now: int, max_age: int) -> dict[str, Any]:
    from tbill_defi.portfolio.metrics import RATINGS
    from tbill_defi.portfolio.oracle_round import price_text

    return {
        "cusip": price.cusip,
        "clean_price": price_text(price.clean_e6),
        "accrued": price_text(price.accrued_e6),
        "dirty_price": price_text(price.dirty_e6),
        "yield": price.yield_e9 / 1e9,
        "modified_duration": price.duration_e6 / 1e6,
        "maturity": price.maturity.isoformat(),
        "rating": RATINGS[price.rating - 1] if price.rating else "",
        "round": price.round_number,
        "market_date": price.market_date.isoformat(),
        "observed_at": price.observed_at,
        "stale": now > price.observed_at + max_age,
    }


def _show(value: dict[str, Any]) -> None:
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    sheet = Sheet(
        "Oracle prices, per 100 face",
        *(Column("CUSIP", left=True), "clean", "accrued", "dirty", "yield", "duration"),
        *(Column("maturity", rank=1), Column("rating", rank=2), Column("round", rank=3), "of", "age"),
    )
    for row in value["prices"]:
        age = (value["time"] - row["observed_at"]) / 3600
        sheet.add(
            row["cusip"],
            row["clean_price"],
            row["accrued"],
            row["dirty_price"],
            formats.percent(row["yield"]),
            f"{row['modified_duration']:.3f} y",
            row["maturity"],
            row["rating"],
            str(row["round"]),
            row["market_date"],
            f"{age:.1f} h{' stale' if row['stale'] else ''}",
        )
    out = console()
    out.print(sheet)
    if value["missing"]:
        out.print(f"no price: {', '.join(value['missing'])}; publish with `tbill oracle publish`")
    out.print(_rules_line(value["rules"]))
