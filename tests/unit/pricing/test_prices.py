from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import Bill, Note
from tbill_defi.pricing import (
    accrued_interest,
    auction_price,
    clean_price_from_yield,
    dirty_price_from_yield,
    discount_rate_from_price,
    dv01,
    investment_rate_from_price,
    modified_duration,
    official_accrued,
    price_from_discount_rate,
    price_from_investment_rate,
    yield_from_clean_price,
    yield_from_dirty_price,
)
from tbill_defi.pricing.valuation import valuation

STREET, TREASURY = YieldConvention.STREET, YieldConvention.TREASURY
NOTE = Note(cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2031, 6, 30))
LATER = NOTE.model_copy(update={"issue_date": date(2026, 7, 2)})
BILL = Bill(cusip="912797SC2", issue_date=date(2025, 9, 25), maturity_date=date(2026, 3, 26))
VERBS: list[Callable[[Any, date], float]] = [
    lambda security, day: dirty_price_from_yield(security, 0.04, settlement=day, convention=STREET),
    lambda security, day: clean_price_from_yield(security, 0.04, settlement=day, convention=TREASURY),
    lambda security, day: yield_from_clean_price(security, 99.0, settlement=day, convention=STREET),
    lambda security, day: yield_from_dirty_price(security, 99.0, settlement=day, convention=STREET),
    lambda security, day: accrued_interest(security, settlement=day),
    lambda security, day: modified_duration(security, 0.04, settlement=day, convention=STREET),
    lambda security, day: dv01(security, 0.04, settlement=day, convention=STREET),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("security", "day", "message"),
    [
        (NOTE, date(2026, 6, 29), "settlement: 2026-06-29 is before 91282CQX2's issue on 2026-06-30"),
        (LATER, date(2026, 7, 1), "settlement: 2026-07-01 is before 91282CQX2's issue on 2026-07-02"),
        (NOTE, date(2031, 6, 30), "settlement: 2031-06-30 is not before 91282CQX2's maturity 2031-06-30"),
        (BILL, date(2025, 9, 24), "settlement: 2025-09-24 is before 912797SC2's issue on 2025-09-25"),
        (BILL, date(2026, 3, 26), "settlement: 2026-03-26 is not before 912797SC2's maturity 2026-03-26"),
    ],
)
def test_settlement_must_be_from_issue_to_before_maturity(
    verb: Callable[[Any, date], float], security: Note | Bill, day: date, message: str
) -> None:
    with pytest.raises(SettlementOutOfRange, match=message):
        verb(security, day)


@pytest.mark.parametrize("security", [NOTE, BILL])
@pytest.mark.parametrize("verb", VERBS)
def test_first_and_last_settlement_are_allowed(verb: Callable[[Any, date], float], security: Note | Bill) -> None:
    flows = security.resolve()
    last = date.fromordinal(flows.maturity.toordinal() - 1)
    assert math.isfinite(verb(security, flows.first_settlement))
    assert math.isfinite(verb(security, last))


@pytest.mark.parametrize("day", [datetime(2026, 8, 24), "2026-08-24", None])
def test_settlement_must_be_a_date(day: Any) -> None:
    with pytest.raises(ConventionError, match=r"is not a datetime.date"):
        accrued_interest(NOTE, settlement=day)


def test_the_convention_is_always_passed() -> None:
    with pytest.raises(TypeError, match="convention"):
        clean_price_from_yield(NOTE, 0.04, settlement=date(2026, 8, 24))  # type: ignore[call-arg]
    with pytest.raises(ConventionError, match=r"convention: 'STREET' is not one of YieldConvention.TREASURY, "):
        clean_price_from_yield(NOTE, 0.04, settlement=date(2026, 8, 24), convention="STREET")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (4.25, "yield_: 4.25 looks like percent; give a decimal such as 0.0425"),
        (-4.25, "yield_: -4.25 looks like percent"),
        (float("nan"), "yield_: nan is not a finite number"),
    ],
)
def test_a_percent_is_refused(rate: float, message: str) -> None:
    with pytest.raises(ConventionError, match=message):
        clean_price_from_yield(NOTE, rate, settlement=date(2026, 8, 24), convention=STREET)


