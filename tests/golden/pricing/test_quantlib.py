"""QuantLib as the oracle, and an independent high-precision sum where QuantLib does not follow Appendix B."""

from __future__ import annotations

from datetime import date, timedelta

import mpmath
import pytest
import QuantLib

from tbill_defi.conventions import YieldConvention, add_months, is_month_end
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.pricing import (
    accrued_interest,
    clean_price_from_yield,
    convexity,
    dirty_price_from_yield,
    dv01,
    macaulay_duration,
    modified_duration,
    quantlib_bond,
    yield_from_clean_price,
)

ql = QuantLib
STREET, TREASURY = YieldConvention.STREET, YieldConvention.TREASURY


def note(coupon: float, dated: date, maturity: date, first: date | None = None) -> Note:
    return Note(cusip="91282CQX2", coupon=coupon, dated_date=dated, maturity_date=maturity, first_coupon_date=first)


REGULAR = [
    note(0.04125, date(2026, 6, 30), date(2031, 6, 30)),
    note(0.00125, date(2020, 11, 15), date(2030, 11, 15)),
    note(0.14, date(1981, 5, 15), date(2011, 5, 15)),
    note(0.0, date(2023, 2, 28), date(2028, 2, 29)),
    note(0.03, date(2024, 2, 29), date(2026, 2, 28)),
]
SHORT_FIRST = [
    note(0.085, date(1990, 4, 2), date(1992, 3, 31)),
    note(0.06, date(2026, 7, 20), date(2029, 5, 15)),
]
LONG_FIRST = [
    note(0.085, date(1990, 3, 1), date(1995, 5, 15), date(1990, 11, 15)),
    note(0.1075, date(1985, 7, 2), date(2005, 8, 15), date(1986, 2, 15)),
    note(0.0975, date(1988, 10, 15), date(1994, 12, 15), date(1989, 6, 15)),
]
YIELDS = [-0.005, 0.0, 0.0001, 0.0431, 0.16]


