"""Early redemptions and strips in the books: what is realised, what is carried over, now and then, and in files."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import date, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import DataError, LedgerError
from tbill_defi.instruments import Bond, Note, Strip, strip
from tbill_defi.ledger import life, recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import sanction
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.index import relot, schema
from tbill_defi.ledger.index.apportion import shares
from tbill_defi.ledger.index.export import TABLES, export, table_rows
from tbill_defi.ledger.index.memory import Memory
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter, keep_terms
from tbill_defi.ledger.passing import pass_on
from tbill_defi.ledger.securities import pause
from tbill_defi.ledger.stripping import Stripping
from tests.unit.ledger.index.support import Desk, bean_check, wallets_and_custody
from tests.unit.ledger.support import DOLLAR, OUTSIDER, Bench, make_ledger

START = date(2026, 4, 20)
NOTE = Note(cusip="91282CAA1", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2028, 3, 31))
SHORT = Note(cusip="91282CAB9", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2027, 3, 31))
LONG = Bond(cusip="912810DD4", coupon=0.0475, dated_date=date(2026, 2, 15), maturity_date=date(2056, 2, 15))
FIRST, LAST = date(2026, 9, 30), date(2027, 3, 31)
CUSIPS = {FIRST: "912833AA1", LAST: "912833AA2"}
PRINCIPAL = "912821AA1"
PARTIES = ("ann", "ben", "dealer")
FACE = 1_000 * DOLLAR


@contextmanager
def opened():
    """A dealer with all securities, Ann and Ben with cash."""
    with make_ledger(*PARTIES, at=new_york_midnight(START) + 9 * 3600) as ledger:
        for name in PARTIES:
            ledger.set_claim(name, 2**42)
            ledger.deposit(name, {}, 5_000_000 * DOLLAR)
        ledger.deposit("dealer", {NOTE: 100 * FACE, SHORT: 100 * FACE, LONG: 1_000 * FACE})
        yield Desk(ledger)


@pytest.fixture
def desk():
    with opened() as made:
        yield made


@contextmanager
def early_redeemed():
    """Two lots asked for, one and a half struck, the rest taken back."""
    with opened() as desk:
        buy(desk, NOTE, FACE, 980 * DOLLAR)
        buy(desk, NOTE, FACE, 1_001 * DOLLAR)
        queue = open_window(desk, daily=3 * FACE // 2)
        queue.request("ann", NOTE.cusip, 2 * FACE)
        desk.go_to(START + timedelta(days=30))
        assert [one.face_units for one in queue.strike(NOTE.cusip)] == [3 * FACE // 2]
        (waiting,) = queue.waiting(NOTE.cusip)
        queue.cancel("ann", waiting.request_id)
        desk.go_to(START + timedelta(days=31))  # it was final, and left at the next cut-off
        queue.cancel("ann", waiting.request_id)
        desk.update()
        yield desk


@contextmanager
def bond_half_stripped():
    """A bond of 61 pieces of which 24 are delivered."""
    with opened() as desk:
        buy(desk, LONG, 100_000 * DOLLAR, 91_234_567_891)
        days = {add_months(LONG.dated_date, 6 * n): f"91283{n:04d}" for n in range(1, 61)}
        Stripping(desk.ledger).name_pieces(LONG, days, "912803AA1")
        token, place = desk.ledger.require_token(LONG.cusip), desk.ledger.contracts.stripping
        desk.ledger.send([Step("ann", place, encode_call("Stripping", "strip", token, 100_000 * DOLLAR, 24))])
        desk.update()
        yield desk


@contextmanager
def stripped_and_identified():
    """One lot was given, one bought: it is told that the one bought was stripped, and then half a lot more is."""
    with opened() as desk:
        desk.ledger.deposit("ann", {SHORT: FACE})
        buy(desk, SHORT, FACE, 985 * DOLLAR)
        office = Stripping(desk.ledger)
        office.name_pieces(SHORT, CUSIPS, PRINCIPAL)
        office.strip("ann", SHORT, FACE)
        desk.update()
        _, bought, stripped, *_ = trades_of(desk, "ann")
        relot.identify(desk.store, stripped, {bought: FACE})
        office.strip("ann", SHORT, FACE // 2)
        desk.update()
        yield desk


def trades_of(desk, party):
    table = schema.trades
    return [
        row["trade"] for row in desk.store.rows(select(table).where(table.c.party == party).order_by(table.c.trade))
    ]


def buy(desk, security, face, cash, *, buyer="ann", seller="dealer"):
    bench = Bench(desk.ledger)
    bench._nonce = desk.ledger.chain.height
    token = desk.ledger.require_token(security.cusip)
    legs = bench.leg(token, seller, buyer, face), bench.leg(bench.usd, buyer, seller, cash)
    assert bench.settle(bench.sign(bench.instruction(legs))).status


def assert_sound(desk, tmp_path):
    """Double entry, the chain's figures, a replay, lots as wallets and custody, and beancount's own checker."""
    desk.update()
    totals = Counter()
    for row in desk.store.rows(select(schema.postings)):
        totals[row["entry"], row["asset_id"]] += row["amount"]
    assert not any(totals.values())
    assert reconcile(desk.view, desk.ledger)[1] == []
    assert replayed(desk.view, desk.ledger) == []
    with desk.store.reading() as connection:
        memory = Memory.load(connection)
    lots = Counter()
    for (method, party, asset), shelf in memory.shelves.items():
        lots[party, asset] += shelf.units if method == "fifo" else 0
    assert +lots == wallets_and_custody(desk.ledger, memory.known)
    for party in {party for (_, party, _), _ in memory.shelves.items()} - {"dealer"}:
        for method in ("fifo", "specific") if desk.view.identified() else ("fifo",):
            path = tmp_path / f"{party}.beancount"
            export(desk.view, path, "journal", party, method=method)
            assert bean_check(path) == ""


def assert_then_is_a_replay(desk, parties=("ann", "ben")):
    keep_terms(desk.store, [NOTE, SHORT, LONG])
    for height in range(desk.ledger.chain.height - 6, desk.ledger.chain.height, 2):
        with Store.open("sqlite://", create=True) as store:
            BooksWriter(store, desk.ledger).update(upto=height)
            keep_terms(store, [NOTE, SHORT, LONG])
            for party in parties:
                for name in ("positions", "lots", "journal", "trades", "flows"):
                    then = table_rows(BooksView(store), name, party)
                    assert table_rows(desk.view, name, party, at=height) == then, (height, name)


def kinds(desk, party):
    """(kind, trades, flows) of a party's entries, deposits and settlements apart."""
    found = {}
    trades, flows, entries = schema.trades, schema.flows, schema.entries
    for row in desk.store.rows(select(entries).order_by(entries.c.entry)):
        if row["kind"] not in ("deposit", "settlement"):
            found[row["entry"]] = (row["kind"], [], [])
    for place, table, names in ((1, trades, ("asset", "units", "cash", "basis")), (2, flows, ("account", "cash"))):
        for row in desk.store.rows(select(table).where(table.c.party == party).order_by(*table.primary_key.columns)):
            if row["entry"] in found:
                found[row["entry"]][place].append(tuple(row[name] for name in names))
    return list(found.values())


