"""`tbill trade agree`, `settle`, `cancel`, `allocate`, `show`: trades agreed now and settled on their date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, parse_date, print_json, progress
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.trade_terms import TradeState
    from tbill_defi.ledger.trades import Trades

Id = Annotated[str, typer.Argument(metavar="ID", help="First digits of the trade's id suffice.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Trades agreed now, settled on their date.")
    for command in (agree, settle, cancel, allocate, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="trade")


def agree(
    asset: Annotated[str, typer.Argument(help="CUSIP, or a currency against another.")],
    face: Annotated[str, typer.Argument(help="Face, or amount of the currency.")],
    proceeds: Annotated[str, typer.Argument(help="What is paid for all of it.")],
    seller: Annotated[str, typer.Option(help="Who delivers.")] = "dealer",
    buyer: Annotated[str, typer.Option(help="Who pays.")] = "desk",
    currency: Annotated[str, typer.Option(help="What is paid in.")] = "USD",
    date_: Annotated[
        str | None, typer.Option("--settle-on", help="Settlement date.", show_default="the next settlement day: T+1")
    ] = None,
    fail_days: Annotated[int, typer.Option(min=0, max=366, help="Days after it on which a fail can settle.")] = 30,
    minimum: Annotated[
        str | None, typer.Option(help="A part is at least this face.", show_default="whole only")
    ] = None,
    lot: Annotated[str | None, typer.Option(help="A part is a multiple of this.", show_default="the minimum")] = None,
    ccp: Annotated[str | None, typer.Option(help="Cleared by this central counterparty.")] = None,
    allocator: Annotated[str | None, typer.Option(help="A block that this party allocates.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Agree to a trade that settles on its date.

    Both sign it now; from that date on anyone can settle it. With --minimum it may settle in parts.
    """
    from tbill_defi.ledger.clearing import house_address
    from tbill_defi.ledger.trade_terms import NOBODY

    if lot and not minimum:
        raise UsageError("lot: give it with --minimum; without, the trade settles whole")
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        trades, code = _trades(ledger), currency.upper()
        least = _units(ledger, asset, minimum, "minimum") if minimum else 0
        terms = trades.terms(
            seller=seller,
            buyer=buyer,
            asset=asset.upper(),
            face_units=_units(ledger, asset, face, "face"),
            proceeds_units=_units(ledger, code, proceeds, "proceeds"),
            settlement_date=_settlement(ledger, date_),
            currency=code,
            fail_days=fail_days,
            minimum_units=least,
            lot_units=_units(ledger, asset, lot, "lot") if lot else least,
            clearer=house_address(ledger.contracts, ledger.address_of(ccp)) if ccp else NOBODY,
            allocator=allocator,
        )
        shown = _shown(ledger, trades, trades.agree(terms))
    _tell([shown], json_, one=True)
    hint("tbill trade settle, on the settlement date")


