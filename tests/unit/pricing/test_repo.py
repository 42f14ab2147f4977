"""Repo by published numbers, by QuantLib, and by what must be inverse to what."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
import QuantLib as ql  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.instruments.repo import MarginRule, Repo, interest_units
from tbill_defi.pricing import accrued_interest, forward_price_from_repo, quantlib_bond
from tbill_defi.pricing.repo import (
    carry,
    collateral_value,
    implied_repo_rate,
    purchase_price,
    repo_value,
    repurchase_price,
)

NOTE = Note(cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2031, 6, 30))
FINCAD = Bond(cusip="912810AA0", coupon=0.08, dated_date=date(1995, 9, 15), maturity_date=date(2005, 9, 15))
TERMS = {
    "cusip": "912796XY0",
    "face_units": 10**13,
    "cash_units": 9_974_250_000_000,
    "rate": 0.004,
    "start_date": date(2021, 3, 19),
    "end_date": date(2021, 3, 22),
    "margin": 0.01,
}


def test_cdm_example() -> None:
    """FINOS CDM, repo and bond, substitution: 10,000,000 at 1.0075, 0.4%, haircut 1%, new bond at 98.5."""
    value = 10_000_000 * 1.0075
    cash = purchase_price(value, MarginRule.HAIRCUT, 0.01)
    assert cash == pytest.approx(9_974_250, abs=1e-6)
    back = repurchase_price(cash, 0.004, start=date(2021, 3, 19), end=date(2021, 3, 22))
    assert back == pytest.approx(9_974_582.475, abs=1e-6)
    assert Repo(**TERMS).resolve().repurchase_units == 9_974_582_475_000
    assert collateral_value(cash, MarginRule.HAIRCUT, 0.01) / 0.985 == pytest.approx(10_228_426, abs=0.5)


def test_haircut_and_margin_ratio_are_not_the_same() -> None:
    assert purchase_price(100.0, MarginRule.HAIRCUT, 0.02) == 98.0
    assert purchase_price(100.0, MarginRule.MARGIN_RATIO, 1.02) == pytest.approx(98.0392157, abs=5e-8)
    assert collateral_value(98.0, MarginRule.HAIRCUT, 0.02) == pytest.approx(100.0, abs=1e-12)


def test_quantlib_repo_example_implies_its_rate() -> None:
    """QuantLib Examples/Repo (FINCAD): 8% 2005-09-15 30/360, clean 89.97693786 to 88.24113958: 5.000000%."""
    rate = implied_repo_rate(
        FINCAD,
        89.97693786 + 8 * 149 / 360,
        88.24113958 + 8 * 150 / 360,
        settlement=date(2000, 2, 14),
        forward_settlement=date(2000, 8, 15),
    )
    assert rate == pytest.approx(0.05, abs=5e-9)


def test_forward_and_carry_are_quantlibs() -> None:
    """QuantLib's BondForward, the repo curve for income and for the forward, a coupon in between."""
    rate, first, last = 0.0365, ql.Date(1, 12, 2026), ql.Date(1, 3, 2027)
    ql.Settings.instance().evaluationDate = first
    bond, calendar = quantlib_bond(NOTE), ql.NullCalendar()
    market = ql.YieldTermStructureHandle(ql.FlatForward(first, 0.043, ql.Actual365Fixed()))
    bond.setPricingEngine(ql.DiscountingBondEngine(market))
    repo = ql.YieldTermStructureHandle(ql.FlatForward(first, rate, ql.Actual360(), ql.Simple))
    forward = ql.BondForward(
        first, last, ql.Position.Long, 0.0, 0, ql.Actual360(), calendar, ql.Unadjusted, bond, repo, repo
    )
    dates = {"settlement": date(2026, 12, 1), "repo_rate": rate}
    dirty = bond.dirtyPrice()
    found = forward_price_from_repo(NOTE, dirty, forward_settlement=date(2027, 3, 1), **dates)
    assert found == pytest.approx(forward.forwardValue(), abs=1e-6)
    result = carry(NOTE, bond.cleanPrice(), horizon=date(2027, 3, 1), **dates)
    assert result.forward_clean_price == pytest.approx(forward.cleanForwardPrice(), abs=1e-6)
    assert forward.spotIncome(repo) == pytest.approx(2.0625 / (1 + rate * 30 / 360), abs=1e-6)


def test_carry_adds_up() -> None:
    result = carry(NOTE, 99.25, settlement=date(2026, 12, 1), horizon=date(2027, 3, 1), repo_rate=0.0365)
    dirty = 99.25 + accrued_interest(NOTE, settlement=date(2026, 12, 1))
    interest = dirty * 0.0365 * 90 / 360
    saved = 2.0625 * 0.0365 * 60 / 360  # the coupon of 31 December pays the loan down
    assert result.financing_cost == pytest.approx(interest - saved, abs=1e-3)
    assert result.carry == pytest.approx(result.interest_income - result.financing_cost, abs=1e-12)
    assert result.carry == pytest.approx(99.25 - result.forward_clean_price, abs=1e-12)
    positive = carry(NOTE, 99.25, settlement=date(2026, 12, 1), horizon=date(2027, 3, 1), repo_rate=0.0)
    assert positive.financing_cost == pytest.approx(0.0, abs=1e-12)


