"""Writing and reading a ledger: deposits, parties, refusals that leave no trace."""

from datetime import date

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.core.clock import SimulatedClock, new_york_midnight
from tbill_defi.core.errors import LedgerBusy, LedgerError, UsageError
from tbill_defi.instruments import Bill, terms_hash
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tests.unit.ledger.support import DOLLAR, NOTE, OUTSIDER, START, make_ledger, ring

BILL = Bill(cusip="912797TE7", issue_date=date(2025, 12, 26), maturity_date=date(2026, 6, 25))


def test_a_deposit_makes_the_token_of_the_terms(bench):
    assert bench.ledger.token_of(BILL.cusip) is None
    place = bench.ledger.predicted_token(BILL)
    bench.ledger.deposit("fund", {BILL: 5 * DOLLAR}, 7)
    token = bench.ledger.token_of(BILL.cusip)
    assert token == place == bench.ledger.predicted_token(BILL)
    assert bench.ledger.call("SecurityToken", token, "termsHash") == terms_hash(BILL)
    assert bench.ledger.call("SecurityToken", token, "maturity") == new_york_midnight(BILL.maturity_date)
    assert bench.ledger.call("SecurityToken", token, "name") == "Treasury 912797TE7"
    wallet = bench.ledger.wallet("fund")
    assert wallet.positions[BILL.cusip] == 5 * DOLLAR
    assert wallet.cash == 500_000 * DOLLAR + 7


def test_a_second_deposit_adds(bench):
    before = bench.ledger.wallet("desk").positions[NOTE.cusip]
    bench.ledger.deposit("desk", {NOTE: 3})
    assert bench.ledger.wallet("desk").positions[NOTE.cusip] == before + 3


def test_nothing_to_deposit_sends_nothing(bench):
    height = bench.chain.height
    assert bench.ledger.deposit("desk", {}) == ()
    assert bench.chain.height == height


@pytest.mark.parametrize("face", [0, -1])
def test_a_deposit_is_positive(bench, face):
    with pytest.raises(UsageError, match="not positive"):
        bench.ledger.deposit("desk", {NOTE: face})


def test_a_batch_with_a_revert_is_not_sent(bench):
    """Simulation first: either all of a deposit is there or none of it."""
    bench.ledger.set_claim("fund", 0)
    before, height = bench.state(), bench.chain.height
    with pytest.raises(LedgerError, match="the contract refuses: ERC7943CannotReceive") as caught:
        bench.ledger.deposit("fund", {BILL: DOLLAR, NOTE: DOLLAR}, DOLLAR)
    assert caught.value.code == "ERC7943CannotReceive"
    assert bench.state() == before
    assert bench.chain.height == height
    assert bench.ledger.token_of(BILL.cusip) is None


def test_parties(bench):
    second = OUTSIDER.address
    bench.ledger.add_party("desk", second, claim_expiry=2**40)
    assert bench.ledger.wallet("desk").addresses == ("0x" + bench.address("desk").hex(), "0x" + second.hex())
    assert bench.ledger.address_of("desk") == bench.address("desk"), "the first registered one"
    with pytest.raises(LedgerError, match="WalletAlreadyRegistered") as caught:
        bench.ledger.add_party("fund", second, claim_expiry=2**40)
    assert caught.value.code == "WalletAlreadyRegistered"


def test_unknown_party_and_asset(shared):
    with pytest.raises(
        LedgerError, match="'nobody' has no wallet on this ledger; parties: dealer, desk, fund"
    ) as caught:
        shared.ledger.wallet("nobody")
    assert caught.value.code == "UnknownParty"
    with pytest.raises(LedgerError, match="912797ZZZ has no token") as caught:
        shared.ledger.freeze("desk", "912797ZZZ", 1)
    assert caught.value.code == "UnknownAsset"
    with pytest.raises(LedgerError) as caught:
        shared.ledger.set_claim("nobody", 1)
    assert caught.value.code == "UnknownIdentity"


def test_a_view_that_reverts_names_the_error(shared):
    """2^40 is a second that is not over yet."""
    with pytest.raises(LedgerError, match="FutureLookup") as caught:
        shared.ledger.call("SecurityToken", shared.note, "balanceOfAt", shared.address("desk"), 2**40)
    assert caught.value.code == "FutureLookup"


def test_nonces_of_several_steps_by_one_key(bench):
    freeze = encode_call("SecurityToken", "setFrozenTokens", bench.address("desk"), 1)
    receipts = bench.ledger.send([Step("compliance", bench.note, freeze)] * 3)
    assert [r.status for r in receipts] == [True] * 3
    assert len({r.height for r in receipts}) == 1, "one block"


def test_simulation_leaves_no_trace(bench):
    before, height = bench.state(), bench.chain.height
    data = encode_call("CashToken", "issue", bench.address("desk"), DOLLAR)
    (receipt,) = bench.ledger.simulate([Step("bank", bench.usd, data)])
    assert receipt.status
    assert (bench.state(), bench.chain.height) == (before, height)


def test_market_date_is_new_yorks(shared):
    assert shared.ledger.market_date == date(2026, 3, 24)
    with make_ledger(at=START + 9 * 3600 + 1) as late:
        assert late.market_date == date(2026, 3, 25)


def test_open_again(tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with make_ledger(url=url) as ledger:
        ledger.deposit("desk", {NOTE: DOLLAR}, 5)
        wallet, chain_id = ledger.wallet("desk"), ledger.chain.chain_id
        with pytest.raises(LedgerBusy):
            Ledger.open(url, keys=ring("desk"))
        with Ledger.open(url) as reader:
            assert reader.wallet("desk") == wallet
            ledger.deposit("desk", {}, 6)
            assert reader.wallet("desk").cash == 11, "a reader follows"
    with Ledger.open(url, keys=ring("desk")) as again:
        assert again.chain.chain_id == chain_id
        assert again.wallet("desk").positions == wallet.positions
        again.deposit("desk", {NOTE: DOLLAR})


def test_a_reader_writes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    make_ledger(url=url).close()
    with Ledger.open(url) as reader:
        for attempt in (lambda: reader.deposit("desk", {NOTE: 1}), lambda: reader.set_trade_limit(1)):
            with pytest.raises(LedgerError, match="read only") as caught:
                attempt()
            assert caught.value.code == "ReadOnly"
    with Ledger.open(url, keys=ring("desk"), write=False) as reader:
        with pytest.raises(LedgerError) as caught:
            reader.set_trade_limit(1)
        assert caught.value.code == "ReadOnly"


def test_a_ledger_that_is_not_ours(tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    EmbeddedChain.create(url, operator=ring().key("operator"), clock=SimulatedClock(START)).close()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert caught.value.code == "NotOurs"
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert caught.value.code == "NotOurs", "the file was let go"
