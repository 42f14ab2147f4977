"""Trades agreed now and settled later: on their date, in parts, allocated, cancelled by both."""

from dataclasses import replace
from datetime import date

import pytest

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.currencies import create_currency, deposit_cash
from tbill_defi.ledger.mandate import open_account
from tbill_defi.ledger.token_rules import TokenRules, set_token_rules
from tbill_defi.ledger.trade_terms import LARGEST, TradeStatus, allocation_digest, cancellation_digest
from tbill_defi.ledger.trades import Trades
from tests.unit.ledger.support import (
    DOLLAR,
    NOTE,
    OTHER,
    Bench,
    assert_as_the_book_has_them,
    make_ledger,
    refusal,
    ring,
)

TOMORROW = date(2026, 3, 25)


@pytest.fixture
def bench():
    ledger = make_ledger("desk", "dealer", "fund", "saver")
    ledger.deposit("dealer", {NOTE: 1_000 * DOLLAR, OTHER: 1_000 * DOLLAR}, 0)
    for party in ("desk", "fund", "saver"):
        ledger.deposit(party, {}, 10_000 * DOLLAR)
    made = Bench(ledger)
    yield made
    ledger.close()


def agreed(bench, face=1_000 * DOLLAR, proceeds=990 * DOLLAR, **more):
    trades = Trades(bench.ledger)
    words = {"seller": "dealer", "buyer": "desk", "asset": NOTE.cusip, "settlement_date": TOMORROW, **more}
    return trades, trades.agree(trades.terms(face_units=face, proceeds_units=proceeds, **words))


def at(bench, day, seconds=0):
    move_clock(bench.ledger, new_york_midnight(day) + seconds)


def holdings(bench, party):
    wallet = bench.ledger.wallet(party)
    return wallet.positions.get(NOTE.cusip, 0), wallet.cash


def test_ids_and_digests_are_the_contract_s(bench):
    trades, state = agreed(bench, minimum_units=10, lot_units=5, allocator="desk")
    ask = lambda name, *arguments: bench.ledger.call("TradeBook", trades.address, name, *arguments)  # noqa: E731
    assert ask("idOf", state.terms.abi_value()) == state.trade_id
    chain = bench.chain.chain_id
    assert ask("cancellationDigest", state.trade_id, 7) == cancellation_digest(chain, trades.address, state.trade_id, 7)
    accounts, faces = [bench.address("fund"), bench.address("desk")], [1, 2]
    expected = allocation_digest(chain, trades.address, state.trade_id, accounts, faces)
    assert ask("allocationDigest", state.trade_id, accounts, faces) == expected
    for face in (9, 10, 11):  # below the least part, which an account's trade can then not have, at it, and above
        child = trades.child(state.terms, 1, accounts[0], 4, face)
        told = ask("childOf", state.terms.abi_value(), 1, accounts[0], 4, face)
        assert list(told.values()) == list(child.abi_value())
        assert (child.minimum, child.lot) == ((10, 5) if face >= 10 else (0, 0))


def test_its_days_are_new_york_s_to_the_second(bench):
    """It opens with its date, fails when that is over, and lapses with the last of the days after it."""
    trades, state = agreed(bench, fail_days=2, nonce=7)
    terms, day = state.terms, 86_400
    assert (terms.opens, terms.nonce) == (new_york_midnight(TOMORROW), 7)
    assert (terms.closes, terms.deadline) == (terms.opens + day - 1, terms.opens + 3 * day - 1)
    for passed, word in ((day - 1, "pending"), (day, "failed"), (3 * day - 1, "failed"), (3 * day, "lapsed")):
        assert state.word(terms.opens + passed) == word
    assert agreed(bench)[1].terms.nonce == len(trades.all()) - 1, "each trade has one of its own"


def test_it_waits_for_its_date_and_settles_by_the_operator(bench):
    trades, state = agreed(bench)
    assert state.word(bench.chain.now()) == "pending"
    assert_as_the_book_has_them(trades)
    with pytest.raises(LedgerError) as early:
        trades.settle(state.trade_id)
    assert early.value.code == "TradeTooEarly"
    assert trades.settle_due() == ([], {})
    at(bench, TOMORROW)
    (done,), refused = trades.settle_due()
    assert refused == {}
    assert (done.status, done.settled, done.open_face) == (TradeStatus.SETTLED, 1_000 * DOLLAR, 0)
    assert_as_the_book_has_them(trades)
    assert holdings(bench, "desk") == (1_000 * DOLLAR, 9_010 * DOLLAR)
    (entry,) = bench.ledger.tape()
    assert {(leg.giver, leg.receiver) for leg in entry.legs} == {("dealer", "desk"), ("desk", "dealer")}
    assert Trades(bench.ledger).all() == [done], "another reader folds the same"


def test_the_operator_settles_without_the_parties_keys(bench):
    """Both named the book as their operator when they agreed: on the day nobody has to sign."""
    trades, state = agreed(bench)
    at(bench, TOMORROW)
    bench.ledger.keys = ring()
    assert trades.settle(state.trade_id).status is TradeStatus.SETTLED


