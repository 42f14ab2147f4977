"""`tbill books`: the ledger's books in SQL, and what can be asked of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, parse_date, print_json, progress
from tbill_defi.core.errors import AuditFailure, UsageError

if TYPE_CHECKING:
    from tbill_defi.ledger.coupons import Fixings
    from tbill_defi.ledger.index.store import Store
    from tbill_defi.ledger.index.view import BooksView
    from tbill_defi.ledger.ledger import Ledger

BooksUrl = Annotated[
    str | None,
    typer.Option("--books", metavar="URL", help="SQLite or PostgreSQL.", show_default="books/books.db of the home"),
]
At = Annotated[
    str | None, typer.Option("--at", help="As of the end of a block or a New York date.", show_default="the latest")
]
Method = Annotated[str, typer.Option(help="Which lots a sale takes: fifo, or specific as identified.")]
Party = Annotated[str, typer.Argument(help="Whose.")]
_MOST = 10**18
"""Of numbers of trades: what a database keeps."""
_HEIGHT = re.compile(r"[0-9]{1,18}")
_CHOICE = re.compile(r"([0-9]+)=(.+)")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Books in SQL: positions, lots, journal, gains, cash ahead.")
    for command in (index, positions, lots, journal, pnl, ladder, reconcile, export, identify, cost):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="books")


@contextmanager
def _store(home: Path | None, url: str | None, *, create: bool = False) -> Iterator[Store]:
    from tbill_defi.ledger.index.store import Store, books_url

    with Store.open(url or books_url(home), create=create) as store:
        yield store


@contextmanager
def _view(home: Path | None, url: str | None) -> Iterator[BooksView]:
    from tbill_defi.conventions import SETTLEMENT
    from tbill_defi.ledger.index.view import BooksView

    with _store(home, url) as store:
        yield BooksView(store, SETTLEMENT.following, lambda: _fixings(home))


def _fixings(home: Path | None) -> Fixings:
    """Published figures of the home's market files, all that are there."""
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.coupons import Fixings
    from tbill_defi.market.fixings import fixings_on
    from tbill_defi.market.store import MarketStore

    return Fixings(*fixings_on(MarketStore(home_path(home)).load(), date.max))


def _moment(text: str | None) -> int | date | None:
    """A block's height, or a date."""
    if text is None:
        return None
    return int(text) if _HEIGHT.fullmatch(text) else parse_date(text, "at", "a block's height")


def _known(view: BooksView, party: str) -> str:
    """The party's name, if the books know it."""
    view.require_party(party, view.point())
    return party


