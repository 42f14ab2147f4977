"""The same books on PostgreSQL as on SQLite: the same rows, the same answers, now and then."""

import pytest
from sqlalchemy import select

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import TABLES, table_rows
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.relot import relot_all
from tbill_defi.ledger.index.store import Store, insert_rows
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tests.behaviour.day import ledger_on
from tests.behaviour.random_day import KEYS, RandomDay
from tests.unit.ledger.index.test_clearing_and_fails import TOMORROW, Cleared
from tests.unit.ledger.index.test_early_and_stripped import (
    bond_half_stripped,
    early_redeemed,
    seized_and_identified,
    stripped_and_identified,
)
from tests.unit.ledger.support import PARTIES

LIVED = [early_redeemed, bond_half_stripped, stripped_and_identified, seized_and_identified]


def rows(store, table):
    """Sorted here: databases sort texts in their own ways."""
    return sorted((tuple(row.values()) for row in store.rows(select(table))), key=str)


@pytest.mark.slow
def test_a_random_day_is_booked_alike(postgres):
    url = postgres.database()
    with ledger_on("revm", *KEYS) as ledger:
        RandomDay(ledger, 2000).live(60)
        height = ledger.chain.height
        there = Store.open(url, create=True)
        here = Store.open("sqlite://", create=True)
        BooksWriter(there, ledger).update(upto=height // 2)
        for store in (there, here):
            BooksWriter(store, ledger).update()
        for table in schema.metadata.sorted_tables:
            assert rows(there, table) == rows(here, table), table.name
        mine, theirs = BooksView(here), BooksView(there)
        for party in PARTIES:
            for name in TABLES:
                at = height // 3 if name in ("positions", "lots", "journal", "trades", "flows") else None
                for moment in {None, at}:
                    assert table_rows(theirs, name, party, at=moment) == table_rows(mine, name, party, at=moment)
        assert reconcile(theirs, ledger)[1] == []
        BooksWriter(there, ledger).rebuild()
        assert replayed(theirs, ledger) == []
        there.close()
    postgres.drop(url)


def test_what_a_ccp_netted_is_booked_alike(postgres):
    """Read before and after it settles, by a process each: open nets are kept in between."""
    url, cleared = postgres.database(), Cleared()
    cleared.trade()
    with Store.open(url, create=True) as there, cleared.ledger as ledger:
        BooksWriter(there, ledger).update()
        assert rows(there, schema.nets) == rows(cleared.store, schema.nets) != []
        move_clock(ledger, new_york_midnight(TOMORROW))
        cleared.house.settle_due()
        BooksWriter(there, ledger).update()
        cleared.update()
        for table in schema.metadata.sorted_tables:
            assert rows(there, table) == rows(cleared.store, table), table.name
        assert replayed(BooksView(there), ledger) == []
        cleared.store.close()
    postgres.drop(url)


@pytest.mark.parametrize("lived", LIVED)
def test_what_was_redeemed_early_or_stripped_is_booked_alike(postgres, lived):
    """In one go, and a process a block; lots that were identified are taken over."""
    url = postgres.database()
    with lived() as desk, Store.open(url, create=True) as there:
        for table in (schema.elections, schema.declared):
            with there.writing() as connection:
                insert_rows(connection, table, [tuple(row.values()) for row in desk.store.rows(select(table))])
        for height in range(desk.ledger.chain.height - 8, desk.ledger.chain.height + 1):
            BooksWriter(there, desk.ledger).update(upto=height)
        relot_all(there)
        for table in schema.metadata.sorted_tables:
            if table not in (schema.state, schema.terms):
                assert rows(there, table) == rows(desk.store, table), table.name
        view = BooksView(there)
        assert reconcile(view, desk.ledger)[1] == replayed(view, desk.ledger) == []
    postgres.drop(url)