def settle(
    trade_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="First digits suffice.", show_default="all that are due")
    ] = None,
    face: Annotated[str | None, typer.Option(help="A part.", show_default="all that is open")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Settle a trade, or every trade whose date has come.

    Whole, else the largest part that can be delivered and paid. Each settles by itself, or the reason is shown.
    """
    if face and not trade_id:
        raise UsageError("face: name the trade of which it is a part")
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        trades = _trades(ledger)
        refused: Mapping[bytes, Exception] = {}
        if trade_id:
            state = trades.state(trades.find(trade_id))
            part = _units(ledger, _asset(ledger, state), face, "face") if face else None
            done = [trades.settle(state.trade_id, part)]
        else:
            done, refused = trades.settle_due()
        shown = [_shown(ledger, trades, state) for state in done]
        reasons = {"0x" + failed.hex(): str(error) for failed, error in refused.items()}
    if json_:
        print_json({"trades": [row for row, _ in shown], "refused": reasons})
        return
    _tell(shown, json_)
    for failed, reason in reasons.items():
        console().print(f"{failed[:12]} did not settle: {reason}", soft_wrap=True)
    if not shown and not reasons:
        console().print("no trade is due")


def cancel(trade_id: Id, home: Home = None, json_: Json = False) -> None:
    """Cancel what is open of a trade; both parties sign."""
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        trades = _trades(ledger)
        shown = _shown(ledger, trades, trades.cancel(trades.find(trade_id)))
    _tell([shown], json_, one=True)


def allocate(
    trade_id: Id,
    accounts: Annotated[list[str], typer.Argument(metavar="PARTY=FACE...", help="Accounts and their face.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Allocate a block to accounts at its price.

    Each gets a trade of its own; faces sum to the block. Its allocator signs, and each account it does not manage.
    """
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        trades = _trades(ledger)
        state = trades.state(trades.find(trade_id))
        faces: dict[str, int] = {}
        for word in accounts:
            party, equals, amount = word.partition("=")
            if not equals or not party or party in faces:
                raise UsageError(f"allocate: {word!r} is not a party and its face, such as fund=1000000, each once")
            faces[party] = _units(ledger, _asset(ledger, state), amount, f"face of {party}")
        shown = [_shown(ledger, trades, child) for child in trades.allocate(state.trade_id, faces)]
    _tell(shown, json_)


def show(
    trade_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="First digits.", show_default="all")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only what is still to settle.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show trades and where they stand.

    Pending, failed, settled, cancelled, allocated, novated, or lapsed.
    """
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        trades = _trades(ledger)
        found = [trades.state(trades.find(trade_id))] if trade_id else trades.all()
        shown = [_shown(ledger, trades, state) for state in found if state.open_face or not open_]
    _tell(shown, json_)
    if not shown and not json_:
        console().print("no trade on this ledger" if not open_ else "no trade is open")


# --- inside -----------------------------------------------------------------------------------------------------


def _ledger(home: Path | None, advance: Any) -> Ledger:
    from tbill_defi.ledger.open import open_ledger

    return open_ledger(home=home, progress=advance)


def _trades(ledger: Ledger) -> Trades:
    from tbill_defi.ledger.trades import Trades

    return Trades(ledger)


def _settlement(ledger: Ledger, text: str | None) -> date:
    from tbill_defi.conventions import SETTLEMENT

    if text:
        day = parse_date(text, "settle-on")
        if not SETTLEMENT.is_good(day):
            raise UsageError(f"settle-on: {day} is no settlement day; the next is {SETTLEMENT.following(day)}")
        return day
    return SETTLEMENT.advance(ledger.market_date, 1)


def _units(ledger: Ledger, asset: str, text: str, field: str) -> int:
    from tbill_defi.core.money import units

    return units(text, field=field, decimals=ledger.books().decimals.get(asset.upper(), 6))


def _asset(ledger: Ledger, state: TradeState) -> str:
    return ledger.books().asset_of("0x" + state.terms.asset.hex())


def _shown(ledger: Ledger, trades: Trades, state: TradeState) -> tuple[dict[str, Any], str]:
    """A trade for JSON, and in words."""
    from tbill_defi.core.clock import market_date

    terms, books = state.terms, ledger.books()
    row = {
        "id": "0x" + state.trade_id.hex(),
        "status": state.word(ledger.chain.now()),
        "seller": trades.party_of(terms.seller),
        "buyer": trades.party_of(terms.buyer),
        "asset": _asset(ledger, state),
        "currency": books.asset_of("0x" + terms.cash.hex()),
        "face": str(terms.face),
        "proceeds": str(terms.proceeds),
        "settlement_date": market_date(terms.opens).isoformat(),
        "last_date": market_date(terms.deadline).isoformat(),
        "minimum": str(terms.minimum),
        "lot": str(terms.lot),
        "settled_face": str(state.settled),
        "settled_cash": str(sum(fill.cash for fill in state.fills)),
        "open_face": str(state.open_face),
        "children": ["0x" + child.hex() for child in state.children],
    }
    return row, _words(row, books.decimals)


def _words(row: dict[str, Any], decimals: Mapping[str, int]) -> str:
    from tbill_defi.core.money import format_units

    def amount(field: str, asset: str) -> str:
        places = decimals.get(row[asset], 6)
        return f"{format_units(int(row[field]), min(2, places), places)}"

    part = ""
    if row["settled_face"] not in ("0", row["face"]):
        part = f"; {amount('settled_face', 'asset')} of it has settled"
    return (
        f"{row['id'][:12]} {row['status']}: {row['seller']} delivers {amount('face', 'asset')} {row['asset']} to "
        f"{row['buyer']} for {amount('proceeds', 'currency')} {row['currency']} on {row['settlement_date']}{part}"
    )


def _tell(shown: Sequence[tuple[dict[str, Any], str]], json_: bool, *, one: bool = False) -> None:
    if json_:
        rows = [row for row, _ in shown]
        print_json(rows[0] if one else {"trades": rows})
        return
    for _, words in shown:
        console().print(words, soft_wrap=True)
