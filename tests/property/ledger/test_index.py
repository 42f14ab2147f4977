"""Whatever happens on a ledger, its books in SQL add up to it, then and now, in however many pieces they are read."""

import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tbill_defi.core.errors import DataError
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import TABLES, table_rows
from tbill_defi.ledger.index.lots import Lot, Shelf
from tbill_defi.ledger.index.memory import Memory
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.open import create_ledger
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_state import RepoStatus
from tests.behaviour.random_day import KEYS, RandomDay
from tests.property.ledger.test_books import ACTS, Actor
from tests.unit.ledger.index.support import Desk, wallets_and_custody
from tests.unit.ledger.support import PARTIES, START, Bench, ring, stocked_ledger

SEEDS = (3, 2000, 2016)
MADE = [table for table in schema.metadata.sorted_tables if table not in schema.OF_THE_READER]


@cache
def day(seed):
    """A ledger on which anything has happened: never closed, since every test reads it."""
    ledger = create_ledger("sqlite://", keys=ring(*PARTIES, "stranger", *KEYS), at=START, parties=PARTIES)
    lived = RandomDay(ledger, seed)
    lived.live(90)
    desk = Desk(ledger)
    desk.update()
    return desk


def everything(store):
    return {table.name: store.rows(select(table).order_by(*table.primary_key.columns)) for table in MADE}


def assert_sound(desk):
    """Entries balance; securities are wallets and custody; cash of trades and flows is that of wallets."""
    with desk.store.reading() as connection:
        memory = Memory.load(connection)
    totals = Counter()
    for row in desk.store.rows(select(schema.postings)):
        totals[row["entry"], row["asset_id"]] += row["amount"]
    assert not any(totals.values())
    assert reconcile(desk.view, desk.ledger)[1] == []
    facility = "repo-facility"
    lots = Counter()
    for (_, party, asset), shelf in memory.shelves.items():
        lots[party, asset] += shelf.units
    assert Counter({key: units for key, units in lots.items() if units and key[0] != facility}) == wallets_and_custody(
        desk.ledger, memory.known
    )
    for row in desk.store.rows(select(schema.repos)):
        state = Repos(desk.ledger).state(bytes.fromhex(row["repo_id"].removeprefix("0x")))
        assert bool(row["open"]) == (state.status is RepoStatus.OPEN)
    cash, real = Counter(), Counter()
    for table in (schema.trades, schema.flows):
        for row in desk.store.rows(select(table)):
            cash[row["party"]] += row["cash"]
    contracts = {"0x" + address.hex() for address in desk.ledger.contracts.addresses()} | {"0x" + "00" * 20}
    books, usd = desk.ledger.books(), "0x" + desk.ledger.contracts.usd.hex()
    for wallet, units in books.balances(usd).items():
        if wallet not in contracts:
            real[books.party_of(wallet)] += units
    assert +cash == +real
    assert -cash == -real


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_day_is_booked_whole(seed):
    desk = day(seed)
    assert_sound(desk)


