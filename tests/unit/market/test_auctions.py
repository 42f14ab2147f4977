"""Auction results with TreasuryDirect's field names."""

from datetime import date
from pathlib import Path

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.auctions import COLUMNS, REQUIRED, SCHEMA, parse_auctions, read_auctions

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "auctions.csv"
NOTE = {
    "cusip": "91282CPZ8",
    "type": "Note",
    "reopening": "No",
    "auctionDate": "2026-02-11",
    "issueDate": "2026-02-17",
    "datedDate": "2026-02-15",
    "originalIssueDate": "",
    "maturityDate": "2036-02-15",
    "firstInterestPaymentDate": "2026-08-15",
    "interestRate": "4.125000",
    "tips": "No",
    "floatingRate": "No",
}
BILL = {
    **NOTE,
    "cusip": "912797UD7",
    "type": "Bill",
    "auctionDate": "2026-03-17",
    "issueDate": "2026-03-19",
    "datedDate": "",
    "maturityDate": "2027-03-18",
    "firstInterestPaymentDate": "",
    "interestRate": "",
}


def text_of(*rows):
    header = list(rows[0])
    return "\n".join([",".join(header), *(",".join(row[name] for name in header) for row in rows)])


def refusal(*rows):
    with pytest.raises(DataError) as caught:
        parse_auctions(text_of(*rows), "auctions.csv")
    return str(caught.value)


def test_typed_columns_sorted_by_auction():
    frame = parse_auctions(text_of(BILL, NOTE), "auctions.csv")
    assert dict(frame.schema) == SCHEMA
    assert frame["cusip"].to_list() == ["91282CPZ8", "912797UD7"]
    row = frame.row(0, named=True)
    assert (row["interestRate"], row["tips"], row["maturityDate"]) == (0.04125, False, date(2036, 2, 15))
    assert row["highYield"] is None


def test_order_and_extra_columns_do_not_matter():
    extra = [{"surprise": "x", **dict(reversed(row.items()))} for row in (NOTE, BILL)]
    assert parse_auctions(text_of(*extra), "b.csv").equals(parse_auctions(text_of(BILL, NOTE), "a.csv"))


@pytest.mark.parametrize("style", [lambda d: f"{d}T00:00:00", lambda d: f"{d[5:7]}/{d[8:]}/{d[:4]}"])
def test_treasurydirects_own_dates(style):
    own = {key: style(value) if key.endswith("Date") and value else value for key, value in NOTE.items()}
    assert parse_auctions(text_of(own), "b.csv").equals(parse_auctions(text_of(NOTE), "a.csv"))


def test_rates_are_decimal_and_prices_per_100():
    full = {**NOTE, "highYield": "4.1770", "highPrice": "99.578125", "totalAccepted": "10717902700"}
    row = parse_auctions(text_of(full), "auctions.csv").row(0, named=True)
    assert (row["highYield"], row["highPrice"], row["totalAccepted"]) == (0.04177, 99.578125, 10_717_902_700)


@pytest.mark.parametrize("column", REQUIRED)
def test_missing_column(column):
    row = {key: value for key, value in NOTE.items() if key != column}
    assert refusal(row) == f'auctions.csv line 1: header lacks column "{column}"'


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("cusip", "", "is empty (expected a CUSIP such as 91282CPZ8)"),
        ("cusip", "91282cpz8", "is not a CUSIP"),
        ("type", "Share", "is not a type of security (expected one of Bill, CMB, Note, Bond, TIPS, FRN)"),
        ("tips", "maybe", "is neither Yes nor No"),
        ("tips", "", "is empty (expected Yes or No)"),
        ("issueDate", "soon", "is not a date"),
        ("maturityDate", "2026-02-17", "is not after issueDate 2026-02-17"),
        ("issueDate", "2026-02-10", "is before auctionDate 2026-02-11"),
        ("firstInterestPaymentDate", "2026-02-15", "is not after datedDate 2026-02-15"),
        ("interestRate", "", "is empty (expected percent such as 4.125)"),
        ("interestRate", "41.25", "is out of range 0 to 20"),
        ("datedDate", "", "is empty (expected a date"),
    ],
)
def test_refusals(column, value, problem):
    message = refusal({**NOTE, column: value})
    assert message.startswith(f'auctions.csv line 2, column "{column}": "{value}" ')
    assert problem in message


@pytest.mark.parametrize("value", ["0", "-1", "1000.01", "inf"])
def test_absurd_price(value):
    assert 'column "highPrice"' in refusal({**NOTE, "highPrice": value})


def test_absurd_yield():
    assert 'column "highYield": "417.7" is out of range' in refusal({**NOTE, "highYield": "417.7"})


def test_duplicate_auction():
    assert refusal(NOTE, NOTE) == (
        'auctions.csv line 3, column "cusip": "91282CPZ8" is a duplicate: line 2 has the same CUSIP and auction date'
    )


@pytest.mark.parametrize(
    ("column", "value"), [("interestRate", "4.250000"), ("maturityDate", "2036-08-15"), ("type", "Bond")]
)
def test_a_reopening_that_contradicts_names_both_lines(column, value):
    reopening = {**NOTE, "auctionDate": "2026-03-11", "issueDate": "2026-03-16", "originalIssueDate": "2026-02-17"}
    assert refusal(NOTE, {**reopening, column: value}) == (
        f'auctions.csv line 3, column "{column}": "{value}" contradicts line 2 of the same CUSIP 91282CPZ8, '
        f'which has "{NOTE[column]}"'
    )


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_real_file():
    frame = read_auctions(DATA)
    assert frame.height == 1_757
    assert frame.columns == list(COLUMNS)
    assert dict(frame["type"].value_counts().rows()) == {"Bill": 878, "Note": 611, "Bond": 132, "TIPS": 83, "FRN": 53}
    row = frame.row(0, named=True)
    assert (row["cusip"], row["highDiscountRate"]) == ("912795H20", 0.0138)
