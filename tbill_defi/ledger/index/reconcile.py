"""Books against the ledger: balances, frozen, held, supply as the contracts say, and every row as its events do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Table, select

from tbill_defi.chain.types import Call
from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.index import schema, source
from tbill_defi.ledger.index.effects import Prices, is_currency
from tbill_defi.ledger.index.relot import relot_all
from tbill_defi.ledger.index.store import Store, insert_rows
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.ledger import Ledger

AT_ONCE = 200
_ADDRESS = re.compile(r"0x[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""Of a wallet or token, or the id of what is kept apart for one."""


@dataclass(frozen=True, slots=True)
class Break:
    """A figure of the books that is not what it should be: of whom, of what, both amounts in base units, the block."""

    account: str
    asset: str
    figure: str
    booked: int | str
    actual: int | str
    height: int

    def describe(self) -> str:
        """One line."""
        who = "the contract" if self.figure in _OF_CONTRACTS else "the ledger's events"
        apart = ""
        if isinstance(self.booked, int) and isinstance(self.actual, int):
            apart = f"; difference {self.booked - self.actual:+}"
        subject = ", ".join(word for word in (f"block {self.height}", self.account, self.asset) if word)
        return f"{subject}: {self.figure} is {self.booked} in the books, {self.actual} by {who}{apart}"


_OF_CONTRACTS = ("balanceOf", "getFrozenTokens", "heldOf", "heldFor", "totalSupply")


def reconcile(
    view: BooksView, ledger: Ledger, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[Break]]:
    """How many figures were compared, and those that break. Contracts are asked by static calls.

    Raises
    ------
    LedgerError
        If the books do not end at the ledger's last block (code "BooksBehind").
    """
    height = ledger.chain.height
    state = view.store.one(select(schema.state))
    if state is None or state["height"] != height or state["block_hash"] != source.block_hash(ledger, height):
        there = state["height"] if state else 0
        raise LedgerError(
            f"books: they end at block {there}, the ledger at {height}; run `tbill books index` first", "BooksBehind"
        )
    owners = view.parties(view.point())
    questions = [*_questions(view, height, owners), *_custody_questions(view, ledger, owners)]
    breaks: list[Break] = []
    for first in range(0, len(questions), AT_ONCE):
        part = questions[first : first + AT_ONCE]
        receipts = ledger.chain.views([call for _, _, call in part])
        ledger.require_success(receipts)
        for (booked, contract, _), receipt in zip(part, receipts, strict=True):
            (actual,) = decode_result(contract, booked.figure, receipt.return_data)
            if actual != booked.booked:
                breaks.append(Break(booked.account, booked.asset, booked.figure, booked.booked, actual, booked.height))
        if progress is not None:
            progress(first + len(part), len(questions))
    return len(questions), breaks


def _questions(view: BooksView, height: int, owners: dict[str, str]) -> Iterator[tuple[Break, str, Call]]:
    """What the books say, and the call that asks the contract for it; of every holder that there is or was."""
    positions, accounts, assets = schema.positions, schema.accounts, schema.assets
    query = select(positions, accounts.c.address, assets.c.token, assets.c.asset)
    query = query.join(accounts, accounts.c.account_id == positions.c.account_id)
    query = query.join(assets, assets.c.asset_id == positions.c.asset_id)
    for row in view.store.rows(query.order_by(assets.c.asset_id, accounts.c.account_id)):
        contract = "CashToken" if is_currency(row["asset"]) else "SecurityToken"
        token, holder = (_address(view, row[name]) for name in ("token", "address"))

        def ask(figure: str, booked: int, *arguments: bytes) -> tuple[Break, str, Call]:
            who = owners.get(row["address"], row["address"])  # noqa: B023 - used at once
            data = encode_call(contract, figure, *arguments)  # noqa: B023
            call = Call(bytes(20), token, data)  # noqa: B023
            return Break(who, row["asset"], figure, booked, 0, height), contract, call  # noqa: B023

        if row["address"] == ZERO:
            yield ask("totalSupply", -row["balance"])
            continue
        yield ask("balanceOf", row["balance"], holder)
        if contract == "SecurityToken":
            yield ask("getFrozenTokens", row["frozen"], holder)
            yield ask("heldOf", row["held"], holder)


