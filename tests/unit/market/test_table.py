"""A file that cannot be read gives one clear error, whatever is wrong with it."""

from pathlib import Path

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market import read_par_yields
from tbill_defi.market.table import MAX_ROWS, Row, parse_date, read_text, rows_of, show, split_line

UNREADABLE = "/proc/self/mem"
GOOD = "Date,1 Mo,10 Yr\n2026-03-23,3.73,4.34\n2026-03-24,3.74,4.39\n"


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_par_yields(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_file(tmp_path):
    assert refusal(tmp_path / "no.csv") == f"{tmp_path / 'no.csv'}: there is no such file"


def test_directory(tmp_path):
    assert "is a directory" in refusal(tmp_path)


def test_device_is_not_read_for_ever():
    assert refusal("/dev/zero") == "/dev/zero: is not a regular file; save it as one"


def test_name_with_a_null_byte():
    with pytest.raises(DataError):
        read_text("a\0b")


@pytest.mark.skipif(not Path(UNREADABLE).exists(), reason="only Linux has a file that not even root can read")
def test_unreadable():
    assert refusal(UNREADABLE) == f"{UNREADABLE}: cannot be read (Input/output error)"


@pytest.mark.parametrize("content", ["", "\n\n", "  \r\n", "\ufeff"])
def test_empty(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    assert refusal(path) == "a.csv: is empty; expected a CSV file"


def test_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(GOOD.encode() + b"2026-03-25,\xff,4.3\n")
    assert refusal(path) == "a.csv line 4: byte 0xff is not UTF-8 text; save the file as plain UTF-8 CSV"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_exports_of_spreadsheets_read_equal(tmp_path, encoding, delimiter):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(GOOD)
    second.write_text(GOOD.replace(",", delimiter), encoding=encoding)
    assert read_par_yields(first).equals(read_par_yields(second))


def test_broken_utf16(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(GOOD.encode("utf-16")[:-1])
    assert refusal(path) == "a.csv: is not UTF-16 text from byte 116 on; save it as UTF-8 CSV"


def test_html(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("<!DOCTYPE html>\n<html><body>Not found</body></html>")
    assert refusal(path) == "a.csv line 1: is HTML or XML, not CSV; the download was probably an error page"


def test_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("tbill_defi.market.table.MAX_BYTES", 10)
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    assert "is over the limit of 10 bytes" in refusal(path)


def test_row_limit():
    with pytest.raises(DataError, match="over the limit of 500,000 rows"):
        next(rows_of("a\n" * (MAX_ROWS + 2), "a.csv", ("a",), first_line=2))


@pytest.mark.parametrize("change", [str.strip, lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("\n", "\r")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("tail", ["", "\n\n \n"])
def test_harmless_differences_read_equal(tmp_path, change, encoding, tail):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(GOOD)
    second.write_bytes((change(GOOD) + tail).encode(encoding))
    assert read_par_yields(first).equals(read_par_yields(second))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Date,1 Mo\n2026-03-24\n", 'a.csv line 2: has 1 fields (expected 2): "2026-03-24"'),
        ("Date,1 Mo\n2026-03-24,1,\n", 'a.csv line 2: has 3 fields (expected 2): "2026-03-24,1,"'),
        ("Date,1 Mo\n\n2026-03-24,1\n", "a.csv line 2: is empty (expected 2 fields)"),
        ("Date,1 Mo\n", "a.csv: has no rows after line 1"),
        ("Date,1 Mo,1 Mo\n2026-03-24,1,1\n", 'a.csv line 1: column "1 Mo" is there twice'),
    ],
)
def test_broken_shape(tmp_path, text, problem):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert refusal(path) == problem


def test_open_quote():
    with pytest.raises(DataError, match=r'^a.csv line 7: ""a,b" is not a CSV line'):
        split_line("a.csv", 7, '"a,b')


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-24", "2026-03-24"),
        ("2026-03-24T00:00:00", "2026-03-24"),
        ("2026-03-24T00:00:00.000", "2026-03-24"),
        ("03/24/2026", "2026-03-24"),
        ("3/4/2026", "2026-03-04"),
        ("2026-02-29", None),
        ("24/03/2026", None),
        ("03/24/26", None),
        ("2026-03-24T12:00:00", None),
        ("0001-01-01", None),
        ("２０２６-03-24", None),
        ("", None),
    ],
)
def test_dates(text, iso):
    day = parse_date(text)
    assert (day.isoformat() if day else None) == iso


def test_show_is_one_short_printable_line():
    assert show("a\nb\x00") == '"a\\nb\\x00"'
    assert len(show("x" * 1000)) == 62


@pytest.mark.parametrize(
    ("text", "value"), [("8000000000", 8_000_000_000), ("10717902700.00", 10_717_902_700), ("", None)]
)
def test_whole_numbers(text, value):
    assert Row("a.csv", 2, ("n",), (text,)).integer("n") == value


@pytest.mark.parametrize("text", ["1.5", "-1", "1e9", "many"])
def test_not_whole_numbers(text):
    with pytest.raises(DataError, match=r'a.csv line 2, column "n": .* is not a whole number'):
        Row("a.csv", 2, ("n",), (text,)).integer("n")
