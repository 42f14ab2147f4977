"""The state of the books in memory: loaded from the tables, carried forward by entries, written back in one batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, func, select

from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.effects import ACT_TRANSFER, CONVERTED, DECLARED, Flow, Trade
from tbill_defi.ledger.index.entries import Act, Entry, Known, Option, Piece, Repo
from tbill_defi.ledger.index.lots import FIFO, METHODS, SPECIFIC, Lot
from tbill_defi.ledger.index.nets import Gross, NetKey
from tbill_defi.ledger.index.shelves import Booked, Part, Pool, Shelves
from tbill_defi.ledger.index.store import delete_rows, insert_rows, replace_rows

Rows = list[tuple[Any, ...]]
_COUNTED = {schema.entries: "entry", schema.postings: "line", schema.trades: "trade", schema.flows: "flow"}


@dataclass
class Counters:
    """The last number given out of each kind."""

    entry: int = 0
    line: int = 0
    trade: int = 0
    flow: int = 0


@dataclass
class Batch:
    """Rows that are new since the last commit, and keys of those that changed."""

    marks: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    entries: Rows = field(default_factory=list)
    postings: Rows = field(default_factory=list)
    trades: Rows = field(default_factory=list)
    flows: Rows = field(default_factory=list)
    closures: Rows = field(default_factory=list)
    owners: dict[tuple[str, int], tuple[str, int, str]] = field(default_factory=dict)
    positions: set[tuple[str, str]] = field(default_factory=set)
    lots: dict[tuple[str, int], tuple[str, str, Lot]] = field(default_factory=dict)
    relots: set[tuple[str, str]] = field(default_factory=set)
    """(party, security) of which lots have to be made anew: it was stripped, and lots were identified."""


class Memory:
    """Balances, open lots and what the folder knows."""

    def __init__(self) -> None:
        self.known = Known()
        self.balances: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str], int] = {}
        """(party, security) -> units, collateral given included."""
        self.counters = Counters()
        self.account_ids: dict[str, int] = {}
        self.asset_ids: dict[str, int] = {}
        self.shelves = Shelves(self.known)
        self.elections: dict[int, dict[int, int]] = {}
        self.declared: dict[int, int] = {}
        self.specific: set[tuple[str, str]] = set()
        """(party, security) of which lots are kept by specific identification too."""
        self.batch = Batch()
        self._stored_accounts = self._stored_assets = 0
        self._stored: dict[Table, dict[Any, tuple[Any, ...]]] = {}

    # --- loading ------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, connection: Connection) -> Memory:
        """The state as the tables have it."""
        memory = cls()
        known = memory.known

        def rows(table: Table) -> list[Any]:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

        load_assets(connection, known)
        memory.asset_ids = {row.token: row.asset_id for row in rows(schema.assets)}
        tokens = {number: token for token, number in memory.asset_ids.items()}
        names = {row.account_id: row.address for row in rows(schema.accounts)}
        memory.account_ids = {address: number for number, address in names.items()}
        for row in rows(schema.positions):
            key = names[row.account_id], tokens[row.asset_id]
            memory.balances[key] = row.balance
            if row.frozen:
                known.frozen[key] = row.frozen
            if row.held:
                known.held[key] = row.held
        known.parties = {row.address: row.party for row in rows(schema.owners)}  # the last one counts
        known.coupons = {row.coupon_id: (row.token, row.payer) for row in rows(schema.coupons)}
        known.recoveries = {row.coupon_id for row in rows(schema.coupons) if row.recovery}
        for row in rows(schema.payers):
            known.payers[row.token] = (row.payer, int(row.numerator), int(row.denominator))
        known.custody = {(row.custodian, row.account, row.token): row.units for row in rows(schema.custody)}
        known.requests = {row.request_id: row.holder for row in rows(schema.requests)}
        load_stripped(connection, known)
        known.holds = {(row.token, row.hold_id): (row.holder, row.units) for row in rows(schema.holds)}
        known.options = {row.option_id: Option(*row) for row in rows(schema.options)}
        known.nets = {NetKey(*row[:5]): Gross(*row[5:]) for row in rows(schema.nets)}
        for row in rows(schema.repos):
            values = {**row._mapping, "accrued": int(row.accrued), "open": bool(row.open)}
            known.repos[row.repo_id] = Repo(**values)
        memory._load_lots(connection)
        for table, name in _COUNTED.items():
            setattr(memory.counters, name, connection.execute(select(func.max(table.c[name]))).scalar() or 0)
        memory._stored_accounts, memory._stored_assets = len(memory.account_ids), len(memory.asset_ids)
        memory._stored = memory._small()
        return memory

    def _load_lots(self, connection: Connection) -> None:
        trades = schema.trades
        last = select(func.max(trades.c.trade)).group_by(trades.c.party, trades.c.asset)
        for row in connection.execute(select(trades).where(trades.c.trade.in_(last))):
            self.held[row.party, row.asset] = row.held
        for row in connection.execute(select(schema.elections)):
            self.elections.setdefault(row.trade, {})[row.lot] = row.units
        self.declared = {row.trade: row.cash for row in connection.execute(select(schema.declared))}
        table = schema.lots
        identified = select(table.c.party, table.c.asset).where(table.c.method == SPECIFIC).distinct()
        self.specific = {(row.party, row.asset) for row in connection.execute(identified)}
        query = select(table).where(table.c.remaining != 0).order_by(table.c.lot)
        for row in connection.execute(query):
            lot = Lot(
                row.lot, row.entry, row.units, row.cost, row.currency, row.basis, row.remaining, row.remaining_cost
            )
            self.shelves.shelf(row.method, row.party, row.asset).add(lot)
        for row in connection.execute(select(schema.pools).order_by(*schema.pools.primary_key.columns)):
            pool = Pool(row.currency, row.basis)
            pool = self.shelves.pools.setdefault((row.method, row.act_id, row.party), pool)
            pool.parts[row.asset] = Part(row.units, row.cost)

    # --- carrying forward ---------------------------------------------------------------------------------------

    def post(self, entry: Entry, trades: list[Trade], flows: list[Flow]) -> int:
        """Book an entry; returns its number."""
        counters, batch, balances = self.counters, self.batch, self.balances
        counters.entry += 1
        number = counters.entry
        batch.entries.append(
            (
                number,
                entry.height,
                entry.timestamp,
                entry.position,
                "0x" + entry.transaction_hash.hex(),
                entry.kind,
                entry.reference,
                entry.plan_hash,
            )
        )
        for token, source, target, units in entry.movements:
            asset_id = self.asset_id(token)
            for account, amount in ((source, -units), (target, units)):
                key = account, token
                balances[key] = balance = balances.get(key, 0) + amount
                counters.line += 1
                batch.postings.append((counters.line, number, self.account_id(account), asset_id, amount, balance))
                batch.positions.add(key)
        for trade in trades:
            self._trade(number, trade, entry)
        for flow in flows:
            counters.flow += 1
            batch.flows.append((counters.flow, number, *flow))
        batch.marks[entry.height] = (entry.height, entry.timestamp, number, counters.line)
        return number

    def _trade(self, number_of_entry: int, trade: Trade, entry: Entry) -> None:
        self.counters.trade += 1
        number, batch = self.counters.trade, self.batch
        if number in self.declared:
            trade = trade._replace(cash=self.declared[number], basis=DECLARED)
        party, asset, units = trade[:3]
        self.held[party, asset] = held = self.held.get((party, asset), 0) + units
        batch.trades.append((number, number_of_entry, *trade, held))
        act = (entry.reference, entry.timestamp) if trade.basis == CONVERTED else None
        if act is not None:
            self._note_conversion(party, self.known.acts[entry.reference])
        for method in METHODS if (party, asset) in self.specific else (FIFO,):
            chosen = self.elections.get(number) if method == SPECIFIC else None
            chosen = lot_before(entry.kind, number, units) or chosen
            booked = self.shelves.book(method, number, number_of_entry, trade, chosen, act)
            for lot in (booked.opened, *(lot for lot, _ in booked.closed)):
                if lot is not None:
                    batch.lots[method, lot.lot] = (party, asset, lot)
            batch.closures += closure_rows(method, number, number_of_entry, trade, booked)

    def _note_conversion(self, party: str, act: Act) -> None:
        """Lots that were identified tell what a strip took, and what its pieces cost: from their trades, anew."""
        known = self.known
        tokens = (act.bond, *(piece.token for piece in known.pieces[act.bond]))
        if any((party, known.assets[token]) in self.specific for token in tokens):
            self.batch.relots.add((party, known.assets[act.bond]))

    def owned(self, wallet: str, height: int) -> None:
        """Note whose a wallet is since a block."""
        self.batch.owners[wallet, height] = (wallet, height, self.known.parties[wallet])

    def restricted(self, changed: Iterable[tuple[str, str]]) -> None:
        """Note (account, token) of which frozen or held units changed."""
        for account, token in changed:
            self.account_id(account)
            self.batch.positions.add((account, token))

    def account_id(self, address: str) -> int:
        """Number of an account; a new one if it has none."""
        return self.account_ids.setdefault(address, len(self.account_ids) + 1)

    def asset_id(self, token: str) -> int:
        """Number of a token: they are numbered as they were registered."""
        if token not in self.asset_ids:
            for known in self.known.assets:
                self.asset_ids.setdefault(known, len(self.asset_ids) + 1)
        return self.asset_ids[token]

    # --- writing back -------------------------------------------------------------------------------------------

    def save(self, connection: Connection) -> None:
        """Write what is new or changed; to be followed by a commit, or this memory is to be thrown away."""
        batch = self.batch
        self._save_names(connection)
        for table, rows in (
            (schema.entries, batch.entries),
            (schema.postings, batch.postings),
            (schema.trades, batch.trades),
            (schema.flows, batch.flows),
            (schema.closures, batch.closures),
        ):
            insert_rows(connection, table, rows)
        replace_rows(connection, schema.positions, self._position_rows())
        insert_rows(connection, schema.marks, list(batch.marks.values()))
        replace_rows(connection, schema.owners, batch.owners)
        lots = {key: lot_row(key[0], *found) for key, found in batch.lots.items()}
        replace_rows(connection, schema.lots, lots)
        small = self._small()
        for table, rows_now in small.items():
            before = self._stored.get(table, {})
            changed = {key: row for key, row in rows_now.items() if before.get(key) != row}
            replace_rows(connection, table, changed)
            delete_rows(connection, table, [before[key] for key in before.keys() - rows_now.keys()])
        self._stored = small
        self.batch = Batch()

    def _save_names(self, connection: Connection) -> None:
        """Accounts and assets that were not there before."""
        known = self.known
        for token in known.assets:
            self.asset_id(token)
        accounts = list(self.account_ids.items())[self._stored_accounts :]
        insert_rows(connection, schema.accounts, [(number, address) for address, number in accounts])
        rows = []
        for token, number in list(self.asset_ids.items())[self._stored_assets :]:
            asset = known.assets[token]
            terms_hash, maturity = known.securities.get(asset, ("", 0))
            rows.append((number, token, asset, terms_hash, maturity))
        insert_rows(connection, schema.assets, rows)
        self._stored_accounts, self._stored_assets = len(self.account_ids), len(self.asset_ids)

    def _position_rows(self) -> dict[Any, tuple[Any, ...]]:
        """Rows of positions that changed."""
        known, rows = self.known, {}
        for account, token in self.batch.positions:
            numbers = self.account_id(account), self.asset_id(token)
            key = account, token
            rows[key] = (*numbers, self.balances.get(key, 0), known.frozen.get(key, 0), known.held.get(key, 0))
        return rows

    def _small(self) -> dict[Table, dict[Any, tuple[Any, ...]]]:
        """Rows of the tables that are compared as a whole."""
        known = self.known
        return {
            schema.coupons: {name: (name, *row, int(name in known.recoveries)) for name, row in known.coupons.items()},
            schema.payers: {token: (token, row[0], str(row[1]), str(row[2])) for token, row in known.payers.items()},
            schema.custody: {key: (*key, units) for key, units in known.custody.items()},
            schema.requests: {name: (name, holder) for name, holder in known.requests.items()},
            schema.pieces: {
                (bond, place): (bond, place, piece.token, str(piece.numerator), str(piece.denominator))
                for bond, pieces in known.pieces.items()
                for place, piece in enumerate(pieces)
            },
            schema.acts: {name: tuple(act) for name, act in known.acts.items()},
            schema.pools: {row[:4]: row for row in pool_rows(self.shelves)},
            schema.holds: {key: (*key, *row) for key, row in known.holds.items()},
            schema.options: {name: astuple(option) for name, option in known.options.items()},
            schema.nets: {key: (*key, *astuple(gross)) for key, gross in known.nets.items()},
            schema.repos: {name: _repo_row(repo) for name, repo in known.repos.items()},
        }


def load_assets(connection: Connection, known: Known) -> None:
    """Tokens and securities as the tables have them, in the order in which they were registered."""
    for row in connection.execute(select(schema.assets).order_by(schema.assets.c.asset_id)):
        known.assets[row.token] = row.asset
        if row.terms_hash:
            known.securities[row.asset] = (row.terms_hash, row.maturity)


def load_stripped(connection: Connection, known: Known) -> None:
    """Pieces of bonds and what was done with them, as the tables have it."""
    for row in connection.execute(select(schema.pieces).order_by(*schema.pieces.primary_key.columns)):
        piece = Piece(row.token, int(row.numerator), int(row.denominator))
        known.pieces[row.bond] = (*known.pieces.get(row.bond, ()), piece)
    known.acts = {row.act_id: Act(*row) for row in connection.execute(select(schema.acts))}


def lot_before(kind: str, trade: int, units: int) -> dict[int, int] | None:
    """Lot that a disposal is of, if its entry says so: what an act hands over is what it has just brought."""
    return {trade - 1: -units} if kind == ACT_TRANSFER and units < 0 else None


def closure_rows(method: str, number: int, entry: int, trade: Trade, booked: Booked) -> Rows:
    """What a disposal took of lots, as rows."""
    return [
        (
            *(method, number, part, closure.lot, entry, closure.units, closure.cost, closure.proceeds),
            *(trade.party, trade.asset, trade.basis),
        )
        for part, (_, closure) in enumerate(booked.closed)
    ]


def pool_rows(shelves: Shelves) -> Rows:
    """What acts that are not complete keep, as rows."""
    return [
        (method, act_id, party, asset, part.units, part.cost, pool.currency, pool.basis)
        for (method, act_id, party), pool in shelves.pools.items()
        for asset, part in pool.parts.items()
    ]


def lot_row(method: str, party: str, asset: str, lot: Lot) -> tuple[Any, ...]:
    """A lot as its row."""
    opened = (method, lot.lot, lot.entry, party, asset, lot.units, lot.cost, lot.currency, lot.basis)
    return (*opened, lot.remaining, lot.remaining_cost)


def _repo_row(repo: Repo) -> tuple[Any, ...]:
    *values, accrued, is_open = astuple(repo)
    return (*values, str(accrued), int(is_open))
