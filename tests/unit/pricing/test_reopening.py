"""Reopenings, cash management bills, and errors that name field and CUSIP, the same on every kind."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

import tbill_defi as td

TREASURY, STREET = td.YieldConvention.TREASURY, td.YieldConvention.STREET
NOTE = td.Note(cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))
TIPS = td.Tips(
    cusip="91282CPU9",
    coupon=0.01875,
    dated_date=date(2026, 1, 15),
    maturity_date=date(2036, 1, 15),
    dated_reference_cpi=324.93432,
)
BILL = td.Bill(cusip="912797UQ8", issue_date=date(2026, 1, 20), maturity_date=date(2026, 7, 21))
STRIP = td.Strip(cusip="912834AB1", maturity_date=date(2036, 2, 15))
DAY = date(2026, 3, 24)


def test_a_reopening_accrues_from_the_dated_date() -> None:
    # when-issued: traded on 2026-03-11, settled on 2026-03-16, 29 of 181 days after the dated date
    settlement = date(2026, 3, 16)
    accrued = td.accrued_interest(NOTE, settlement=settlement)
    assert accrued == pytest.approx(100 * 0.04125 / 2 * 29 / 181, abs=1e-13)
    where: dict[str, Any] = {"settlement": settlement, "convention": TREASURY}
    clean = td.clean_price_from_yield(NOTE, 0.0421, **where)
    assert td.dirty_price_from_yield(NOTE, 0.0421, **where) == pytest.approx(clean + accrued, abs=1e-12)


def test_nothing_settles_before_the_issue_though_it_accrues_from_before() -> None:
    issued = NOTE.model_copy(update={"issue_date": date(2026, 2, 17)})
    assert td.accrued_interest(issued, settlement=date(2026, 2, 17)) == pytest.approx(2.0625 * 2 / 181, abs=1e-13)
    with pytest.raises(td.SettlementOutOfRange, match="2026-02-16 is before 91282CPZ8's issue on 2026-02-17"):
        td.accrued_interest(issued, settlement=date(2026, 2, 16))


def test_a_cash_management_bill_is_a_bill_of_any_days() -> None:
    # 31 CFR 356 Appendix B, VI.A: 100 (1 - d days/360)
    bill = td.Bill(cusip="912797ZZ9", issue_date=date(2026, 4, 1), maturity_date=date(2026, 4, 16))
    price = td.price_from_discount_rate(bill, 0.037, settlement=date(2026, 4, 1))
    assert price == pytest.approx(100 * (1 - 0.037 * 15 / 360), abs=1e-13)
    rate = td.investment_rate_from_price(bill, price, settlement=date(2026, 4, 1))
    assert rate == pytest.approx((100 / price - 1) * 365 / 15, abs=1e-14)
    overnight = td.Bill(cusip="912797ZZ9", issue_date=date(2026, 4, 15), maturity_date=date(2026, 4, 16))
    assert td.price_from_discount_rate(overnight, 0.036, settlement=date(2026, 4, 15)) == pytest.approx(99.99)


@pytest.mark.parametrize("security", [NOTE, TIPS, BILL, STRIP], ids=lambda security: security.kind)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 4.2])
def test_a_yield_that_is_none_is_named_with_the_cusip(security: Any, value: float) -> None:
    for verb in (td.clean_price_from_yield, td.dirty_price_from_yield, td.modified_duration, td.convexity, td.dv01):
        with pytest.raises(td.ConventionError, match=rf"^yield_: {value}.*\({security.cusip}\)$"):
            verb(security, value, settlement=DAY, convention=STREET)


@pytest.mark.parametrize("security", [NOTE, TIPS, BILL, STRIP], ids=lambda security: security.kind)
def test_a_price_or_a_date_that_is_none_is_named_with_the_cusip(security: Any) -> None:
    with pytest.raises(td.ConventionError, match=rf"clean_price: nan is not a finite price .*\({security.cusip}\)"):
        td.yield_from_clean_price(security, math.nan, settlement=DAY, convention=STREET)
    for late in (security.maturity_date, date(2099, 1, 1)):
        with pytest.raises(td.SettlementOutOfRange, match=rf"settlement: {late} is not before {security.cusip}'s"):
            td.accrued_interest(security, settlement=late)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"coupon": 1.5}, "coupon: 1.5 looks like percent; give a decimal such as 0.015 (91282CPZ8)"),
        ({"coupon": math.inf}, "coupon: inf is above 0.20 (91282CPZ8)"),
        (
            {"maturity_date": date(2026, 1, 1)},
            "dated_date: 2026-02-15 must be before maturity_date 2026-01-01 (91282CPZ8)",
        ),
        ({"maturity_date": "soon"}, "maturity_date: 'soon' is not a date such as 2026-08-15 (91282CPZ8)"),
    ],
)
def test_terms_that_are_none_are_named_with_the_cusip(given: dict[str, Any], message: str) -> None:
    with pytest.raises(td.ConventionError) as caught:
        td.Note(**NOTE.model_dump(exclude={"kind"}) | given)
    assert str(caught.value) == message


def test_a_ledger_holds_what_pays_fixed_dollars() -> None:
    from tbill_defi.instruments import require_nominal

    assert require_nominal(NOTE) is NOTE
    with pytest.raises(
        td.ConventionError, match="91282CPU9: a tips is not held here, only what the Treasury pays in fixed dollars"
    ):
        require_nominal(TIPS)