# --- early redemption ---------------------------------------------------------------------------------------------


def open_window(desk, daily, price_e6=99_000_000):
    queue, opens = EarlyRedemption(desk.ledger), new_york_midnight(START)
    queue.set_window(NOTE.cusip, Window(opens, opens + 900 * 86_400, DOLLAR, daily, price_e6))
    queue.fund(NOTE.cusip, 50_000 * DOLLAR)
    return queue


def test_what_is_asked_to_be_redeemed_is_still_ones_own(desk):
    buy(desk, NOTE, FACE, 980 * DOLLAR)
    open_window(desk, daily=FACE).request("ann", NOTE.cusip, FACE)
    desk.update()
    (row,) = (row for row in desk.view.positions("ann") if row.asset == NOTE.cusip)
    assert (row.units, row.pledged) == (0, FACE)
    assert desk.income.gains("ann") == []


def test_an_early_redemption_is_a_sale_to_the_issuer_at_its_price(tmp_path):
    """What is struck closes the oldest lots, interest apart; what is given back was never sold."""
    with early_redeemed() as desk:
        keep_terms(desk.store, [NOTE])
        assert_sound(desk, tmp_path)
        assert kinds(desk, "ann") == [
            ("early-redemption-funding", [], []),
            ("early-redemption-request", [], []),
            ("early-redemption", [(NOTE.cusip, -3 * FACE // 2, 1_485 * DOLLAR, "cash")], []),
            ("early-redemption-return", [], []),
        ]
        assert kinds(desk, "treasury")[0][2] == [("early-redemption-funding", -50_000 * DOLLAR)]
        first, second = desk.income.gains("ann")
        flows = NOTE.resolve()
        for gain, units, cost in ((first, FACE, 980 * DOLLAR), (second, FACE // 2, 500_500_000)):
            proceeds = units * 99 // 100
            each = (flows.accrued(START + timedelta(days=30)) - flows.accrued(START)) / 100 * units
            assert (gain.units, gain.cost, gain.proceeds, gain.realised) == (units, cost, proceeds, proceeds - cost)
            assert abs(gain.interest - each) <= 1
            assert gain.price == proceeds - cost - gain.interest
        (lot,) = desk.view.lots("ann", NOTE.cusip)
        assert (lot.remaining, lot.remaining_cost) == (FACE // 2, 500_500_000)
        assert_then_is_a_replay(desk)


def test_cash_that_leaves_a_window_is_booked_as_it_came(desk, tmp_path):
    """Both ways under one name and of one security; the Treasury has paid in what is left."""
    open_window(desk, daily=FACE)
    data = encode_call("EarlyRedemption", "withdrawFunds", desk.ledger.require_token(NOTE.cusip), 20_000 * DOLLAR)
    desk.ledger.send([Step(life.TREASURY, desk.ledger.contracts.early_redemption, data)])
    assert_sound(desk, tmp_path)
    told = kinds(desk, "treasury")
    assert told == [
        ("early-redemption-funding", [], [("early-redemption-funding", cash)])
        for cash in (-50_000 * DOLLAR, 20_000 * DOLLAR)
    ]
    flows = desk.store.rows(select(schema.flows).where(schema.flows.c.account == "early-redemption-funding"))
    assert [row["about"] for row in flows] == [NOTE.cusip, NOTE.cusip]


def test_coupons_and_maturity_in_the_queue(desk, tmp_path):
    """A coupon passed on is income; units redeemed while they wait are, when they are given back, cash at par."""
    buy(desk, NOTE, FACE, 990 * DOLLAR)
    queue = open_window(desk, daily=DOLLAR)
    request = queue.request("ann", NOTE.cusip, FACE)
    desk.go_to(FIRST)
    life.pay_coupon(desk.ledger, NOTE, FIRST)
    assert pass_on(desk.ledger, NOTE, FIRST) == {"ann": FACE * 4_125 // 200_000}
    desk.go_to(NOTE.maturity_date)
    life.redeem(desk.ledger, NOTE)
    queue.cancel("ben", request)
    assert_sound(desk, tmp_path)
    told = kinds(desk, "ann")
    assert ("coupon", [], [("coupon", FACE * 4_125 // 200_000)]) in told
    assert told[-1] == ("early-redemption-return", [(NOTE.cusip, -FACE, FACE, "cash")], [])
    (gain,) = desk.income.gains("ann")
    assert gain.realised == 10 * DOLLAR


def test_units_that_could_not_be_given_back_are_still_ones_own(desk, tmp_path):
    """A security that is paused is not delivered: the queue keeps it in its owner's name until it is collected."""
    buy(desk, NOTE, FACE, 980 * DOLLAR)
    queue = open_window(desk, daily=FACE)
    request = queue.request("ann", NOTE.cusip, FACE)
    pause(desk.ledger, NOTE.cusip, True)
    queue.cancel("ann", request)
    assert_sound(desk, tmp_path)
    (row,) = (row for row in desk.view.positions("ann") if row.asset == NOTE.cusip)
    assert (row.units, row.pledged) == (0, FACE)
    pause(desk.ledger, NOTE.cusip, False)
    queue.collect("ann", NOTE.cusip)
    assert_sound(desk, tmp_path)
    assert kinds(desk, "ann") == [
        ("early-redemption-funding", [], []),
        ("early-redemption-request", [], []),
        ("early-redemption-return", [], []),
        ("delivery", [], []),
    ]
    (lot,) = desk.view.lots("ann", NOTE.cusip)
    assert (lot.remaining, lot.remaining_cost) == (FACE, 980 * DOLLAR)


def test_who_is_passed_over_by_a_strike_and_who_is_paid_are_told_apart(desk, tmp_path):
    """Ann is on the list: hers stay in the queue's custody, in her name; Ben's, behind them, are redeemed."""
    for name in ("ann", "ben"):
        buy(desk, NOTE, FACE, 980 * DOLLAR, buyer=name)
    queue = open_window(desk, daily=2 * FACE)
    for name in ("ann", "ben"):
        queue.request(name, NOTE.cusip, FACE)
    sanction(desk.ledger, ["ann"])
    desk.go_to(START + timedelta(days=1))
    queue.strike(NOTE.cusip)
    assert_sound(desk, tmp_path)
    assert {row.pledged for row in desk.view.positions("ann") if row.asset == NOTE.cusip} == {FACE}
    assert desk.income.gains("ann") == []
    (gain,) = desk.income.gains("ben")
    assert (gain.units, gain.realised) == (FACE, 10 * DOLLAR)


# --- stripping ----------------------------------------------------------------------------------------------------


def test_a_strip_realises_nothing_and_its_pieces_have_the_cost(desk, tmp_path):
    """By present value at the yield of the cost; what a piece is sold or redeemed for is a gain over its share."""
    buy(desk, SHORT, FACE, 985 * DOLLAR)
    desk.go_to(START + timedelta(days=10))
    Stripping(desk.ledger).name_pieces(SHORT, CUSIPS, PRINCIPAL)
    Stripping(desk.ledger).strip("ann", SHORT, FACE)
    assert_sound(desk, tmp_path)
    interest = FACE * 4_125 // 200_000
    pieces = {CUSIPS[FIRST]: interest, CUSIPS[LAST]: interest, PRINCIPAL: FACE}
    ((kind, trades, flows),) = kinds(desk, "ann")
    assert (kind, flows) == ("strip", [])
    assert trades[0] == (SHORT.cusip, -FACE, 0, "converted")
    assert {asset: units for asset, units, *_ in trades[1:]} == pieces
    (gain,) = desk.income.gains("ann")
    assert (gain.cost, gain.proceeds, gain.realised, gain.basis) == (985 * DOLLAR, 985 * DOLLAR, 0, "converted")
    lots = {lot.asset: lot for lot in desk.view.lots("ann")}
    assert sum(lot.remaining_cost for lot in lots.values()) == 985 * DOLLAR
    today = START + timedelta(days=10)
    days = {CUSIPS[FIRST]: (FIRST - today).days, CUSIPS[LAST]: (LAST - today).days, PRINCIPAL: (LAST - today).days}
    factors = {(lots[name].cost / pieces[name]) ** (1 / days[name]) for name in pieces}
    assert max(factors) - min(factors) < 1e-9, "one yield: each costs its payment discounted at it"
    buy(desk, Strip(cusip=PRINCIPAL, maturity_date=LAST), FACE // 2, 490 * DOLLAR, buyer="ben", seller="ann")
    desk.go_to(FIRST)
    life.redeem(desk.ledger, Strip(cusip=CUSIPS[FIRST], maturity_date=FIRST))
    assert_sound(desk, tmp_path)
    sold, redeemed = desk.income.gains("ann")[1:]
    assert sold.realised == 490 * DOLLAR - lots[PRINCIPAL].cost * (FACE // 2) // FACE
    assert redeemed.realised == interest - lots[CUSIPS[FIRST]].cost
    assert_then_is_a_replay(desk)


def test_there_and_back_the_cost_is_the_same(tmp_path):
    """Sixty-one pieces in three transactions each way; while it lasts, the rest of the cost is in conversion."""
    with bond_half_stripped() as desk:
        assert_sound(desk, tmp_path)
        assert "Assets:Securities:InConversion" in (tmp_path / "ann.beancount").read_text()
        pools = desk.store.rows(select(schema.pools))
        assert len(pools) == 37
        begun = sum(lot.cost for lot in desk.view.lots("ann"))
        assert begun + sum(row["cost"] for row in pools) == 91_234_567_891
        act_id, place = bytes.fromhex(pools[0]["act_id"][2:]), desk.ledger.contracts.stripping
        for _ in range(2):
            desk.ledger.send([Step("operator", place, encode_call("Stripping", "carryOn", act_id, 24))])
        Stripping(desk.ledger).reconstitute("ann", LONG, 100_000 * DOLLAR)
        assert_sound(desk, tmp_path)
        assert desk.store.rows(select(schema.pools)) == []
        (lot,) = desk.view.lots("ann")
        assert (lot.asset, lot.remaining, lot.basis) == (LONG.cusip, 100_000 * DOLLAR, "converted")
        assert lot.cost == 91_234_567_891
        assert {gain.realised for gain in desk.income.gains("ann")} == {0}
        assert {kind for kind, *_ in kinds(desk, "ann")} == {"strip", "reconstitution"}
        assert_then_is_a_replay(desk, ("ann",))


def test_what_is_given_up_has_its_cost_back(desk, tmp_path):
    buy(desk, SHORT, FACE, 985 * DOLLAR)
    office, ledger = Stripping(desk.ledger), desk.ledger
    office.name_pieces(SHORT, CUSIPS, PRINCIPAL)
    office.strip("ann", SHORT, FACE)
    desk.update()
    before = {lot.asset: (lot.remaining, lot.remaining_cost) for lot in desk.view.lots("ann")}
    token, place = ledger.require_token(SHORT.cusip), ledger.contracts.stripping
    (receipt,) = ledger.send([Step("ann", place, encode_call("Stripping", "reconstitute", token, FACE, 2))])
    act_id = next(log.topics[1] for log in receipt.logs if log.address == place)
    ledger.send([Step("ann", place, encode_call("Stripping", "giveUp", act_id))])
    ledger.send([Step("operator", place, encode_call("Stripping", "carryOn", act_id, 24))])
    assert_sound(desk, tmp_path)
    assert {lot.asset: (lot.remaining, lot.remaining_cost) for lot in desk.view.lots("ann")} == before
    assert desk.store.rows(select(schema.pools)) == []


def carry_on(desk, act_id):
    desk.ledger.send(
        [Step("operator", desk.ledger.contracts.stripping, encode_call("Stripping", "carryOn", act_id, 61))]
    )


def test_what_is_seized_of_an_act_is_its_new_holders(tmp_path):
    """Ann is on the list: nothing more comes to her. A court gives the rest to Ben: hers goes at cost, and is realised
    by nobody; his has no cost until he declares one, and then the pieces that were delivered have it."""
    with bond_half_stripped() as desk:
        delivered = sum(lot.cost for lot in desk.view.lots("ann"))
        ledger = desk.ledger
        sanction(ledger, ["ann"])
        act_id = bytes.fromhex(desk.store.rows(select(schema.acts))[0]["act_id"][2:])
        with pytest.raises(LedgerError):
            carry_on(desk, act_id)
        Stripping(ledger).seize(act_id, "ben")
        assert_sound(desk, tmp_path)
        assert {row["party"] for row in desk.store.rows(select(schema.pools))} == {"ben"}
        lost = [gain for gain in desk.income.gains("ann") if gain.basis == "carried"]
        assert (len(lost), {gain.realised for gain in lost}) == (37, {None})
        assert sum(gain.cost for gain in lost) == 91_234_567_891 - delivered
        text = (tmp_path / "ann.beancount").read_text()
        assert in_account(text, "Assets:Securities:InConversion") == 0
        assert in_account(text, "Equity:Transfers") == 91_234_567_891 - delivered
        carry_on(desk, act_id)
        assert_sound(desk, tmp_path)
        had, got = (
            {row.asset: row.units for row in desk.view.positions(name) if row.asset != "USD"} for name in ("ann", "ben")
        )
        assert (len(had), len(got)) == (24, 37)
        assert got["912803AA1"] == 100_000 * DOLLAR
        assert not any(lot.cost for lot in desk.view.lots("ben"))
        assert desk.store.rows(select(schema.pools)) == []
        assert_then_is_a_replay(desk)
        table, costs = schema.trades, {}
        for row in desk.store.rows(select(table).where(table.c.party == "ben", table.c.basis == "none")):
            costs[row["asset"]] = row["units"] // 2
            relot.declare(desk.store, row["trade"], -costs[row["asset"]], "the court's valuation")
        assert_sound(desk, tmp_path)
        assert {lot.asset: (lot.cost, lot.basis) for lot in desk.view.lots("ben") if lot.remaining} == {
            asset: (cost, "converted") for asset, cost in costs.items()
        }
        assert in_account((tmp_path / "ben.beancount").read_text(), "Assets:Securities:InConversion") == 0


@contextmanager
def bond_half_joined():
    """A note in its three pieces, of which Ben has one more, cheap, and two are brought in to put it together."""
    with opened() as desk:
        buy(desk, SHORT, FACE, 985 * DOLLAR)
        buy(desk, SHORT, FACE, 400 * DOLLAR, buyer="ben")
        office, ledger = Stripping(desk.ledger), desk.ledger
        office.name_pieces(SHORT, CUSIPS, PRINCIPAL)
        for name in ("ann", "ben"):
            office.strip(name, SHORT, FACE)
        data = encode_call("Stripping", "reconstitute", ledger.require_token(SHORT.cusip), FACE, 2)
        ledger.send([Step("ann", ledger.contracts.stripping, data)])
        desk.update()
        yield desk


@pytest.mark.parametrize("give_up", [False, True])
def test_a_reconstitution_that_is_seized_leaves_nothing_with_who_began_it(tmp_path, give_up):
    """What was brought in is the new holder's, apart from pieces of his own: he gives it up, or ends it with his."""
    with bond_half_joined() as desk:
        office = Stripping(desk.ledger)
        before = {lot.asset: lot.cost for lot in desk.view.lots("ben") if lot.remaining}
        principal = next(lot.cost for lot in desk.view.lots("ann") if lot.asset == PRINCIPAL)
        (act,) = office.open_acts()
        office.seize(act.act_id, "ben")
        assert_sound(desk, tmp_path)
        office.finish(office.find(act.act_id.hex()), give_up=give_up)
        assert_sound(desk, tmp_path)
        assert desk.store.rows(select(schema.pools)) == []
        lots = {}
        for lot in desk.view.lots("ben"):
            if lot.remaining:
                lots.setdefault(lot.asset, []).append((lot.units, lot.remaining_cost))
        if give_up:
            interest = FACE * 4_125 // 200_000
            assert sorted(lots[CUSIPS[FIRST]]) == [(interest, 0), (interest, before[CUSIPS[FIRST]])]
            assert lots[PRINCIPAL] == [(FACE, before[PRINCIPAL])]
        else:
            assert lots[SHORT.cusip] == [(FACE, before[PRINCIPAL])]
        assert in_account((tmp_path / "ann.beancount").read_text(), "Equity:Transfers") == 985 * DOLLAR - principal
        assert_then_is_a_replay(desk)


@contextmanager
def seized_and_identified():
    """Two lots were bought; it is told that the second was stripped, of which nothing came before Ben had it all."""
    with opened() as desk:
        for cash in (980 * DOLLAR, 990 * DOLLAR):
            buy(desk, SHORT, FACE, cash)
        office, ledger = Stripping(desk.ledger), desk.ledger
        office.name_pieces(SHORT, CUSIPS, PRINCIPAL)
        data = encode_call("Stripping", "strip", ledger.require_token(SHORT.cusip), FACE, 0)
        ledger.send([Step("ann", ledger.contracts.stripping, data)])
        desk.update()
        _, second, stripped = trades_of(desk, "ann")
        relot.identify(desk.store, stripped, {second: FACE})
        office.seize(office.open_acts()[0].act_id, "ben")
        desk.update()
        yield desk


def test_lots_of_a_seized_strip_may_be_identified_before_and_after(tmp_path):
    """Another lot was stripped than was thought: what is lost is its cost; what an act hands over is no other lot."""
    with seized_and_identified() as desk:
        assert_sound(desk, tmp_path)

        def lost(method):
            return sum(gain.cost for gain in desk.income.gains("ann", method=method) if gain.basis == "carried")

        assert (lost("fifo"), lost("specific")) == (980 * DOLLAR, 990 * DOLLAR)
        first, _, stripped, *_, last = trades_of(desk, "ann")
        relot.identify(desk.store, stripped, {first: FACE})
        assert (lost("fifo"), lost("specific")) == (980 * DOLLAR, 980 * DOLLAR)
        with pytest.raises(DataError, match="an act-transfer is of what the act brought"):
            relot.identify(desk.store, last, {first: 1})
        carry_on(desk, Stripping(desk.ledger).open_acts()[0].act_id)
        assert_sound(desk, tmp_path)
        assert desk.store.rows(select(schema.pools)) == []


def test_an_act_goes_with_its_wallet_to_another_party(tmp_path):
    """The wallet of Ann's is registered as Ben's: what is to come of her strip is his."""
    with bond_half_stripped() as desk:
        ledger, registry = desk.ledger, desk.ledger.contracts.identity_registry
        wallet = ledger.keys.address("ann")
        moved = [("removeWallet", wallet), ("registerWallet", wallet, b"ben".ljust(32, b"\0"))]
        ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", *words)) for words in moved])
        (act,) = Stripping(ledger).open_acts()
        assert act.holder == "ben"
        carry_on(desk, act.act_id)
        assert_sound(desk, tmp_path)
        assert desk.store.rows(select(schema.pools)) == []
        assert len([row for row in desk.view.positions("ben") if row.asset != "USD"]) == 61
        assert sum(gain.cost for gain in desk.income.gains("ann") if gain.basis == "carried") == 91_234_567_891
        assert [flows for kind, _, flows in kinds(desk, "ann") if kind == "reassignment"] == [
            [("reassignment", 91_234_567_891 - 5_000_000 * DOLLAR)]
        ]
        assert_then_is_a_replay(desk, ("ben",))


def in_account(text, account):
    """Dollars x 10^6 in an account of a beancount file."""
    lines = (line.split() for line in text.splitlines())
    return sum(round(float(words[1]) * 10**6) for words in lines if words[:1] == [account] and words[2:] == ["USD"])


def test_what_a_lost_wallet_began_ends_with_its_successor(tmp_path):
    """A strip that is not complete, and a request in the queue: the same party, at the same cost."""
    with bond_half_stripped() as desk:
        ledger = desk.ledger
        buy(desk, NOTE, FACE, 980 * DOLLAR)
        queue = open_window(desk, daily=FACE)
        queue.request("ann", NOTE.cusip, FACE)
        lost = ledger.keys.address("ann")
        recovery.announce(ledger, lost, OUTSIDER.address)
        ledger.chain.advance_clock(86_400)
        recovery.confirm(ledger, lost)
        act_id = bytes.fromhex(desk.store.rows(select(schema.acts))[0]["act_id"][2:])
        ledger.send([Step("operator", ledger.contracts.stripping, encode_call("Stripping", "carryOn", act_id, 61))])
        desk.go_to(START + timedelta(days=30))
        queue.strike(NOTE.cusip)
        assert_sound(desk, tmp_path)
        pieces = [lot for lot in desk.view.lots("ann") if lot.asset.startswith("9128") and lot.remaining]
        assert {lot.basis for lot in pieces} == {"converted"}
        assert sum(lot.remaining_cost for lot in pieces) == 91_234_567_891
        assert desk.store.rows(select(schema.pools)) == []


def test_lots_that_are_identified_or_declared_reach_the_pieces(tmp_path):
    """Which lot was stripped, and what it cost, may be told later: the pieces follow; then more is stripped."""
    with stripped_and_identified() as desk:

        def costs(method):
            found = Counter()
            for lot in desk.view.lots("ann", method=method):
                found[lot.basis] += lot.remaining_cost
            return found

        assert_sound(desk, tmp_path)
        assert costs("specific") == {"none": 0, "converted": 985 * DOLLAR}
        assert costs("fifo") == {"none": 0, "cash": 492_500_000, "converted": 492_500_000}
        given, _, stripped, piece, *_ = trades_of(desk, "ann")
        relot.declare(desk.store, given, -970 * DOLLAR, "bought elsewhere")
        assert costs("fifo") == {"cash": 492_500_000, "converted": 1_462_500_000}
        assert costs("specific") == {"declared": 485 * DOLLAR, "converted": 1_470 * DOLLAR}
        with pytest.raises(DataError, match="a strip has no cash; declare what the securities"):
            relot.declare(desk.store, piece, -DOLLAR, "guess")
        office, all_of_it = Stripping(desk.ledger), {"converted": 1_955 * DOLLAR}
        office.strip("ann", SHORT, FACE // 2)
        assert_sound(desk, tmp_path)
        assert costs("fifo") == costs("specific") == all_of_it
        office.reconstitute("ann", SHORT, 2 * FACE)
        assert_sound(desk, tmp_path)
        assert costs("fifo") == costs("specific") == all_of_it
        desk.writer.rebuild()
        assert costs("fifo") == costs("specific") == all_of_it
        for name in TABLES:
            columns, rows = table_rows(desk.view, name, "ann")
            assert all(set(row) == {column for column, _ in columns} for row in rows)
        relot.identify(desk.store, stripped, {})
        assert desk.view.identified() == set()
        assert replayed(desk.view, desk.ledger) == []


def test_rows_of_what_is_stripped_and_asked_for_are_held_to_the_ledger():
    """A row that is changed, and one that is missing, in each of their tables."""
    stripped, early = schema.pieces, schema.custody
    with bond_half_stripped() as desk:
        for table, column in ((stripped, "numerator"), (schema.acts, "face"), (schema.pools, "cost")):
            told_of_change(desk, table, column)
    with early_redeemed() as desk:
        told_of_change(desk, schema.requests, "holder")
        told_of_change(desk, early, "units")
        with desk.store.writing() as connection:
            connection.execute(early.update().values(units=5))
        (found,) = reconcile(desk.view, desk.ledger)[1]
        assert (found.account, found.asset, found.figure, found.booked, found.actual) == (
            *("ann", NOTE.cusip, "heldFor", 5, 0),
        )


def told_of_change(desk, table, column):
    row = desk.store.rows(select(table))[0]
    mine = [key == row[key.name] for key in table.primary_key.columns]
    wrong = row[column] + 1 if isinstance(row[column], int) else row[column] + "1"
    for change in (table.update().where(*mine).values({column: wrong}), table.delete().where(*mine)):
        with desk.store.writing() as connection:
            connection.execute(change)
        (found,) = replayed(desk.view, desk.ledger)
        assert found.figure.startswith(table.name.removeprefix("books_"))
        with desk.store.writing() as connection:
            connection.execute(table.delete().where(*mine))
            connection.execute(table.insert(), row)
    assert replayed(desk.view, desk.ledger) == []


@pytest.mark.parametrize("cost", [0, 1, 7, 10**4, 10**6, 3 * 10**6, 10**15])
def test_shares_add_up_whatever_a_bond_cost(cost):
    payments = [(23_750, 182 * n) for n in range(1, 61)] + [(10**6, 182 * 60)]
    found = shares(cost, payments)
    assert sum(found) == cost
    assert min(found) >= 0
    if cost == 10**6:  # a bond at par yields its coupon: 1 / 1.02375 for each half-year
        exact = [float(amount / (1 + Fraction(2_375, 100_000)) ** (days // 182)) for amount, days in payments]
        assert found == pytest.approx(exact, abs=1)


def test_days_are_those_of_new_york(desk):
    """A piece's day is that of its payment in New York, as its terms say."""
    pieces = strip(SHORT, interest_cusips=CUSIPS, principal_cusip=PRINCIPAL)
    Stripping(desk.ledger).name_pieces(SHORT, CUSIPS, PRINCIPAL)
    desk.update()
    with desk.store.reading() as connection:
        known = Memory.load(connection).known
    assert {market_date(known.securities[piece.cusip][1]) for piece in pieces} == {FIRST, LAST}
