from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import tbill_defi as td
from tbill_defi.conventions.frn_index import index_rate

DATED = date(2026, 4, 30)
FRN = td.Frn(cusip="91282CQM6", spread=0.001, dated_date=DATED, maturity_date=date(2028, 4, 30))
WEEKS = {date(2026, 4, 21) + timedelta(days=7 * n): Decimal("0.0369") + n * Decimal("0.0001") for n in range(10)}
INDEX = td.FrnIndex(WEEKS)
"""Rates that take effect on Tuesdays, 21 April (3.69%) to 23 June (3.78%)."""
SETTLES = date(2026, 6, 26)


def test_the_rate_of_an_auction() -> None:
    # 0.0365 / (1 - 0.0365 x 91/360), rounded to nine places
    assert index_rate(0.0365, 91) == Decimal("0.036839899")
    with pytest.raises(td.ConventionError, match=r"discount_rate: 3.65 is not a decimal rate"):
        index_rate(3.65, 91)


def test_an_index_is_built_from_thirteen_week_auctions_alone() -> None:
    row = {
        "type": "Bill",
        "securityTerm": "13-Week",
        "highDiscountRate": 0.0365,
        "auctionDate": date(2026, 4, 27),
        "issueDate": date(2026, 4, 30),
        "maturityDate": date(2026, 7, 30),
    }
    other = row | {"securityTerm": "26-Week", "auctionDate": date(2026, 4, 28)}
    index = td.FrnIndex.of_auctions([row, other, row | {"type": "FRN"}, row | {"highDiscountRate": None}])
    assert index.on(date(2026, 5, 4), end=date(2026, 5, 29)) == Decimal("0.036839899")


def test_rates_of_the_lockout_do_not_count() -> None:
    # two good days before Friday 26 June are Wednesday the 24th: Tuesday's rate counts
    assert td.FrnIndex.lockout(SETTLES) == date(2026, 6, 24)
    assert INDEX.on(date(2026, 6, 25), end=SETTLES) == Decimal("0.0378")
    # before Thursday the 25th they are the 23rd: it does not
    assert INDEX.on(date(2026, 6, 24), end=date(2026, 6, 25)) == Decimal("0.0377")


def test_interest_is_summed_by_the_day() -> None:
    days = [DATED + timedelta(days=n) for n in range((SETTLES - DATED).days)]
    total = sum(WEEKS[max(day for day in WEEKS if day <= d)] for d in days)
    expected = float(total + len(days) * Decimal("0.001")) * 100 / 360
    assert td.floating_accrued_interest(FRN, settlement=SETTLES, index=INDEX) == pytest.approx(expected, abs=1e-13)
    assert td.floating_accrued_interest(FRN, settlement=DATED, index=INDEX) == 0.0


def test_a_day_pays_no_negative_interest() -> None:
    low = td.FrnIndex({day: Decimal("-0.002") for day in WEEKS})
    assert td.floating_accrued_interest(FRN, settlement=SETTLES, index=low) == 0.0
    # and at a margin that offsets the index, what is left is the principal
    assert td.price_from_discount_margin(FRN, 0.002, settlement=DATED, index=low) == pytest.approx(100.0, abs=1e-12)


def test_the_floor_is_of_each_day_not_of_the_period() -> None:
    turns = td.FrnIndex({day: Decimal("-0.003" if n % 3 else "0.001") for n, day in enumerate(sorted(WEEKS))})
    days = [DATED + timedelta(days=n) for n in range((SETTLES - DATED).days)]
    rates = [turns.on(day, end=SETTLES) + Decimal("0.001") for day in days]
    assert min(rates) < 0 < max(rates)
    expected = float(sum(max(Decimal(0), rate) for rate in rates)) * 100 / 360
    assert td.floating_accrued_interest(FRN, settlement=SETTLES, index=turns) == pytest.approx(expected, abs=1e-13)
    assert td.Book([FRN], frn_index=turns).accrued(SETTLES)[0] == pytest.approx(expected, abs=1e-13)


def test_at_a_margin_of_the_spread_the_price_is_100_on_a_payment_date() -> None:
    assert td.price_from_discount_margin(FRN, 0.001, settlement=DATED, index=INDEX) == pytest.approx(100.0, abs=1e-11)
    assert td.price_from_discount_margin(FRN, 0.0005, settlement=DATED, index=INDEX) > 100.0