def test_what_nobody_can_deliver_fails_and_settles_late(bench):
    trades, state = agreed(bench)
    bench.ledger.freeze("dealer", NOTE.cusip, 1)
    at(bench, TOMORROW)
    done, refused = trades.settle_due()
    assert (done, refused[state.trade_id].code) == ([], "ERC7943InsufficientUnfrozenBalance")
    at(bench, date(2026, 3, 27))
    assert trades.state(state.trade_id).word(bench.chain.now()) == "failed"
    bench.ledger.freeze("dealer", NOTE.cusip, 0)
    assert trades.settle(state.trade_id).word(bench.chain.now()) == "settled"


def test_it_lapses_after_its_deadline(bench):
    trades, state = agreed(bench, fail_days=2)
    at(bench, date(2026, 3, 28))
    assert trades.state(state.trade_id).word(bench.chain.now()) == "lapsed"
    with pytest.raises(LedgerError) as late:
        trades.settle(state.trade_id)
    assert late.value.code == "TradeLapsed"


def test_the_largest_part_that_can_be_delivered(bench):
    trades, state = agreed(bench, minimum_units=200 * DOLLAR, lot_units=100 * DOLLAR)
    bench.ledger.freeze("dealer", NOTE.cusip, 450 * DOLLAR)
    at(bench, TOMORROW)
    (done,), refused = trades.settle_due()
    assert (done.settled, done.open_face, refused) == (500 * DOLLAR, 500 * DOLLAR, {})
    assert holdings(bench, "dealer")[1] == 495 * DOLLAR
    done, refused = trades.settle_due()
    assert done == []
    assert refused[state.trade_id].code == "ERC7943InsufficientUnfrozenBalance", "50 left is below the minimum"
    bench.ledger.freeze("dealer", NOTE.cusip, 0)
    (done,), _ = trades.settle_due()
    assert done.status is TradeStatus.SETTLED
    assert holdings(bench, "dealer") == (0, 990 * DOLLAR)


def test_a_refusal_speaks_of_the_part_that_was_to_settle(bench):
    """The whole would be enough to hold; thirty are not."""
    trades, state = agreed(bench, minimum_units=10 * DOLLAR, lot_units=10 * DOLLAR)
    set_token_rules(bench.ledger, NOTE.cusip, TokenRules(minimum_holding=50 * DOLLAR))
    at(bench, TOMORROW)
    with pytest.raises(LedgerError, match=r"30\.00 of .* would have less than the minimum holding"):
        trades.settle(state.trade_id, 30 * DOLLAR)
    assert trades.settle(state.trade_id, 50 * DOLLAR).settled == 50 * DOLLAR


def test_all_but_a_unit_can_be_delivered(bench):
    trades, _ = agreed(bench, minimum_units=1, lot_units=1)
    bench.ledger.freeze("dealer", NOTE.cusip, 1)
    at(bench, TOMORROW)
    (done,), _ = trades.settle_due()
    assert done.open_face == 1


def test_the_largest_part_that_can_be_paid(bench):
    trades, _ = agreed(bench, proceeds=20_000 * DOLLAR, minimum_units=100 * DOLLAR, lot_units=100 * DOLLAR)
    at(bench, TOMORROW)
    (done,), _ = trades.settle_due()
    assert done.settled == 500 * DOLLAR
    assert holdings(bench, "desk") == (500 * DOLLAR, 0)


def test_a_part_needs_both_to_have_allowed_it(bench):
    trades, state = agreed(bench)
    at(bench, TOMORROW)
    with pytest.raises(LedgerError) as refused:
        trades.settle(state.trade_id, 500 * DOLLAR)
    assert refused.value.code == "PartialNotAllowed"
    assert holdings(bench, "desk") == (0, 10_000 * DOLLAR)


def test_a_part_that_is_no_amount_is_refused_by_name(bench):
    trades, state = agreed(bench)
    for face in (-1, LARGEST + 1):
        with pytest.raises(UsageError, match=f"face: {face} units is out of range"):
            trades.settle(state.trade_id, face)


def test_both_cancel(bench):
    trades, state = agreed(bench)
    assert trades.cancel(state.trade_id).word(0) == "cancelled"
    assert_as_the_book_has_them(trades)
    at(bench, TOMORROW)
    with pytest.raises(LedgerError) as over:
        trades.settle(state.trade_id)
    assert over.value.code == "TradeNotOpen"


def test_one_currency_against_another(bench):
    create_currency(bench.ledger, "JPY", "yen", decimals=0)
    deposit_cash(bench.ledger, "dealer", "JPY", 15_000)
    trades, state = agreed(bench, face=15_000, proceeds=100 * DOLLAR, asset="JPY")
    at(bench, TOMORROW)
    trades.settle(state.trade_id)
    assert bench.ledger.wallet("desk").currencies == {"JPY": 15_000}
    assert bench.ledger.wallet("dealer").cash == 100 * DOLLAR


