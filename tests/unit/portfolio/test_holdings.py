"""A positions file is read whole, or refused by file, line, column and value."""

import pickle
from decimal import Decimal

import pytest

from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.core.hashing import json_hash
from tbill_defi.portfolio.holdings import MOST_UNITS, Holdings
from tests.unit.ledger.support import DOLLAR

A, B = "91282CPZ8", "912810QL5"


def read(tmp_path, text, **options):
    path = tmp_path / "positions.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Holdings.read(path, **options)


def refusal(tmp_path, text):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_read(tmp_path):
    book = read(tmp_path, f"cusip,face,cost_price\n{A},1000000,99.515625\n{B},250000.000001,\nUSD,1234.56,\n")
    assert book.positions == {A: 1_000_000 * DOLLAR, B: 250_000 * DOLLAR + 1}
    assert book.cash_units == 1_234_560_000
    assert book.cost_prices == {A: Decimal("99.515625")}
    assert (book.party, book.unavailable) == ("desk", {})


@pytest.mark.parametrize(
    "text",
    [
        f"cusip,face\n{A},1000\n",
        f"CUSIP, Face ,cost_price\n{A.lower()}, 1000 ,\n",
        f"\ufeffcusip,face,cost_price\r\n{A},1000,\r\n\r\n",
        f'face,trader,cusip\n"1,000",joe,{A}\n',
        f"cusip,face\n\n , \n{A},1000.000000\n",
    ],
    ids=["no cost", "case and spaces", "byte order mark, CRLF, empty line", "any order, other columns", "empty lines"],
)
def test_shapes_of_the_same_file(tmp_path, text):
    assert read(tmp_path, text) == Holdings("desk", {A: 1_000 * DOLLAR})


def test_cash_alone(tmp_path):
    assert read(tmp_path, "cusip,face\ncash,5\n", party="fund") == Holdings("fund", {}, 5 * DOLLAR)


HEADER = "cusip,face,cost_price\n"
BAD = {
    "mistyped cusip": (f"{A},1,\n91282CPZ,1,\n", 'line 3, column "cusip": ', "'91282CPZ'"),
    "cusip missing": (",1000,\n", 'line 2, column "cusip": ', "''"),
    "cusip twice": (f"{A},1,\n{B},1,\n{A},2,\n", 'line 4, column "cusip": ', f"{A} is there twice"),
    "cash twice": ("USD,1,\nCASH,1,\n", 'line 3, column "cusip": ', "CASH is there twice"),
    "negative face": (f"{A},-1000,\n", 'line 2, column "face": ', "-1000 is negative"),
    "negative cash": ("USD,-1,\n", 'line 2, column "face": ', "-1 is negative"),
    "zero face": (f"{A},0,\n", 'line 2, column "face": ', "0 is not positive"),
    "no face": (f"{A},,\n", 'line 2, column "face": ', "''"),
    "face in words": (f"{A},1m,\n", 'line 2, column "face": ', "'1m'"),
    "face is nan": (f"{A},nan,\n", 'line 2, column "face": ', "'nan'"),
    "face is infinite": (f"{A},inf,\n", 'line 2, column "face": ', "'inf'"),
    "face too fine": (f"{A},1.0000001,\n", 'line 2, column "face": ', "'1.0000001'"),
    "face too large": (f"{A},1000000000001,\n", 'line 2, column "face": ', "1000000000001"),
    "face out of range": (f"{A},1e30,\n", 'line 2, column "face": ', "'1e30'"),
    "cost in words": (f"{A},1,par\n", 'line 2, column "cost_price": ', "'par'"),
    "cost zero": (f"{A},1,0\n", 'line 2, column "cost_price": ', "'0'"),
    "cost negative": (f"{A},1,-99\n", 'line 2, column "cost_price": ', "'-99'"),
    "cost nan": (f"{A},1,nan\n", 'line 2, column "cost_price": ', "'nan'"),
    "cost in dollars": (f"{A},1,995156\n", 'line 2, column "cost_price": ', "'995156'"),
    "too few fields": (f"{A}\n", "line 2: ", f"'{A}' has 1 fields, the header 3"),
    "separators without quotes": (f"{A},1,000,000,99\n", "line 2: ", f"'{A},1,000,000,99' has 5 fields"),
    "open quote": (f'{A},"1000,\n', "line 2: ", "is not CSV"),
    "field of a megabyte": (f"{A},{'1' * 2**20},\n", "line 2: ", "is not CSV"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named(tmp_path, case):
    rows, where, what = BAD[case]
    message = refusal(tmp_path, HEADER + rows)
    assert message.startswith(f"positions.csv {where}")
    assert what in message
    assert message.count("positions.csv") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "positions.csv line 1: is empty; expected the columns cusip,face,cost_price"),
        ("\n", "positions.csv line 1: is empty"),
        (f"{A},1000\n", 'positions.csv line 1: no column "cusip"'),
        ("cusip,amount\n", 'positions.csv line 1: no column "face"'),
        ("cusip,face,face\n", 'positions.csv line 1: two columns "face"'),
        ("cusip,face,cost_price,cost_price\n", 'positions.csv line 1: two columns "cost_price"'),
    ],
)
def test_a_bad_header_is_named(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(message)


def test_a_file_that_says_nothing(tmp_path):
    assert "no position in it" in refusal(tmp_path, HEADER)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", "cusip,face\nBéton,1".encode("latin-1"), bytes(range(256))])
def test_no_text(tmp_path, raw):
    assert "is not UTF-8 text" in refusal(tmp_path, raw)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"missing\.csv: cannot be read: No such file"):
        Holdings.read(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="cannot be read"):
        Holdings.read(tmp_path)