@pytest.mark.slow
def test_the_days_have_all_kinds_of_entries():
    kinds = {row["kind"] for seed in SEEDS for row in day(seed).store.rows(select(schema.entries.c.kind))}
    assert kinds >= {
        *("deposit", "settlement", "transfer", "coupon", "coupon-funding", "redemption", "redemption-funding"),
        *("repo-open", "repo-repurchase", "repo-margin", "repo-substitution", "repo-close-out"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_point_in_time_is_a_replay_to_that_block(seed):
    desk, draw = day(seed), random.Random(seed)
    for height in sorted(draw.sample(range(1, desk.ledger.chain.height), 6)):
        store = Store.open("sqlite://", create=True)
        BooksWriter(store, desk.ledger).update(upto=height)
        then = BooksView(store)
        for party in PARTIES:
            for name in ("positions", "lots", "journal", "trades", "flows"):
                assert table_rows(desk.view, name, party, at=height) == table_rows(then, name, party), (height, name)
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_in_pieces_as_at_once(seed):
    """A process a piece: each takes up where the tables end."""
    desk, draw = day(seed), random.Random(seed)
    store = Store.open("sqlite://", create=True)
    for height in sorted(draw.sample(range(1, desk.ledger.chain.height), 12)):
        BooksWriter(store, desk.ledger).update(upto=height)
    BooksWriter(store, desk.ledger).update()
    assert BooksWriter(store, desk.ledger).update().events == 0
    assert everything(store) == everything(desk.store)


@pytest.mark.slow
def test_every_value_that_is_changed_is_reported():
    """In each table, a value of each column of some row, and a row that is missing: where, what, and what is right."""
    desk, draw = day(SEEDS[1]), random.Random(7)
    changed = 0
    for table in MADE:
        rows = desk.store.rows(select(table))
        seldom = (schema.holds, schema.options, schema.payers, schema.nets, schema.requests)
        assert rows or table in (*seldom, schema.pieces, schema.acts, schema.pools), table.name
        for row in draw.sample(rows, min(1, len(rows))):
            mine = [column == row[column.name] for column in table.primary_key.columns]
            old = {column.name: row[column.name] for column in table.columns if not column.primary_key}
            new = {name: value + 1 if isinstance(value, int) else f"{value}?" for name, value in old.items()}
            for change in (table.update().where(*mine).values(new), table.delete().where(*mine)):
                with desk.store.writing() as connection:
                    connection.execute(change)
                found = replayed(desk.view, desk.ledger)
                with desk.store.writing() as connection:
                    connection.execute(table.delete().where(*mine))
                    connection.execute(table.insert(), row)
                if change.is_delete:
                    assert [(b.booked, b.actual) for b in found] == [("missing", "a row")]
                else:
                    told = {b.figure.split()[-1]: (b.booked, b.actual) for b in found}
                    assert told == {name: (new[name], old[name]) for name in old}
                    assert len(found) == len(old)
                    changed += len(old)
    assert changed > 60
    assert replayed(desk.view, desk.ledger) == []


def test_every_balance_that_is_changed_is_reported_by_the_contracts():
    """By account, asset, both amounts and block."""
    desk = day(SEEDS[0])
    table, height = schema.positions, desk.ledger.chain.height
    figures = {"balance": "balanceOf", "frozen": "getFrozenTokens", "held": "heldOf"}
    names = {row["asset_id"]: row["asset"] for row in desk.store.rows(select(schema.assets))}
    told = 0
    for row in desk.store.rows(select(table)):
        mine = [column == row[column.name] for column in table.primary_key.columns]
        for column in figures:
            issuer = (
                desk.store.rows(
                    select(schema.accounts.c.address).where(schema.accounts.c.account_id == row["account_id"])
                )[0]["address"]
                == "0x" + "00" * 20
            )
            if column != "balance" and (issuer or names[row["asset_id"]] == "USD"):
                continue
            with desk.store.writing() as connection:
                connection.execute(table.update().where(*mine).values({column: row[column] + 5}))
            (found,) = reconcile(desk.view, desk.ledger)[1]
            with desk.store.writing() as connection:
                connection.execute(table.update().where(*mine).values({column: row[column]}))
            assert (found.asset, found.height) == (names[row["asset_id"]], height)
            assert found.figure == ("totalSupply" if issuer else figures[column])
            assert abs(found.booked - found.actual) == 5
            told += 1
    assert told > 40


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, max_size=10))
def test_acts_of_any_kind_are_booked(acts):
    """Freezes, holds, forced transfers, claims that lapse: what moves is booked, and what cannot is known."""
    with stocked_ledger() as ledger:
        actor, desk = Actor(Bench(ledger)), Desk(ledger)
        desk.update()
        for act in acts:
            actor.act(*act)
            desk.update()
        assert_sound(desk)
        assert replayed(desk.view, desk.ledger) == []


class PlainLots:
    """First in first out as one would do it by hand: one unit after the other, by face."""

    def __init__(self):
        self.units = []

    def buy(self, lot, units):
        self.units += [lot] * units

    def sell(self, units, chosen):
        taken = []
        for lot, count in chosen.items():
            for _ in range(count):
                self.units.remove(lot)
            taken += [lot] * count
        rest = units - len(taken)
        taken, self.units = taken + self.units[:rest], self.units[rest:]
        return Counter(taken)


@given(st.data())
def test_lots_against_a_plain_model(data):
    """Units by lot as one by one; costs and proceeds are shared out whole, none more than a base unit off."""
    shelf, plain = Shelf(), PlainLots()
    cost_of, units_of, spent = {}, {}, Counter()
    for number in range(1, data.draw(st.integers(1, 8)) + 1):
        have = len(plain.units)
        if have == 0 or data.draw(st.booleans()):
            units, cost = data.draw(st.integers(1, 50)), data.draw(st.integers(0, 10**6))
            shelf.add(Lot(number, number, units, cost, "USD", "cash", units, cost))
            plain.buy(number, units)
            cost_of[number], units_of[number] = cost, units
            continue
        units, proceeds = data.draw(st.integers(1, have)), data.draw(st.integers(0, 10**6))
        chosen = {}
        if data.draw(st.booleans()):
            lot = data.draw(st.sampled_from(sorted(set(plain.units))))
            chosen = {lot: data.draw(st.integers(1, min(units, plain.units.count(lot))))}
        taken = [closure for _, closure in shelf.take(units, proceeds, chosen)]
        assert sum((Counter({c.lot: c.units}) for c in taken), Counter()) == plain.sell(units, chosen)
        assert sum(c.proceeds for c in taken) == proceeds
        for closure in taken:
            assert abs(closure.proceeds - proceeds * closure.units / units) <= 1
            spent[closure.lot] += closure.cost
    left = Counter(plain.units)
    assert {lot.lot: lot.remaining for lot in shelf if lot.remaining} == dict(left)
    for lot in shelf:
        assert lot.remaining_cost == cost_of[lot.lot] - spent[lot.lot]
    for lot, cost in cost_of.items():
        if lot not in left:
            assert spent[lot] == cost
    with pytest.raises(DataError, match="only"):
        shelf.take(len(plain.units) + 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_every_table_of_a_random_day_can_be_read(seed):
    desk = day(seed)
    for party in (*PARTIES, "treasury"):
        for name in TABLES:
            columns, rows = table_rows(desk.view, name, party)
            assert all(set(row) == {column for column, _ in columns} for row in rows)
