from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from tbill_defi.pricing.interop import quantlib_bond

DATED = date(2026, 1, 15)
FIELDS: dict[str, Any] = {
    "cusip": "91282CPU9",
    "coupon": 0.01875,
    "dated_date": DATED,
    "maturity_date": date(2036, 1, 15),
    "dated_reference_cpi": 324.93432,
}
TIPS = td.Tips(**FIELDS)
STREET = td.YieldConvention.STREET
DAY = date(2026, 3, 24)
UP = td.ReferenceCpi.of_daily(
    {DAY: 324.9, date(2026, 7, 15): 330.0, date(2027, 1, 15): 300.0, date(2036, 1, 15): 420.0}
)
DOWN = td.ReferenceCpi.of_daily({date(2036, 1, 15): 300.0})


def test_the_verbs_take_real_yields_as_of_a_note() -> None:
    same = {name: value for name, value in FIELDS.items() if name != "dated_reference_cpi"}
    note = td.Note(**same)
    where: dict[str, Any] = {"settlement": DAY, "convention": STREET}
    for verb in (td.clean_price_from_yield, td.dirty_price_from_yield, td.modified_duration, td.convexity, td.dv01):
        assert verb(TIPS, 0.0203, **where) == verb(note, 0.0203, **where)
    price = td.clean_price_from_yield(TIPS, 0.0203, **where)
    assert td.yield_from_clean_price(TIPS, price, **where) == pytest.approx(0.0203, abs=1e-14)
    assert td.accrued_interest(TIPS, settlement=DAY) == pytest.approx(0.9375 * 68 / 181)


def test_quantlib_agrees_on_the_real_price() -> None:
    bond = quantlib_bond(TIPS)
    clean = bond.cleanPrice(0.0203, bond.dayCounter(), ql.Compounded, ql.Semiannual, ql.Date(24, 3, 2026))
    mine = td.clean_price_from_yield(TIPS, 0.0203, settlement=DAY, convention=STREET)
    assert mine == pytest.approx(clean, abs=1e-11)


def test_a_book_holds_tips_by_their_real_yield() -> None:
    book = td.Book([TIPS, td.Bill(cusip="912797UQ8", issue_date=DAY, maturity_date=date(2026, 7, 21))])
    values = book.analytics(settlement=DAY, yields=[0.0203, 0.037], convention=STREET)
    expected = td.clean_price_from_yield(TIPS, 0.0203, settlement=DAY, convention=STREET)
    assert values.clean_price[0] == pytest.approx(expected, abs=1e-11)


def test_nominal_amounts_are_real_ones_times_the_index_ratio() -> None:
    # 324.9 / 324.93432 = 0.999894..., 330 / 324.93432 = 1.015589...
    assert td.index_ratio(TIPS, settlement=DAY, reference_cpi=UP) == 0.99989
    assert td.adjusted_price(TIPS, 98.5, settlement=DAY, reference_cpi=UP) == 98.5 * 0.99989
    assert td.nominal_coupon(TIPS, coupon_date=date(2026, 7, 15), reference_cpi=UP) == 0.9375 * 1.01559


def test_the_deflation_floor_is_of_the_principal_alone() -> None:
    assert td.nominal_coupon(TIPS, coupon_date=date(2027, 1, 15), reference_cpi=UP) == 0.9375 * 0.92326
    assert td.nominal_principal(TIPS, reference_cpi=UP) == 129.257
    assert td.nominal_principal(TIPS, reference_cpi=DOWN) == 100.0
    assert td.nominal_coupon(TIPS, coupon_date=TIPS.maturity_date, reference_cpi=DOWN) == 0.9375 * 0.92326


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"settlement": date(2026, 1, 14)},
            td.SettlementOutOfRange,
            "2026-01-14 is not within 91282CPU9's life",
        ),
        ({"settlement": date(2036, 1, 16)}, td.SettlementOutOfRange, "life, 2026-01-15 to 2036-01-15"),
        ({"settlement": datetime(2026, 3, 24)}, td.ConventionError, "is not a datetime.date"),
        ({"settlement": date(2030, 1, 1)}, td.DataError, r"needs the CPI-U of 2029-10.*\(91282CPU9\)"),
        ({"reference_cpi": 324.9}, td.ConventionError, "reference_cpi: float is not a ReferenceCpi"),
    ],
)
def test_errors(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        td.index_ratio(TIPS, **{"settlement": DAY, "reference_cpi": UP, **given})


def test_only_tips_have_an_index_ratio_and_only_coupon_dates_coupons() -> None:
    note = td.Note(cusip="91282CNY3", coupon=0.03375, dated_date=date(2025, 9, 15), maturity_date=date(2028, 9, 15))
    with pytest.raises(td.ConventionError, match="tips: Note 91282CNY3 has no index ratio"):
        td.index_ratio(note, settlement=DAY, reference_cpi=UP)  # type: ignore[arg-type]
    with pytest.raises(td.ConventionError, match="not a coupon date of 91282CPU9; near it are 2026-07-15, 2027-01-15"):
        td.nominal_coupon(TIPS, coupon_date=DAY, reference_cpi=UP)


@pytest.mark.parametrize("value", [0.0, 3.25, float("nan"), 1e6])
def test_the_dated_reference_cpi_is_a_cpi(value: float) -> None:
    with pytest.raises(td.ConventionError, match=r"dated_reference_cpi: .* is not a CPI-U \(1982-84 = 100\) such as"):
        td.Tips(**FIELDS | {"dated_reference_cpi": value})


def test_terms_survive_their_text() -> None:
    assert td.read_security(TIPS.model_dump_json()) == TIPS
    assert len(td.terms_hash(TIPS)) == 32
