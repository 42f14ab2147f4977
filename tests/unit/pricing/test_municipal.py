"""Municipal bonds: MSRB Rule G-33, and what tax makes of a yield."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from tbill_defi.pricing.interop import quantlib_bond
from tbill_defi.pricing.municipal import complete_years

STREET = td.YieldConvention.STREET
BOND = td.MunicipalBond(
    cusip="13063DGB8",
    coupon=0.03,
    dated_date=date(2020, 4, 1),
    maturity_date=date(2036, 4, 1),
    call_schedule=[(date(2030, 4, 1), 100.0)],
)
DAY = date(2026, 3, 24)
WHERE: dict[str, Any] = {"settlement": DAY, "convention": STREET}


def test_price_and_worst_are_quantlibs() -> None:
    day, theirs = ql.Date(24, 3, 2026), quantlib_bond(BOND)
    clean = theirs.cleanPrice(0.035, theirs.dayCounter(), ql.Compounded, ql.Semiannual, day)
    assert td.clean_price_from_yield(BOND, 0.035, **WHERE) == pytest.approx(clean, abs=1e-10)
    worst = td.yield_to_worst(BOND, 104.0, **WHERE)
    called = quantlib_bond(
        td.MunicipalBond(**(BOND.model_dump() | {"maturity_date": date(2030, 4, 1), "call_schedule": ()}))
    )
    price = called.cleanPrice(worst.yield_, called.dayCounter(), ql.Compounded, ql.Semiannual, day)
    assert worst.date == date(2030, 4, 1)
    assert price == pytest.approx(104.0, abs=1e-10)


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        (date(2026, 3, 24), date(2036, 3, 24), 10),
        (date(2026, 3, 25), date(2036, 3, 24), 9),
        (date(2026, 3, 24), date(2036, 4, 1), 10),
        (date(2024, 2, 29), date(2026, 2, 28), 2),
        (date(2026, 3, 24), date(2026, 12, 1), 0),
    ],
)
def test_complete_years(start: date, end: date, years: int) -> None:
    assert complete_years(start, end) == years


def test_the_de_minimis_price() -> None:
    assert td.de_minimis_price(BOND, settlement=DAY) == 97.5  # ten complete years
    assert td.de_minimis_price(BOND, settlement=date(2026, 4, 2)) == 97.75
    # IRC 1278(a)(2)(B) is for (A) alone: the discount is from 95, the quarter is one of par
    assert td.de_minimis_price(BOND, settlement=DAY, revised_issue_price=95.0) == 92.5


def by_quantlib(price: float, tax: float) -> float:
    """Yield of the flows with the tax taken off the last one."""
    count, day = ql.Thirty360(ql.Thirty360.BondBasis), ql.Date(24, 3, 2026)
    days = [d for d in BOND.resolve().payment_dates if d > DAY]
    leg = [ql.SimpleCashFlow(1.5, ql.Date(d.day, d.month, d.year)) for d in days]
    leg.append(ql.SimpleCashFlow(100.0 - tax, leg[-1].date()))
    dirty = price + 3.0 * 173 / 360  # 1 October to 24 March
    return float(
        ql.CashFlows.yieldRate(leg, dirty, count, ql.Compounded, ql.Semiannual, False, day, day, 1e-14, 1000, 0.03)
    )


@pytest.mark.parametrize(
    ("price", "revised", "tax"),
    [
        (97.5, 100.0, 2.5 * 0.408),  # exactly a quarter a year is not less than it: ordinary income
        (97.51, 100.0, 2.49 * 0.238),
        (90.0, 100.0, 10.0 * 0.408),
        (101.0, 100.0, 0.0),
        (93.0, 95.0, 2.0 * 0.238),
        (92.0, 95.0, 3.0 * 0.408),
        (97.0, 95.0, 0.0),
    ],
)
def test_the_discount_is_taxed_at_maturity(price: float, revised: float, tax: float) -> None:
    found = td.after_tax_yield(BOND, price, **WHERE, ordinary=0.408, capital_gains=0.238, revised_issue_price=revised)
    assert found == pytest.approx(by_quantlib(price, tax), abs=1e-11)
    before = td.yield_from_clean_price(BOND, price, **WHERE)
    assert found < before if tax else found == before


def test_the_tax_equivalent_yield() -> None:
    assert td.tax_equivalent_yield(0.03, 0.37) == pytest.approx(0.03 / 0.63, rel=1e-15)
    both = td.tax_equivalent_yield(0.03, 0.37, 0.093)
    assert both * (1 - 0.37 - 0.093) == pytest.approx(0.03, rel=1e-14)
    elsewhere = td.tax_equivalent_yield(0.03, 0.37, 0.093, state_exempt=False)
    assert elsewhere * (1 - 0.37 - 0.093) == pytest.approx(0.03 * (1 - 0.093), rel=1e-14)
    deducted = td.tax_equivalent_yield(0.03, 0.37, 0.093, state_deductible=True)
    assert deducted * (1 - 0.37) * (1 - 0.093) == pytest.approx(0.03, rel=1e-14)


def test_wrong_rates_prices_and_bonds_are_named() -> None:
    with pytest.raises(td.ConventionError, match=r"federal: 37 looks like percent; give a decimal such as 0.37"):
        td.tax_equivalent_yield(0.03, 37)
    with pytest.raises(td.ConventionError, match="yield_: 3 looks like percent"):
        td.tax_equivalent_yield(3, 0.37)
    with pytest.raises(td.ConventionError, match="together must be below 1"):
        td.tax_equivalent_yield(0.03, 0.6, 0.5)
    with pytest.raises(td.ConventionError, match="revised_issue_price: 102 is not in"):
        td.de_minimis_price(BOND, settlement=DAY, revised_issue_price=102.0)
    with pytest.raises(td.SettlementOutOfRange):
        td.de_minimis_price(BOND, settlement=date(2036, 4, 1))
    note: Any = td.Note(cusip="91282CAA9", coupon=0.04, dated_date=date(2025, 8, 15), maturity_date=date(2035, 8, 15))
    with pytest.raises(td.ConventionError, match="Note is taxed in other ways; give a MunicipalBond"):
        td.de_minimis_price(note, settlement=DAY)
    with pytest.raises(td.ConventionError, match="Note has no call schedule"):
        td.yield_to_worst(note, 99.0, **WHERE)
