"""Options on the embedded ledger: lives of calls and puts, refusals, coupons and redemption around them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ConventionError, DataError, LedgerError, UsageError
from tbill_defi.ledger import life, option_deeds
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.accrual import accrual_period, exercise_units
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.instructions import digest
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import BOOK
from tbill_defi.ledger.option_terms import KINDS, OptionQuote, OptionStatus, exercise_context
from tests.unit.ledger.support import BILL, DOLLAR, LONG_FIRST, NOTE, START, make_ledger

EXPIRY = date(2026, 6, 24)
FACE = 100_000 * DOLLAR
PARTIES = ("ann", "ben")


@pytest.fixture
def options():
    with make_ledger(*PARTIES, at=START) as ledger:
        for party in PARTIES:
            ledger.set_claim(party, 2**40)
            ledger.deposit(party, dict.fromkeys((NOTE, BILL, LONG_FIRST), 10 * FACE), 10 * FACE)
        yield Options(ledger)


def go_to(options, moment):
    chain = options._ledger.chain
    chain.advance_clock(moment - chain.now())


def terms(options, kind="call", security=NOTE, **changes):
    given = {"writer": "ann", "holder": "ben", "kind": kind, "strike_e6": 98_500_000, "face_units": FACE}
    return options.terms(security, **(given | {"expiry": EXPIRY} | changes))


def bought(options, kind="call", premium=1_234 * DOLLAR, **changes):
    made = terms(options, kind, **changes)
    options.write(made)
    return options.buy(options.quote(made, premium))


def wealth(options):
    ledger = options._ledger
    ledger_wallets = {who: ledger.wallet(who) for who in PARTIES}
    return {who: (wallet.cash, dict(wallet.positions)) for who, wallet in ledger_wallets.items()}


def payment(security, strike_e6, face, day):
    """Ceiling of strike + accrued, the accrued half up at 6 decimals, computed from the terms alone."""
    accrued = security.resolve().accrued(day) * 10**6
    rounded = (2 * accrued.numerator + accrued.denominator) // (2 * accrued.denominator)
    return -(-face * (strike_e6 + rounded) // 10**8)


def as_the_contract_has_it(options):
    """What the contract answers of each option is what its events have told."""
    for option_id, state in options._ledger.books().options().items():
        raw = options._ledger.call("OptionBook", options.address, "optionOf", option_id)
        assert option_id == state.option_id
        assert raw["status"] == state.status
        assert (raw["face"], raw["payment"]) == (state.terms.face_units, state.payment_units)
        assert (raw["premium"], raw["writer"], raw["holder"]) == (
            state.premium_units,
            state.terms.writer,
            state.terms.holder,
        )


def refused(code, act, *arguments):
    with pytest.raises(LedgerError) as caught:
        act(*arguments)
    assert caught.value.code == code, caught.value
    return str(caught.value)


@pytest.mark.parametrize("security", [NOTE, BILL, LONG_FIRST], ids=lambda s: s.cusip)
@pytest.mark.parametrize("kind", KINDS)
def test_from_writing_to_delivery(options, security, kind):
    before = wealth(options)
    state = bought(options, kind, security=security)
    due = payment(security, 98_500_000, FACE, EXPIRY)
    assert exercise_units(security, 98_500_000, FACE, EXPIRY) == due
    assert (state.status, state.payment_units, state.premium_units) == (OptionStatus.OPEN, due, 1_234 * DOLLAR)
    assert options._ledger.wallet("ann").held == ({security.cusip: FACE} if kind == "call" else {})
    go_to(options, new_york_midnight(EXPIRY) + 15 * 3600)
    done = options.exercise(state.option_id)
    assert done.status is OptionStatus.EXERCISED
    after, sign = wealth(options), 1 if kind == "call" else -1
    for who, side in (("ann", 1), ("ben", -1)):
        assert after[who][0] - before[who][0] == side * (1_234 * DOLLAR + sign * due)
        assert after[who][1][security.cusip] - before[who][1][security.cusip] == -side * sign * FACE
    assert options._ledger.wallet("ann").held == {}
    assert options._ledger.wallet(BOOK).cash == 0
    (assigned,) = options._ledger.chain.events(names=["OptionAssigned"])
    assert (assigned.arguments["face"], assigned.arguments["payment"]) == (str(FACE), str(due))
    tape = options._ledger.tape()
    assert tape[-2].context_hash == "0x" + state.option_id.hex()
    assert tape[-1].context_hash == "0x" + exercise_context(state.option_id).hex()
    refused("OptionNotOpen", options.exercise, state.option_id)
    refused("OptionOver", options.expire, state.option_id)


def test_a_window_that_starts_in_the_night_is_still_found_by_its_id(options):
    """Whoever writes past this package may name another moment of the day than midnight."""
    made = replace(terms(options), settles_at=new_york_midnight(EXPIRY) + 7)
    ledger = options._ledger
    ledger.send(option_deeds.write_steps(ledger, replace(made, exercise_from=made.settles_at), "ann"))
    (state,) = options.all()
    assert state.terms.expiry == EXPIRY
    assert options.state(state.option_id) == state
    as_the_contract_has_it(options)


def test_ids_are_the_contracts(options):
    for kind in KINDS:
        made = terms(options, kind, security=LONG_FIRST, salt=2**200)
        assert options._ledger.call("OptionBook", options.address, "idOf", made.abi_value()) == made.option_id
    found = options._ledger.call("OptionBook", options.address, "exerciseContext", made.option_id)
    assert found == exercise_context(made.option_id)


def test_window_is_inclusive_and_outside_it_nothing_moves(options):
    day = new_york_midnight(EXPIRY)
    window = (day + 34_200, day + 57_600)
    state = bought(options, window=window)
    before = wealth(options)
    go_to(options, window[0] - 1)
    assert "09:30:00" in refused("ExerciseTooEarly", options.exercise, state.option_id)
    refused("ExerciseWindowNotPassed", options.expire, state.option_id)
    go_to(options, window[1] + 1)
    refused("ExerciseTooLate", options.exercise, state.option_id)
    assert wealth(options) == before
    assert options.expire(state.option_id).status is OptionStatus.EXPIRED
    assert options._ledger.wallet("ann").held == {}
    assert wealth(options) == before


@pytest.mark.parametrize("offset", [0, 1])
def test_first_and_last_second(options, offset):
    day = new_york_midnight(EXPIRY)
    window = (day + 34_200, day + 57_600)
    state = bought(options, window=window)
    go_to(options, window[offset])
    assert options.exercise(state.option_id).status is OptionStatus.EXERCISED


def test_naked_and_short(options):
    options._ledger.freeze("ann", NOTE.cusip, 10 * FACE - 5)
    before = wealth(options)
    assert "naked" in refused("CollateralShort", options.write, terms(options, face_units=6))
    refused("CollateralShort", options.write, terms(options, "put", face_units=11 * FACE))
    made = terms(options, face_units=6)
    ledger = options._ledger
    refused(
        "CallNotCovered",
        ledger.send,
        [Step("ann", options.address, encode_call("OptionBook", "write", made.abi_value()))],
    )
    assert wealth(options) == before
    options.write(terms(options, face_units=5))
    refused("CollateralShort", options.write, terms(options, face_units=1))
    refused("OptionAlreadyWritten", options.write, terms(options, face_units=5))


def test_quotes_expire_are_bound_and_come_back_from_json(options):
    made = terms(options, "put")
    quote = options.quote(made, 500 * DOLLAR, valid_seconds=60)
    assert OptionQuote.from_json(json.loads(json.dumps(quote.to_json()))) == quote
    refused("OptionNotWritten", options.buy, quote)
    options.write(made)
    cheaper = replace(quote.instruction, legs=(replace(quote.instruction.legs[0], amount=1),))
    with pytest.raises(LedgerError) as caught:
        options.buy(replace(quote, instruction=cheaper))
    assert caught.value.code in ("PlanMismatch", "QuoteNotSigned")
    go_to(options, quote.instruction.deadline + 1)
    assert "expired" in refused("QuoteExpired", options.buy, quote)
    again = options.quote(made, 480 * DOLLAR)
    assert options.buy(again).premium_units == 480 * DOLLAR
    refused("OptionNotWritten", options.buy, again)
    broken = quote.to_json()
    broken["terms"]["strike_e6"] += 1
    with pytest.raises(DataError, match="not those of its option_id"):
        OptionQuote.from_json(broken)
    for nonsense in ([], {}, {"terms": {"kind": "straddle"}}, "x"):
        with pytest.raises(DataError, match="not a quote"):
            OptionQuote.from_json(nonsense)


def test_signed_instructions_do_not_settle_past_the_book(options):
    made = terms(options)
    options.write(made)
    quote = options.quote(made, 500 * DOLLAR)
    ledger = options._ledger
    signature = ledger.keyring.key("ben").sign_digest(digest(ledger, quote.instruction))
    data = encode_call("Settlement", "settle", quote.instruction.abi_value(), [signature])
    refused("OnlyThroughOptionBook", ledger.send, [Step("ann", ledger.contracts.settlement, data)])


def test_withdrawn_while_unsold(options):
    before = wealth(options)
    for kind in KINDS:
        made = terms(options, kind)
        options.write(made)
        assert options.withdraw(made.option_id).status is OptionStatus.WITHDRAWN
    assert wealth(options) == before
    assert options._ledger.wallet("ann").held == {}
    state = bought(options, salt=1)
    refused("OptionNotWritten", options.withdraw, state.option_id)


def test_covered_call_over_a_coupon_date(options):
    """The writer gets the coupon of units on hold; whoever exercises pays accrued from that coupon on."""
    state = bought(options, expiry=date(2026, 8, 24), security=NOTE)
    go_to(options, new_york_midnight(date(2026, 8, 17)) + 3600)
    paid = life.pay_coupon(options._ledger, NOTE, date(2026, 8, 15), payment_date=date(2026, 8, 17)).paid
    wallet = "0x" + options._ledger.address_of("ann").hex()
    assert paid[wallet] == 10 * FACE * Fraction(33, 1600)
    go_to(options, new_york_midnight(date(2026, 8, 24)) + 3600)
    assert options.exercise(state.option_id).payment_units == payment(NOTE, 98_500_000, FACE, date(2026, 8, 24))


def test_an_option_ends_before_its_security_and_redemption_waits_for_its_end(options):
    with pytest.raises(ConventionError, match="expiry: 2026-09-17 is not in"):
        terms(options, security=BILL, expiry=BILL.maturity_date)
    state = bought(options, security=BILL, expiry=date(2026, 9, 16), face_units=10 * FACE)
    go_to(options, new_york_midnight(BILL.maturity_date) + 3600)
    wallet = "0x" + options._ledger.address_of("ann").hex()
    assert life.redeem(options._ledger, BILL).withheld == (wallet,)
    options.expire(state.option_id)
    assert life.redeem(options._ledger, BILL).paid == {wallet: 10 * FACE}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"holder": "ann"}, UsageError, "cannot write to itself"),
        ({"kind": "straddle"}, UsageError, "not call or put"),
        ({"face_units": 0}, UsageError, "must be positive"),
        ({"strike_e6": 10**10}, UsageError, "at most 1,000"),
        ({"expiry": date(2036, 2, 15)}, ConventionError, "is not in"),
        ({"window": (START, START + 1)}, ConventionError, "not a part of 2026-06-24"),
        ({"expiry": date(2026, 3, 23)}, LedgerError, "has passed"),
        ({"holder": "eve"}, LedgerError, "eve"),
        ({"security": NOTE.model_copy(update={"cusip": "91282CXX0"})}, LedgerError, "no token"),
    ],
    ids=str,
)
def test_terms_that_cannot_be(options, changes, error, says):
    with pytest.raises(error, match=says):
        terms(options, **changes)


def test_ids_are_found_by_their_first_digits(options):
    state = bought(options)
    assert options.find(state.option_id.hex()[:8]) == state.option_id
    refused("UnknownOption", options.find, "zz")
    refused("UnknownOption", options.find, "")
    refused("UnknownOption", options.state, bytes(32))
    assert [one.option_id for one in options.all()] == [state.option_id]


def test_a_first_period_of_exactly_two_coupons_is_known():
    """It begins on the quasi-coupon date before the last one; a day earlier is a third half-year."""
    year = NOTE.model_copy(update={"first_coupon_date": date(2027, 2, 15)})
    period = accrual_period(year, date(2026, 10, 1))
    assert period is not None
    assert period["accrual_start"] == period["prior_coupon"] == date(2026, 2, 15)
    assert accrual_period(year.model_copy(update={"dated_date": date(2026, 2, 14)}), date(2026, 10, 1)) is None
