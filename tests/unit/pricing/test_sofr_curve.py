"""Swaps of SOFR that QuantLib builds are worth nothing on the curve made of their rates."""

from __future__ import annotations

import math
from datetime import date

import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td

DAY = date(2026, 3, 24)
RATES = {
    "ON": 0.0365,
    "1 Wk": 0.0366,
    "1 Mo": 0.0367,
    "3 Mo": 0.0365,
    "6 Mo": 0.0360,
    "1 Yr": 0.0352,
    "18 Mo": 0.0345,
    "2 Yr": 0.0340,
    "5 Yr": 0.0345,
    "10 Yr": 0.0370,
    "30 Yr": 0.0390,
}


@pytest.fixture
def today():
    with ql.SavedSettings():
        ql.Settings.instance().evaluationDate = ql.Date(24, 3, 2026)
        yield ql.Date(24, 3, 2026)


@pytest.mark.parametrize("interpolation", ["log_linear", "monotone_convex"])
def test_swaps_are_worth_nothing(today, interpolation):
    curve = td.Curve.sofr(DAY, RATES, interpolation)
    days = [today + n for n in range(len(curve.factors))]
    handle = ql.YieldTermStructureHandle(ql.DiscountCurve(days, curve.factors.tolist(), ql.Actual365Fixed()))
    units = {"Wk": ql.Weeks, "Mo": ql.Months, "Yr": ql.Years}
    for tenor, rate in list(RATES.items())[1:]:
        count, unit = tenor.split()
        swap = ql.MakeOIS(
            ql.Period(int(count), units[unit]),
            ql.Sofr(handle),
            rate,
            settlementDays=2,
            paymentLag=2,
            paymentAdjustmentConvention=ql.ModifiedFollowing,
            discountingTermStructure=handle,
        )
        assert swap.fairRate() == pytest.approx(rate, abs=1e-12)
    assert curve.discount(date(2026, 3, 25)) == pytest.approx(1 / (1 + 0.0365 / 360), abs=1e-15)


def test_forwards_are_flat_between_nodes_and_beyond_the_last():
    curve = td.Curve.sofr(DAY, RATES)
    forwards = [curve.forward_rate(date(year, 6, 1), date(year, 6, 2)) for year in (2041, 2050)]
    assert forwards[0] == pytest.approx(forwards[1], abs=1e-12)
    beyond = curve.forward_rate(date(2060, 1, 1), date(2080, 1, 1))
    assert beyond == pytest.approx(forwards[1], abs=1e-12) == curve.tail_forward


def test_it_discounts_treasuries():
    note = td.Note(cusip="91282CPZ8", coupon=0.035, dated_date=date(2026, 2, 28), maturity_date=date(2031, 2, 28))
    curve = td.Curve.sofr(DAY, dict(reversed(RATES.items())) | {"3 Yr": None, "7 Yr": math.nan})
    flows = note.resolve()
    worth = sum(
        amount * curve.discount(day.item())
        for day, amount in zip(flows.dates, flows.amounts, strict=True)
        if day.item() > DAY
    )
    assert curve.dirty_price(note, settlement=DAY) == pytest.approx(worth, abs=1e-11)


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"ON": 0.0365}, r"1 tenors \(ON\); a curve needs at least two, each once"),
        ({"ON": 0.0365, "1 Yr": 3.5}, "1 Yr: 3.5 looks like percent; give a decimal such as 0.035"),
        ({"ON": 0.0365, "1 Yr": -math.inf}, "1 Yr: -inf looks like percent"),
        ({"ON": 0.0365, "12M": 0.035}, "'12M' is not 'ON' or a tenor such as '1 Wk'"),
        ({"ON": 0.0365, "12 Mo": 0.0365, "1 Yr": 0.035}, r"3 tenors \(ON, 12 Mo, 1 Yr\).* each once"),
    ],
)
def test_bad_rates_are_named(rates, words):
    with pytest.raises(td.ConventionError, match=words):
        td.Curve.sofr(DAY, rates)


def test_a_holiday_and_an_unknown_method_are_named():
    with pytest.raises(td.ConventionError, match="2026-03-21, a Saturday, is not a business day"):
        td.Curve.sofr(date(2026, 3, 21), RATES)
    with pytest.raises(td.ConventionError, match="'cubic' is not one of monotone_convex, log_linear"):
        td.Curve.sofr(DAY, RATES, "cubic")
