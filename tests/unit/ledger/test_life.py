"""Bill, Note and Bond from issue to redemption: what the contracts pay is what the terms promise, to the base unit."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.ledger import life, recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.coupons import Coupon, coupon_on, coupons
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.eip712 import hold_id
from tbill_defi.ledger.life import Purchase
from tests.unit.ledger.support import DOLLAR, make_ledger

HOLDERS = ("ann", "ben", "cat")
BILL = Bill(cusip="912797QQ1", issue_date=date(2026, 3, 26), maturity_date=date(2026, 9, 24))
REGULAR = Note(cusip="91282CAA1", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2028, 3, 31))
SHORT_FIRST = Note(cusip="91282CBB2", coupon=0.03375, dated_date=date(2026, 4, 2), maturity_date=date(2028, 3, 31))
LONG_FIRST = Note(
    cusip="91282CCC3",
    coupon=0.07875,
    dated_date=date(2026, 5, 3),
    maturity_date=date(2028, 8, 15),
    first_coupon_date=date(2027, 2, 15),
)
BOND = Bond(cusip="912810DD4", coupon=0.0475, dated_date=date(2026, 5, 15), maturity_date=date(2037, 5, 15))
START = new_york_midnight(date(2026, 3, 25))
EVERY = pytest.mark.parametrize("security", [BILL, REGULAR, SHORT_FIRST, LONG_FIRST, BOND], ids=lambda s: s.cusip)


@pytest.fixture
def ledger():
    with make_ledger(*HOLDERS, at=START) as made:
        for party in HOLDERS:
            made.set_claim(party, 2**40)
            made.deposit(party, {}, 10_000_000 * DOLLAR)
        life.ensure_treasury(made)
        yield made


def go_to(ledger, moment):
    """The next block is at `moment`."""
    ledger.chain.advance_clock(moment - ledger.chain.now())
    assert ledger.chain.now() == moment


def start(ledger, day):
    go_to(ledger, new_york_midnight(day) + 9 * 3600)


def cash(ledger, party):
    return ledger.wallet(party).cash


def address(ledger, party):
    return "0x" + ledger.address_of(party).hex()


def move(ledger, security, giver, receiver, units):
    token = ledger.token_of(security.cusip)
    ledger.send([Step(giver, token, encode_call("SecurityToken", "transfer", ledger.address_of(receiver), units))])


def sold(ledger, security, faces):
    """The security issued at 99 to the holders, faces in base units."""
    start(ledger, security.resolve().first_settlement)
    life.issue(ledger, security, [Purchase(who, units, units * 99 // 100) for who, units in faces.items()])


@EVERY
@pytest.mark.invariant("I10")
@pytest.mark.invariant("I9")
def test_from_issue_to_redemption(ledger, security):
    """Odd fractions, trades between the coupons; every cent of every holder is that of the terms."""
    draw = random.Random(security.cusip)
    positions = {who: draw.randrange(1, 3_000_000 * DOLLAR) for who in HOLDERS}
    wealth = {who: cash(ledger, who) - units * 99 // 100 for who, units in positions.items()}
    sold(ledger, security, positions)
    assert {who: cash(ledger, who) for who in HOLDERS} == wealth
    proceeds = sum(units * 99 // 100 for units in positions.values())
    assert cash(ledger, "treasury") == proceeds
    supply = sum(positions.values())
    flows = security.resolve()
    for index, day in enumerate(flows.payment_dates):
        giver, receiver = draw.sample(HOLDERS, 2)
        units = draw.randrange(positions[giver])
        go_to(ledger, new_york_midnight(day) - 1)
        move(ledger, security, giver, receiver, units)  # the last second that counts
        positions[giver] -= units
        positions[receiver] += units
        paid_on = SETTLEMENT.following(day)
        start(ledger, paid_on)
        if flows.coupons[index]:
            payment = life.pay_coupon(ledger, security, day, payment_date=paid_on)
            promised = Fraction(Decimal(float(flows.coupons[index]))) / 100
            for who, face in positions.items():
                amount = int(face * flows.rate * flows.fractions[index] / 100)
                assert -0.01 < face * promised - amount < 1.01  # a double holds 15 digits of the flow
                assert payment.paid[address(ledger, who)] == amount
                wealth[who] += amount
            assert payment.complete
            assert payment.due == int(supply * flows.rate * flows.fractions[index] / 100)
            assert sum(payment.paid.values()) + payment.returned == payment.due
            assert 0 <= payment.returned < len(HOLDERS)
            assert {who: cash(ledger, who) for who in HOLDERS} == wealth
    payment = life.redeem(ledger, security, payment_date=SETTLEMENT.following(flows.maturity))
    assert payment.complete
    assert payment.paid == {address(ledger, who): face for who, face in positions.items() if face}
    assert {who: cash(ledger, who) for who in HOLDERS} == {who: wealth[who] + positions[who] for who in HOLDERS}
    assert dict(ledger.books().supply())[security.cusip] == 0
    redeemed = ledger.call("Issuance", ledger.contracts.issuance, "redemptionOf", ledger.token_of(security.cusip))[
        "redeemed"
    ]
    issued = ledger.call("Issuance", ledger.contracts.issuance, "issuedOf", ledger.token_of(security.cusip))
    assert redeemed == issued == supply
    for contract in (ledger.contracts.issuance, ledger.contracts.coupon_payer):
        assert ledger.call("CashToken", ledger.contracts.usd, "balanceOf", contract) == 0


def test_fractions_of_the_coupons():
    assert coupons(BILL) == ()
    assert [c.fraction for c in coupons(REGULAR)] == [Fraction(33, 1600)] * 4
    first, *others = coupons(SHORT_FIRST)
    assert first == Coupon(date(2026, 9, 30), Fraction("0.03375") * Fraction(181, 366))  # of 183 days
    assert {c.fraction for c in others} == {Fraction("0.016875")}
    first = coupons(LONG_FIRST)[0]
    assert first.day == date(2027, 2, 15)
    # 104 of the 181 days to August, and a whole half year
    assert first.fraction == Fraction("0.07875") * (Fraction(104, 362) + Fraction(1, 2))


def test_long_first_coupon_of_the_regulation(ledger):
    """31 CFR 356 Appendix B, I: 7.875%, 1990-12-03 to 1996-02-15, face 7,000 pays 386.474184670 first."""
    note = Note(
        cusip="912827ZZ9",
        coupon=0.07875,
        dated_date=date(1990, 12, 3),
        maturity_date=date(1996, 2, 15),
        first_coupon_date=date(1991, 8, 15),
    )
    assert coupons(note)[0].units(7_000 * DOLLAR) == 386_474_184


def test_record_is_the_last_second_before_the_coupon_date(ledger):
    sold(ledger, REGULAR, {"ann": 1_000 * DOLLAR, "ben": 1_000 * DOLLAR})
    day = date(2026, 9, 30)
    go_to(ledger, new_york_midnight(day) - 1)
    with pytest.raises(LedgerError, match="start of 2026-09-30 in New York") as caught:
        life.pay_coupon(ledger, REGULAR, day)
    assert caught.value.code == "RecordTimeNotPassed"
    move(ledger, REGULAR, "ann", "cat", 400 * DOLLAR)  # 23:59:59: counts
    assert ledger.chain.now() == new_york_midnight(day)
    move(ledger, REGULAR, "cat", "ben", 400 * DOLLAR)  # 00:00:00: does not
    payment = life.pay_coupon(ledger, REGULAR, day)
    half = Fraction(33, 1600)
    assert payment.paid == {
        address(ledger, "ann"): int(600 * DOLLAR * half),
        address(ledger, "ben"): int(1_000 * DOLLAR * half),
        address(ledger, "cat"): int(400 * DOLLAR * half),
    }


def test_weekend_coupon_is_paid_on_the_next_good_day(ledger):
    note = replace_dates(REGULAR, date(2026, 4, 4), date(2028, 4, 4))  # 2026-10-04 is a Sunday
    sold(ledger, note, {"ann": 1_000 * DOLLAR})
    start(ledger, date(2026, 10, 4))
    with pytest.raises(LedgerError) as caught:
        life.pay_coupon(ledger, note, date(2026, 10, 4), payment_date=SETTLEMENT.following(date(2026, 10, 4)))
    assert caught.value.code == "CouponNotPayable"
    start(ledger, date(2026, 10, 5))
    payment = life.pay_coupon(ledger, note, date(2026, 10, 4), payment_date=date(2026, 10, 5))
    assert payment.paid == {address(ledger, "ann"): 20_625_000}


def replace_dates(note, dated, maturity):
    return note.model_copy(update={"dated_date": dated, "maturity_date": maturity, "cusip": "91282CEE5"})


def test_nothing_is_done_twice(ledger):
    sold(ledger, REGULAR, {"ann": 1_000 * DOLLAR})
    start(ledger, date(2026, 9, 30))
    life.pay_coupon(ledger, REGULAR, date(2026, 9, 30))
    before = cash(ledger, "ann")
    again = life.pay_coupon(ledger, REGULAR, date(2026, 9, 30))
    assert (again.paid, again.complete, cash(ledger, "ann")) == ({}, False, before)


def test_unregistered_wallet_blocks_nobody_and_is_paid_later(ledger):
    sold(ledger, REGULAR, {"ann": 1_000 * DOLLAR, "ben": 333 * DOLLAR})
    start(ledger, date(2026, 9, 30))
    registry, ann = ledger.contracts.identity_registry, ledger.address_of("ann")
    ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", "removeWallet", ann))])
    payment = life.pay_coupon(ledger, REGULAR, date(2026, 9, 30))
    assert (payment.withheld, payment.complete) == (("0x" + ann.hex(),), False)
    assert len(payment.paid) == 1
    again = encode_call("IdentityRegistry", "registerWallet", ann, b"ann".ljust(32, b"\0"))
    ledger.send([Step("registrar", registry, again)])
    ledger.set_claim("ann", 0)  # a lapsed claim is no bar to being paid
    payment = life.pay_coupon(ledger, REGULAR, date(2026, 9, 30))
    assert payment.paid == {"0x" + ann.hex(): 20_625_000}
    assert payment.complete


def test_redemption_of_lapsed_frozen_and_held_units(ledger):
    sold(ledger, BILL, dict.fromkeys(HOLDERS, 1_000 * DOLLAR))
    token, maturity = ledger.token_of(BILL.cusip), BILL.maturity_date
    ledger.set_claim("ann", 0)
    ledger.freeze("ben", BILL.cusip, 300 * DOLLAR)
    expiry = new_york_midnight(maturity + timedelta(days=3))
    hold = encode_call(
        "SecurityToken",
        "createHold",
        b"\1" * 32,
        ledger.address_of("ben"),
        ledger.address_of("ben"),
        250 * DOLLAR,
        expiry,
    )
    ledger.send([Step("cat", token, hold)])
    before = {who: cash(ledger, who) for who in HOLDERS}
    go_to(ledger, new_york_midnight(maturity) - 1)
    with pytest.raises(LedgerError) as caught:
        life.redeem(ledger, BILL)
    assert caught.value.code == "RedemptionNotOpen"
    go_to(ledger, new_york_midnight(maturity))
    payment = life.redeem(ledger, BILL)
    gained = {who: cash(ledger, who) - before[who] for who in HOLDERS}
    assert gained == {"ann": 1_000 * DOLLAR, "ben": 700 * DOLLAR, "cat": 750 * DOLLAR}
    assert payment.blocked == {address(ledger, "ben"): 300 * DOLLAR}
    assert not payment.complete, "units on hold are outstanding"
    assert life.redeem(ledger, BILL).withheld == (address(ledger, "cat"),)
    life.release_blocked(ledger, "ben", 300 * DOLLAR)
    assert cash(ledger, "ben") - before["ben"] == 1_000 * DOLLAR
    go_to(ledger, expiry + 1)
    held = hold_id(ledger.address_of("cat"), b"\1" * 32)
    ledger.send([Step("ann", token, encode_call("SecurityToken", "expireHold", held))])
    payment = life.redeem(ledger, BILL)
    assert payment.complete
    assert cash(ledger, "cat") - before["cat"] == 1_000 * DOLLAR


@pytest.mark.invariant("I10")
def test_who_lost_his_wallet_redeems_after_recovery(ledger):
    """Until the token follows the registry his redemption is withheld; then his successor is paid, once and in full."""
    sold(ledger, BILL, {"ann": 1_000 * DOLLAR, "ben": 500 * DOLLAR})
    lost, successor = ledger.address_of("ann"), bytes.fromhex("c0" * 20)
    start(ledger, BILL.maturity_date - timedelta(days=2))
    recovery.announce(ledger, lost, successor)
    start(ledger, BILL.maturity_date)
    confirm = encode_call("IdentityRegistry", "confirmRecovery", lost)
    ledger.send([Step("enforcer", ledger.contracts.identity_registry, confirm)])
    first = life.redeem(ledger, BILL)
    assert first.withheld == ("0x" + lost.hex(),)
    assert first.paid == {address(ledger, "ben"): 500 * DOLLAR}
    assert not first.complete
    token = ledger.require_token(BILL.cusip)
    ledger.send([Step("operator", token, encode_call("SecurityToken", "recover", lost, []))])
    second = life.redeem(ledger, BILL)
    assert (second.paid, second.withheld) == ({"0x" + successor.hex(): 1_000 * DOLLAR}, ())
    assert second.complete
    assert ledger.call("CashToken", ledger.contracts.usd, "balanceOf", successor) == 1_000 * DOLLAR
    assert dict(ledger.books().supply())[BILL.cusip] == 0


def test_issue_is_all_or_none(ledger):
    start(ledger, BILL.issue_date)
    rich, poor = (
        Purchase("ann", 1_000 * DOLLAR, 990 * DOLLAR),
        Purchase("ben", 20_000_000 * DOLLAR, 19_000_000 * DOLLAR),
    )
    with pytest.raises(LedgerError) as caught:
        life.issue(ledger, BILL, [rich, poor])
    assert caught.value.code == "ERC20InsufficientBalance"
    assert ledger.wallet("ann").positions == {}
    with pytest.raises(UsageError, match="both must be positive"):
        life.issue(ledger, BILL, [replace(rich, cash_units=0)])
    with pytest.raises(UsageError, match=f"at most {10**24}"):
        life.issue(ledger, BILL, [replace(rich, cash_units=2**256)])
    with pytest.raises(UsageError, match="0 purchases"):
        life.issue(ledger, BILL, [])
    start(ledger, BILL.maturity_date)
    with pytest.raises(LedgerError) as caught:
        life.issue(ledger, BILL, [rich])
    assert caught.value.code == "SecurityMatured"


def test_an_issue_that_is_refused_admits_nobody():
    """The contract refuses the payment: no Treasury, no token, no block; the next issue makes them in its own."""
    with make_ledger("ann", at=START) as ledger:
        height = ledger.chain.height
        with pytest.raises(LedgerError) as caught:
            life.issue(ledger, REGULAR, [Purchase("ann", 100 * DOLLAR, 99 * DOLLAR)])
        assert caught.value.code == "ERC20InsufficientBalance"
        assert ledger.chain.height == height
        assert "treasury" not in ledger.books().parties()
        assert ledger.token_of(REGULAR.cusip) is None
        ledger.deposit("ann", {}, 99 * DOLLAR)
        life.issue(ledger, REGULAR, [Purchase("ann", 100 * DOLLAR, 99 * DOLLAR)])
        assert ledger.chain.height == height + 2
        assert ledger.wallet("treasury").cash == 99 * DOLLAR


def test_reopening_issues_more_of_the_same(ledger):
    sold(ledger, REGULAR, {"ann": 1_000 * DOLLAR})
    life.issue(ledger, REGULAR, [Purchase("ben", 500 * DOLLAR, 501 * DOLLAR)])
    token = ledger.token_of(REGULAR.cusip)
    assert ledger.call("Issuance", ledger.contracts.issuance, "issuedOf", token) == 1_500 * DOLLAR


def test_what_is_not_there(ledger):
    with pytest.raises(ConventionError, match="pays none on 2026-10-01"):
        coupon_on(REGULAR, date(2026, 10, 1))
    start(ledger, date(2026, 9, 30))
    with pytest.raises(LedgerError, match="no token"):
        life.pay_coupon(ledger, REGULAR, date(2026, 9, 30))


def test_many_holders_stay_below_a_quarter_of_the_gas(ledger):
    """Batches at their size, with wallets that have many past balances and never held cash."""
    names = [f"h{i:02d}" for i in range(life.PAYMENTS_PER_TRANSACTION + 3)]
    steps = []
    sold(ledger, REGULAR, {"ann": 1_000_000 * DOLLAR})
    for name in names:
        ledger.add_party(name, ledger.keyring.create(name).address, claim_expiry=2**40)
    token = ledger.token_of(REGULAR.cusip)
    for _ in range(3):
        addresses = [ledger.address_of(name) for name in names]
        steps = [Step("ann", token, encode_call("SecurityToken", "batchTransfer", addresses, [7] * len(names)))]
        ledger.send(steps)
    start(ledger, date(2026, 9, 30))
    sent, _ = life.coupon_steps(ledger, REGULAR, date(2026, 9, 30))
    receipts = ledger.send(sent)
    assert max(r.gas_used for r in receipts) < 2**22
    start(ledger, date(2028, 3, 31))
    for name in names:
        ledger.freeze(name, REGULAR.cusip, 5)
    sent, _ = life.redemption_steps(ledger, REGULAR)
    receipts = ledger.send(sent)
    assert max(r.gas_used for r in receipts) < 2**22
    assert dict(ledger.books().supply())[REGULAR.cusip] == 0
