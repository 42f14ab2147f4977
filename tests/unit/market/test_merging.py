"""Whose value stands."""

from datetime import date

import polars as pl
import pytest

from tbill_defi.market.data import KINDS
from tbill_defi.market.merging import Change, Precedence, merge
from tbill_defi.market.par_yields import parse_par_yields

KIND = KINDS["par_yields"]
STORED = parse_par_yields(
    "Date,1 Mo,2 Mo,10 Yr\n2026-03-20,3.70,,4.30\n2026-03-23,3.73,,4.34\n2026-03-24,3.74,,4.39\n", "s"
)
NEW = parse_par_yields(
    "Date,1 Mo,2 Mo,10 Yr\n2026-03-23,,3.71,4.34\n2026-03-24,3.74,,4.40\n2026-03-25,3.75,3.7,4.41\n", "n"
)


def cells(frame):
    return frame.select("1 Mo", "2 Mo", "10 Yr").rows()


@pytest.mark.parametrize(
    ("precedence", "one_month", "ten_years"),
    [(Precedence.FILE, None, 0.0440), (Precedence.FEED, 0.0373, 0.0440), (Precedence.SECOND, 0.0373, 0.0439)],
)
def test_precedence(precedence, one_month, ten_years):
    merged = merge(KIND, STORED, NEW, precedence)
    assert cells(merged.frame) == [
        (0.0370, None, 0.0430),
        (one_month, 0.0371, 0.0434),
        (0.0374, None, ten_years),
        (0.0375, 0.037, 0.0441),
    ]
    assert merged.frame["date"].is_sorted()
    assert dict(merged.frame.schema) == KIND.schema
    assert merged.new == ("2026-03-25",)
    revised = Change("2026-03-24", "10 Yr", 0.0439, 0.0440)
    assert (revised in merged.changes) == (precedence is not Precedence.SECOND)
    assert (revised in merged.differing) == (precedence is Precedence.SECOND)
    assert Change("2026-03-23", "2 Mo", None, 0.0371) in merged.changes


def test_the_same_rows_change_nothing():
    merged = merge(KIND, STORED, STORED.tail(2))
    assert not merged.anything
    assert merged.frame.equals(STORED)


def test_into_nothing():
    merged = merge(KIND, pl.DataFrame(schema=KIND.schema), NEW, Precedence.SECOND)
    assert merged.frame.equals(NEW)
    assert len(merged.new) == 3
    assert not merged.changes


def test_rows_outside_the_answer_stay():
    far = parse_par_yields("Date,10 Yr\n2030-01-02,5\n2010-01-04,3.85\n", "f")
    merged = merge(KIND, STORED, far)
    assert merged.frame["date"].to_list()[0] == date(2010, 1, 4)
    assert merged.frame.height == 5
