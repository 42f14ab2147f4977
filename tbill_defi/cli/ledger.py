"""`tbill init`, `holdings import`, `wallet`, `tape`: the ledger of a desk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.clock import parse_moment
from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress, view_at
from tbill_defi.core.errors import NoCurve, UnknownSecurity, UsageError

if TYPE_CHECKING:
    from tbill_defi.chain.heads import SignedHead
    from tbill_defi.ledger.books import Wallet
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.portfolio.view import View


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    commands = group("Positions: import them as tokens, or write them to a file.")
    commands.command("import")(import_holdings)
    commands.command("export")(export_holdings)
    app.add_typer(commands, name="holdings")
    app.command("wallet")(wallet)
    app.command("tape")(tape)


def init(
    at: Annotated[str | None, typer.Option(help="Start of a simulated clock, such as 2026-08-21T15:00-04:00.")] = None,
    party: Annotated[
        list[str] | None, typer.Option(help="A first party; give it once each.", show_default="desk, dealer")
    ] = None,
    light_keys: Annotated[
        bool, typer.Option("--light-keys", help="Cheap scrypt for demos and tests; the keystores are marked.")
    ] = False,
    chain: Annotated[
        str | None, typer.Option("--chain", metavar="URL", help="Deploy on this node, such as http://127.0.0.1:8545.")
    ] = None,
    funder: Annotated[
        str | None, typer.Option(help="Key that pays for gas on the node.", show_default="a dev node's accounts")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Keep it in this database, such as postgresql://user@host/desk; no password."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            help="Signed head of a ledger that was closed and that this one goes on from: `tbill audit head`."
        ),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a ledger: keys, contracts, roles, first parties.

    Keystores are under the passphrase TBILL_PASSPHRASE, or a random one that is stored beside them.
    """
    from tbill_defi.chain.engine import shown_url
    from tbill_defi.chain.heads import SignedHead
    from tbill_defi.ledger.clock import clock_kind
    from tbill_defi.ledger.open import PARTIES, keys_folder, ledger_url

    parties = _first_parties(party or PARTIES)
    _refuse_node_options(chain, funder, at)
    head = None if after is None else SignedHead.read(after)
    start = None if at is None else parse_moment("at", at)
    options = {
        "at": start,
        "light_keys": light_keys,
        "parties": parties,
        "chain": chain,
        "funder": funder,
        "after": head,
    }
    with _created(home, url, options) as made:
        genesis = None if chain else made.embedded.genesis
        value: dict[str, Any] = {
            "url": made.chain.url if chain else shown_url(ledger_url(home)),
            "keys": str(keys_folder(home)),
            "chain_id": made.chain.chain_id,
            "genesis_hash": "0x" + (genesis.hash if genesis else made.node.block(0).hash).hex(),
            "operator": "0x" + made.keyring.key("operator").address.hex(),
            "market_date": made.market_date.isoformat(),
            "simulated_clock": clock_kind(made) == "simulated",
            "parties": {name: made.wallet(name).addresses[0] for name in made.books().parties()},
            "contracts": {name.removeprefix("contract."): place for name, place in made.contracts.to_extras().items()},
        }
    if json_:
        print_json(value)
        return
    clock = "the node's clock" if chain else "simulated clock" if value["simulated_clock"] else "system clock"
    _print_made(value, clock, head)


def _print_made(value: dict[str, Any], clock: str, head: SignedHead | None) -> None:
    out = console()
    out.print(f"ledger {value['url']}, chain id {value['chain_id']}, market date {value['market_date']} ({clock})")
    out.print(f"keys in {value['keys']}; operator {value['operator']}")
    if head is not None:
        out.print(f"goes on after block {head.height} of the ledger with chain id {head.chain_id}")
    for name, address in value["parties"].items():
        out.print(f"party {name}: {address}")
    hint("tbill market import FILE..., then tbill holdings import positions.csv")


