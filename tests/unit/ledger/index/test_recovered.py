"""Repos, options and holds whose party lost a wallet: its successor ends them, and the books know nobody else."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger import recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.currencies import create_currency, deposit_cash
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.eip712 import hold_id
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import export
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.option import Options
from tests.unit.ledger.index.support import Desk, bean_check
from tests.unit.ledger.repo_support import BORROWER, FIRST, LENDER, RepoBench
from tests.unit.ledger.support import BILL, DOLLAR, NOTE, PARTIES, make_ledger

EXPIRY = date(2026, 6, 24)
FACE = 100_000 * DOLLAR
DAY = 86_400
NEW = SigningKey.from_seed("the new key")


def lose(ledger, party):
    """Another wallet takes the place of a party's, and signs for it from now on."""
    lost = ledger.address_of(party)
    recovery.announce(ledger, lost, NEW.address)
    ledger.embedded.advance_clock(DAY)
    recovery.confirm(ledger, lost)
    ledger.keys = Keys.in_memory({name: ledger.keys.key(name) for name in ledger.keys.names()} | {party: NEW})
    return lost


def assert_sound(desk, tmp_path, *parties):
    """The chain's figures, a replay, a reading a block at a time that comes to the same, and beancount's checker."""
    desk.update()
    assert reconcile(desk.view, desk.ledger)[1] == replayed(desk.view, desk.ledger) == []
    with Store.open("sqlite://", create=True) as store:
        for height in range(1, desk.ledger.chain.height + 1):
            BooksWriter(store, desk.ledger).update(upto=height)
        for table in schema.metadata.sorted_tables:
            if table not in (schema.state, schema.terms):
                mine, theirs = (sorted(map(str, one.rows(select(table)))) for one in (desk.store, store))
                assert mine == theirs, table.name
        assert reconcile(BooksView(store), desk.ledger)[1] == []
    for party in parties:
        path = tmp_path / f"{party}.beancount"
        export(desk.view, path, "journal", party)
        assert bean_check(path) == ""


def flows(desk, party):
    """Account -> cash of a party's flows, deposits apart."""
    found = {}
    for row in desk.store.rows(select(schema.flows).where(schema.flows.c.party == party)):
        if row["account"] not in ("deposit", "withdrawal"):
            found[row["account"]] = found.get(row["account"], 0) + row["cash"]
    return {account: cash for account, cash in found.items() if cash}


def trades(desk, party):
    """(asset, units, cash, basis) of a party's trades, deposits apart."""
    table, entries = schema.trades, schema.entries
    query = select(table).join(entries, entries.c.entry == table.c.entry).where(table.c.party == party)
    rows = desk.store.rows(query.where(entries.c.kind != "deposit").order_by(table.c.trade))
    return [(row["asset"], row["units"], row["cash"], row["basis"]) for row in rows]


def test_every_currency_is_at_the_successor(desk, tmp_path):
    """The bank moves them all; none is lost, made or booked as a gain."""
    ledger = desk.ledger
    create_currency(ledger, "EUR", "euro", decimals=2)
    create_currency(ledger, "JPY", "yen", decimals=0)
    deposit_cash(ledger, "desk", "EUR", 123_456)
    before, euros = ledger.wallet("desk"), dict(ledger.books().supply())["EUR"]
    lose(ledger, "desk")
    after = ledger.wallet("desk")
    assert after.addresses == ("0x" + NEW.address.hex(),)
    assert (after.cash, after.currencies, after.positions) == (before.cash, {"EUR": 123_456}, before.positions)
    assert dict(ledger.books().supply())["EUR"] == euros == 123_456
    assert_sound(desk, tmp_path, "desk")
    assert trades(desk, "desk") == []
    assert flows(desk, "desk") == {}


# --- repos --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loser", [LENDER, BORROWER])
def test_a_repo_of_a_lost_wallet_is_repurchased(loser, tmp_path):
    bench = RepoBench()
    bench.price()
    with bench.ledger as ledger:
        desk = Desk(ledger)
        repo = bench.opened()
        desk.update()
        lots = {party: desk.view.lots(party) for party in (LENDER, BORROWER)}
        lose(ledger, loser)
        assert_sound(desk, tmp_path, LENDER, BORROWER)
        bench.go_to(bench.terms().end_date)
        bench.repos.repurchase(repo)
        assert_sound(desk, tmp_path, LENDER, BORROWER)
        interest = 332_475_000  # 9,974,250 x 0.4% x 3 / 360
        for party, sign in ((LENDER, 1), (BORROWER, -1)):
            assert flows(desk, party) == {"repo-interest": sign * interest}
            assert trades(desk, party) == []
            assert desk.view.lots(party) == lots[party]
            (row,) = (row for row in desk.view.positions(party) if row.asset == FIRST.cusip)
            assert (row.units, row.pledged) == (30_000_000 * DOLLAR, 0)


