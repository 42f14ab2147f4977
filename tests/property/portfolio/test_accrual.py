"""Accrued interest on chain is the pricer's exact fraction rounded half up once, for any terms and any day."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.chain.types import Call
from tbill_defi.conventions.schedules import quasi_coupon_dates
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ConventionError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.oracle import Oracle, OracleQuote, OracleRound
from tbill_defi.portfolio.oracle_round import accrual_period
from tbill_defi.pricing.prices import official_accrued
from tests.unit.ledger.support import make_ledger

BORN = date(2030, 1, 1)


@pytest.fixture(scope="module")
def ledger():
    with make_ledger(at=new_york_midnight(date(2062, 1, 2))) as made:
        Oracle(made).own_pricers()
        Oracle(made).set_rules(max_move_bp=300, interval=0, max_age=2**32 - 1)
        yield made


@st.composite
def priced_days(draw):
    """A note with a regular, short or long first period, and a day of its life."""
    dated = BORN + timedelta(days=draw(st.integers(0, 2000)))
    maturity = dated + timedelta(days=draw(st.integers(400, 10_000)))
    coupon = draw(st.integers(1, 160)) / 800
    cycle = [day for day in quasi_coupon_dates(dated, maturity) if day > dated]
    first = draw(st.sampled_from(cycle[: min(2, len(cycle) - 1)] or cycle))
    try:
        note = td.Note(
            cusip="91282CPZ8", coupon=coupon, dated_date=dated, maturity_date=maturity, first_coupon_date=first
        )
    except ConventionError:
        note = td.Note(cusip="91282CPZ8", coupon=coupon, dated_date=dated, maturity_date=maturity)
    return note, dated + timedelta(days=draw(st.integers(0, (maturity - dated).days - 1)))


@settings(max_examples=150, deadline=None)
@given(priced_days())
def test_accrual_on_chain_is_the_pricers(ledger, case):
    note, day = case
    period = accrual_period(note, day)
    assert period is not None
    quote = OracleQuote(note.cusip, 99_000_000, 0, 0, note.maturity_date, 0, **period)
    oracle = Oracle(ledger)
    round_ = OracleRound(1, day, min(ledger.chain.now(), new_york_midnight(day) + 43_200), (quote,))
    signatures = oracle.sign(round_, oracle.own_pricers()[:2])
    data = encode_call("PriceOracle", "publish", round_.abi_value(), signatures)
    question = Call(bytes(20), oracle.address, encode_call("PriceOracle", "price", bytes32(note.cusip)))
    receipts = ledger.simulate([Step("operator", oracle.address, data)], then=[question])
    ledger.require_success(receipts)
    (price,) = decode_result("PriceOracle", "price", receipts[-1].return_data)
    assert price["accruedE6"] == official_accrued(note, settlement=day).scaleb(6)
