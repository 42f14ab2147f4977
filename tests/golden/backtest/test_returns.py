"""Total returns against closed forms and published figures."""

import math
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from tbill_defi.backtest.run import run_backtest
from tbill_defi.conventions import SETTLEMENT, add_months
from tbill_defi.market import read_par_yields
from tbill_defi.market.data import MarketData
from tbill_defi.strategy.discovery import find

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED.exists(), reason=f"no published data at {SHARED}"),
]
CONSTANT, ROLL = "tbill_strategies.constant_maturity:ConstantMaturity", "tbill_strategies.bill_roll:BillRoll"

PUBLISHED = {
    2007: 0.1021, 2008: 0.2010, 2009: -0.1112, 2010: 0.0846, 2011: 0.1604, 2012: 0.0297, 2013: -0.0910, 2014: 0.1075,
    2015: 0.0128, 2016: 0.0069, 2017: 0.0280, 2018: -0.0002, 2019: 0.0964, 2020: 0.1133, 2021: -0.0442, 2022: -0.1783,
    2023: 0.0388, 2024: -0.0164,
}  # fmt: skip
"""A. Damodaran, "Annual Returns on Stock, T.Bonds and T.Bills", 10-year T. bond, pages.stern.nyu.edu/~adamodar/
New_Home_Page/datafile/histretSP.html: the par bond of a year's last day repriced, at ten years still, a year later.
"""


@pytest.fixture(scope="module")
def data():
    return MarketData(par_yields=read_par_yields(SHARED / "par_yields.csv"))


@pytest.fixture(scope="module")
def yields(data):
    return {row["date"]: row for row in data.par_yields.to_dicts()}


def run(reference, data, out, first=date(2006, 12, 29), last=date(2024, 12, 31), **changes):
    return run_backtest(
        find(reference)(**changes.pop("config", {})),
        first=first, last=last, capital=1_000_000_000, data=data, out=out, costs="none", **changes,
    )  # fmt: skip


MONTHS = {
    "1 Mo": 1, "2 Mo": 2, "3 Mo": 3, "4 Mo": 4, "6 Mo": 6, "1 Yr": 12, "2 Yr": 24, "3 Yr": 36, "5 Yr": 60, "7 Yr": 84,
    "10 Yr": 120,
}  # fmt: skip


def scalar_curve(day, row):
    """Discount factor of a day, by bisection tenor after tenor: plain numbers, no array, no library."""
    nodes = [(0, 0.0)]

    def log_factor(days, points):
        for (left, low), (right, high) in pairwise(points):
            if days <= right:
                return low + (high - low) * (days - left) / (right - left)
        raise AssertionError(days)

    for tenor, months in MONTHS.items():
        rate = row[tenor]
        if rate is None:
            continue
        span = (add_months(day, months) - day).days
        if months < 12:
            nodes.append((span, math.log(1.0 + rate * span / 365.0)))
            continue
        dates = [(add_months(day, 6 * k) - day).days for k in range(1, months // 6 + 1)]
        low, high = nodes[-1][1] - 0.5, nodes[-1][1] + 2.0
        for _ in range(80):
            middle = (low + high) / 2.0
            factors = [math.exp(-log_factor(d, [*nodes, (span, middle)])) for d in dates]
            value = rate / 2.0 * sum(factors) + factors[-1]
            low, high = (middle, high) if value > 1.0 else (low, middle)
        nodes.append((span, low))
    return lambda when: math.exp(-log_factor((when - day).days, nodes))


@pytest.fixture(scope="module")
def ten_year(data, tmp_path_factory):
    return run(CONSTANT, data, tmp_path_factory.mktemp("ten"))


def test_ten_year_constant_maturity_is_the_monthly_roll_in_plain_arithmetic(ten_year, yields):
    """Each month the par bond is sold on a curve ten years less a month from maturity, and the new one bought at 100.

    Quotes for T+1 carried back at the repo rate differ from values on the day by the day's spread between repo and
    curve, less than a basis point of value a month.
    """
    days = sorted(day for day in yields if date(2006, 12, 29) <= day <= date(2024, 12, 31))
    rolls = [b for a, b in pairwise(days) if a.month != b.month]
    nav = dict(zip(ten_year.daily["date"], ten_year.daily["nav_units"], strict=True))
    for start, end in pairwise(rolls):
        coupon, discount = yields[start]["10 Yr"] * 50.0, scalar_curve(end, yields[end])
        dates = [add_months(start, 6 * k) for k in range(1, 21)]
        value = sum(coupon * discount(day) for day in dates) + 100.0 * discount(dates[-1])
        assert nav[end] / nav[start] == pytest.approx(value / 100.0, abs=1e-4), end


def test_ten_year_at_constant_maturity_is_near_the_published_yearly_figure(ten_year):
    """Published: rolled once a year without roll-down. Ours: monthly; what remains is compounding within the year."""
    ours = ten_year.returns_by_year(without=["roll_down"])
    differences = {year: ours[str(year)] - published for year, published in PUBLISHED.items()}
    assert max(map(abs, differences.values())) < 0.015, differences
    assert abs(sum(differences.values()) / len(differences)) < 0.003


def test_three_month_bills_compound_their_yields(data, yields, tmp_path):
    """Each bill is bought at 1 / (1 + y days/365) and pays its face on the next good day after three months."""
    first, last = date(1990, 1, 2), date(2026, 8, 21)
    result = run(ROLL, data, tmp_path, first, last)
    day, growth, bought = first, 1.0, None
    while True:
        bought = day
        maturity = add_months(day, 3)
        paid = SETTLEMENT.following(maturity)
        if paid > last:
            break
        growth *= 1.0 + yields[day]["3 Mo"] * (maturity - day).days / 365.0
        day = min(d for d in yields if d >= paid)
    nav = dict(zip(result.daily["date"], result.daily["nav_units"], strict=True))
    # less than a lot of cash earns nothing, and T+1 quotes are carried back a day at the shortest curve rate
    assert nav[bought] / 1e15 == pytest.approx(growth, rel=2e-3)