def test_a_block_goes_to_its_accounts(bench):
    trades, block = agreed(bench, proceeds=990 * DOLLAR + 1, allocator="desk")
    faces = {"fund": 333 * DOLLAR, "saver": 333 * DOLLAR, "desk": 334 * DOLLAR}
    children = trades.allocate(block.trade_id, faces)
    assert trades.state(block.trade_id).status is TradeStatus.ALLOCATED
    assert_as_the_book_has_them(trades)
    assert sum(child.terms.proceeds for child in children) == 990 * DOLLAR + 1
    at(bench, TOMORROW)
    bench.ledger.set_claim("saver", 1)
    done, refused = trades.settle_due()
    assert len(done) == 2
    assert refused[children[1].trade_id].code == "ERC7943CannotReceive", "each account's own checks"
    assert holdings(bench, "fund") == (333 * DOLLAR, 10_000 * DOLLAR - children[0].terms.proceeds)
    with pytest.raises(LedgerError) as over:
        trades.settle(block.trade_id)
    assert over.value.code == "TradeNotOpen"


def test_an_account_that_did_not_agree_takes_nothing(bench):
    """Its manager is not the block's: a stranger's signature for the fund is refused."""
    trades, block = agreed(bench, allocator="desk")
    fund = bench.address("fund")
    child = trades.child(block.terms, 0, fund, 0, block.terms.face)
    forged = bench.key("desk").sign_digest(trades.trade_id(child))
    digest = allocation_digest(bench.chain.chain_id, trades.address, block.trade_id, [fund], [block.terms.face])
    arguments = (block.terms.abi_value(), [(fund, block.terms.face, forged)], bench.key("desk").sign_digest(digest))
    receipt = bench.transact("desk", trades.address, encode_call("TradeBook", "allocate", *arguments))
    name, told = refusal(receipt)
    assert (name, told["party"]) == ("TradeNotSigned", fund)


def test_a_managed_account_answers_when_its_trade_settles(bench):
    """The manager allocates to it without its owner; at settlement its guard judges, as of every plan."""
    open_account(bench.ledger, "pension", manager="desk")
    bench.ledger.deposit("pension", {}, 5_000 * DOLLAR)
    trades, block = agreed(bench, allocator="desk")
    del bench.ledger.keyring._open["pension"]  # its owner is elsewhere
    (child,) = trades.allocate(block.trade_id, {"pension": 1_000 * DOLLAR})
    at(bench, TOMORROW)
    done, refused = trades.settle_due()
    assert done == []
    assert refused[child.trade_id].code not in ("InvalidSignature", "TradeNotSigned"), (
        "signed; the guard has no mandate"
    )


def test_forged_terms_are_refused(bench):
    trades, state = agreed(bench)
    forged = replace(state.terms, proceeds=1, nonce=99)
    signatures = (bench.key("dealer").sign_digest(trades.trade_id(forged)),) * 2
    with pytest.raises(LedgerError) as refused:
        trades.affirm(forged, *signatures)
    assert refused.value.code == "TradeNotSigned"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"buyer": "dealer"}, "itself"),
        ({"asset": "USD"}, "against itself"),
        ({"face": 0}, "must be positive"),
        ({"minimum_units": 5}, "0 < lot <= minimum"),
        ({"lot_units": 5}, "0 < lot <= minimum"),
        ({"minimum_units": 5, "lot_units": 6}, "0 < lot <= minimum"),
        ({"allocator": "fund"}, "neither"),
        ({"fail_days": -1}, "0 or more"),
        ({"fail_days": 10**9}, "at most 36600"),
        ({"settlement_date": date.max}, "after the year 9000"),
        ({"nonce": -1}, "nonce -1 is not from 0"),
        ({"nonce": 2**256}, "is not from 0 to"),
        ({"face": 1.5}, "face 1.5 is not an integer"),
        ({"minimum_units": 1.5, "lot_units": 1}, "minimum 1.5 is not an integer"),
    ],
)
def test_terms_that_cannot_be(bench, more, said):
    with pytest.raises(UsageError, match=said):
        agreed(bench, **more)


def test_unknown_trades_are_refused_by_name(bench):
    trades, state = agreed(bench)
    assert trades.find(state.trade_id.hex()[:6]) == state.trade_id
    with pytest.raises(LedgerError, match="0 trades"):
        trades.find("ffffffffffff")
    with pytest.raises(LedgerError, match="not affirmed"):
        trades.state(bytes(32))
    with pytest.raises(LedgerError) as passed:
        agreed(bench, settlement_date=date(2026, 1, 5), fail_days=0)
    assert passed.value.code == "TradeLapsed"
    with pytest.raises(UsageError, match="sum to"):
        trades.allocate(agreed(bench, allocator="desk")[1].trade_id, {"fund": 1})
    with pytest.raises(LedgerError) as nobody:
        trades.allocate(state.trade_id, {"fund": state.terms.face})
    assert nobody.value.code == "NotAllocable"
