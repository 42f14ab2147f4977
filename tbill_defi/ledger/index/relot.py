"""What is told of trades from outside: which lot was sold, and what was paid where the ledger does not show it.

Both are kept beside what is made of events and survive a rebuild; lots and closures of that party and security are made
again from its trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.effects import CARRIED, DECLARED, UNPRICED
from tbill_defi.ledger.index.lots import FIFO, METHODS, SPECIFIC, Lot, Shelf
from tbill_defi.ledger.index.memory import lot_row
from tbill_defi.ledger.index.store import Store, insert_rows, replace_rows


def identify(store: Store, trade: int, lots: Mapping[int, int]) -> None:
    """Say which lots a disposal took: lot -> units, base units. Empty: nothing is identified any more.

    Raises
    ------
    DataError
        If there is no such disposal, or a lot had not so much at that moment.
    """
    with store.writing() as connection:
        row = _trade(connection, trade)
        if row["units"] >= 0:
            raise DataError(f"trade {trade}: it bought {row['asset']}; lots are identified for what was sold")
        for lot in lots:
            if lot > schema.LARGEST_AMOUNT:
                raise DataError(f"lot {lot}: the books have none of that number")
        connection.execute(schema.elections.delete().where(schema.elections.c.trade == trade))
        insert_rows(connection, schema.elections, [(trade, lot, units) for lot, units in lots.items()])
        _relot(connection, row["party"], row["asset"])


def declare(store: Store, trade: int, cash: int, source: str) -> None:
    """Say what a trade came to for which the ledger shows no cash: + received, - paid; base units, dirty.

    Raises
    ------
    DataError
        If there is no such trade, or its cash is on the ledger.
    """
    with store.writing() as connection:
        row = _trade(connection, trade)
        if row["basis"] not in UNPRICED | {DECLARED}:
            raise DataError(f"trade {trade}: its cash is on the ledger: {row['cash']}")
        if (row["units"] > 0) == (cash > 0) and cash:
            raise UsageError(f"cash: {cash} has the sign of the units; what is bought costs, what is sold brings")
        replace_rows(connection, schema.declared, {trade: (trade, cash, source)})
        table = schema.trades
        connection.execute(table.update().where(table.c.trade == trade).values(cash=cash, basis=DECLARED))
        _relot(connection, row["party"], row["asset"])


def relot_all(store: Store) -> None:
    """Make the lots of every party and security anew of which anything was identified."""
    trades, elections = schema.trades, schema.elections
    query = select(trades.c.party, trades.c.asset).join(elections, elections.c.trade == trades.c.trade).distinct()
    with store.writing() as connection:
        for party, asset in connection.execute(query).all():
            _relot(connection, party, asset)


def _trade(connection: Connection, trade: int) -> dict[str, Any]:
    query = select(schema.trades).where(schema.trades.c.trade == trade)
    found = connection.execute(query).mappings().first()
    if found is None:
        listed = "`tbill books export PARTY --table trades` lists them"
        raise DataError(f"trade {trade}: the books have none of that number; {listed}")
    return dict(found)


def _relot(connection: Connection, party: str, asset: str) -> None:
    """Make lots and closures of a party and security again from its trades."""
    trades, elections = schema.trades, schema.elections
    query = select(trades).where(trades.c.party == party, trades.c.asset == asset).order_by(trades.c.trade)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    chosen: dict[int, dict[int, int]] = {}
    mine = {row["trade"] for row in rows}
    for trade, lot, units in connection.execute(select(elections)):
        if trade in mine:
            chosen.setdefault(trade, {})[lot] = units
    for table in (schema.lots, schema.closures):
        connection.execute(table.delete().where(table.c.party == party, table.c.asset == asset))
    connection.execute(schema.state.update().values(revision=schema.state.c.revision + 1))
    for method in METHODS if chosen else (FIFO,):
        shelf, lots, closures = Shelf(), [], []
        for row in rows:
            number, cash = row["trade"], row["cash"]
            if row["units"] > 0:
                units = row["units"]
                lot = Lot(number, row["entry"], units, -cash, row["currency"], row["basis"], units, -cash)
                shelf.add(lot)
                lots.append(lot)
                continue
            which = chosen.get(number) if method == SPECIFIC else None
            taken = shelf.take(-row["units"], None if row["basis"] == CARRIED else cash, which)
            for part, (_, closure) in enumerate(taken):
                what = (closure.units, closure.cost, closure.proceeds, party, asset, row["basis"])
                closures.append((method, number, part, closure.lot, row["entry"], *what))
        insert_rows(connection, schema.lots, [lot_row(method, party, asset, lot) for lot in lots])
        insert_rows(connection, schema.closures, closures)
