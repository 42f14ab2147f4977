"""Total returns against plain arithmetic and published figures, each difference of method stated and measured.

Three steps lead from a published figure to the engine: the publisher's formula on the file's own yields gives his
figure; the engine gives what plain arithmetic gives for the trades it makes; what is between the two is the method.
"""

import json
import math
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from tbill_defi.backtest.run import run_backtest
from tbill_defi.cli.main import run as main_run
from tbill_defi.conventions import SETTLEMENT, add_months
from tbill_defi.market import read_par_yields
from tbill_defi.market.data import MarketData
from tbill_defi.strategy.discovery import find

PLACES = [folder / "shared" / "data" for folder in Path(__file__).resolve().parents]
SHARED = next((place for place in PLACES if place.is_dir()), PLACES[3])
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
PUBLISHED_YIELDS = {
    2006: 0.0470, 2007: 0.0402, 2008: 0.0221, 2009: 0.0384, 2010: 0.0329, 2011: 0.0188, 2012: 0.0176, 2013: 0.03036,
    2014: 0.0217, 2015: 0.0227, 2016: 0.0245, 2017: 0.0241, 2018: 0.0269, 2019: 0.0192, 2020: 0.0093,
}  # fmt: skip
"""The same table's 10-year yields at the end of a year: before 2014 a basis point to four beside the Treasury's."""
PUBLISHED_BILLS = {
    1991: 0.0538, 1992: 0.0343, 1993: 0.0300, 1994: 0.0425, 1995: 0.0549, 1996: 0.0501, 1997: 0.0506, 1998: 0.0478,
    1999: 0.0464, 2000: 0.0582, 2001: 0.0340, 2002: 0.0161, 2003: 0.0101, 2004: 0.0137, 2005: 0.0315, 2006: 0.0473,
    2007: 0.0436, 2008: 0.0137, 2009: 0.0015, 2010: 0.0014, 2011: 0.0005, 2012: 0.0009, 2013: 0.0006, 2014: 0.0003,
    2015: 0.0005, 2016: 0.0032, 2017: 0.0093, 2018: 0.0194, 2019: 0.0206, 2020: 0.0035, 2021: 0.0005, 2022: 0.0202,
    2023: 0.0507, 2024: 0.0497,
}  # fmt: skip
"""The same table's 3-month T. bill: the average discount rate of the year, neither compounded nor lagged."""
BILL_INDEX = {2018: 0.0182, 2019: 0.0221, 2020: 0.0054, 2021: 0.0004, 2022: 0.0152, 2023: 0.0514, 2024: 0.0532}
"""Bloomberg US Treasury Bills 1-3 Month, total return by year, ycharts.com/indices/^BBUTB13MTR, 29 March 2025."""


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


def repriced(coupon, rate, coupons_a_year):
    """A ten-year par bond of `coupon`, one period on, repriced at `rate` with ten years to go; per 1."""
    n, y, c = 10 * coupons_a_year, rate / coupons_a_year, coupon / coupons_a_year
    return c * (1.0 - (1.0 + y) ** -n) / y + (1.0 + y) ** -n


def year_ends(yields):
    """The last day with a curve of each year."""
    return {day.year: day for day in sorted(yields)}


def by_the_formula(yields, year):
    """A. Damodaran's: the price change of an annual bond at ten years still, and the coupon."""
    ends = year_ends(yields)
    before, after = yields[ends[year - 1]]["10 Yr"], yields[ends[year]]["10 Yr"]
    return before + repriced(before, after, 1) - 1.0


def by_the_formula_each_month(yields, year):
    """The same with semiannual bonds, made anew at each roll of the engine: the first trading day of a month."""
    ends = year_ends(yields)
    days = [day for day in sorted(yields) if ends[year - 1] <= day <= ends[year]]
    rolls = [days[0], *(b for a, b in pairwise(days) if a.month != b.month), days[-1]]
    growth = 1.0
    for start, end in pairwise(rolls):
        coupon = yields[start]["10 Yr"]
        growth *= repriced(coupon, yields[end]["10 Yr"], 2) + coupon * (end - start).days / 365.25
    return growth - 1.0


def test_the_published_figures_are_the_formula_on_the_published_yields():
    for year, known in PUBLISHED.items():
        if year in PUBLISHED_YIELDS:
            before, after = PUBLISHED_YIELDS[year - 1], PUBLISHED_YIELDS[year]
            assert before + repriced(before, after, 1) - 1.0 == pytest.approx(known, abs=6e-5), year


def test_the_files_yields_give_the_published_figures(yields):
    """Ten years of duration nine: four basis points of yield before 2014, one from then on."""
    for year, known in PUBLISHED.items():
        assert by_the_formula(yields, year) == pytest.approx(known, abs=0.0035 if year < 2014 else 0.001), year


