"""What is told of trades from outside: which lot was sold, and what was paid where the ledger does not show it.

Both are kept beside what is made of events and survive a rebuild; lots and closures of that party and security are made
again from its trades, and with them those of the securities that it was stripped into or put together from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.effects import ACT_TRANSFER, CONVERTED, DECLARED, UNPRICED, Trade
from tbill_defi.ledger.index.entries import Known
from tbill_defi.ledger.index.lots import FIFO, METHODS, SPECIFIC
from tbill_defi.ledger.index.memory import closure_rows, load_assets, load_stripped, lot_before, lot_row, pool_rows
from tbill_defi.ledger.index.shelves import Shelves
from tbill_defi.ledger.index.store import Store, insert_rows, replace_rows

_OF_ENTRY = schema.entries, schema.entries.c.entry == schema.trades.c.entry
_REVISED = schema.state.update().values(revision=schema.state.c.revision + 1)
"""Whoever has the lots in memory has to read them anew."""


def identify(store: Store, trade: int, lots: Mapping[int, int]) -> None:
    """Say which lots a disposal took: lot -> units, base units. Empty: nothing is identified any more.

    Raises
    ------
    DataError
        If there is no such disposal, or a lot had not so much at that moment.
    """
    with store.writing() as connection:
        row = _trade(connection, trade)
        if row["kind"] == ACT_TRANSFER:
            raise DataError(f"trade {trade}: an {ACT_TRANSFER} is of what the act brought; no other lot can be")
        if row["units"] >= 0:
            raise DataError(f"trade {trade}: it bought {row['asset']}; lots are identified for what was sold")
        for lot in lots:
            if lot > schema.LARGEST_AMOUNT:
                raise DataError(f"lot {lot}: the books have none of that number")
        connection.execute(schema.elections.delete().where(schema.elections.c.trade == trade))
        insert_rows(connection, schema.elections, [(trade, lot, units) for lot, units in lots.items()])
        relot(connection, row["party"], row["asset"])
        connection.execute(_REVISED)


def declare(store: Store, trade: int, cash: int, source: str) -> None:
    """Say what a trade came to for which the ledger shows no cash: + received, - paid; base units, dirty.

    Raises
    ------
    DataError
        If there is no such trade, or its cash is on the ledger.
    """
    with store.writing() as connection:
        row = _trade(connection, trade)
        if row["basis"] == CONVERTED:
            raise DataError(
                f"trade {trade}: a {row['kind']} has no cash; declare what the securities that went into it cost"
            )
        if row["basis"] not in UNPRICED | {DECLARED}:
            raise DataError(f"trade {trade}: its cash is on the ledger: {row['cash']}")
        if (row["units"] > 0) == (cash > 0) and cash:
            raise UsageError(f"cash: {cash} has the sign of the units; what is bought costs, what is sold brings")
        replace_rows(connection, schema.declared, {trade: (trade, cash, source)})
        table = schema.trades
        connection.execute(table.update().where(table.c.trade == trade).values(cash=cash, basis=DECLARED))
        relot(connection, row["party"], row["asset"])
        connection.execute(_REVISED)


def relot_all(store: Store) -> None:
    """Make the lots of every party and security anew of which anything was identified."""
    trades, elections = schema.trades, schema.elections
    query = select(trades.c.party, trades.c.asset).join(elections, elections.c.trade == trades.c.trade).distinct()
    with store.writing() as connection:
        for party, asset in connection.execute(query).all():
            relot(connection, party, asset)
            connection.execute(_REVISED)


def _trade(connection: Connection, trade: int) -> dict[str, Any]:
    query = select(schema.trades, schema.entries.c.kind).join(*_OF_ENTRY).where(schema.trades.c.trade == trade)
    found = connection.execute(query).mappings().first()
    if found is None:
        listed = "`tbill books export PARTY --table trades` lists them"
        raise DataError(f"trade {trade}: the books have none of that number; {listed}")
    return dict(found)


def relot(connection: Connection, party: str, asset: str) -> None:
    """Make lots and closures again from trades: of a party's security, and of all that stripping links it to."""
    table, elections = schema.trades, schema.elections
    entries = schema.entries.c
    query = select(table, entries.kind, entries.reference, entries.timestamp).join(*_OF_ENTRY)
    mine = query.where(table.c.party == party).order_by(table.c.trade)
    linked = _linked(connection, party, asset)
    rows = [dict(row) for row in connection.execute(mine.where(table.c.asset.in_(linked))).mappings()]
    chosen: dict[int, dict[int, int]] = {}
    numbers = {row["trade"] for row in rows}
    for trade, lot, units in connection.execute(select(elections)):
        if trade in numbers:
            chosen.setdefault(trade, {})[lot] = units
    for made in (schema.lots, schema.closures):
        connection.execute(made.delete().where(made.c.party == party, made.c.asset.in_(linked)))
    acts = {row["reference"] for row in rows if row["basis"] == CONVERTED}
    pools = schema.pools
    connection.execute(pools.delete().where(pools.c.party == party, pools.c.act_id.in_(acts)))
    known = Known()
    load_assets(connection, known)
    load_stripped(connection, known)
    shelves = Shelves(known)
    for method in METHODS if chosen else (FIFO,):
        lots, closures = [], []
        for row in rows:
            trade = Trade(*(row[name] for name in Trade._fields))
            act = (row["reference"], row["timestamp"]) if trade.basis == CONVERTED else None
            which = chosen.get(row["trade"]) if method == SPECIFIC else None
            which = lot_before(row["kind"], row["trade"], trade.units) or which
            booked = shelves.book(method, row["trade"], row["entry"], trade, which, act)
            if booked.opened is not None:
                lots.append((trade.asset, booked.opened))
            closures += closure_rows(method, row["trade"], row["entry"], trade, booked)
        insert_rows(connection, schema.lots, [lot_row(method, party, *found) for found in lots])
        insert_rows(connection, schema.closures, closures)
    insert_rows(connection, pools, pool_rows(shelves))


def _linked(connection: Connection, party: str, asset: str) -> set[str]:
    """A security and all that a party's acts link it to, over any number of them."""
    table = schema.trades
    query = select(schema.entries.c.reference, table.c.asset).join(*_OF_ENTRY)
    query = query.where(table.c.party == party, table.c.basis == CONVERTED)
    groups: dict[str, set[str]] = {}
    for act_id, name in connection.execute(query):
        groups.setdefault(act_id, set()).add(name)
    found = {asset}
    while True:
        more = found.union(*(group for group in groups.values() if group & found))
        if more == found:
            return found
        found = more