def index(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read all anew; what was declared is kept.")] = False,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Read what is new on the ledger into the books.

    They are made if there are none. Every event is held to the signed head. Run it as often as you like: what was read
    is not read again, and a run that was cut off goes on. A ledger that was rewritten since is refused.
    """
    from tbill_defi.ledger.index.writer import BooksWriter
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.plan_prices import plan_prices

    with open_ledger(home=home, read_only=True) as ledger, _store(home, books, create=True) as store:
        writer = BooksWriter(store, ledger, plan_prices(home))
        with progress("reading") as advance:
            done = writer.rebuild(progress=advance) if rebuild else writer.update(progress=advance)
        missing = _keep_terms(ledger, store, home)
    if json_:
        print_json({"height": done.height, "events": done.events, "entries": done.entries, "without_terms": missing})
        return
    blocks = max(0, done.height - done.first + 1)
    console().print(f"{blocks} blocks, {done.events} events, {done.entries} entries; the books end at {done.height}")
    if missing:
        console().print(f"no terms at hand of {', '.join(missing)}: interest is not told apart", soft_wrap=True)
    hint("tbill books positions, tbill books pnl PARTY, tbill books reconcile")


def _keep_terms(ledger: Ledger, store: Store, home: Path | None) -> list[str]:
    """Take over the terms of the books' securities from the home's files; returns those it has none of."""
    from sqlalchemy import select

    from tbill_defi.automation.scene import Scene
    from tbill_defi.core.errors import TbillError
    from tbill_defi.ledger.index import schema
    from tbill_defi.ledger.index.writer import keep_terms

    there = {row["asset"] for row in store.rows(select(schema.terms.c.asset))}
    assets = [row["asset"] for row in store.rows(select(schema.assets)) if row["terms_hash"]]
    scene, found, missing = Scene(ledger, home), [], []
    for cusip in sorted(set(assets) - there):
        try:
            found.append(scene.terms(cusip))
        except TbillError:
            missing.append(cusip)
    keep_terms(store, found)
    return missing


def positions(
    party: Annotated[str | None, typer.Argument(help="Whose.", show_default="everyone's")] = None,
    at: At = None,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Positions and cash, now or then.

    Collateral that was given is pledged: its owner's still.
    """
    with _view(home, books) as view:
        rows = view.positions(party and _known(view, party), _moment(at))
        point = view.point(_moment(at))
    if json_:
        print_json({"block": point.height, "positions": [_texts(asdict(row)) for row in rows]})
        return
    from tbill_defi.report import books as sheets

    console().print(sheets.positions(rows, point))


def lots(
    party: Party,
    cusip: Annotated[str | None, typer.Argument(help="Of one security.", show_default="all")] = None,
    method: Method = "fifo",
    at: At = None,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Open lots at cost, oldest first."""
    with _view(home, books) as view:
        rows = view.lots(_known(view, party), cusip and cusip.upper(), method=method, at=_moment(at))
    if json_:
        print_json([_texts(asdict(row)) for row in rows])
        return
    from tbill_defi.report import books as sheets

    console().print(sheets.lots(rows, party, method))


def journal(
    party: Annotated[str | None, typer.Argument(help="Whose.", show_default="everyone's")] = None,
    from_block: Annotated[int, typer.Option("--from", min=0, help="First block.")] = 0,
    at: At = None,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """The double-entry journal.

    Of every entry debits are credits, asset by asset.
    """
    with _view(home, books) as view:
        rows = view.journal(party and _known(view, party), first=from_block, at=_moment(at))
    if json_:
        print_json([_texts(asdict(row)) for row in rows])
        return
    from tbill_defi.report import books as sheets

    console().print(sheets.journal(rows))


def pnl(
    party: Party,
    since: Annotated[str | None, typer.Option("--from", help="First day.", show_default="the first")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day.", show_default="the latest")] = None,
    method: Method = "fifo",
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """What was realised, lot by lot.

    Gains of clean prices and of interest apart; then other cash by reason.
    """
    from tbill_defi.ledger.index.income import Income

    first = parse_date(since, "from") if since else None
    last = parse_date(until, "to") if until else None
    with _view(home, books) as view:
        income = Income(view)
        gains = income.gains(_known(view, party), first=first, last=last, method=method)
        cash = income.cash_by_account(party, first=first, last=last)
    if json_:
        print_json(
            {
                "gains": [_texts(asdict(gain)) for gain in gains],
                "cash": {name: str(units) for name, units in cash.items()},
            }
        )
        return
    from tbill_defi.report import books as sheets

    console().print(sheets.gains(gains, party, method))
    console().print(sheets.cash(cash, party))


def ladder(
    party: Party,
    day: Annotated[str | None, typer.Option("--date", help="As of this day.", show_default="the latest")] = None,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Interest accrued, and cash to come by date.

    Coupons, redemptions, repos that end.
    """
    from tbill_defi.core.clock import market_date
    from tbill_defi.ledger.index.income import Income

    chosen = parse_date(day) if day else None
    with _view(home, books) as view:
        income = Income(view)
        rungs = income.ladder(_known(view, party), chosen)
        accruals = income.accruals(party, chosen or market_date(view.point().timestamp))
    if json_:
        print_json(
            {
                "accrued": [_texts(asdict(row)) for row in accruals],
                "ladder": [_texts(asdict(rung)) for rung in rungs],
            }
        )
        return
    from tbill_defi.report import books as sheets

    console().print(sheets.accruals(accruals, party))
    console().print(sheets.ladder(rungs, party))


def reconcile(
    quick: Annotated[
        bool, typer.Option("--quick", help="Ask the contracts only; do not read the events anew.")
    ] = False,
    books: BooksUrl = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Hold the books to the ledger.

    Every break is told by account, asset, both amounts and block. Balances, frozen and held units and supplies are
    asked of the contracts; then every row is compared with what the ledger's events give. Exit code 10 if anything
    breaks.
    """
    from tbill_defi.ledger.index.reconcile import reconcile as compare
    from tbill_defi.ledger.index.reconcile import replayed
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.plan_prices import plan_prices

    with open_ledger(home=home, read_only=True) as ledger, _view(home, books) as view:
        with progress("asking the contracts") as advance:
            count, breaks = compare(view, ledger, advance)
        if not quick:
            breaks += replayed(view, ledger, plan_prices(home))
        height = view.point().height
    if json_:
        print_json({"block": height, "figures": count, "breaks": [_texts(asdict(found)) for found in breaks]})
    else:
        for found in breaks:
            console().print(found.describe(), soft_wrap=True)
        if not breaks:
            what = "" if quick else "; every row is what its events give"
            console().print(f"block {height}: {count} figures are those of the contracts{what}")
    if breaks:
        raise AuditFailure(f"books: {len(breaks)} breaks at block {height}; `tbill books index --rebuild` reads anew")


def export(
    party: Party,
    out: Annotated[Path, typer.Option(help="File that ends in .csv, .parquet or .beancount.")],
    table: Annotated[
        str, typer.Option(help="Of CSV and Parquet: positions, lots, journal, trades, flows, gains, accruals, ladder.")
    ] = "journal",
    method: Method = "fifo",
    at: At = None,
    books: BooksUrl = None,
    home: Home = None,
) -> None:
    """Write CSV, Parquet, or beancount.

    A table as the first two; all books of a party as the third.
    """
    from tbill_defi.ledger.index.export import export as write

    with _view(home, books) as view:
        count = write(view, out, table, _known(view, party), method=method, at=_moment(at))
    console().print(f"{out}: {count} {'lines' if out.suffix == '.beancount' else 'rows'}")


def identify(
    trade: Annotated[
        int, typer.Argument(min=1, max=_MOST, help="The sale, as `books export --table trades` numbers it.")
    ],
    chosen: Annotated[
        list[str] | None, typer.Argument(metavar="LOT=FACE", help="Lot and face; none: oldest first again.")
    ] = None,
    books: BooksUrl = None,
    home: Home = None,
) -> None:
    """Say which lots a sale took."""
    from tbill_defi.core.money import units
    from tbill_defi.ledger.index.relot import identify as note

    found = {}
    for text in chosen or ():
        match = _CHOICE.fullmatch(text)
        if match is None:
            raise UsageError(f"lot: {text!r} is not such as 12=500000")
        found[int(match[1])] = units(match[2], field=f"face of lot {match[1]}")
    with _store(home, books) as store:
        note(store, trade, found)
    console().print(f"trade {trade}: {len(found)} lots identified" if found else f"trade {trade}: oldest first")


def cost(
    trade: Annotated[
        int, typer.Argument(min=1, max=_MOST, help="The trade, as `books export --table trades` numbers it.")
    ],
    cash: Annotated[str, typer.Argument(help="Dollars it came to, accrued interest included.")],
    source: Annotated[str, typer.Option(help="Where that is known from.")] = "declared",
    books: BooksUrl = None,
    home: Home = None,
) -> None:
    """Say what a deposit or a gift had cost.

    Of any trade for which the ledger shows no cash.
    """
    from sqlalchemy import select

    from tbill_defi.core.money import units
    from tbill_defi.ledger.index import schema
    from tbill_defi.ledger.index.relot import declare

    amount = units(cash, field="cash")
    if amount < 0:
        raise UsageError(f"cash: {cash} is negative; say what was paid or received")
    with _store(home, books) as store:
        row = store.one(select(schema.trades.c.units).where(schema.trades.c.trade == trade))
        declare(store, trade, -amount if row and row["units"] > 0 else amount, source)
    console().print(f"trade {trade}: {cash} dollars")


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    """JSON form of a row: amounts as decimal text, dates in ISO form; numbers of blocks, entries, lots as they are."""
    return {name: _text(name, value) for name, value in row.items()}


_NUMBERS = frozenset(("height", "entry", "lot", "timestamp", "opened"))


def _text(name: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int) and name not in _NUMBERS else value
