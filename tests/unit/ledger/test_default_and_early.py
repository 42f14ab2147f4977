"""A security in default, and the early redemption queue, on the embedded ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.instruments import CorporateBond, Note
from tbill_defi.ledger import life
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.coupons import coupon_on
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.defaults import cure_default, declare_default, in_default, pay_recovery
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.instructions import instruction_of
from tbill_defi.ledger.oracle import Oracle, OracleQuote, OracleRound
from tbill_defi.ledger.passing import pass_on
from tbill_defi.ledger.settlement import PlanLeg
from tbill_defi.ledger.token_rules import TokenRules, set_token_rules
from tests.unit.ledger.support import DOLLAR, make_ledger

START = date(2026, 4, 20)
BOND = CorporateBond(cusip="594918CC4", coupon=0.0535, dated_date=START, maturity_date=date(2028, 4, 20))
NOTE = Note(cusip="91282CAA1", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2028, 3, 31))
FIRST = date(2026, 10, 20)
HOLDERS = ("ann", "ben", "cat")


@pytest.fixture
def ledger():
    with make_ledger(*HOLDERS, at=new_york_midnight(START) + 9 * 3600) as made:
        for name in HOLDERS:
            made.set_claim(name, 2**40)
        made.deposit("ann", {BOND: 1_000 * DOLLAR + 1, NOTE: 5_000 * DOLLAR}, DOLLAR)
        made.deposit("ben", {BOND: 333 * DOLLAR, NOTE: 5_000 * DOLLAR}, DOLLAR)
        yield made


def go_to(ledger, day, hours=9):
    ledger.chain.advance_clock(new_york_midnight(day) + hours * 3600 - ledger.chain.now())


def test_a_default_stops_everything_but_recoveries(ledger):
    go_to(ledger, FIRST)
    with pytest.raises(UsageError, match="the document is empty"):
        declare_default(ledger, BOND.cusip, b"")
    declare_default(ledger, BOND.cusip, b"notice of the trustee")
    assert in_default(ledger, BOND.cusip) is not None
    with pytest.raises(LedgerError) as caught:
        life.pay_coupon(ledger, BOND, FIRST)
    assert caught.value.code == "SecurityInDefault"
    with pytest.raises(LedgerError) as caught:
        declare_default(ledger, BOND.cusip, b"again")
    assert caught.value.code == "SecurityInDefault"
    go_to(ledger, FIRST + timedelta(days=30))
    day = ledger.market_date
    before = {name: ledger.wallet(name).cash for name in HOLDERS}
    paid = pay_recovery(ledger, BOND, Fraction(37, 100), day)
    assert paid.complete
    assert paid.returned < 2
    gained = {name: ledger.wallet(name).cash - before[name] for name in HOLDERS}
    assert gained == {"ann": (1_000 * DOLLAR + 1) * 37 // 100, "ben": 333 * DOLLAR * 37 // 100, "cat": 0}
    with pytest.raises(UsageError, match="not in"):
        pay_recovery(ledger, BOND, Fraction(3, 2), day)
    cure_default(ledger, BOND.cusip, b"court order")
    with pytest.raises(LedgerError) as caught:
        pay_recovery(ledger, BOND, Fraction(1, 100), day - timedelta(days=1))
    assert caught.value.code == "SecurityPerforms"
    assert life.pay_coupon(ledger, BOND, FIRST).paid  # what was due is paid after the cure


def test_a_default_stops_every_transfer_and_says_so(ledger):
    """I3: the decision names the rule, and a transfer meets it; after the cure both pass."""
    token = ledger.require_token(BOND.cusip)
    ann, ben = (ledger.address_of(name) for name in ("ann", "ben"))
    leg = PlanLeg(BOND.cusip, "ann", "ben", 10 * DOLLAR)
    moves = [Step("ann", token, encode_call("SecurityToken", "transfer", ben, 10 * DOLLAR))]
    declare_default(ledger, BOND.cusip, b"notice")
    instruction = instruction_of(ledger, [leg], bytes(32), places={}, seconds=60)
    (decision,) = decide(ledger, [leg], instruction)
    assert (decision.ok, decision.code, decision.rule, decision.largest_amount) == (False, 16, "default", 0)
    assert "in default" in decision.message
    assert not ledger.call("SecurityToken", token, "canTransfer", ann, ben, 10 * DOLLAR)
    with pytest.raises(LedgerError) as caught:
        ledger.send(moves)
    assert caught.value.code == "ERC7943CannotTransfer"
    cure_default(ledger, BOND.cusip, b"court order")
    (decision,) = decide(ledger, [leg], instruction)
    assert decision.ok
    ledger.send(moves)
    assert ledger.wallet("ben").positions[BOND.cusip] == 343 * DOLLAR


def test_a_request_is_taken_back_in_default(ledger):
    queue = EarlyRedemption(ledger)
    queue.set_window(BOND.cusip, Window(new_york_midnight(START), new_york_midnight(FIRST), DOLLAR, DOLLAR, 99_000_000))
    request = queue.request("ben", BOND.cusip, 33 * DOLLAR)
    declare_default(ledger, BOND.cusip, b"notice")
    queue.cancel("ben", request)
    assert ledger.wallet("ben").positions[BOND.cusip] == 333 * DOLLAR


def test_a_default_stops_redemption(ledger):
    go_to(ledger, BOND.maturity_date)
    declare_default(ledger, BOND.cusip, b"notice")
    with pytest.raises(LedgerError) as caught:
        life.redeem(ledger, BOND)
    assert caught.value.code == "SecurityInDefault"


def publish(ledger, number, clean_e6):
    oracle = Oracle(ledger)
    quote = OracleQuote(
        cusip=NOTE.cusip,
        clean_e6=clean_e6,
        yield_e9=44_000_000,
        duration_e6=1_400_000,
        maturity=NOTE.maturity_date,
        rating=2,
        coupon_e9=41_250_000,
        accrual_start=NOTE.dated_date,
        previous_coupon=NOTE.dated_date,
        next_coupon=date(2026, 9, 30),
    )
    signers = oracle.own_pricers()
    round_ = OracleRound(number, ledger.market_date, ledger.chain.now(), (quote,))
    oracle.publish([(round_, oracle.sign(round_, signers))])


def test_the_queue_is_struck_at_clean_and_accrued_up_to_the_days_limit(ledger):
    queue = EarlyRedemption(ledger)
    window = Window(
        opens_at=new_york_midnight(START),
        closes_at=new_york_midnight(START + timedelta(days=90)),
        minimum_face=100 * DOLLAR,
        daily_face=1_000 * DOLLAR,
    )
    queue.set_window(NOTE.cusip, window)
    queue.fund(NOTE.cusip, 100_000 * DOLLAR)
    with pytest.raises(UsageError, match="0 base units of cash is not positive"):
        queue.fund(NOTE.cusip, 0)
    first = queue.request("ann", NOTE.cusip, 700 * DOLLAR)
    second = queue.request("ben", NOTE.cusip, 700 * DOLLAR)
    gone = queue.request("ben", NOTE.cusip, 100 * DOLLAR)
    queue.cancel("ben", gone)
    with pytest.raises(LedgerError) as caught:
        queue.request("cat", NOTE.cusip, 100 * DOLLAR)
    assert caught.value.code == "ERC20InsufficientBalance"
    with pytest.raises(LedgerError) as caught:
        queue.strike(NOTE.cusip)
    assert caught.value.code == "PriceMissing"
    go_to(ledger, START, hours=15)
    publish(ledger, 1, 99_000_000)
    assert queue.strike(NOTE.cusip) == [], "before the cut-off"
    go_to(ledger, START, hours=17)
    assert queue.strike(NOTE.cusip) == [], "at a price from before it"
    publish(ledger, 2, 99_500_000)
    struck = queue.strike(NOTE.cusip)
    accrued = NOTE.resolve().accrued(START)
    price_e6 = 99_500_000 + int(accrued * 10**6 + Fraction(1, 2))
    assert [(s.request_id, s.holder, s.face_units) for s in struck] == [
        (first, "ann", 700 * DOLLAR),
        (second, "ben", 300 * DOLLAR),
    ]
    assert [s.paid_units for s in struck] == [s.face_units * price_e6 // 10**8 for s in struck]
    assert ledger.wallet("ann").cash == DOLLAR + struck[0].paid_units
    assert [(r.holder, r.face_units) for r in queue.waiting(NOTE.cusip)] == [("ben", 400 * DOLLAR)]
    assert queue.strike(NOTE.cusip) == []
    go_to(ledger, START + timedelta(days=1), hours=17)
    publish(ledger, 3, 99_400_000)
    assert [s.face_units for s in queue.strike(NOTE.cusip)] == [400 * DOLLAR]
    assert dict(ledger.books().supply())[NOTE.cusip] == 8_600 * DOLLAR


def test_a_request_is_final_from_its_cut_off_and_leaves_at_the_next(ledger):
    """Nobody strikes, and the oracle's price grows old: the units come back all the same."""
    queue, opens = EarlyRedemption(ledger), new_york_midnight(START)
    with pytest.raises(UsageError, match="not of the same day"):
        Window(opens, opens + 1, DOLLAR, DOLLAR, cut_off=86_400)
    window = Window(opens, opens + 90 * 86_400, 100 * DOLLAR, 1_000 * DOLLAR)
    queue.set_window(NOTE.cusip, window)
    queue.fund(NOTE.cusip, 100_000 * DOLLAR)
    request = queue.request("ann", NOTE.cusip, 700 * DOLLAR)
    (waiting,) = queue.waiting(NOTE.cusip)
    assert (waiting.leaves_at, window.cut_off_after(waiting.made_at)) == (0, opens + 16 * 3_600)
    go_to(ledger, START, hours=17)
    publish(ledger, 1, 99_500_000)
    leaves_at = opens + 86_400 + 16 * 3_600
    assert queue.cancel("ann", request).leaves_at == leaves_at
    assert [one.leaves_at for one in queue.waiting(NOTE.cusip)] == [leaves_at]
    with pytest.raises(LedgerError) as caught:
        queue.cancel("ann", request)
    assert caught.value.code == "RequestFinal"
    assert queue.foretold(NOTE.cusip) == 700 * DOLLAR, "still to be struck at the price that is known"
    payer = encode_call("EarlyRedemption", "withdrawFunds", ledger.require_token(NOTE.cusip), 1)
    with pytest.raises(LedgerError) as caught:
        ledger.send([Step(life.TREASURY, ledger.contracts.early_redemption, payer)])
    assert caught.value.code == "RequestsWait"
    go_to(ledger, START + timedelta(days=7), hours=17)
    with pytest.raises(LedgerError) as caught:
        queue.strike(NOTE.cusip)
    assert caught.value.code == "StalePrice"
    assert queue.cancel("cat", request).leaves_at == 0, "anyone may give it back now"
    assert (ledger.wallet("ann").positions[NOTE.cusip], queue.waiting(NOTE.cusip)) == (5_000 * DOLLAR, [])