def _created(home: Path | None, url: str | None, options: dict[str, Any]) -> Ledger:
    """The new ledger; a home remembers the URL of one elsewhere only once it is made."""
    from tbill_defi.ledger.open import create_ledger, remember_url

    if url is None:
        return create_ledger(home=home, **options)
    if options["chain"] is not None:
        raise UsageError("url: a ledger on a node is in no database; give --url or --chain")
    file = remember_url(home, url)
    try:
        return create_ledger(url, home=home, **options)
    except BaseException:
        file.unlink()
        raise


def _first_parties(names: Sequence[str]) -> Sequence[str]:
    """Names that can be parties, before anything is made."""
    from tbill_defi.core.identifiers import party_name
    from tbill_defi.ledger.ledger import ROLE_NAMES
    from tbill_defi.ledger.oracle import PRICER_KEYS

    for count, name in enumerate(names):
        party_name(name)
        if name in (*ROLE_NAMES, *PRICER_KEYS):
            raise UsageError(f"party: {name!r} is the name of a key of the ledger itself; take another")
        if name in names[:count]:
            raise UsageError(f"party: {name!r} is there twice; give each name once")
    return names


def _refuse_node_options(chain: str | None, funder: str | None, at: str | None) -> None:
    """What does not go together, before anything is made."""
    from tbill_defi.chain.rpc_node import TESTER_URL, shown_url

    if chain is None:
        if funder is not None:
            raise UsageError("funder: an embedded ledger needs no gas; give it with --chain")
        return
    if at is not None:
        raise UsageError("at: a node has its own time; --at is for a ledger without --chain")
    if shown_url(chain) == TESTER_URL:
        raise UsageError("chain: an eth-tester ends with this command; use it from a script, or start anvil")


