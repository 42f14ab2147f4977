"""Conversion factors that CME Group published, and what the formula is made of."""

from datetime import date
from decimal import Decimal

import pytest

import tbill_defi as td
from tbill_defi.conventions import add_months

DECEMBER = date(2008, 12, 1)
TWO, FIVE, TEN, BOND = (
    td.FuturesContract.TWO_YEAR,
    td.FuturesContract.FIVE_YEAR,
    td.FuturesContract.TEN_YEAR,
    td.FuturesContract.BOND,
)


def note(coupon, maturity, years=2):
    model = td.Bond if years > 10 else td.Note
    return model(cusip="912828XX0", coupon=coupon, dated_date=add_months(maturity, -12 * years), maturity_date=maturity)


@pytest.mark.parametrize(
    ("contract", "security", "factor"),
    [
        (TWO, note(0.015, date(2010, 10, 31)), "0.9229"),
        (FIVE, note(0.0275, date(2013, 10, 31), 5), "0.8653"),
        (TEN, note(0.0375, date(2018, 11, 15), 10), "0.8357"),
        (BOND, note(0.045, date(2038, 5, 15), 30), "0.7943"),
    ],
)
def test_december_2008(contract, security, factor):
    found = td.conversion_factor(security, delivery_month=DECEMBER, contract=contract)
    assert found == Decimal(factor)
    assert td.conversion_factor(security, delivery_month=date(2008, 12, 31), contract=contract) == found


@pytest.mark.parametrize("contract", list(td.FuturesContract))
def test_at_the_notional_coupon_it_is_nearly_one(contract):
    for months in range(3, 360, 3):
        security = note(0.06, add_months(date(2026, 9, 15), months), 30)
        factor = td.conversion_factor(security, delivery_month=date(2026, 9, 1), contract=contract)
        assert abs(factor - 1) <= Decimal("0.0003"), months


@pytest.mark.parametrize("half_years", [1, 4, 19, 60])
def test_at_whole_half_years_it_is_the_price_at_six_percent(half_years):
    day = date(2026, 9, 1)
    for coupon in (0.00125, 0.04, 0.11):
        security = note(coupon, add_months(day, 6 * half_years), 30)
        where = {"settlement": day, "convention": td.YieldConvention.STREET}
        price = Decimal(repr(td.clean_price_from_yield(security, 0.06, **where) / 100)).quantize(Decimal("0.0001"))
        assert td.conversion_factor(security, delivery_month=day, contract=BOND) == price


def test_terms_are_rounded_down_to_the_contracts_months():
    ten = note(0.04, date(2033, 8, 15), 10)
    of = {
        contract: td.conversion_factor(ten, delivery_month=date(2026, 9, 1), contract=contract)
        for contract in (FIVE, TEN)
    }
    shorter = note(0.04, date(2033, 6, 15), 10)
    assert of[TEN] == td.conversion_factor(shorter, delivery_month=date(2026, 9, 1), contract=TEN) != of[FIVE]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"security": td.Bill(cusip="912797XX1", issue_date=date(2026, 3, 3), maturity_date=date(2026, 9, 1))},
            "Bill is",
        ),
        ({"contract": "2-year"}, "'2-year' is not one of FuturesContract.TWO_YEAR"),
        ({"delivery_month": "2026-09"}, "'2026-09' is not a datetime.date"),
        (
            {"delivery_month": date(2030, 9, 1)},
            "2030-09 is too late for 912828XX0 of 2030-10-31; give one by 2030-07",
        ),
    ],
)
def test_what_cannot_be(given, words):
    whole = {"security": note(0.04, date(2030, 10, 31), 5), "delivery_month": DECEMBER, "contract": TEN, **given}
    with pytest.raises(td.ConventionError, match=words):
        td.conversion_factor(whole.pop("security"), **whole)