def test_rates_of_bills_are_checked() -> None:
    day = date(2026, 1, 5)
    with pytest.raises(ConventionError, match=r"discount_rate: 3.53 looks like percent"):
        price_from_discount_rate(BILL, 3.53, settlement=day)
    with pytest.raises(ConventionError, match=r"investment_rate: 3.53 looks like percent"):
        price_from_investment_rate(BILL, 3.53, settlement=day)
    with pytest.raises(ConventionError, match="bill: Note 91282CQX2 is not a bill"):
        price_from_discount_rate(NOTE, 0.0353, settlement=day)  # type: ignore[arg-type]
    with pytest.raises(SettlementOutOfRange):
        discount_rate_from_price(BILL, 99.0, settlement=date(2026, 3, 26))
    with pytest.raises(ConventionError, match="price: inf"):
        investment_rate_from_price(BILL, float("inf"), settlement=day)


@pytest.mark.parametrize("price", [0.0, -1.0])
def test_a_price_must_be_positive(price: float) -> None:
    with pytest.raises(ConventionError, match="must be positive"):
        yield_from_dirty_price(NOTE, price, settlement=date(2026, 8, 24), convention=STREET)


@pytest.mark.parametrize("security", [NOTE, BILL])
def test_a_yield_at_or_below_the_pole_is_refused(security: Note | Bill) -> None:
    place = valuation(security, security.resolve().first_settlement, STREET)
    lowest = STREET.arithmetic.lowest_yield(place.times)
    assert place.dirty_price(lowest + 1e-6) > 1e4
    with pytest.raises(ConventionError, match="where the price is infinite"):
        place.dirty_price(lowest)


def test_price_above_the_sum_of_the_flows_has_a_negative_yield() -> None:
    found = yield_from_dirty_price(NOTE, 130.0, settlement=date(2026, 6, 30), convention=STREET)
    assert found < 0
    assert dirty_price_from_yield(NOTE, found, settlement=date(2026, 6, 30), convention=STREET) == pytest.approx(
        130.0, abs=1e-11
    )


@pytest.mark.parametrize("convention", [STREET, TREASURY, YieldConvention.TRUE_YIELD])
@pytest.mark.parametrize("price", [5.0, 20.0, 99.9, 120.63, 400.0, 1e5])
@pytest.mark.parametrize("day", [date(2026, 6, 30), date(2026, 12, 30), date(2031, 1, 5), date(2031, 6, 29)])
def test_any_positive_price_has_a_yield(convention: YieldConvention, price: float, day: date) -> None:
    found = yield_from_dirty_price(NOTE, price, settlement=day, convention=convention)
    assert valuation(NOTE, day, convention).dirty_price(found) == pytest.approx(price, rel=1e-12)


def test_a_price_beyond_all_yields_is_refused() -> None:
    with pytest.raises(ConventionError, match=r"dirty price: 0.001 has no yield up to 1e\+12"):
        yield_from_dirty_price(NOTE, 1e-3, settlement=date(2026, 12, 30), convention=STREET)
    found = yield_from_dirty_price(NOTE, 1e-3, settlement=date(2031, 6, 29), convention=STREET)
    assert found == pytest.approx((102.0625 / 1e-3 - 1) * 362, rel=1e-12)


def test_the_coupon_of_the_settlement_date_is_not_bought() -> None:
    before, on = date(2026, 12, 30), date(2026, 12, 31)
    assert accrued_interest(NOTE, settlement=on) == 0.0
    assert accrued_interest(NOTE, settlement=before) == pytest.approx(2.0625 * 183 / 184, abs=1e-14)
    price = dirty_price_from_yield(NOTE, 0.0, settlement=on, convention=STREET)
    assert price == pytest.approx(100 + 9 * 2.0625, abs=1e-12)
    assert dirty_price_from_yield(NOTE, 0.0, settlement=before, convention=STREET) == pytest.approx(
        price + 2.0625, abs=1e-12
    )


