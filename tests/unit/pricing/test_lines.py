"""Many lines at once are the single verbs: prices, yields, risk, accrued interest, carry."""

from datetime import date

import numpy as np
import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.pricing.carry import carried_back_price
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.pricing.lines import FlowTable, Lines, day_number
from tbill_defi.pricing.prices import accrued_interest, dirty_price_from_yield
from tbill_defi.pricing.risk import measures_from_clean_price

STREET = YieldConvention.STREET
DAY = date(1995, 3, 14)
SECURITIES = (
    Bill(cusip="#TB950601", issue_date=date(1994, 12, 1), maturity_date=date(1995, 6, 1)),
    Bill(cusip="#TB960229", issue_date=date(1995, 3, 2), maturity_date=date(1996, 2, 29)),
    Note(cusip="#02950331", coupon=0.04, dated_date=date(1993, 3, 31), maturity_date=date(1995, 3, 31)),
    Note(cusip="#05951115", coupon=0.085, dated_date=date(1990, 3, 1), maturity_date=date(1995, 11, 15),
         first_coupon_date=date(1990, 11, 15)),
    Note(cusip="#10050215", coupon=0.075, dated_date=date(1995, 2, 15), maturity_date=date(2005, 2, 15)),
    Note(cusip="#07020228", coupon=0.07125, dated_date=date(1995, 2, 28), maturity_date=date(2002, 2, 28)),
    Bond(cusip="#30250215", coupon=0.07625, dated_date=date(1995, 2, 15), maturity_date=date(2025, 2, 15)),
    Note(cusip="LONGFIRST", coupon=0.0975, dated_date=date(1994, 10, 15), maturity_date=date(1999, 12, 15),
         first_coupon_date=date(1995, 6, 15)),
    Note(cusip="SHORTLAST", coupon=0.08, dated_date=date(1993, 2, 15), maturity_date=date(1995, 7, 1),
         penultimate_coupon_date=date(1995, 2, 15)),
    Note(cusip="LONG0LAST", coupon=0.06, dated_date=date(1993, 2, 15), maturity_date=date(1995, 6, 20),
         penultimate_coupon_date=date(1994, 8, 15)),
    Note(cusip="ONE00FLOW", coupon=0.07, dated_date=date(1994, 12, 10), maturity_date=date(1995, 11, 15),
         first_coupon_date=date(1995, 11, 15)),
    Note(cusip="MONTHENDS", coupon=0.05, dated_date=date(1994, 1, 10), maturity_date=date(1999, 6, 10),
         first_coupon_date=date(1995, 2, 28), penultimate_coupon_date=date(1998, 8, 31)),
)  # fmt: skip
CURVE = {
    "3 Mo": 0.0593,
    "6 Mo": 0.0616,
    "1 Yr": 0.0635,
    "2 Yr": 0.0672,
    "5 Yr": 0.0695,
    "10 Yr": 0.0711,
    "30 Yr": 0.0738,
}


@pytest.fixture(scope="module")
def table():
    return FlowTable.of(SECURITIES)


def lines_at(table, day):
    index = np.array([i for i, s in enumerate(SECURITIES) if s.resolve().first_settlement <= day < s.maturity_date])
    return Lines(table, index, np.full(len(index), day_number(day))), index


DAYS = [DAY, date(1995, 2, 28), date(1995, 3, 15), date(1995, 5, 15), date(1994, 12, 15), date(1995, 6, 15)]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("yield_", [0.0, 0.0001, 0.0625, 0.14])
def test_prices_yields_and_risk(table, day, yield_):
    lines, index = lines_at(table, day)
    expected = [dirty_price_from_yield(SECURITIES[i], yield_, settlement=day, convention=STREET) for i in index]
    at = lines.at(np.full(len(index), yield_))
    dirty = at.price
    assert dirty == pytest.approx(expected, abs=1e-11)
    found, risk = lines.solved(dirty)
    assert found == pytest.approx(yield_, abs=1e-12)
    measures = [
        measures_from_clean_price(SECURITIES[i], p - a, settlement=day, convention=STREET)
        for i, p, a in zip(index, dirty, lines.accrued, strict=True)
    ]
    for measured in (at, risk):
        assert measured.duration == pytest.approx([m.modified_duration for m in measures], abs=1e-10)
        assert measured.convexity == pytest.approx([m.convexity for m in measures], rel=1e-10)


@pytest.mark.parametrize("day", DAYS)
def test_accrued_interest(table, day):
    lines, index = lines_at(table, day)
    expected = [accrued_interest(SECURITIES[i], settlement=day) for i in index]
    assert lines.accrued == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("settlement", [date(1995, 3, 14), date(1995, 3, 15), date(1995, 5, 16)])
def test_model_prices(table, settlement):
    grid = CurveHistory.bootstrap([DAY], tuple(CURVE), [list(CURVE.values())], "log_linear")
    curve = Curve.bootstrap(DAY, CURVE, "log_linear")
    lines, index = lines_at(table, settlement)
    expected = [curve.dirty_price(SECURITIES[i], settlement=settlement) for i in index]
    assert lines.dirty_on(grid, np.zeros(len(index), np.int64)) == pytest.approx(expected, abs=1e-11)


def test_a_curve_that_stood_still_prices_a_shifted_security(table):
    """On a curve that stands still, a bill with the same days to maturity costs the same a week later."""
    grid = CurveHistory.bootstrap([DAY], tuple(CURVE), [list(CURVE.values())], "log_linear")
    bills = [Bill(cusip=f"#TB95060{n}", issue_date=date(1995, 3, 1), maturity_date=date(1995, 6, n)) for n in (1, 8)]
    own = FlowTable.of(bills)
    day = day_number(DAY)
    now = Lines(own, np.array([0]), np.array([day])).dirty_on(grid, np.array([0]))
    later = Lines(own, np.array([1]), np.array([day + 7])).dirty_on(grid, np.array([0]), origin=np.array([day + 7]))
    assert later == pytest.approx(now, abs=1e-12)


@pytest.mark.parametrize("day", [date(1995, 5, 12), date(1995, 6, 14)])
def test_carry_over_a_coupon(table, day):
    settlement = date(1995, 5, 15) if day.month == 5 else date(1995, 6, 15)
    lines, index = lines_at(table, settlement)
    dirty = np.full(len(index), 98.5)
    expected = [
        carried_back_price(SECURITIES[i], 98.5, quoted_settlement=settlement, settlement=day, repo_rate=0.06)
        for i in index
    ]
    found = lines.carried_back(dirty, np.full(len(index), day_number(day)), np.full(len(index), 0.06))
    assert found == pytest.approx(expected, abs=1e-12)


def test_no_lines():
    empty = FlowTable.of([])
    lines = Lines(empty, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert lines.solved(np.zeros(0))[0].size == 0
    assert lines.at(np.zeros(0)).price.size == 0