@pytest.mark.parametrize("year", [1995, 2008, 2009, 2011, 2013, 2014, 2022])
def test_a_year_of_a_ten_year_bond_is_plain_arithmetic(year, data, yields, tmp_path):
    """Bought at par on the last day of a year and kept: two coupons and the price of nine years to go.

    A quote for T+1 carried back at the repo rate is the value of the day but for a day of repo against curve.
    """
    ends = year_ends(yields)
    start, end = ends[year - 1], ends[year]
    result = run(CONSTANT, data, tmp_path, start, end, frequency="maturity")
    coupon, discount = yields[start]["10 Yr"] * 50.0, scalar_curve(end, yields[end])
    dates = [add_months(start, 6 * k) for k in range(1, 21)]
    due = sum(coupon * (1.0 if day <= end else discount(day)) for day in dates)
    value = due + 100.0 * discount(dates[-1])
    assert result.final_nav_units / 1e15 == pytest.approx(value / 100.0, abs=1e-5)
    assert set(result.journal["kind"]) == {"capital", "trade", "entitlement", "coupon"}


def test_ten_year_at_constant_maturity_is_the_published_figure_but_for_the_method(ten_year, yields):
    """Rolled monthly, the coupon follows the yield within the year: up to 1.4% (2022), computed from yields alone.

    What is left is the source of yields and that the change of the curve is measured at 9.9 years, not at 10.
    """
    ours = ten_year.returns_by_year(without=["roll_down"])
    left = {}
    for year, known in PUBLISHED.items():
        method = by_the_formula_each_month(yields, year) - by_the_formula(yields, year)
        assert abs(ours[str(year)] - known) < 0.015
        assert ours[str(year)] - known == pytest.approx(method, abs=0.007 if year < 2014 else 0.004), year
        left[year] = ours[str(year)] - by_the_formula_each_month(yields, year)
    assert max(map(abs, left.values())) < 0.0035, left
    assert abs(sum(left.values())) / len(left) < 0.0005, "no bias"


@pytest.fixture(scope="module")
def bills(data, tmp_path_factory):
    return run(ROLL, data, tmp_path_factory.mktemp("bills"), date(1990, 12, 31), date(2024, 12, 31))


def test_three_month_bills_compound_their_yields(bills, yields):
    """Each is bought at 1 / (1 + y days/365) and pays its face on the next good day; a year's end is at market."""
    nav = dict(zip(bills.daily["date"], bills.daily["nav_units"], strict=True))
    last, ends = bills.last_day, set(year_ends(yields).values())
    day, growth, compared = bills.first_day, 1.0, 0
    while day < last:
        maturity = add_months(day, 3)
        paid = SETTLEMENT.following(maturity)
        then = growth * (1.0 + yields[day]["3 Mo"] * (maturity - day).days / 365.0)
        for end in sorted(e for e in ends if day <= e <= last and e < maturity):
            value = then * scalar_curve(end, yields[end])(maturity)
            # less than a lot of cash earns nothing, and T+1 quotes are carried back a day at the shortest curve rate
            assert nav[end] / 1e15 == pytest.approx(value, rel=2e-4), end
            compared += 1
        growth, day = then, min((d for d in yields if d >= paid), default=last)
    assert compared >= 34


def test_bills_are_the_published_average_but_for_the_method(bills, yields):
    """Published: the year's average discount rate. A rolled bill earns what it was bought at, at most a quarter ago."""
    ours = bills.returns_by_year()
    for year, known in PUBLISHED_BILLS.items():
        found = [row["3 Mo"] for day, row in yields.items() if day.year == year and row["3 Mo"] is not None]
        average = sum(360.0 * y / (365.0 + 91.0 * y) for y in found) / len(found)
        assert average == pytest.approx(known, abs=0.0008), year
        compounded = (1.0 + 365.0 * known / (360.0 - 91.0 * known) / 4.0) ** 4 - 1.0
        assert abs(ours[str(year)] - compounded) < (max(found) - min(found)) / 4.0 + 3e-4, year


def test_bills_are_near_an_index_of_traded_ones(data, tmp_path):
    """The index holds all bills of one to three months; ours is one bill, bought each quarter."""
    ours = run(ROLL, data, tmp_path, date(2017, 12, 29), date(2024, 12, 31)).returns_by_year()
    differences = {year: ours[str(year)] - known for year, known in BILL_INDEX.items()}
    assert max(map(abs, differences.values())) < 0.0012, differences
    assert abs(sum(differences.values()) / len(differences)) < 0.0005


def test_anyone_gets_them_from_the_command_line(tmp_path, capsys):
    words = ["--from", "2021-12-31", "--to", "2022-12-30", "--capital", "1000000000", "--costs", "none", "--json"]
    for name, own, low, high in (
        ("constant-maturity", ["--tenor", "10 Yr"], -0.166, -0.162),
        ("bill-roll", ["--months", "3"], 0.0137, 0.0157),
    ):
        out = ["--data", str(SHARED), "--out", str(tmp_path / name)]
        assert main_run(["backtest", name, *words, *own, *out]) == 0
        assert low < json.loads(capsys.readouterr().out)["returns_by_year"]["2022"] < high