@pytest.mark.parametrize("loser", [LENDER, BORROWER])
def test_a_repo_of_a_lost_wallet_is_closed_out(loser, tmp_path):
    """It is not bought back: the collateral that pays the debt is the lender's, the rest its giver's."""
    bench = RepoBench()
    bench.price()
    with bench.ledger as ledger:
        desk = Desk(ledger)
        repo = bench.opened()
        lose(ledger, loser)
        bench.go_to(date(2021, 3, 24))
        bench.price()
        bench.repos.close_out(repo)
        assert_sound(desk, tmp_path, LENDER, BORROWER)
        ((asset, taken, cash, _),) = trades(desk, LENDER)
        ((_, given, proceeds, _),) = trades(desk, BORROWER)
        assert (asset, taken + given, cash + proceeds) == (FIRST.cusip, 0, 0)
        assert cash < 0 < taken
        assert flows(desk, LENDER)["repo-interest"] == -flows(desk, BORROWER)["repo-interest"] > 0
        assert "repo" not in flows(desk, LENDER) | flows(desk, BORROWER)


# --- options ------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk():
    with make_ledger() as ledger:
        for party in PARTIES:
            ledger.set_claim(party, 2**40)
            ledger.deposit(party, dict.fromkeys((NOTE, BILL), 10 * FACE), 10 * FACE)
        yield Desk(ledger)


def sold(desk, kind, strike_e6=98_500_000):
    """The desk has written it, and the fund paid 1,234 dollars for it."""
    options = Options(desk.ledger)
    made = options.terms(
        NOTE, writer="desk", holder="fund", kind=kind, strike_e6=strike_e6, face_units=FACE, expiry=EXPIRY
    )
    options.write(made)
    return options, options.buy(options.quote(made, 1_234 * DOLLAR))


@pytest.mark.parametrize("loser", ["desk", "fund"])
@pytest.mark.parametrize("kind", ["call", "put"])
def test_an_option_of_a_lost_wallet_is_exercised(desk, kind, loser, tmp_path):
    options, state = sold(desk, kind)
    lose(desk.ledger, loser)
    assert_sound(desk, tmp_path, "desk", "fund")
    desk.ledger.embedded.advance_clock(new_york_midnight(EXPIRY) + 15 * 3600 - desk.ledger.chain.now())
    options.exercise(state.option_id)
    assert_sound(desk, tmp_path, "desk", "fund")
    due, sign = state.payment_units, 1 if kind == "call" else -1
    for party, side in (("desk", -sign), ("fund", sign)):
        assert trades(desk, party) == [(NOTE.cusip, side * FACE, -side * due, "cash")]
        assert flows(desk, party) == {"premium": 1_234 * DOLLAR if party == "desk" else -1_234 * DOLLAR}


@pytest.mark.parametrize("kind", ["call", "put"])
def test_an_option_of_a_lost_writer_lapses(desk, kind, tmp_path):
    options, state = sold(desk, kind)
    lose(desk.ledger, "desk")
    desk.ledger.embedded.advance_clock(new_york_midnight(EXPIRY) + 30 * 3600 - desk.ledger.chain.now())
    options.expire(state.option_id)
    assert_sound(desk, tmp_path, "desk", "fund")
    assert trades(desk, "desk") == []
    assert flows(desk, "desk") == {"premium": 1_234 * DOLLAR}
    (row,) = (row for row in desk.view.positions("desk") if row.asset == NOTE.cusip)
    assert row.units == 10 * FACE
    assert not any(row["held"] for row in desk.store.rows(select(schema.positions)))