def _address(view: BooksView, text: str) -> bytes:
    if not _ADDRESS.fullmatch(text):
        raise view.store.damaged(f"{text[:60]!r} is no address")
    return bytes.fromhex(text[2:])


def _custody_questions(view: BooksView, ledger: Ledger, owners: Mapping[str, str]) -> Iterator[tuple[Break, str, Call]]:
    """What is kept for each account, of the custodian that keeps it."""
    contracts, height = ledger.contracts, ledger.chain.height
    names = {contracts.repo_facility: "RepoFacility", contracts.early_redemption: "EarlyRedemption"}
    assets = {row["token"]: row["asset"] for row in view.store.rows(select(schema.assets))}
    beneficiaries = view.beneficiaries()
    for row in view.store.rows(select(schema.custody).order_by(*schema.custody.primary_key.columns)):
        place = _address(view, row["custodian"])
        if place not in names or row["token"] not in assets:
            continue  # nobody's row: `replayed` tells
        wallet = beneficiaries.get(row["account"], "0x" + row["account"][26:])
        account, token = (_address(view, row[name]) for name in ("account", "token"))
        call = Call(bytes(20), place, encode_call(names[place], "heldFor", account, token))
        who, asset = owners.get(wallet, wallet), assets[row["token"]]
        yield Break(who, asset, "heldFor", row["units"], 0, height), names[place], call


def replayed(view: BooksView, ledger: Ledger, prices: Prices | None = None) -> list[Break]:
    """Every value in the books that is not what reading the ledger's events anew gives: a break each.

    What was declared and identified is taken over first.
    """
    store = view.store
    upto = view.point().height
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{Path(folder) / 'books.db'}", create=True) as fresh:
        for table in (schema.elections, schema.declared):
            with fresh.writing() as connection:
                insert_rows(connection, table, [tuple(row.values()) for row in store.rows(select(table))])
        BooksWriter(fresh, ledger, prices).update(upto=upto)
        relot_all(fresh)
        names = _Names(BooksView(fresh))
        return [
            found
            for table in schema.metadata.sorted_tables
            if table not in schema.OF_THE_READER
            for found in _table_breaks(table, store, fresh, names)
        ]


class _Names:
    """Accounts, assets and heights of rows."""

    def __init__(self, view: BooksView) -> None:
        store = view.store
        self._height = view.point().height
        self._owners = view.parties(view.point())
        self._accounts = {row["account_id"]: row["address"] for row in store.rows(select(schema.accounts))}
        assets = store.rows(select(schema.assets))
        self._assets = {row["asset_id"]: row["asset"] for row in assets}
        self._tokens = {row["token"]: row["asset"] for row in assets}
        entries = schema.entries
        self._heights = {row["entry"]: row["height"] for row in store.rows(select(entries.c.entry, entries.c.height))}

    def of(self, row: Mapping[str, Any]) -> tuple[str, str, int]:
        """Account, asset and block that a row is about, as far as it is about one."""
        account = str(row.get("party") or row.get("address") or self._accounts.get(row.get("account_id", 0), ""))
        asset = row.get("asset") or self._assets.get(row.get("asset_id", 0)) or self._tokens.get(row.get("token", ""))
        height = row.get("height") or self._heights.get(row.get("entry", 0), self._height)
        return self._owners.get(account, account), str(asset or ""), int(height)


def _table_breaks(table: Table, store: Store, fresh: Store, names: _Names) -> Iterator[Break]:
    keys = [column.name for column in table.primary_key.columns]

    def by_key(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        return {tuple(row[key] for key in keys): row for row in rows}

    booked, actual = by_key(store.rows(select(table))), by_key(fresh.rows(select(table)))
    for key in sorted(booked.keys() | actual.keys()):
        mine, right = booked.get(key), actual.get(key)
        if mine == right:
            continue
        where = f"{table.name.removeprefix('books_')} {'/'.join(map(str, key))}"
        about = names.of(right or mine or {})
        if mine is None or right is None:
            yield Break(about[0], about[1], where, _there(mine), _there(right), about[2])
            continue
        for column in right:
            if mine[column] != right[column]:
                yield Break(about[0], about[1], f"{where} {column}", mine[column], right[column], about[2])


def _there(row: Mapping[str, Any] | None) -> str:
    return "missing" if row is None else "a row"
