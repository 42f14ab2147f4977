"""What a CCP nets and what a fail costs, in the books: each by its own name, every cash flow priced."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.clearing import open_clearing, plan_lines
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.fail_claims import claim_context, claims, pay
from tbill_defi.ledger.fails import FailsPractice, TargetRate
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import export
from tbill_defi.ledger.index.nets import Gross
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.instructions import digest, instruction_of
from tbill_defi.ledger.settlement import PlanLeg
from tbill_defi.ledger.trades import Trades
from tests.unit.ledger.index.support import Desk, bean_check
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, Bench, Spoofer, make_ledger

MEMBERS = ("ann", "bea", "cyd")
TOMORROW = date(2026, 3, 25)
MILLION = 10**6 * DOLLAR
PRACTICE = FailsPractice([TargetRate(date(2020, 1, 1), 0)], lambda day: SETTLEMENT.advance(day, -1))


def _by_asset(trade):
    return trade[0]


class Cleared(Desk):
    """A CCP with three members who have a thousand of two notes and ten thousand dollars each."""

    def __init__(self, url="sqlite://"):
        ledger = make_ledger("ccp", *MEMBERS)
        for member in MEMBERS:
            ledger.deposit(member, {NOTE: 1_000 * DOLLAR, OTHER: 1_000 * DOLLAR}, 10_000 * DOLLAR)
        self.house = open_clearing(ledger, "ccp")
        super().__init__(ledger, url)

    def deal(self, seller, buyer, face, proceeds, security=NOTE):
        words = {"asset": security.cusip, "settlement_date": TOMORROW, "clearer": self.house.address}
        amounts = {"face_units": face * DOLLAR, "proceeds_units": proceeds * DOLLAR}
        return self.house.trades.agree(self.house.trades.terms(seller=seller, buyer=buyer, **words, **amounts))

    def trade(self):
        """ann sells 100 to bea, who sells 60 to cyd and then the other 40 too, and buys 10 of another note of ann."""
        trades = [("ann", "bea", 100, 98), ("bea", "cyd", 60, 60), ("bea", "cyd", 40, 41)]
        made = [self.deal(*words) for words in trades] + [self.deal("ann", "bea", 10, 9, OTHER)]
        self.house.novate()
        self.update()
        return made

    def told(self, party):
        """(kind, trades, flows) of a party's entries since the deposits."""
        found = {}
        tables = ((1, schema.trades, ("asset", "units", "cash", "basis")), (2, schema.flows, ("account", "cash")))
        entries = {row["entry"]: row for row in self.store.rows(select(schema.entries))}
        for place, table, names in tables:
            rows = self.store.rows(select(table).where(table.c.party == party).order_by(*table.primary_key.columns))
            for row in rows:
                entry = entries[row["entry"]]
                if entry["kind"] != "deposit":
                    line = found.setdefault(row["entry"], (entry["kind"], [], []))
                    line[place].append(tuple(row[name] for name in names))
        return [(kind, sorted(trades, key=_by_asset), flows) for kind, trades, flows in found.values()]

    def assert_sound(self):
        assert reconcile(self.view, self.ledger)[1] == []
        assert replayed(self.view, self.ledger) == []


@pytest.fixture
def cleared():
    desk = Cleared()
    yield desk
    desk.store.close()
    desk.ledger.close()


def test_a_novation_is_an_entry_that_moves_nothing(cleared):
    made = cleared.trade()
    entries = schema.entries
    rows = cleared.store.rows(select(entries).where(entries.c.kind == "novation").order_by(entries.c.entry))
    assert [row["reference"] for row in rows] == ["0x" + state.trade_id.hex() for state in made]
    assert not any(row.kind == "novation" for row in cleared.view.journal())
    assert cleared.told("bea") == []
    cleared.assert_sound()


