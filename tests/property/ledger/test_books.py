"""Whatever happens on the ledger, the books folded from its events say what the contracts say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.books import EVENTS, Books
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.eip712 import hold_id
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, PARTIES, Bench, stocked_ledger

TOKENS = ("note", "other", "usd")
SECURITIES = TOKENS[:2]
party, token, security = st.sampled_from(PARTIES), st.sampled_from(TOKENS), st.sampled_from(SECURITIES)
amount = st.one_of(st.integers(0, 3), st.integers(0, 1_200_000).map(lambda n: n * DOLLAR))
hold = st.integers(0, 3).map(lambda n: bytes((n,)) * 32)
ACTS = st.one_of(
    st.tuples(st.just("settle"), token, party, party, amount),
    st.tuples(st.just("transfer"), token, party, party, amount),
    st.tuples(st.just("issue"), token, party, amount),
    st.tuples(st.just("redeem"), token, party, amount),
    st.tuples(st.just("freeze"), security, party, amount),
    st.tuples(st.just("force"), security, party, party, amount),
    st.tuples(st.just("force_hold"), security, party, party, amount, hold),
    st.tuples(st.just("hold"), security, party, party, amount, hold),
    st.tuples(st.just("execute"), security, hold, amount),
    st.tuples(st.just("release"), security, hold),
    st.tuples(st.just("expire"), security, hold),
    st.tuples(st.just("claim"), party, st.booleans()),
    st.tuples(st.just("wait")),
)
NOTARY, HOLD_SECONDS = "dealer", 20


class Actor:
    """Carries acts out; whether they succeed is the contracts' business."""

    def __init__(self, bench):
        self.bench = bench
        self.holds = {}

    def act(self, name, *arguments):
        getattr(self, name)(*arguments)

    def _token(self, which):
        return ("CashToken" if which == "usd" else "SecurityToken"), getattr(self.bench, which)

    def _send(self, sender, which, function, *arguments):
        contract, where = self._token(which)
        return self.bench.transact(sender, where, encode_call(contract, function, *arguments)).status

    def settle(self, which, giver, receiver, units):
        leg = self.bench.leg(self._token(which)[1], giver, receiver, units)
        self.bench.settle(self.bench.sign(self.bench.instruction([leg])))

    def transfer(self, which, giver, receiver, units):
        self._send(giver, which, "transfer", self.bench.address(receiver), units)

    def issue(self, which, to, units):
        self._send("bank" if which == "usd" else "issuer", which, "issue", self.bench.address(to), units)

    def redeem(self, which, of, units):
        self._send("bank" if which == "usd" else "issuer", which, "redeem", self.bench.address(of), units)

    def freeze(self, which, of, units):
        self._send("compliance", which, "setFrozenTokens", self.bench.address(of), units)

    def force(self, which, of, to, units):
        self._send("enforcer", which, "forcedTransfer", self.bench.address(of), self.bench.address(to), units)

    def force_hold(self, which, of, to, units, name):
        of, to = self.bench.address(of), self.bench.address(to)
        self._send("enforcer", which, "forcedTransferEndingHolds", of, to, units, [self.holds.get(name, name)])

    def hold(self, which, of, to, units, name):
        expiry = self.bench.chain.now() + HOLD_SECONDS
        notary, to = self.bench.address(NOTARY), self.bench.address(to)
        if self._send(of, which, "createHold", name, notary, to, units, expiry):
            self.holds[name] = hold_id(self.bench.address(of), name)

    def execute(self, which, name, units):
        self._send(NOTARY, which, "executeHold", self.holds.get(name, name), units)

    def release(self, which, name):
        self._send(NOTARY, which, "releaseHold", self.holds.get(name, name))

    def expire(self, which, name):
        self._send("fund", which, "expireHold", self.holds.get(name, name))

    def claim(self, of, valid):
        self.bench.ledger.set_claim(of, 2**40 if valid else 0)

    def wait(self):
        self.bench.chain.advance_clock(HOLD_SECONDS)


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(ACTS, min_size=5, max_size=30))
def test_books_are_what_the_contracts_say(acts):
    with stocked_ledger() as ledger:
        bench = Bench(ledger)
        actor = Actor(bench)
        for act in acts:
            actor.act(*act)
        assert_equal_to_contracts(bench, ledger.books())
        assert_equal_to_contracts(bench, Books(bench.contracts, CURRENCY).apply(bench.chain.events(names=EVENTS)))


def assert_equal_to_contracts(bench, books):
    total = dict.fromkeys((NOTE.cusip, OTHER.cusip, "USD"), 0)
    for name in PARTIES:
        wallet, where = books.wallet(name), bench.address(name)
        assert wallet.cash == bench.ledger.call("CashToken", bench.usd, "balanceOf", where)
        total["USD"] += wallet.cash
        for cusip, place in ((NOTE.cusip, bench.note), (OTHER.cusip, bench.other)):

            def ask(question, place=place, where=where):
                return bench.ledger.call("SecurityToken", place, question, where)

            balance = ask("balanceOf")
            total[cusip] += balance
            assert wallet.positions.get(cusip, 0) == balance
            assert wallet.held.get(cusip, 0) == ask("heldOf") <= balance
            assert balance - wallet.unavailable().get(cusip, 0) == ask("availableOf")
            if balance:
                assert wallet.frozen.get(cusip, 0) == ask("getFrozenTokens")
    assert dict(books.supply()) == total
    for cusip, place in ((NOTE.cusip, bench.note), (OTHER.cusip, bench.other)):
        assert total[cusip] == bench.ledger.call("SecurityToken", place, "totalSupply")
    assert total["USD"] == bench.ledger.call("CashToken", bench.usd, "totalSupply")