def test_holds_go_on_with_the_successor(desk, tmp_path):
    """Held units are his, whoever ends the hold."""
    ledger, note = desk.ledger, desk.ledger.require_token(NOTE.cusip)
    lost, dealer = ledger.address_of("desk"), ledger.address_of("dealer")

    def send(key, function, *arguments):
        ledger.send([Step(key, note, encode_call("SecurityToken", function, *arguments))])

    for salt in (b"\1" * 32, b"\2" * 32):
        send("desk", "createHold", salt, dealer, ledger.address_of("fund"), FACE, 2**40)
    lose(ledger, "desk")
    assert_sound(desk, tmp_path, "desk")
    assert [row["held"] for row in desk.store.rows(select(schema.positions)) if row["held"]] == [2 * FACE]
    send("dealer", "executeHold", hold_id(lost, b"\1" * 32), FACE // 2)
    send("dealer", "releaseHold", hold_id(lost, b"\2" * 32))
    assert_sound(desk, tmp_path, "desk", "fund")
    assert trades(desk, "desk") == [(NOTE.cusip, -FACE // 2, 0, "carried")]
    assert trades(desk, "fund") == [(NOTE.cusip, FACE // 2, 0, "none")]


def test_what_is_set_aside_for_a_put_goes_with_its_writers_wallet(desk, tmp_path):
    """The wallet is registered as the dealer's: the escrow and what was pledged are his, and come back to him."""
    ledger, registry = desk.ledger, desk.ledger.contracts.identity_registry
    options, state = sold(desk, "put")
    wallet = ledger.address_of("desk")
    moved = [("removeWallet", wallet), ("registerWallet", wallet, b"dealer".ljust(32, b"\0"))]
    ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", *words)) for words in moved])
    ledger.embedded.advance_clock(new_york_midnight(EXPIRY) + 30 * 3600 - ledger.chain.now())
    options.expire(state.option_id)
    assert_sound(desk, tmp_path, "dealer", "fund")
    assert "escrow" not in flows(desk, "desk") | flows(desk, "dealer")
    assert flows(desk, "dealer") == {"reassignment": 10 * FACE + 1_234 * DOLLAR}


def leave(ledger, queue, party, request):
    """A request that is final: it leaves at the next cut-off, and then the units come back."""
    assert queue.cancel(party, request).leaves_at
    ledger.chain.advance_clock(DAY)
    assert not queue.cancel(party, request).leaves_at


def test_what_goes_with_a_wallet_is_in_one_order(desk, tmp_path):
    """However often the books were closed between: the ids of the puts are in another order than their writing."""
    ledger, registry, ids = desk.ledger, desk.ledger.contracts.identity_registry, []
    while ids == sorted(ids):
        _, state = sold(desk, "put", strike_e6=98_000_000 + len(ids))
        ids.append(state.option_id)
    wallet = ledger.address_of("desk")
    moved = [("removeWallet", wallet), ("registerWallet", wallet, b"dealer".ljust(32, b"\0"))]
    ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", *words)) for words in moved])
    assert_sound(desk, tmp_path, "dealer", "desk")


def test_a_successor_that_was_anothers_takes_nothing_of_his(desk, tmp_path):
    """Ann's new wallet was the dealer's, who has no claim on what she asked to be redeemed."""
    ledger, registry = desk.ledger, desk.ledger.contracts.identity_registry
    ledger.send(
        [
            Step(
                "registrar",
                registry,
                encode_call("IdentityRegistry", "registerWallet", NEW.address, b"dealer".ljust(32, b"\0")),
            )
        ]
    )
    desk.update()
    ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", "removeWallet", NEW.address))])
    queue, now = EarlyRedemption(ledger), ledger.chain.now()
    queue.set_window(NOTE.cusip, Window(now, now + 900 * DAY, DOLLAR, FACE, 99_000_000))
    request = queue.request("desk", NOTE.cusip, FACE)
    lose(ledger, "desk")
    assert_sound(desk, tmp_path, "desk", "dealer")
    (waiting,) = queue.waiting(NOTE.cusip)
    assert (waiting.request_id, waiting.holder) == (request, "desk")
    leave(ledger, queue, waiting.holder, request)
    assert_sound(desk, tmp_path, "desk", "dealer")
    assert trades(desk, "desk") == trades(desk, "dealer") == []


def test_what_waits_for_a_lost_wallet_is_collected_by_its_party(desk, tmp_path):
    """It could not be given back, and then the key was lost; more could not be given back to the new wallet either."""
    ledger = desk.ledger
    queue, now = EarlyRedemption(ledger), ledger.chain.now()
    queue.set_window(NOTE.cusip, Window(now, now + 900 * DAY, DOLLAR, FACE, 99_000_000))
    first, second = (queue.request("desk", NOTE.cusip, part * DOLLAR) for part in (700, 50))
    ledger.set_claim("desk", 0)
    queue.cancel("desk", first)
    lose(ledger, "desk")
    leave(ledger, queue, "desk", second)
    ledger.set_claim("desk", 2**40)
    assert_sound(desk, tmp_path, "desk")
    queue.collect("desk", NOTE.cusip)
    assert ledger.wallet("desk").positions[NOTE.cusip] == 10 * FACE
    assert_sound(desk, tmp_path, "desk")
    assert trades(desk, "desk") == []
    with pytest.raises(LedgerError) as nothing:
        queue.collect("desk", NOTE.cusip)
    assert nothing.value.code == "NothingToCollect"
