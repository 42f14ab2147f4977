"""FedInvest's headerless sheet."""

from datetime import date
from pathlib import Path

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.fedinvest import SCHEMA, parse_fedinvest, read_fedinvest

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "fedinvest_2026-03-24.csv"
DAY = date(2026, 3, 24)
NOTE = "91282CPZ8,MARKET BASED NOTE,4.125%,02/15/2036,,98.109375,98.093750,0.000000"
BILL = "912797SC2,MARKET BASED BILL,0.000%,03/26/2026,,0.000000,99.980389,0.000000"


def refusal(text, day=DAY):
    with pytest.raises(DataError) as caught:
        parse_fedinvest(text, "sheet.csv", day)
    return str(caught.value)


def test_rows():
    frame = parse_fedinvest(f"{NOTE}\n{BILL}\n", "sheet.csv", DAY)
    assert dict(frame.schema) == SCHEMA
    assert frame.rows() == [
        (DAY, "912797SC2", "MARKET BASED BILL", 0.0, date(2026, 3, 26), None, None, 99.980389, None),
        (DAY, "91282CPZ8", "MARKET BASED NOTE", 0.04125, date(2036, 2, 15), None, 98.109375, 98.09375, None),
    ]


def test_call_date_and_end_of_day():
    row = NOTE.replace(",,", ",02/15/2031,").replace("0.000000", "98.5")
    frame = parse_fedinvest(row, "sheet.csv", DAY)
    assert frame["call_date"].to_list() == [date(2031, 2, 15)]
    assert frame["end_of_day"].to_list() == [98.5]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("98.093750", "0.000000", 'column "sell": "0.000000" is out of range 0.000001 to 1000'),
        ("98.093750", "-1", 'column "sell": "-1" is out of range'),
        ("98.109375", "1000.5", 'column "buy": "1000.5" is out of range 0 to 1000'),
        ("98.109375", "", 'column "buy": "" is not a number'),
        ("98.109375", "nan", 'column "buy": "nan" is not a number'),
        ("98.093750", "98.5", 'column "sell": "98.5" is above buy 98.109375 by more than 0.25'),
        ("4.125%", "4.125", 'column "rate": "4.125" has no % sign (expected percent such as 4.125%)'),
        ("4.125%", "25%", 'column "rate": "25" is out of range 0 to 20'),
        ("4.125%", "%", 'column "rate": "" is not a number'),
        ("MARKET BASED NOTE", "STOCK", 'column "type": "STOCK" is not a type of security (expected one of MARKET'),
        ("91282CPZ8", "91282CPZ", 'column "CUSIP": "91282CPZ" is not a CUSIP'),
        ("02/15/2036", "02/30/2036", 'column "maturity date": "02/30/2036" is not a date'),
        ("02/15/2036", "02/15/2026", "is before the sheet's own date 2026-03-24"),
        (",0.000000", "", "line 1: has 7 fields (expected 8)"),
    ],
)
def test_refusals(old, new, problem):
    message = refusal(NOTE.replace(old, new))
    assert message.startswith("sheet.csv line 1")
    assert problem in message


def test_duplicate_cusip():
    assert refusal(f"{NOTE}\n{BILL}\n{NOTE}\n") == (
        'sheet.csv line 3, column "CUSIP": "91282CPZ8" is a duplicate: line 1 has the same CUSIP'
    )


def test_price_date_must_be_a_date():
    assert "price_date '2026-03-24' is not a date" in refusal(NOTE, "2026-03-24")


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_real_file():
    frame = read_fedinvest(DATA, price_date=DAY)
    assert frame.height == 461
    assert frame["buy"].null_count() == 31
    assert frame["end_of_day"].null_count() == 461
    assert dict(frame["type"].value_counts().rows()) == {
        "MARKET BASED BILL": 50,
        "MARKET BASED NOTE": 241,
        "MARKET BASED BOND": 109,
        "MARKET BASED FRN": 8,
        "TIPS": 53,
    }
