"""Par yields: our file, and the Treasury site's download."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.par_yields import SCHEMA, TENORS, parse_par_yields, read_par_yields, tenor_name

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "par_yields.csv"

# The layout of home.treasury.gov's "Download CSV": newest first, quoted names, MM/DD/YYYY.
SITE = (
    'Date,"1 Mo","1.5 Month","2 Mo","3 Mo","4 Mo","6 Mo","1 Yr","2 Yr","3 Yr","5 Yr","7 Yr","10 Yr","20 Yr","30 Yr"\n'
    "03/24/2026,3.74,3.72,3.72,3.74,3.73,3.78,3.81,3.90,3.93,4.03,4.21,4.39,4.95,4.94\n"
    '"03/23/2026","3.73",,"3.71","3.73","3.72","3.77","3.80","3.84","3.87","3.97","4.15","4.34","4.91","4.91"\n'
)


def refusal(text):
    with pytest.raises(DataError) as caught:
        parse_par_yields(text, "par_yields.csv")
    return str(caught.value)


def test_site_download():
    frame = parse_par_yields(SITE, "daily-treasury-rates.csv")
    assert dict(frame.schema) == SCHEMA
    assert frame["date"].to_list() == [date(2026, 3, 23), date(2026, 3, 24)]
    assert frame["1.5 Mo"].to_list() == [None, 0.0372]
    assert frame["10 Yr"].to_list() == [0.0434, 0.0439]


def test_tenors_missing_altogether_are_null_columns():
    frame = parse_par_yields("Date,10 Yr\n1990-01-02,7.94\n", "a.csv")
    assert frame.columns == ["date", *TENORS, "simulated"]
    assert frame.row(0, named=True)["10 Yr"] == 0.0794
    assert sum(value is None for value in frame.row(0)) == len(TENORS)


def test_decimal_is_the_float_nearest_to_the_text():
    texts = [f"{n // 100}.{n % 100:02d}" for n in range(2000)]
    rows = "".join(f"{date.fromordinal(730_000 + i)},{text}\n" for i, text in enumerate(texts))
    frame = parse_par_yields("Date,1 Mo\n" + rows, "a.csv")
    assert frame["1 Mo"].to_list() == [float(f"{n}e-4") for n in range(2000)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1 Mo", "1 Mo"),
        ("1.5 Month", "1.5 Mo"),
        ("1.5 Mo", "1.5 Mo"),
        ("3 mos", "3 Mo"),
        ("10 Year", "10 Yr"),
        ("30Yr", "30 Yr"),
        ("1 YR", "1 Yr"),
        ("9 Yr", None),
        ("Date", None),
        ("", None),
    ],
)
def test_tenor_names(text, name):
    assert tenor_name(text) == name


def test_n_a_is_empty():
    assert parse_par_yields("Date,1 Mo,2 Yr\n2017-04-14,N/A,1.2\n", "a.csv")["1 Mo"].to_list() == [None]


def test_bad_number_is_named_as_the_documentation_says():
    lines = "".join(f"{date.fromordinal(730_000 + i)},4.2\n" for i in range(810))
    assert refusal(f'Date,10 Yr\n{lines}2026-01-02,"4,21"\n') == (
        'par_yields.csv line 812, column "10 Yr": "4,21" is not a number (expected percent such as 4.21)'
    )


@pytest.mark.parametrize("value", ["NaN", "inf", "-inf", "1e2", "4.2%", "--", "+4.2", "0x1", "4.", "٤.٢", "1_0"])
def test_not_numbers(value):
    assert refusal(f"Date,1 Mo\n2026-01-02,{value}\n").startswith('par_yields.csv line 2, column "1 Mo": "')


@pytest.mark.parametrize("value", ["100.01", "421", "-20.5", "99999999999999"])
def test_absurd_yields(value):
    assert refusal(f"Date,1 Mo\n2026-01-02,{value}\n") == (
        f'par_yields.csv line 2, column "1 Mo": "{value}" is out of range -20 to 100 (expected percent such as 4.21)'
    )


def test_duplicate_date_names_both_lines():
    assert refusal("Date,1 Mo\n2026-01-02,1\n2026-01-05,1\n01/02/2026,2\n") == (
        'par_yields.csv line 4, column "Date": "01/02/2026" is a duplicate: line 2 has the same date'
    )


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("1 Mo,Day", 'line 1: no columns "Date" in header "1 Mo,Day" (expected one)'),
        ("Date,DATE", 'line 1: 2 columns "Date" in header "Date,DATE" (expected one)'),
        ("Date", "has no tenor column"),
        ("Date,9 Yr", 'column "9 Yr" is not a tenor'),
        ("Date,1 Mo,1 Month", 'columns "1 Mo" and "1 Month" are the same tenor'),
    ],
)
def test_bad_header(header, problem):
    assert problem in refusal(f"{header}\n2026-01-02,1\n")


def test_bad_date():
    assert refusal("Date,1 Mo\n2026-02-30,1\n") == (
        'par_yields.csv line 2, column "Date": "2026-02-30" is not a date '
        "(expected YYYY-MM-DD or MM/DD/YYYY such as 2026-03-24)"
    )
    assert "is empty (expected a date" in refusal("Date,1 Mo\n,1\n")


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_real_file():
    frame = read_par_yields(DATA)
    assert frame.height == 9_166
    assert (frame["date"][0], frame["date"][-1]) == (date(1990, 1, 2), date(2026, 8, 21))
    assert frame.row(0, named=True)["30 Yr"] == 0.08
    first = {tenor: frame.filter(pl.col(tenor).is_not_null())["date"][0] for tenor in TENORS}
    assert first["1 Mo"] == date(2001, 7, 31)
    assert first["1.5 Mo"] == date(2025, 2, 18)
    assert first["4 Mo"] == date(2022, 10, 19)
    # and the same rows as the Treasury's own download would carry them
    lines = DATA.read_text().splitlines()
    site = [lines[0].replace("1.5 Mo", "1.5 Month")]
    site += [f"{line[5:7]}/{line[8:10]}/{line[:4]}{line[10:]}" for line in reversed(lines[1:])]
    assert parse_par_yields("\r\n".join(site), "site.csv").equals(frame)
