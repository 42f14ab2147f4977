"""31 CFR Part 356 Appendix B: every worked example of fixed-principal securities and bills."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.instruments import Bill, Bond
from tbill_defi.pricing import (
    accrued_interest,
    clean_price_from_yield,
    dirty_price_from_yield,
    discount_rate_from_price,
    investment_rate_from_price,
    price_from_discount_rate,
    yield_from_clean_price,
)

TREASURY, STREET = YieldConvention.TREASURY, YieldConvention.STREET
LAST_DIGIT = 5e-7
"""Six decimals are printed; a clean price is the printed dirty price less the printed accrued interest."""


class Example(NamedTuple):
    """A worked example: terms, yield and settlement, and the printed accrued interest, clean and dirty price."""

    bond: Bond
    yield_: float
    settlement: date
    accrued: float
    clean: float
    dirty: float


def example(
    coupon: float,
    dated: date,
    maturity: date,
    yield_: float,
    prices: tuple[float, float, float],
    settlement: date | None = None,
    first: date | None = None,
) -> Example:
    bond = Bond(cusip="912810AA0", coupon=coupon, dated_date=dated, maturity_date=maturity, first_coupon_date=first)
    return Example(bond, yield_, settlement or dated, *prices)


EXAMPLES = {
    "II.A regular": example(0.0875, date(1990, 5, 15), date(2020, 5, 15), 0.0884, (0.0, 99.057893, 99.057893)),
    "II.B short first": example(0.085, date(1990, 4, 2), date(1992, 3, 31), 0.0859, (0.0, 99.838183, 99.838183)),
    "II.C long first": example(
        0.085, date(1990, 3, 1), date(1995, 5, 15), 0.0853, (0.0, 99.805118, 99.805118), None, date(1990, 11, 15)
    ),
    "II.D reopening": example(
        0.095, date(1985, 11, 15), date(1995, 11, 15), 0.0954, (0.367403, 99.730918, 100.098321), date(1985, 11, 29)
    ),
    "II.E reopening in the regular part of a long first": example(
        0.1075,
        date(1985, 7, 2),
        date(2005, 8, 15),
        0.1047,
        (3.672798, 102.214586, 105.887384),
        date(1985, 11, 4),
        date(1986, 2, 15),
    ),
    "II.F reopening in a short first": example(
        0.105,
        date(1983, 5, 16),
        date(1991, 5, 15),
        0.1053,
        (2.596467, 99.777074, 102.373541),
        date(1983, 8, 15),
        date(1983, 11, 15),
    ),
    "II.G reopening in the fractional part of a long first": example(
        0.0975,
        date(1988, 10, 15),
        date(1994, 12, 15),
        0.0979,
        (0.825820, 99.738045, 100.563865),
        date(1988, 11, 15),
        date(1989, 6, 15),
    ),
}


@pytest.mark.parametrize("case", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_prices_of_the_examples(case: Example) -> None:
    where = {"settlement": case.settlement, "convention": TREASURY}
    assert accrued_interest(case.bond, settlement=case.settlement) == pytest.approx(case.accrued, abs=LAST_DIGIT)
    assert clean_price_from_yield(case.bond, case.yield_, **where) == pytest.approx(case.clean, abs=2 * LAST_DIGIT)
    assert dirty_price_from_yield(case.bond, case.yield_, **where) == pytest.approx(case.dirty, abs=LAST_DIGIT)
    exact = clean_price_from_yield(case.bond, case.yield_, **where)
    assert yield_from_clean_price(case.bond, exact, **where) == pytest.approx(case.yield_, abs=1e-14)


def test_the_street_price_of_the_reopening_is_another() -> None:
    case = EXAMPLES["II.D reopening"]
    price = clean_price_from_yield(case.bond, case.yield_, settlement=case.settlement, convention=STREET)
    assert price == pytest.approx(99.738573, abs=LAST_DIGIT)


def bill(days: int, issue: date) -> Bill:
    return Bill(cusip="912795AA0", issue_date=issue, maturity_date=date.fromordinal(issue.toordinal() + days))


def test_bill_price_from_discount_rate() -> None:
    # VI.A: 7.610% for 90 days
    issue = date(1990, 6, 7)
    assert price_from_discount_rate(bill(90, issue), 0.0761, settlement=issue) == pytest.approx(98.0975, abs=1e-12)


def test_four_week_bill() -> None:
    # 2004-01-22 to 2004-02-19 at 0.800%
    issue = date(2004, 1, 22)
    price = price_from_discount_rate(bill(28, issue), 0.008, settlement=issue)
    assert price == pytest.approx(99.937778, abs=LAST_DIGIT)
    assert discount_rate_from_price(bill(28, issue), price, settlement=issue) == pytest.approx(0.008, abs=1e-15)


def test_investment_rate_up_to_half_a_year() -> None:
    # VI.D.1: 99.559444, 20 days, y = 365
    issue = date(1990, 6, 7)
    rate = investment_rate_from_price(bill(20, issue), 99.559444, settlement=issue)
    assert rate == pytest.approx(0.08075725, abs=5e-9)


@pytest.mark.parametrize(("issue", "expected"), [(date(1990, 6, 7), 0.082373244), (date(1991, 6, 6), 0.0825989611)])
def test_investment_rate_beyond_half_a_year(issue: date, expected: float) -> None:
    # VI.D.2: 92.265000, 364 days, y = 365; with 29 February 1992 in the year y = 366
    rate = investment_rate_from_price(bill(364, issue), 92.265, settlement=issue)
    assert rate == pytest.approx(expected, abs=5e-10)