def settlements(security: Note) -> list[date]:
    """Days from issue to the day before maturity, coupon dates and their neighbours among them."""
    flows = security.resolve()
    span = (flows.maturity - flows.accrual_start).days
    steps = {flows.accrual_start + timedelta(days=span * n // 23) for n in range(23)}
    around = {day + timedelta(days=n) for day in flows.payment_dates[:3] for n in (-1, 0, 1)}
    last = {flows.maturity - timedelta(days=n) for n in (1, 30, 180, 200)}
    return sorted(day for day in steps | around | last if flows.accrual_start <= day < flows.maturity)


def rate_of(bond: object, yield_: float, compounding: int) -> object:
    return ql.InterestRate(yield_, bond.dayCounter(), compounding, ql.Semiannual)  # type: ignore[attr-defined]


def ql_date(day: date) -> object:
    return ql.Date(day.day, day.month, day.year)


@pytest.mark.parametrize("security", REGULAR + SHORT_FIRST + LONG_FIRST, ids=str)
def test_street(security: Note) -> None:
    bond, flows = quantlib_bond(security), security.resolve()
    for day in settlements(security):
        final = (flows.dates > day).sum() == 1
        for yield_ in YIELDS:
            rate = rate_of(bond, yield_, ql.SimpleThenCompounded if final else ql.Compounded)
            where = {"settlement": day, "convention": STREET}
            price = clean_price_from_yield(security, yield_, **where)
            assert price == pytest.approx(ql.BondFunctions.cleanPrice(bond, rate, ql_date(day)), abs=1e-11), day
            assert yield_from_clean_price(security, price, **where) == pytest.approx(yield_, abs=2e-12), day
            assert modified_duration(security, yield_, **where) == pytest.approx(
                ql.BondFunctions.duration(bond, rate, ql.Duration.Modified, ql_date(day)), rel=1e-11
            )
            assert convexity(security, yield_, **where) == pytest.approx(
                ql.BondFunctions.convexity(bond, rate, ql_date(day)), rel=1e-10
            )
            if not final:
                assert macaulay_duration(security, yield_, **where) == pytest.approx(
                    ql.BondFunctions.duration(bond, rate, ql.Duration.Macaulay, ql_date(day)), rel=1e-11
                )


@pytest.mark.parametrize("security", REGULAR + SHORT_FIRST, ids=str)
def test_treasury(security: Note) -> None:
    bond = quantlib_bond(security)
    for day in settlements(security):
        assert accrued_interest(security, settlement=day) == pytest.approx(bond.accruedAmount(ql_date(day)), abs=1e-12)
        for yield_ in YIELDS:
            rate = rate_of(bond, yield_, ql.SimpleThenCompounded)
            where = {"settlement": day, "convention": TREASURY}
            price = clean_price_from_yield(security, yield_, **where)
            assert price == pytest.approx(ql.BondFunctions.cleanPrice(bond, rate, ql_date(day)), abs=1e-11), day
            assert yield_from_clean_price(security, price, **where) == pytest.approx(yield_, abs=2e-12), day


def appendix_b(security: Note, day: date, yield_: float) -> mpmath.mpf:
    """Dirty price by Appendix B in 50 digits, dates counted forward from the quasi-coupon date before settlement."""
    with mpmath.workdps(50):
        end_of_month = is_month_end(security.maturity_date)
        months = 0
        while add_months(security.maturity_date, -months, end_of_month=end_of_month) > day:
            months += 6
        left = add_months(security.maturity_date, -months, end_of_month=end_of_month)
        right = add_months(security.maturity_date, 6 - months, end_of_month=end_of_month)
        half = mpmath.mpf(repr(security.coupon)) * 50
        rate = mpmath.mpf(repr(yield_)) / 2
        total = mpmath.mpf(0)
        owed = mpmath.mpf(0)  # interest of quasi-coupon periods that ended without a payment
        period = security.maturity_date
        first = security.first_coupon_date or date.min
        start = security.dated_date
        back = 0
        bounds = []
        while period > start:
            back += 6
            before = add_months(security.maturity_date, -back, end_of_month=end_of_month)
            bounds.append((before, period))
            period = before
        for before, end in reversed(bounds):
            earned = half * (end - max(before, start)).days / (end - before).days
            if end < first:
                owed += earned
                continue
            if end > day:
                whole = (end.year - right.year) * 2 + (end.month - right.month) // 6
                flow = earned + owed + (100 if end == security.maturity_date else 0)
                total += flow / (1 + rate) ** whole
            owed = mpmath.mpf(0)
        return total / (1 + mpmath.mpf((right - day).days) / (right - left).days * rate)


@pytest.mark.parametrize("security", REGULAR + SHORT_FIRST + LONG_FIRST, ids=str)
def test_treasury_against_high_precision(security: Note) -> None:
    for day in settlements(security):
        for yield_ in YIELDS:
            price = dirty_price_from_yield(security, yield_, settlement=day, convention=TREASURY)
            assert price == pytest.approx(float(appendix_b(security, day, yield_)), abs=1e-11), day


def test_quantlib_compounds_the_fraction_before_a_long_first_coupon() -> None:
    """Why Appendix B is the oracle there: QuantLib's II.C is 99.876065, the regulation's 99.805118."""
    security = LONG_FIRST[0]
    bond, day = quantlib_bond(security), security.dated_date
    price = ql.BondFunctions.cleanPrice(bond, rate_of(bond, 0.0853, ql.SimpleThenCompounded), ql_date(day))
    assert price == pytest.approx(99.876065, abs=5e-7)
    ours = clean_price_from_yield(security, 0.0853, settlement=day, convention=TREASURY)
    assert price - ours == pytest.approx(0.0709472, abs=5e-7)


def test_basis_point_value_is_of_the_other_sign_and_of_second_order() -> None:
    security, where = REGULAR[0], {"settlement": date(2026, 8, 24), "convention": STREET}
    bond = quantlib_bond(security)
    theirs = ql.BondFunctions.basisPointValue(bond, rate_of(bond, 0.0431, ql.Compounded), ql_date(date(2026, 8, 24)))
    curvature = convexity(security, 0.0431, **where) * dirty_price_from_yield(security, 0.0431, **where)
    assert dv01(security, 0.0431, **where) == pytest.approx(-theirs + 0.5e-8 * curvature, rel=1e-11)


@pytest.mark.parametrize("days", [1, 20, 90, 182])
def test_bills_up_to_half_a_year(days: int) -> None:
    day = date(2026, 3, 24)
    bill = Bill(cusip="912797SC2", issue_date=day, maturity_date=day + timedelta(days=days))
    bond = quantlib_bond(bill)
    rate = ql.InterestRate(0.0374, ql.Actual365Fixed(), ql.Simple, ql.Annual)
    expected = ql.BondFunctions.cleanPrice(bond, rate, ql_date(day))
    assert clean_price_from_yield(bill, 0.0374, settlement=day, convention=STREET) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(
    ("security", "yield_", "clean", "quote", "implied"),
    [
        (note(0.025, date(2004, 10, 31), date(2006, 10, 31)), 0.02925, 99.204505, 99.203125, 0.029257),
        (note(0.035, date(2004, 11, 15), date(2009, 11, 15)), 0.03569, 99.687192, 99.6875, 0.035689),
    ],
    ids=["2-year", "5-year"],
)
def test_quantlib_cached_bonds(security: Note, yield_: float, clean: float, quote: float, implied: float) -> None:
    # QuantLib test-suite/bonds.cpp, testCached: 2004-11-22, T+1
    where = {"settlement": date(2004, 11, 23), "convention": STREET}
    assert clean_price_from_yield(security, yield_, **where) == pytest.approx(clean, abs=5e-7)
    assert yield_from_clean_price(security, quote, **where) == pytest.approx(implied, abs=5e-7)


def test_treasury_and_street_differ_by_two_thirds_of_a_cent_on_a_current_ten_year() -> None:
    bond = Bond(cusip="91282CQX2", coupon=0.0475, dated_date=date(2026, 8, 15), maturity_date=date(2036, 8, 15))
    prices = [
        clean_price_from_yield(bond, 0.0474, settlement=date(2026, 11, 15), convention=convention)
        for convention in (STREET, TREASURY)
    ]
    assert 0.005 < prices[0] - prices[1] < 0.008