def test_what_is_netted_is_on_the_ladder_until_it_settles(cleared):
    cleared.trade()

    def ladder(party):
        rungs = cleared.income.ladder(party)
        return [(rung.about, rung.cash // DOLLAR) for rung in rungs if rung.kind == "net-settlement"]

    assert ladder("ann") == [(NOTE.cusip, 98), (OTHER.cusip, 9)]
    assert ladder("bea") == [(NOTE.cusip, 3), (OTHER.cusip, -9)]
    assert ladder("cyd") == [(NOTE.cusip, -101)]
    assert ladder("ccp") == []
    assert cleared.income.ladder("ann")[0].day == TOMORROW
    move_clock(cleared.ledger, new_york_midnight(TOMORROW))
    cleared.ledger.deposit("ccp", {}, 98 * DOLLAR)
    lines = plan_lines(cleared.house.obligations())
    cleared.house.settle([one for one in lines if (one.key.member, one.key.asset) == ("ann", NOTE.cusip)])
    cleared.update()
    assert ladder("ann") == [(OTHER.cusip, 9)]
    assert ladder("ccp") == [(NOTE.cusip, 98)], "it has paid ann, and bea and cyd owe it that"
    cleared.house.settle_due()
    cleared.update()
    assert [ladder(party) for party in (*MEMBERS, "ccp")] == [[]] * 4
    assert cleared.store.rows(select(schema.nets)) == []


def test_every_change_of_what_is_open_is_reported(cleared):
    cleared.trade()
    nets = schema.nets
    row = cleared.store.rows(select(nets))[0]
    for name in ("bought", "paid", "sold", "received"):
        mine = [column == row[column.name] for column in nets.primary_key.columns]
        with cleared.store.writing() as connection:
            connection.execute(nets.update().where(*mine).values({name: row[name] + 1}))
        (found,) = replayed(cleared.view, cleared.ledger)
        assert found.figure.endswith(f" {name}")
        assert (found.booked, found.actual) == (row[name] + 1, row[name])
        with cleared.store.writing() as connection:
            connection.execute(nets.update().where(*mine).values({name: row[name]}))
    cleared.assert_sound()


def test_a_net_is_booked_as_the_trades_it_is_of(cleared, tmp_path):
    """One sum of cash for two notes, one of them bought and sold flat: each has its price, and the gain is realised."""
    cleared.trade()
    move_clock(cleared.ledger, new_york_midnight(TOMORROW))
    cleared.house.settle_due()
    cleared.update()
    note, other, kind = NOTE.cusip, OTHER.cusip, "net-settlement"

    def netted(*rows):
        return [(kind, [(asset, units * DOLLAR, cash * DOLLAR, "netted") for asset, units, cash in rows], [])]

    assert cleared.told("bea") == netted((note, 100, -98), (note, -100, 101), (other, 10, -9))
    assert cleared.told("ann") == netted((note, -100, 98), (other, -10, 9))
    assert cleared.told("cyd") == netted((note, 100, -101))
    ccp = netted((note, 200, -199), (note, -200, 199), (other, 10, -9), (other, -10, 9))
    assert cleared.told("ccp") == ccp, "it bought what it sold"
    assert sum(gain.realised for gain in cleared.income.gains("ccp")) == 0
    for party in (*MEMBERS, "ccp"):
        assert export(cleared.view, tmp_path / "party.beancount", "journal", party)
        assert bean_check(tmp_path / "party.beancount") == ""
    cleared.assert_sound()


def test_a_gain_of_what_was_bought_and_sold_flat(cleared):
    """Whoever had nothing before realises what the CCP pays him."""
    ledger = cleared.ledger
    bench = Bench(ledger)
    gift = bench.leg(bench.note, "bea", "ann", 1_000 * DOLLAR)
    assert bench.settle(bench.sign(bench.instruction([gift]))).status
    cleared.trade()
    move_clock(ledger, new_york_midnight(TOMORROW))
    cleared.house.settle_due()
    cleared.update()
    gains = [gain for gain in cleared.income.gains("bea") if gain.realised is not None]
    assert [(gain.units, gain.cost, gain.proceeds, gain.realised) for gain in gains] == [
        (100 * DOLLAR, 98 * DOLLAR, 101 * DOLLAR, 3 * DOLLAR)
    ]


def test_a_net_that_settles_in_parts(cleared, tmp_path):
    """A member fails, then delivers: each part at its share, all parts together what was agreed, read in pieces."""
    for words in (("ann", "bea", 100, 99), ("bea", "cyd", 60, 61), ("cyd", "bea", 7, 7)):
        cleared.deal(*words)
    cleared.house.novate()
    ledger, house = cleared.ledger, cleared.house
    move_clock(ledger, new_york_midnight(TOMORROW))
    ledger.deposit("ccp", {}, 1_000 * DOLLAR)
    cleared.deal("cyd", "ann", 33, 32)
    house.novate()
    house.settle_due(failing=["ann"])
    cleared.update()
    first = BooksWriter(cleared.store, ledger)
    house.settle_due()
    first.update()
    trades = {party: cleared.told(party) for party in MEMBERS}
    agreed = {"ann": (33, 32, 100, 99), "bea": (107, 106, 60, 61), "cyd": (60, 61, 40, 39)}
    for party, (bought, paid, sold, received) in agreed.items():
        rows = [row for kind, rows, _ in trades[party] if kind == "net-settlement" for row in rows]
        assert not any(flows for kind, _, flows in trades[party])
        assert sum(units for _, units, _, _ in rows if units > 0) == bought * DOLLAR
        assert sum(cash for _, _, cash, _ in rows if cash < 0) == -paid * DOLLAR
        assert sum(units for _, units, _, _ in rows if units < 0) == -sold * DOLLAR
        assert sum(cash for _, _, cash, _ in rows if cash > 0) == received * DOLLAR
    for party in (*MEMBERS, "ccp"):
        export(cleared.view, tmp_path / "party.beancount", "journal", party)
        assert bean_check(tmp_path / "party.beancount") == ""
    cleared.assert_sound()


def test_strangers_cannot_novate_in_the_books(cleared):
    spoofer = Spoofer(Bench(cleared.ledger))
    ann, bea = (cleared.ledger.address_of(party) for party in ("ann", "bea"))
    usd, token = cleared.ledger.contracts.usd, cleared.ledger.token_of(NOTE.cusip)
    values = {"asset": token, "cash": usd, "seller": ann, "buyer": bea, "face": 1, "proceeds": 1}
    assert spoofer.emit("Novated", tradeId=b"\1" * 32, opens=1, **values).status
    moved = {"asset": token, "cash": usd, "faceMoved": 1, "cashMoved": -1, "instructionHash": b"\2" * 32}
    assert spoofer.emit("NetSettled", opens=1, member=ann, **moved).status
    cleared.update()
    assert cleared.store.rows(select(schema.nets)) == []


amounts = st.integers(0, 10**15)


@given(amounts, amounts, amounts, amounts, st.lists(st.integers(1, 10**15), max_size=6))
def test_parts_of_a_net_add_up(bought, paid, sold, received, cuts):
    """However it is cut, as the contract cuts it: parts are as the contract moves them, and add up to the trades."""
    gross, total = Gross(bought, paid, sold, received), Gross()
    owed = {"face": bought - sold, "cash": received - paid}
    for cut in [*cuts, None]:
        most = abs(owed["face"])
        part = most if cut is None else min(cut, most)
        if not part and most:
            continue
        cash = owed["cash"] * part
        money = owed["cash"] if part == most else (abs(cash) // most) * (1 if cash >= 0 else -1)
        face = part if owed["face"] > 0 else -part
        taken = gross.take(face, money)
        assert taken.bought - taken.sold == face
        assert taken.received - taken.paid == money
        assert taken.bought >= 0
        assert taken.sold >= 0
        total.add(taken)
        owed = {"face": owed["face"] - face, "cash": owed["cash"] - money}
        if not gross:
            break
    assert total == Gross(bought, paid, sold, received)
    assert not gross


# --- fails --------------------------------------------------------------------------------------------------------


@pytest.fixture
def failed():
    """Ten million due on the 30th of March are delivered on the 2nd of April; the charge of March is paid."""
    with make_ledger("desk", "dealer") as ledger:
        ledger.deposit("dealer", {NOTE: 10 * MILLION}, MILLION)
        ledger.deposit("desk", {}, 20 * MILLION)
        trades = Trades(ledger)
        words = {"seller": "dealer", "buyer": "desk", "asset": NOTE.cusip, "settlement_date": date(2026, 3, 30)}
        trades.agree(trades.terms(face_units=10 * MILLION, proceeds_units=9 * MILLION, **words))
        move_clock(ledger, new_york_midnight(date(2026, 4, 2)))
        trades.settle_due()
        pay(ledger, claims(ledger, PRACTICE), "2026-03")
        desk = Desk(ledger)
        desk.update()
        yield desk


def test_a_fails_charge_has_its_name(failed, tmp_path):
    """Two days of 3% of nine million: 1,500 dollars, of March, an expense of who failed and income of the other."""
    due = 9 * MILLION * 2 * 3 // 36_000
    assert failed.income.cash_by_account("desk") == {"deposit": 20 * MILLION, "fails-charge": due}
    assert failed.income.cash_by_account("dealer") == {"deposit": MILLION, "fails-charge": -due}
    (row,) = (row for row in failed.view.journal("desk") if row.kind == "fails-charge" and row.party == "desk")
    assert (row.reference, row.asset, row.amount) == ("2026-03", "USD", due)
    for party, account in (("desk", "Income:FailsCharges"), ("dealer", "Expenses:FailsCharges")):
        path = tmp_path / f"{party}.beancount"
        export(failed.view, path, "journal", party)
        assert bean_check(path) == ""
        assert account in path.read_text()
        assert '* "fails-charge" "2026-03"' in path.read_text()
    assert failed.income.gains("desk") == []
    assert reconcile(failed.view, failed.ledger)[1] == []
    assert replayed(failed.view, failed.ledger) == []


@pytest.mark.parametrize(
    ("context", "kind"),
    [
        (claim_context("2026-02", "desk", "dealer", "USD"), "fails-charge"),
        (claim_context("2009-05", "desk", "dealer", "USD"), "fails-charge"),
        (claim_context("2026-05", "desk", "dealer", "USD"), "settlement"),  # a month that is not there yet
        (claim_context("2026-02", "dealer", "desk", "USD"), "settlement"),
        (claim_context("2026-02", "desk", "dealer", "EUR"), "settlement"),
        (keccak256(b"rent"), "settlement"),
    ],
    ids=["a month", "the first month", "a month to come", "other parties", "another currency", "rent"],
)
def test_a_payment_is_a_fails_charge_by_what_its_debtor_signed(failed, context, kind):
    ledger = failed.ledger
    pays = instruction_of(ledger, (PlanLeg("USD", "desk", "dealer", DOLLAR),), context, places={}, seconds=60)
    signature = ledger.keys.key("desk").sign_digest(digest(ledger, pays))
    data = encode_call("Settlement", "settle", pays.abi_value(), [signature])
    assert Bench(ledger).transact("desk", ledger.contracts.settlement, data).status
    failed.update()
    assert failed.view.journal("desk")[-1].kind == kind
