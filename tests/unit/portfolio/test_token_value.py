"""Fractions of tokens, value within a day, net asset value: exact to the base unit."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.core.clock import new_york_midnight, parse_time
from tbill_defi.core.money import cash_from_price
from tbill_defi.core.splitting import split_units
from tbill_defi.portfolio.token_value import IntradayAccrual, fraction_values, net_asset_value, value_units
from tests.property.pricing.test_properties import fixed

NOTE = td.Note(cusip="91282CNY3", coupon=0.03375, dated_date=date(2025, 9, 15), maturity_date=date(2028, 9, 15))
BILL = td.Bill(cusip="912797XX1", issue_date=date(2026, 3, 3), maturity_date=date(2026, 9, 1))
MARKET, SECONDS = IntradayAccrual.MARKET_DATE, IntradayAccrual.CONTINUOUS
NOON = parse_time("2026-03-24T12:00-04:00")
PRICE = Decimal("98.515625")


@fixed
@given(st.integers(-(10**24), 10**24), st.lists(st.integers(0, 10**18), min_size=1, max_size=30).filter(any))
def test_parts_sum_to_the_whole_and_none_is_a_unit_off(total: int, shares: list[int]) -> None:
    held = dict(enumerate(shares))
    parts = split_units(total, held)
    assert sum(parts.values()) == total
    for name, part in parts.items():
        assert abs(part - Fraction(total * held[name], sum(shares))) < 1
    assert all(parts[a] <= parts[b] for a in held for b in held if held[a] < held[b] and total >= 0)


def test_largest_remainders_come_first_and_ties_in_order() -> None:
    assert split_units(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert split_units(100, {"a": 333, "b": 333, "c": 334}) == {"a": 33, "b": 33, "c": 34}
    assert split_units(7, {"a": 0, "b": 5}) == {"a": 0, "b": 7}


@fixed
@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=40), st.integers(1, 86_399))
def test_fractions_of_a_token_are_the_whole(faces: list[int], second: int) -> None:
    at = new_york_midnight(date(2026, 3, 24)) + second
    held = {f"holder {i}": face for i, face in enumerate(faces)}
    for accrual in IntradayAccrual:
        parts = fraction_values(NOTE, held, PRICE, at=at, accrual=accrual)
        whole = value_units(NOTE, sum(faces), PRICE, at=at, accrual=accrual)
        assert sum(parts.values()) == whole
        for name, face in held.items():
            assert abs(parts[name] - value_units(NOTE, face, PRICE, at=at, accrual=accrual)) <= 1


def test_a_market_date_is_worth_what_an_invoice_is() -> None:
    accrued = td.accrued_interest(NOTE, settlement=date(2026, 3, 24))
    dirty = PRICE + Decimal(f"{accrued:.6f}")
    face = 1_234_567_891
    assert value_units(NOTE, face, PRICE, at=NOON, accrual=MARKET) == cash_from_price(face, dirty)
    late = parse_time("2026-03-24T23:59:59-04:00")
    assert value_units(NOTE, face, PRICE, at=late, accrual=MARKET) == cash_from_price(face, dirty)


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 3, 14), date(2026, 3, 24), date(2026, 11, 1)])
def test_interest_by_the_second_meets_the_days_at_midnight(day: date) -> None:
    """Days on which clocks change, and the one before a coupon, are among them."""
    start, end = new_york_midnight(day), new_york_midnight(day + timedelta(days=1))
    assert SECONDS.accrued(NOTE, start) == MARKET.accrued(NOTE, start) == NOTE.resolve().accrued(day)
    tomorrow = MARKET.accrued(NOTE, end) or NOTE.resolve().rate / 2
    assert SECONDS.accrued(NOTE, (start + end) // 2) == (MARKET.accrued(NOTE, start) + tomorrow) / 2
    step = SECONDS.accrued(NOTE, end - 1) - SECONDS.accrued(NOTE, end - 2)
    assert step == (tomorrow - MARKET.accrued(NOTE, start)) / (end - start)


def test_a_bill_has_no_interest_to_accrue() -> None:
    assert SECONDS.accrued(BILL, NOON) == MARKET.accrued(BILL, NOON) == 0


def test_net_asset_value_per_share() -> None:
    positions = {NOTE.cusip: 3_000_000_000_001, BILL.cusip: 500_000_000_003}
    prices = {NOTE.cusip: PRICE, BILL.cusip: Decimal("98.4")}
    securities: dict[str, td.Security] = {NOTE.cusip: NOTE, BILL.cusip: BILL}
    shares = 3_333_333_333_333
    found = net_asset_value(positions, 17, securities, prices, shares=shares, at=NOON, accrual=MARKET)
    worth = {c: value_units(securities[c], positions[c], prices[c], at=NOON, accrual=MARKET) for c in positions}
    assert found.units == 17 + sum(worth.values())
    assert found.per_share == Fraction(found.units, shares)
    held = {"alice": 1_111_111_111_111, "bob": 2_222_222_222_221, "carol": 1}
    parts = found.split(held)
    assert sum(parts.values()) == found.units
    paid = {name: found.redeemed(count) for name, count in held.items()}
    assert all(paid[name] <= parts[name] <= paid[name] + 1 for name in held)
    assert sum(paid.values()) <= found.units
    assert found.redeemed(shares) == found.units


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"shares": 0}, td.ConventionError, "shares: 0 is not a whole number above 0"),
        ({"clean_prices": {}}, td.ConventionError, "clean_prices: 91282CNY3 is held and has no price"),
        ({"securities": {}}, td.UnknownSecurity, "91282CNY3 has no terms"),
        ({"clean_prices": {NOTE.cusip: 98.5}}, td.ConventionError, r"clean_price \(91282CNY3\): 98.5 is not a finite"),
        ({"clean_prices": {NOTE.cusip: Decimal("NaN")}}, td.ConventionError, r"clean_price \(91282CNY3\)"),
        ({"clean_prices": {NOTE.cusip: Decimal(-5)}}, td.ConventionError, "must be positive"),
        ({"positions": {NOTE.cusip: -1}}, td.ConventionError, r"face_units \(91282CNY3\): -1"),
        ({"at": parse_time("2028-09-15T00:00-04:00")}, td.SettlementOutOfRange, "not before 91282CNY3's maturity"),
        ({"at": parse_time("2025-09-14T23:59-04:00")}, td.SettlementOutOfRange, "before 91282CNY3's issue"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given: dict[str, Any] = {
        "positions": {NOTE.cusip: 1_000},
        "cash_units": 0,
        "securities": {NOTE.cusip: NOTE},
        "clean_prices": {NOTE.cusip: PRICE},
        "shares": 10,
        "at": NOON,
        "accrual": MARKET,
    }
    with pytest.raises(error, match=message):
        net_asset_value(**{**given, **change})


def test_what_cannot_be_split() -> None:
    for total, shares, message in (
        (1.5, {"a": 1}, "total: 1.5"),
        (1, {"a": -1}, "shares of a: -1"),
        (1, {"a": 0}, "nobody holds any"),
        (1, {}, "nobody holds any"),
    ):
        with pytest.raises(td.ConventionError, match=message):
            split_units(total, shares)  # type: ignore[arg-type]
    nav = net_asset_value({}, 100, {}, {}, shares=10, at=NOON, accrual=MARKET)
    with pytest.raises(td.ConventionError, match="held: 9 shares in all; 10 are outstanding"):
        nav.split({"alice": 9})
    with pytest.raises(td.ConventionError, match="shares: 11 is not a whole number from 0 to 10"):
        nav.redeemed(11)