@given(st.floats(0.0, 0.2), st.floats(60, 140), st.dates(date(2026, 7, 1), date(2029, 1, 1)), st.integers(1, 700))
def test_implied_repo_rate_is_the_inverse(rate: float, dirty: float, start: date, days: int) -> None:
    dates = {"settlement": start, "forward_settlement": date.fromordinal(start.toordinal() + days)}
    forward = forward_price_from_repo(NOTE, dirty, repo_rate=rate, **dates)
    found = implied_repo_rate(NOTE, dirty, forward, **dates)
    again = forward_price_from_repo(NOTE, dirty, repo_rate=found, **dates)
    assert again == pytest.approx(forward, abs=1e-11)


def test_implied_repo_of_a_bill_is_simple_interest() -> None:
    bill = Bill(cusip="912797QQ1", issue_date=date(2026, 3, 26), maturity_date=date(2026, 9, 24))
    rate = implied_repo_rate(bill, 98.0, 98.98, settlement=date(2026, 3, 26), forward_settlement=date(2026, 6, 24))
    assert rate == pytest.approx(0.04, abs=1e-13)  # 1% in 90 days
    with pytest.raises(ConventionError, match="no repo rate within 100%"):
        implied_repo_rate(bill, 10.0, 99.0, settlement=date(2026, 3, 26), forward_settlement=date(2026, 6, 24))
    with pytest.raises(SettlementOutOfRange, match="must be before"):
        implied_repo_rate(bill, 98.0, 99.0, settlement=date(2026, 6, 24), forward_settlement=date(2026, 6, 24))


def test_value_of_a_running_repo() -> None:
    dates = {"on": date(2026, 3, 24), "end": date(2026, 6, 22)}
    assert repo_value(100.0, 0.25, 0.04, repo_rate=0.04, **dates) == pytest.approx(101.25 / 1.01, abs=1e-12)
    assert repo_value(100.0, 0.0, 0.04, repo_rate=0.04, **dates) == pytest.approx(100.0, abs=1e-12)
    assert repo_value(100.0, 0.0, 0.04, repo_rate=0.05, **dates) < 100.0, "lent too cheaply"
    with pytest.raises(SettlementOutOfRange):
        repo_value(100.0, 0.0, 0.04, on=date(2026, 6, 23), end=date(2026, 6, 22), repo_rate=0.04)
    with pytest.raises(ConventionError, match="percent"):
        repo_value(100.0, 0.0, 4.0, repo_rate=0.05, **dates)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 3.65}, r"rate: 3.65 looks like percent; give a decimal such as 0.0365"),
        ({"rate": -0.01}, "rate: -0.01 is negative"),
        ({"rate": 0.03651234567}, "finer than 0.000000001"),
        ({"margin": 2.0}, "not a haircut"),
        ({"margin": 1.02}, "margin_ratio"),
        ({"margin_rule": MarginRule.MARGIN_RATIO}, "not a margin ratio"),
        ({"end_date": date(2021, 3, 19)}, "start_date: 2021-03-19 must be before end_date"),
        ({"end_date": date(2024, 3, 19)}, "more than 731 days"),
        ({"cash_units": 0}, "cash_units"),
        ({"face_units": 2**88}, "face_units"),
        ({"notional": 1}, "notional is not a field"),
    ],
)
def test_terms_that_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConventionError, match=words):
        Repo(**{**TERMS, **changes})


@given(st.integers(1, 2**60), st.integers(10**6, 2 * 10**8), st.integers(0, 5 * 10**8), st.booleans())
def test_face_and_cash_are_inverse_to_the_unit(cash: int, price: int, margin: int, ratio: bool) -> None:
    """The face that is asked for covers; one unit less does not."""
    rule = MarginRule.MARGIN_RATIO if ratio else MarginRule.HAIRCUT
    margin_e9 = 10**9 + margin if ratio else margin
    face = rule.face_units(cash, price, margin_e9)
    assert rule.lendable_units(face, price, margin_e9) >= cash
    assert rule.lendable_units(face - 1, price, margin_e9) < cash


@given(st.lists(st.tuples(st.integers(0, 2**60), st.integers(0, 400)), max_size=5), st.integers(0, 10**9))
@pytest.mark.invariant("I11")
def test_interest_is_rounded_half_up_once(intervals: list[tuple[int, int]], rate_e9: int) -> None:
    exact = sum(Fraction(cash * days * rate_e9, 360 * 10**9) for cash, days in intervals)
    found = interest_units(tuple(intervals), rate_e9)
    assert -Fraction(1, 2) < found - exact <= Fraction(1, 2)