def import_holdings(
    file: Annotated[Path, typer.Argument(help="CSV with the columns cusip,face,cost_price; cusip USD is cash.")],
    party: Annotated[str, typer.Option(help="Whose holdings they are.")] = "desk",
    add: Annotated[bool, typer.Option("--add", help="Add to what the party holds already.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Deposit positions with the registrar, who makes the tokens.

    A row whose cusip is USD is the cash, in dollars. Securities must be outstanding on the ledger's market date.
    """
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.holdings import Holdings

    book = Holdings.read(file, party=party)
    if not book.positions and not book.cash_units:
        raise UsageError(f"{file.name}: no face and no cash, so there is nothing to deposit")
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        before = ledger.wallet(party)
        if (before.positions or before.cash) and not add:
            raise UsageError(f"{party} holds {len(before.positions)} securities already; say --add to add to them")
        view = view_at(home, ledger.market_date)
        face = {view.securities[view.index(cusip)]: units for cusip, units in book.positions.items()}
        receipts = ledger.deposit(party, face, book.cash_units)
        after = ledger.wallet(party)
        block = receipts[0].height
    if json_:
        print_json({"block": block, **_wallet_json(after, None)})
        return
    from tbill_defi.report import formats

    total = formats.cents(sum(book.positions.values()))
    console().print(
        f"{party}: {len(book.positions)} securities, {total} face, and {formats.cents(book.cash_units)} cash "
        f"deposited in block {block}"
    )
    hint(f"tbill wallet {party}, or tbill strategies")


def export_holdings(
    file: Annotated[Path, typer.Argument(help="CSV to write, with the columns cusip,face,cost_price.")],
    party: Annotated[str, typer.Option(help="Whose holdings they are.")] = "desk",
    home: Home = None,
) -> None:
    """Write what a party holds as a file to import.

    What is on hold or frozen is in it. Collateral with the repo facility, the early redemption queue's, strips to come
    and other currencies are not, and are named. Costs are left empty: the books have them.
    """
    from tbill_defi.core.files import write_output
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.early_redemption import EarlyRedemption
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.ledger.stripping import Stripping
    from tbill_defi.report import tables

    with open_ledger(home=home, read_only=True) as ledger:
        found, decimals = ledger.wallet(party), ledger.books().decimals
        queued = EarlyRedemption(ledger).kept_for(party)
        acts = [act for act in Stripping(ledger).open_acts() if act.holder == party]
    rows = [(cusip, units) for cusip, units in found.positions.items() if units] + [("USD", found.cash)]
    lines = [f"{name},{units // 10**6}.{units % 10**6:06d}," for name, units in rows]
    write_output(file, "\n".join(["cusip,face,cost_price", *lines, ""]).encode())
    out = console()
    out.print(f"{file}: {len(rows) - 1} securities and the cash of {party}")
    for line in tables.blocked(found):
        out.print(line)
    away = [f"{format_units(units, decimals=decimals[code])} {code}" for code, units in found.currencies.items()]
    away += [f"{format_units(units)} {cusip} in the early redemption queue" for cusip, units in queued.items()]
    away += [f"what is to come of {format_units(act.face_units)} {act.cusip}, `tbill strips finish`" for act in acts]
    for line in away:
        out.print(f"not in the file: {line}")


def wallet(
    party: Annotated[str, typer.Argument(help="Name of the party.")], home: Home = None, json_: Json = False
) -> None:
    """Show what a party holds, with prices where there are any."""
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as ledger:
        found, day, decimals = ledger.wallet(party), ledger.market_date, ledger.books().decimals
    view, why = None, ""
    try:
        view = view_at(home, day)
        for cusip in found.positions:
            view.index(cusip)
    except (NoCurve, UnknownSecurity) as error:
        view, why = None, str(error)
    from tbill_defi.portfolio.metrics import measure

    if json_:
        figures = None if view is None else measure(view, found.positions, found.cash).as_dict()
        held = {"pledged": _amounts(found.pledged), "collateral": _amounts(found.collateral)}
        print_json({**_wallet_json(found, view), **held, "market_date": day.isoformat(), "figures": figures})
        return
    from tbill_defi.report import tables

    out = console()
    out.print(tables.wallet(found, view, decimals))
    for line in tables.blocked(found):
        out.print(line)
    if view is not None:
        out.print(tables.book_line(measure(view, found.positions, found.cash)))
    else:
        out.print(f"not priced: {why}", soft_wrap=True)


def _amounts(amounts: dict[str, int]) -> dict[str, str]:
    return {cusip: str(units) for cusip, units in amounts.items()}


def _wallet_json(found: Wallet, view: View | None) -> dict[str, Any]:
    positions = []
    for cusip, units in found.positions.items():
        row: dict[str, Any] = {
            "cusip": cusip,
            "face": str(units),
            "frozen": str(found.frozen.get(cusip, 0)),
            "held": str(found.held.get(cusip, 0)),
        }
        if view is not None:
            i = view.index(cusip)
            row |= {
                "maturity_date": view.securities[i].maturity_date.isoformat(),
                "clean_price": float(view.clean_price[i]),
                "dirty_price": float(view.mid_dirty[i]),
                "yield": float(view.yield_[i]),
                "modified_duration": float(view.modified_duration[i]),
                "source": view.sources[i],
                "quote_date": view.quote_dates[i].isoformat(),
            }
        positions.append(row)
    return {
        "party": found.party,
        "addresses": list(found.addresses),
        "cash": str(found.cash),
        "currencies": _amounts(found.currencies),
        "positions": positions,
    }


def tape(
    last: Annotated[int | None, typer.Option(min=1, help="Only the last N instructions.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show what has settled, leg by leg."""
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as ledger:
        entries, decimals = ledger.tape(), ledger.books().decimals
    entries = entries[-last:] if last else entries
    if json_:
        print_json(
            [
                {
                    "block": e.height,
                    "timestamp": e.timestamp,
                    "instruction_hash": e.instruction_hash,
                    "plan_hash": e.plan_hash or None,
                    "context_hash": e.context_hash if e.plan_hash else None,
                    "legs": [
                        {"asset": leg.asset, "from": leg.giver, "to": leg.receiver, "amount": str(leg.amount)}
                        for leg in e.legs
                    ],
                }
                for e in entries
            ]
        )
        return
    from tbill_defi.report import tables

    console().print(tables.tape(entries, decimals) if entries else "nothing has settled yet")
