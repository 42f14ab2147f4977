"""The table of spreads, recomputed from the sheet it comes from."""

import csv
from datetime import date, datetime
from decimal import Decimal
from statistics import median

import pytest

from tbill_defi.portfolio.spreads import SOURCE, TABLE, half_spread, spread_32nds
from tests.unit.portfolio.support import DATA, DAY, needs_data

KINDS = {"MARKET BASED BILL": "bill", "MARKET BASED NOTE": "note", "MARKET BASED BOND": "bond"}


@pytest.mark.realdata
@needs_data
def test_medians_of_the_sheet():
    """By csv and Decimal alone: buy less sell in 32nds, both sides there, maturity in (from, to] years."""
    assert "2026-03-24" in SOURCE
    spreads = []
    with (DATA / "fedinvest_2026-03-24.csv").open(newline="") as file:
        for _cusip, kind, _rate, maturity, _call, buy, sell, _end in csv.reader(file):
            if kind in KINDS and Decimal(buy) > 0 and Decimal(sell) > 0:
                years = (datetime.strptime(maturity, "%m/%d/%Y").date() - DAY).days / 365.25
                spreads.append((KINDS[kind], years, (Decimal(buy) - Decimal(sell)) * 32))
    start = dict.fromkeys(KINDS.values(), 0.0)
    for row in TABLE:
        inside = [s for kind, years, s in spreads if kind == row.kind and start[kind] < years <= row.up_to_years]
        assert inside, f"{row.kind} to {row.up_to_years} years"
        assert abs(median(inside) - row.thirty_seconds) <= Decimal("0.00005"), f"{row.kind} to {row.up_to_years} years"
        start[row.kind] = row.up_to_years


def test_table_is_in_order():
    for kind in KINDS.values():
        rows = [row.up_to_years for row in TABLE if row.kind == kind]
        assert rows == sorted(set(rows))
    assert date(2026, 3, 24) == DAY


@pytest.mark.parametrize(
    ("kind", "years", "expected"),
    [
        ("note", 0.1, "0.5"),
        ("note", 3.0, "0.75"),
        ("note", 3.01, "1.0"),
        ("note", 99.0, "0.5"),
        ("bill", 0.25, "0.0249"),
        ("bond", 30.0, "1.5"),
    ],
)
def test_row(kind, years, expected):
    assert spread_32nds(kind, years) == Decimal(expected)
    assert half_spread(kind, years) == Decimal(expected) / 64
