"""SOFR: our file, the New York Fed's names, FRED's names."""

from datetime import date
from pathlib import Path

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.sofr import parse_sofr, read_sofr

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "sofr.csv"
EXPECTED = [(date(2026, 3, 24), 0.0363), (date(2026, 3, 25), None)]


@pytest.mark.parametrize(
    "text",
    [
        "Date,SOFR\n2026-03-24,3.63\n2026-03-25,\n",
        "Effective Date,Rate Type,Rate (%),Volume ($Billions)\n03/25/2026,SOFR,,\n03/24/2026,SOFR,3.63,3001\n",
        "observation_date,SOFR\n2026-03-24,3.63\n2026-03-25,.\n",
    ],
)
def test_layouts(text):
    assert parse_sofr(text, "sofr.csv").rows() == EXPECTED


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Date,Rate\n2026-03-24,3\n", 'sofr.csv line 1: no column "SOFR" or "Rate (%)" in header "Date,Rate"'),
        ("Day,SOFR\n2026-03-24,3\n", 'no column "Date" or "Effective Date"'),
        ("Date,SOFR\n2026-03-24,x\n", 'line 2, column "SOFR": "x" is not a number (expected percent such as 4.21)'),
        ("Date,SOFR\n2026-03-24,1\n2026-03-24,1\n", 'line 3, column "Date": "2026-03-24" is a duplicate: line 2'),
        ("Effective Date,Rate Type,Rate (%)\n03/24/2026,EFFR,3\n", '"EFFR" is another rate (expected SOFR)'),
    ],
)
def test_refusals(text, problem):
    with pytest.raises(DataError) as caught:
        parse_sofr(text, "sofr.csv")
    assert problem in str(caught.value)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_real_file():
    frame = read_sofr(DATA)
    assert frame.height == 2_173
    assert frame.row(0) == (date(2018, 4, 3), 0.0183)
    assert frame.row(-1) == (date(2026, 7, 30), 0.0365)
    assert frame["rate"].null_count() > 0