def test_par_at_issue_when_the_yield_is_the_coupon() -> None:
    for convention in (STREET, TREASURY):
        price = clean_price_from_yield(NOTE, 0.04125, settlement=date(2026, 6, 30), convention=convention)
        assert price == pytest.approx(100.0, abs=1e-12)


def test_money_market_yield_of_the_last_period() -> None:
    day = date(2031, 3, 2)
    price = dirty_price_from_yield(NOTE, 0.05, settlement=day, convention=YieldConvention.MONEY_MARKET)
    assert price == pytest.approx(102.0625 / (1 + 0.05 * 120 / 360), abs=1e-12)
    with pytest.raises(ConventionError, match="only the final payment remains"):
        yield_from_clean_price(NOTE, 99.0, settlement=date(2030, 12, 30), convention=YieldConvention.MONEY_MARKET)


def test_true_yield_waits_for_good_days() -> None:
    # 2028-12-31 is a Sunday and 2029-01-01 a holiday: the last payment is made on 2029-01-02, two days later
    note = Note(cusip="91282CQX2", coupon=0.04, dated_date=date(2026, 12, 31), maturity_date=date(2028, 12, 31))
    day = date(2028, 10, 2)
    price = dirty_price_from_yield(note, 0.05, settlement=day, convention=YieldConvention.TRUE_YIELD)
    half_years = 90 / 184 + 2 / 181
    assert price == pytest.approx(102.0 / (1 + 0.05 * half_years / 2), abs=1e-12)
    street = yield_from_dirty_price(note, price, settlement=day, convention=STREET)
    assert street > 0.05


def test_true_yield_of_a_bill_counts_the_days_to_payment() -> None:
    bill = Bill(cusip="912797SC2", issue_date=date(2026, 1, 2), maturity_date=date(2026, 4, 3))
    price = dirty_price_from_yield(bill, 0.04, settlement=date(2026, 3, 2), convention=YieldConvention.TRUE_YIELD)
    assert price == pytest.approx(100 / (1 + 0.04 * 35 / 365), abs=1e-12)


def test_bill_verbs_agree() -> None:
    day = date(2026, 1, 5)
    price = price_from_discount_rate(BILL, 0.0353, settlement=day)
    assert price == pytest.approx(100 * (1 - 0.0353 * 80 / 360), abs=1e-13)
    assert discount_rate_from_price(BILL, price, settlement=day) == pytest.approx(0.0353, abs=1e-15)
    rate = investment_rate_from_price(BILL, price, settlement=day)
    assert rate == pytest.approx((100 / price - 1) * 365 / 80, abs=1e-15)
    assert price_from_investment_rate(BILL, rate, settlement=day) == pytest.approx(price, abs=1e-13)
    for convention in (STREET, TREASURY):
        assert yield_from_clean_price(BILL, price, settlement=day, convention=convention) == rate
    money = yield_from_clean_price(BILL, price, settlement=day, convention=YieldConvention.MONEY_MARKET)
    assert money == pytest.approx(rate * 360 / 365, abs=1e-15)
    assert accrued_interest(BILL, settlement=day) == 0.0


def test_official_accrued_rounds_a_true_tie_up() -> None:
    bond = Note(cusip="912810SH2", coupon=0.02875, dated_date=date(2019, 5, 15), maturity_date=date(2049, 5, 15))
    assert official_accrued(bond, settlement=date(2019, 7, 15)) == Decimal("0.476563")
    # TreasuryDirect: 912810SH2 reopened on 2019-07-11 at 2.644%, price 104.742265
    assert auction_price(bond, 0.02644, settlement=date(2019, 7, 15)) == Decimal("104.742265")
