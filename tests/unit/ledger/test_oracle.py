"""Rounds on the ledger: the digest is the contract's, the pricers are made on first use, misuse is named."""

from dataclasses import replace
from datetime import date

import pytest

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.deployment import Role
from tbill_defi.ledger.oracle import MAX_QUOTES, PRICER_KEYS, Oracle, OracleQuote, OracleRound
from tests.unit.ledger.support import NOTE, make_ledger, ring

TODAY = date(2026, 3, 24)
PRICE = OracleQuote(
    cusip=NOTE.cusip,
    clean_e6=99_250_000,
    yield_e9=-41_250_000,
    duration_e6=8_100_000,
    maturity=NOTE.maturity_date,
    rating=2,
    coupon_e9=41_250_000,
    accrual_start=date(2026, 2, 15),
    previous_coupon=date(2026, 2, 15),
    next_coupon=date(2026, 8, 15),
)


@pytest.fixture
def ledger():
    with make_ledger() as made:
        yield made


def round_of(ledger, *quotes, number=1):
    return OracleRound(number, TODAY, ledger.chain.now(), quotes)


def publish(ledger, round_, signers=2):
    oracle = Oracle(ledger)
    return oracle.publish([(round_, oracle.sign(round_, oracle.own_pricers()[:signers]))])


def refused(ledger, round_, signers=2):
    with pytest.raises(LedgerError) as caught:
        publish(ledger, round_, signers)
    return caught.value.code


def test_the_digest_is_the_contracts(ledger):
    oracle = Oracle(ledger)
    bill = OracleQuote("912797SX6", 98_000_000, 40_000_000, 400_000, date(2026, 9, 1), 2)
    round_ = round_of(ledger, bill, PRICE)
    expected = ledger.call("PriceOracle", oracle.address, "hashRound", round_.abi_value())
    assert round_.digest(ledger.chain.chain_id, oracle.address) == expected


def test_prices_as_published(ledger):
    oracle = Oracle(ledger)
    round_ = round_of(ledger, PRICE)
    publish(ledger, round_)
    price = oracle.price(NOTE.cusip)
    assert (price.clean_e6, price.yield_e9, price.duration_e6) == (99_250_000, -41_250_000, 8_100_000)
    assert (price.maturity, price.market_date, price.observed_at) == (NOTE.maturity_date, TODAY, round_.observed_at)
    assert price.accrued_e6 == 421_616  # 100 x 0.04125 / 2 x 37 / 181, half up
    assert oracle.dirty_price(NOTE.cusip) == (price.dirty_e6, round_.observed_at)
    assert oracle.accrued_interest(NOTE.cusip, date(2026, 8, 14)) == 2_051_105  # 180 of 181 days
    assert oracle.last_round() == (1, TODAY, round_.observed_at)


def test_pricers_are_made_and_named_on_first_use(ledger):
    oracle = Oracle(ledger)
    assert oracle.pricers() == []
    keys = oracle.own_pricers()
    assert {key.address for key in keys} == {ledger.keyring.key(name).address for name in PRICER_KEYS}
    assert oracle.pricers() == sorted(key.address for key in keys)
    rules = oracle.rules()
    assert (rules.quorum, rules.confirm_quorum) == (2, 3)
    assert oracle.own_pricers() == keys, "and are the same ones afterwards"


def test_no_pricer_holds_a_role(ledger):
    for key in Oracle(ledger).own_pricers():
        for role in Role:
            manager = ledger.contracts.role_manager
            assert not ledger.call("RoleManager", manager, "hasRole", role, key.address)[0]


def test_foreign_pricers_sign_elsewhere(ledger):
    oracle = Oracle(ledger)
    oracle.set_pricers([SigningKey.from_seed("someone").address], quorum=1, confirm_quorum=1)
    with pytest.raises(UsageError, match="keys are not here"):
        oracle.own_pricers()
    foreign = SigningKey.from_seed("someone")
    round_ = round_of(ledger, PRICE)
    oracle.publish([(round_, oracle.sign(round_, [foreign]))])
    assert oracle.price(NOTE.cusip).clean_e6 == PRICE.clean_e6


def test_missing_stale_jump_and_haste_are_named(ledger):
    oracle = Oracle(ledger)
    with pytest.raises(LedgerError) as caught:
        oracle.price(NOTE.cusip)
    assert caught.value.code == "PriceMissing"
    publish(ledger, round_of(ledger, PRICE))
    assert refused(ledger, round_of(ledger, PRICE)) == "RoundNotNewer"
    assert refused(ledger, round_of(ledger, PRICE, number=2)) == "TooSoon"
    ledger.chain.advance_clock(60)
    jump = round_of(ledger, replace(PRICE, clean_e6=PRICE.clean_e6 * 104 // 100), number=2)
    assert refused(ledger, jump) == "PriceMoveTooLarge"
    assert refused(ledger, jump, signers=1) == "QuorumMissing"
    publish(ledger, jump, signers=3)
    ledger.chain.advance_clock(4 * 86_400)
    with pytest.raises(LedgerError) as caught:
        oracle.price(NOTE.cusip)
    assert caught.value.code == "StalePrice"
    assert oracle.price(NOTE.cusip, stale=True).clean_e6 == jump.quotes[0].clean_e6


def test_a_full_round_fits_a_transaction(ledger):
    """64 securities priced for the first time use less than a quarter of 2^24 gas, or the chain would refuse."""
    names = [f"91282C{i:03d}" for i in range(MAX_QUOTES)]
    publish(ledger, round_of(ledger, *(replace(PRICE, cusip=name) for name in names)), signers=3)
    found = ledger.call("PriceOracle", Oracle(ledger).address, "measures", [bytes32(name) for name in names])
    assert {row["dirtyE6"] for row in found} == {99_250_000 + 421_616}


def test_rules_are_set_by_the_oracle_key_alone():
    with make_ledger() as ledger:
        Oracle(ledger).set_rules(max_move_bp=100, interval=1, max_age=3600)
        rules = Oracle(ledger).rules()
        assert (rules.max_move_bp, rules.interval, rules.max_age) == (100, 1, 3600)
    assert "oracle" in ring().names()
