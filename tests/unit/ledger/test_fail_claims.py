"""What fails on the ledger is charged from its date to its delivery, claimed by month, and paid once."""

from datetime import date

import pytest

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.fail_claims import charges, claims, pay
from tbill_defi.ledger.fails import FailsPractice, TargetRate
from tbill_defi.ledger.trades import Trades
from tests.unit.ledger.support import DOLLAR, NOTE, make_ledger

MILLION = 10**6 * DOLLAR
PRACTICE = FailsPractice([TargetRate(date(2020, 1, 1), 0)], lambda day: SETTLEMENT.advance(day, -1))


@pytest.fixture
def failed():
    """Ten million sold for the 30th of March; six are delivered on the 2nd of April, and four never."""
    ledger = make_ledger("desk", "dealer")
    ledger.deposit("dealer", {NOTE: 6 * MILLION}, MILLION)
    ledger.deposit("desk", {}, 20 * MILLION)
    trades = Trades(ledger)
    words = {"seller": "dealer", "buyer": "desk", "asset": NOTE.cusip, "settlement_date": date(2026, 3, 30)}
    terms = trades.terms(
        face_units=10 * MILLION, proceeds_units=9 * MILLION, minimum_units=MILLION, lot_units=MILLION, **words
    )
    trades.agree(terms)
    move_clock(ledger, new_york_midnight(date(2026, 4, 2)))
    trades.settle_due()
    move_clock(ledger, new_york_midnight(date(2026, 4, 12)))
    yield ledger
    ledger.close()


def test_each_part_is_charged_until_it_is_delivered(failed):
    late, still = charges(failed, PRACTICE)
    assert (late.debtor, late.creditor, late.currency) == ("dealer", "desk", "USD")
    assert (late.charge.proceeds, late.days, late.delivered) == (9 * MILLION * 6 // 10, 3, date(2026, 4, 2))
    assert late.charge.units == 9 * MILLION * 6 // 10 * 3 * 3 // 36_000
    assert (still.charge.proceeds, still.days, still.delivered) == (9 * MILLION * 4 // 10, 13, None)
    assert sum(one.charge.proceeds for one in (late, still)) == 9 * MILLION


def test_claims_are_of_a_month_s_days(failed):
    march, april = claims(failed, PRACTICE)
    day = 9 * MILLION * 3 // 36_000
    assert (march.month, march.total) == ("2026-03", 2 * day), "all of it, the 30th and 31st"
    assert (april.month, april.total) == ("2026-04", day * 6 // 10 + day * 4 // 10 * 11)
    assert march.units == march.total > 500 * DOLLAR


def test_a_claim_is_paid_once_by_who_failed(failed):
    before = failed.wallet("dealer").cash
    (paid,) = pay(failed, claims(failed, PRACTICE), "2026-03")
    assert failed.wallet("dealer").cash == before - paid.units
    assert failed.tape()[-1].context_hash == "0x" + paid.context.hex()
    march, _ = claims(failed, PRACTICE)
    assert march.paid
    with pytest.raises(LedgerError) as twice:
        pay(failed, claims(failed, PRACTICE), "2026-03")
    assert twice.value.code == "NothingOpen"


@pytest.mark.parametrize(
    ("month", "said"), [("2026-04", "ends 2026-04-30"), ("soon", "not a month"), ("2026-13", "not")]
)
def test_a_month_must_have_ended(failed, month, said):
    with pytest.raises(UsageError, match=said):
        pay(failed, claims(failed, PRACTICE), month)


def test_what_is_on_time_is_no_fail():
    ledger = make_ledger("desk", "dealer")
    ledger.deposit("dealer", {NOTE: MILLION}, 0)
    ledger.deposit("desk", {}, MILLION)
    trades = Trades(ledger)
    words = {"seller": "dealer", "buyer": "desk", "asset": NOTE.cusip, "settlement_date": date(2026, 3, 25)}
    state = trades.agree(trades.terms(face_units=MILLION, proceeds_units=MILLION, **words))
    move_clock(ledger, new_york_midnight(date(2026, 3, 26)) - 2)
    trades.settle(state.trade_id)
    move_clock(ledger, new_york_midnight(date(2026, 4, 12)))
    assert charges(ledger, PRACTICE) == []
    assert claims(ledger, PRACTICE) == []
    ledger.close()