@pytest.mark.parametrize("margin", [-0.03, 0.0, 0.00123, 0.05])
def test_margin_and_price_are_inverse_and_duration_is_the_slope(margin: float) -> None:
    where: dict[str, Any] = {"settlement": SETTLES, "index": INDEX}
    price = td.price_from_discount_margin(FRN, margin, **where)
    assert td.discount_margin_from_price(FRN, price, **where) == pytest.approx(margin, abs=1e-13)
    up, down = (td.price_from_discount_margin(FRN, margin + step, **where) for step in (1e-6, -1e-6))
    dirty = price + td.floating_accrued_interest(FRN, **where)
    assert td.discount_margin_duration(FRN, margin, **where) == pytest.approx((down - up) / 2e-6 / dirty, rel=1e-6)


def test_a_missing_auction_is_named() -> None:
    holed = td.FrnIndex({day: rate for day, rate in WEEKS.items() if day != date(2026, 5, 12)})
    with pytest.raises(td.DataError, match=r"no 13-week bill auction of the 8 days .*the last one .* on 2026-05-04"):
        td.floating_accrued_interest(FRN, settlement=SETTLES, index=holed)
    with pytest.raises(td.DataError, match="none is"):
        td.floating_accrued_interest(FRN, settlement=SETTLES, index=td.FrnIndex({}))
    with pytest.raises(td.DataError, match="FRN index of 2026-07-27"):
        td.price_from_discount_margin(FRN, 0.001, settlement=date(2026, 7, 30), index=INDEX)


@pytest.mark.parametrize("verb", [td.clean_price_from_yield, td.dirty_price_from_yield, td.modified_duration, td.dv01])
def test_a_yield_means_nothing_and_the_error_says_what_does(verb: Any) -> None:
    with pytest.raises(td.ConventionError, match=r"91282CQM6 is a floating rate note: .* no yield and no fixed flows"):
        verb(FRN, 0.04, settlement=SETTLES, convention=td.YieldConvention.STREET)
    with pytest.raises(td.ConventionError, match="use price_from_discount_margin"):
        td.yield_from_clean_price(FRN, 100.0, settlement=SETTLES, convention=td.YieldConvention.STREET)
    with pytest.raises(td.ConventionError, match="floating_accrued_interest"):
        td.accrued_interest(FRN, settlement=SETTLES)
    with pytest.raises(td.DataError, match="a floating rate note needs the rates of 13-week auctions"):
        td.Book([FRN])


NOTE = td.Note(cusip="91282CNY3", coupon=0.03375, dated_date=date(2025, 9, 15), maturity_date=date(2028, 9, 15))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"frn": NOTE}, td.ConventionError, "frn: Note 91282CNY3 is not a floating rate note"),
        ({"index": 0.037}, td.ConventionError, "index: float is not an FrnIndex"),
        (
            {"settlement": date(2026, 4, 29)},
            td.SettlementOutOfRange,
            "2026-04-29 is not in 91282CQM6's life",
        ),
        ({"settlement": FRN.maturity_date}, td.SettlementOutOfRange, "to before maturity 2028-04-30"),
        ({"settlement": datetime(2026, 6, 26)}, td.ConventionError, "is not a datetime.date"),
        ({"discount_margin": math.nan}, td.ConventionError, "discount_margin: nan is not a finite number"),
        ({"discount_margin": 12.0}, td.ConventionError, "discount_margin: 12 looks like percent"),
    ],
)
def test_errors(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        td.price_from_discount_margin(
            **{"frn": FRN, "discount_margin": 0.001, "settlement": SETTLES, "index": INDEX, **given}
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spread": 0.1}, "spread: 0.1 looks like percent; give a decimal such as 0.001"),
        ({"spread": math.nan}, "spread: nan is no spread"),
        ({"maturity_date": DATED}, "dated_date: 2026-04-30 must be before maturity_date 2026-04-30"),
        ({"maturity_date": date(2046, 4, 30)}, "more than 10 years after"),
        ({"coupon": 0.04}, "Frn: coupon is not a field; the fields are cusip, spread"),
    ],
)
def test_terms_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(td.ConventionError, match=message):
        td.Frn(**FRN.model_dump(exclude={"kind"}) | change)


def test_payment_dates_are_quarterly_month_ends() -> None:
    assert FRN.payment_dates[:3] == (date(2026, 7, 31), date(2026, 10, 31), date(2027, 1, 31))
    assert len(FRN.payment_dates) == 8
    assert td.read_security(FRN.model_dump_json()) == FRN


def test_a_price_that_no_margin_gives() -> None:
    with pytest.raises(td.ConventionError, match="must be positive"):
        td.discount_margin_from_price(FRN, -5.0, settlement=SETTLES, index=INDEX)
