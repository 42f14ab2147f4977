"""Breakevens are what turns a real curve into a nominal one; real ones from TIPS of the price sheet."""

from __future__ import annotations

import csv
import math
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import tbill_defi as td

DAY = date(2026, 3, 24)
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
REAL = td.Curve.svensson(DAY, parameters=(0.022, -0.012, 0.0, 0.01, 1.5, 9.0))
NOMINAL = td.Curve.svensson(DAY, parameters=(0.047, -0.012, 0.0, 0.01, 1.5, 9.0))
BREAKEVENS = td.Breakevens(NOMINAL, REAL)


def test_a_flat_gap_is_the_breakeven_everywhere():
    assert BREAKEVENS.zero(date(2036, 3, 24)) == pytest.approx(0.025, abs=1e-14)
    assert BREAKEVENS.forward(date(2031, 3, 24), date(2036, 3, 24)) == pytest.approx(0.025, abs=1e-13)
    years = (date(2036, 3, 24) - DAY).days / 365
    assert BREAKEVENS.index_growth(date(2036, 3, 24)) == pytest.approx(math.exp(0.025 * years), rel=1e-13)
    assert BREAKEVENS.index_growth(DAY) == 1.0
    assert BREAKEVENS.par("10 Yr") == NOMINAL.par_yield("10 Yr") - REAL.par_yield("10 Yr")


def test_a_real_bond_grown_by_the_index_is_worth_its_real_price():
    """Flows grown at the breakeven and discounted at nominal rates: the unadjusted price of the real curve."""
    tips = td.Tips(
        cusip="91282CPZ8",
        coupon=0.0175,
        dated_date=date(2026, 1, 15),
        maturity_date=date(2036, 1, 15),
        dated_reference_cpi=325.604,
    )
    flows = tips.resolve()
    worth = sum(
        amount * BREAKEVENS.index_growth(day.item()) * NOMINAL.discount(day.item())
        for day, amount in zip(flows.dates, flows.amounts, strict=True)
        if day.item() > DAY
    )
    assert REAL.dirty_price(tips, settlement=DAY) == pytest.approx(worth, rel=1e-12)


def test_days_must_agree():
    other = td.Curve.svensson(date(2026, 3, 25), parameters=(0.022, -0.012, 0.0, 0.01, 1.5, 9.0))
    with pytest.raises(td.ConventionError, match="real: its curve is of 2026-03-25, the nominal of 2026-03-24"):
        td.Breakevens(NOMINAL, other)
    with pytest.raises(td.ConventionError, match="2026-03-23 is before the curves"):
        BREAKEVENS.index_growth(date(2026, 3, 23))


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason=f"no published data at {DATA}")
def test_the_sheet_of_a_day():
    """TIPS of FedInvest's sheet, with the terms of all that were issued: one real curve explains their prices."""
    with (DATA / "tips_issues.csv").open() as file:
        issues = {row["cusip"]: row for row in csv.DictReader(file)}
    with (DATA / "fedinvest_2026-03-24.csv").open() as file:
        sold = {row[0]: float(row[6]) for row in csv.reader(file) if row[1] == "TIPS"}
    tips, prices = [], []
    for cusip, price in sold.items():
        row = issues[cusip]
        maturity = date.fromisoformat(row["maturity"])
        if (maturity - DAY).days < 365:
            continue  # the lag of the index is most of what is left of it
        tips.append(
            td.Tips(
                cusip=cusip,
                coupon=float(row["coupon"]),
                dated_date=date.fromisoformat(row["datedDate"]),
                maturity_date=maturity,
                dated_reference_cpi=float(row["baseCpi"]),
            )
        )
        prices.append(price)
    assert len(tips) > 40
    real = td.Curve.svensson(DAY, tips, prices)
    street = td.YieldConvention.STREET
    off = [
        real.yield_spread(one, price, settlement=DAY, convention=street) * 1e4
        for one, price in zip(tips, prices, strict=True)
    ]
    assert math.sqrt(sum(x * x for x in off) / len(off)) < 8.0
    par = td.read_par_yields(DATA / "par_yields.csv").filter(pl.col("date") == DAY).drop("date").to_dicts()[0]
    found = td.Breakevens(td.Curve.bootstrap(DAY, par), real)
    assert 0.021 < found.par("30 Yr") < found.par("10 Yr") < found.par("5 Yr") < found.par("2 Yr") < 0.031
    assert found.forward(date(2031, 3, 24), date(2036, 3, 24)) == pytest.approx(0.0213, abs=5e-4)