def test_coupons_of_the_queue_are_passed_on_and_the_rest_is_redeemed_at_maturity(ledger):
    queue = EarlyRedemption(ledger)
    opens = new_york_midnight(START)
    queue.set_window(NOTE.cusip, Window(opens, opens + 900 * 86_400, 100 * DOLLAR, 100 * DOLLAR, 99_000_000))
    request = queue.request("ann", NOTE.cusip, 1_000 * DOLLAR)
    day = date(2026, 9, 30)
    go_to(ledger, day)
    life.pay_coupon(ledger, NOTE, day)
    coupon = coupon_on(NOTE, day)
    assert pass_on(ledger, NOTE, day) == {"ann": coupon.units(1_000 * DOLLAR)}
    assert queue.pass_coupon(NOTE.cusip, coupon.record_time) == {}
    go_to(ledger, NOTE.maturity_date)
    life.redeem(ledger, NOTE)
    before = ledger.wallet("ann").cash
    queue.cancel("cat", request)  # anyone may, once it has ended
    assert ledger.wallet("ann").cash - before == 1_000 * DOLLAR


@pytest.mark.parametrize("leaving", [False, True])
def test_a_full_strike_stays_below_a_quarter_of_the_gas(ledger, leaving):
    """Of requests that are paid, and of requests that have left and are given back, under a security's own rules."""
    queue = EarlyRedemption(ledger)
    opens = new_york_midnight(START)
    window = Window(opens, opens + 90 * 86_400, 10 * DOLLAR, 5_000 * DOLLAR, 99_000_000)
    queue.set_window(NOTE.cusip, window)
    queue.fund(NOTE.cusip, 100_000 * DOLLAR)
    names = [f"h{n}" for n in range(20)]
    for name in names:
        ledger.add_party(name, ledger.keyring.create(name).address, claim_expiry=2**40)
        ledger.deposit(name, {NOTE: 10 * DOLLAR})
        queue.request(name, NOTE.cusip, 10 * DOLLAR)
    ledger.chain.advance_clock(86_400)
    if leaving:
        rules = {"share_of_supply_bp": 9_900, "most_holders": 100, "lock_up_seconds": 60, "minimum_holding": DOLLAR}
        set_token_rules(ledger, NOTE.cusip, TokenRules(**rules))
        for waiting in queue.waiting(NOTE.cusip):
            queue.cancel(waiting.holder, waiting.request_id)
        ledger.chain.advance_clock(86_400)
    # a transaction that used more would have been refused
    assert len(queue.strike(NOTE.cusip)) == (0 if leaving else 20)
    assert queue.waiting(NOTE.cusip) == []
    with pytest.raises(LedgerError):
        queue.set_window(NOTE.cusip, replace(window, daily_face=0))