def test_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("tbill_defi.portfolio.holdings.MAX_ROWS", 1)
    assert "line 3: more than 1 rows" in refusal(tmp_path, f"{HEADER}{A},1,\n{B},1,\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("desk", {A: 0}), "face of 91282CPZ8: 0 base units is not positive"),
        (("desk", {A: -1}), "is not positive"),
        (("desk", {}, -1), "cash of desk: -1 base units is negative"),
        (("a desk", {}), "'a desk'"),
        (("desk", {A: MOST_UNITS + 1}), "more than a trillion"),
        (("desk", {}, MOST_UNITS + 1), "more than a trillion"),
    ],
)
def test_holdings_that_cannot_be(arguments, message):
    with pytest.raises(ConventionError, match=message):
        Holdings(*arguments)


def test_available():
    book = Holdings("desk", {A: 10, B: 5}, 0, {A: 4, B: 9})
    assert [book.available(c) for c in (A, B, "912810UL0")] == [6, 0, 0]


def test_hash_is_over_what_is_held():
    book = Holdings("desk", {A: 10, B: 5}, 7, {A: 4})
    assert book.content_hash() == json_hash(
        {"party": "desk", "positions": {A: "10", B: "5"}, "cash": "7", "unavailable": {A: "4"}}
    )
    same = Holdings("desk", {B: 5, A: 10}, 7, {A: 4, B: 0}, {A: Decimal(99)})
    assert same.content_hash() == book.content_hash(), "neither order nor cost moves a decision"
    others = [
        Holdings("fund", {A: 10, B: 5}, 7, {A: 4}),
        Holdings("desk", {A: 11, B: 5}, 7, {A: 4}),
        Holdings("desk", {A: 10}, 7, {A: 4}),
        Holdings("desk", {A: 10, B: 5}, 8, {A: 4}),
        Holdings("desk", {A: 10, B: 5}, 7, {A: 3}),
        Holdings("desk", {A: 10, B: 5}, 7),
    ]
    assert len({h.content_hash() for h in (book, *others)}) == 7


def test_a_strategy_cannot_change_what_is_held():
    book = Holdings("desk", {"91282CPE5": 10**12}, 5, {"91282CPE5": 1})
    for mapping in (book.positions, book.unavailable, book.cost_prices):
        with pytest.raises(TypeError):
            mapping["91282CPE5"] = 1
    assert pickle.loads(pickle.dumps(book)) == book
