"""Reference CPI: FiscalData's and TreasuryDirect's records, and a plain file."""

import csv
import json
from datetime import date
from pathlib import Path

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.reference_cpi import parse_reference_cpi, read_reference_cpi
from tbill_defi.market.store import MarketStore, sniff

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "reference_cpi.csv"
# Treasury, reference CPI of the first two days of a 30-year TIPS dated 1998-04-15
EXPECTED = [(date(1998, 4, 15), 161.74), (date(1998, 4, 16), 161.75)]
DETAIL = [
    {"cusip": c, "original_issue_date": "1998-04-15", "index_date": day, "ref_cpi": cpi, "index_ratio": ratio}
    for c, day, cpi, ratio in [
        ("912810FD5", "1998-04-16", "161.75000", "1.00006"),
        ("912810FD5", "1998-04-15", "161.74000", "1.00000"),
        ("9128272M3", "1998-04-15", "161.74000", "1.02079"),
    ]
]
LAYOUTS = {
    "plain": "date,refCpi\n1998-04-15,161.74\n1998-04-16,161.75\n",
    "FiscalData": json.dumps({"data": DETAIL, "meta": {"count": 3, "total-count": 3, "total-pages": 1}}),
    "FiscalData CSV": "\n".join([",".join(DETAIL[0]), *(",".join(row.values()) for row in DETAIL)]),
    "TreasuryDirect": json.dumps(
        [
            {"cusip": "912810FD5", "indexDate": f"{day}T00:00:00", "refCpi": cpi, "dailyIndex": "1.00000"}
            for day, cpi in [("1998-04-15", "161.740000"), ("1998-04-16", "161.750000")]
        ]
    ),
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(text):
    assert parse_reference_cpi(text, "f").rows() == EXPECTED
    assert sniff(text, "f") == "reference_cpi"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("date,cpi\n1998-04-15,161.74\n", 'f line 1: no column "ref_cpi" or "refCpi" in header "date,cpi"'),
        ("day,refCpi\n1998-04-15,161.74\n", 'f line 1: no column "index_date" or "indexDate" or "date" or "Date"'),
        ("date,refCpi\n1998-04-15,x\n", 'f line 2, column "refCpi": "x" is not a number'),
        ("date,refCpi\n1998-04-15,0.0363\n", "is out of range 50 to 5000"),
        ("date,refCpi\n1998-04-15,\n", 'f line 2, column "refCpi": "" is not a number'),
        (
            "date,refCpi\n1998-04-15,161.74\n1998-04-15,161.75\n",
            'f line 3, column "refCpi": "161.75" contradicts line 2, which has 161.74 for 1998-04-15',
        ),
    ],
)
def test_refused(text, problem):
    with pytest.raises(DataError) as caught:
        parse_reference_cpi(text, "f")
    assert problem in str(caught.value)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_the_published_file(tmp_path):
    frame = read_reference_cpi(DATA)
    with DATA.open() as file:
        rows = [(date.fromisoformat(row["date"]), float(row["refCpi"])) for row in csv.DictReader(file)]
    assert frame.rows() == rows
    store = MarketStore(tmp_path)
    assert store.import_file(DATA).new == len(rows)
    assert store.load().reference_cpi.equals(frame)
