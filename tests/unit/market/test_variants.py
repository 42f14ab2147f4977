"""A published file that somebody saved in another way reads equal, or is refused by one line that says why."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile

import pytest
from polars.testing import assert_frame_equal

from tbill_defi.core.errors import DataError
from tbill_defi.market.store import parse, sniff
from tbill_defi.market.table import MISSING, decode

FILES = {
    "Treasury": 'Date,"1 Mo","10 Yr"\n03/24/2026,3.74,4.39\n03/23/2026,3.73,4.34\n',
    "FRED": "observation_date,DGS1MO,DGS10\n2026-03-23,.,4.34\n2026-03-24,3.74,4.39\n",
    "FRED until 2024": "DATE,DGS10\n2026-03-23,4.34\n2026-03-24,.\n",
    "SOFR": "Date,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n",
    "SOFR of FRED": "DATE,SOFR\n2026-03-23,3.62\n2026-03-24,.\n",
    "SOFR of the New York Fed": "Effective Date,Rate Type,Rate (%),Volume ($Billions),Footnote ID\n"
    '03/24/2026,SOFR,3.63,"2,987",\n03/23/2026,SOFR,3.62,3001,\n',
    "FiscalData": "cusip,security_type,reopening,auction_date,issue_date,dated_date,original_issue_date,maturity_date,"
    "first_int_payment_date,int_rate,inflation_index_security,floating_rate,high_yield\n91282CPZ8,Note,No,2026-02-11,"
    "2026-02-17,2026-02-15,null,2036-02-15,2026-08-15,4.125,No,No,4.177\n",
    "TreasuryDirect": "cusip,type,reopening,auctionDate,issueDate,datedDate,originalIssueDate,maturityDate,"
    "firstInterestPaymentDate,interestRate,highYield,tips,floatingRate\n91282CPZ8,Note,No,2026-02-11T00:00:00,"
    "2026-02-17T00:00:00,2026-02-15T00:00:00,,2036-02-15T00:00:00,2026-08-15T00:00:00,4.125000,4.1770,No,No\n",
    "reference CPI": "date,refCpi\n2026-03-23,324.49\n2026-03-24,324.5\n",
}
"""Layouts with a header: https://home.treasury.gov, https://fred.stlouisfed.org, https://www.newyorkfed.org,
https://fiscaldata.treasury.gov, https://www.treasurydirect.gov; figures of March 2026.
"""


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def csv_of(rows, **form):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", **form).writerows(rows)
    return file.getvalue()


def frame_of(raw, name="file.csv"):
    text = decode(raw, name)
    return parse(text, name, sniff(text, name))


VARIANTS = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "byte order mark before a quote": lambda text: csv_of(rows_of(text), quoting=csv.QUOTE_ALL).encode("utf-8-sig"),
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "all quoted": lambda text: csv_of(rows_of(text), quoting=csv.QUOTE_ALL).encode(),
    "semicolons": lambda text: csv_of(rows_of(text), delimiter=";").encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 with tabs": lambda text: csv_of(rows_of(text), delimiter="\t").encode("utf-16"),
    "UTF-16 without its mark": lambda text: text.encode("utf-16-be"),
    "blank lines at the end": lambda text: (text + "\n  \n\n").encode(),
    "no line break at the end": lambda text: text.rstrip("\n").encode(),
    "blanks about fields": lambda text: "\n".join(" , ".join(row) for row in rows_of(text.replace('"2,987"', "2987"))),
    "columns in another order": lambda text: csv_of([row[::-1] for row in rows_of(text)]).encode(),
    "rows in another order": lambda text: csv_of([rows_of(text)[0], *rows_of(text)[:0:-1]]).encode(),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("file", FILES)
def test_saved_in_another_way(file, variant):
    raw = VARIANTS[variant](FILES[file])
    found = frame_of(raw if isinstance(raw, bytes) else raw.encode())
    assert_frame_equal(found, frame_of(FILES[file].encode()))
    assert found.height == len(rows_of(FILES[file])) - 1 - (file == "FRED until 2024")


TOLERANT = [file for file in FILES if not file.startswith(("Treasury", "FRED"))] + ["TreasuryDirect"]


@pytest.mark.parametrize("file", TOLERANT)
def test_a_column_more_is_passed_over(file):
    """But among par yields: a tenor that is not known must not be lost in silence."""
    header, *rows = rows_of(FILES[file])
    found = frame_of(csv_of([[*header, "more"], *([*row, "x"] for row in rows)]).encode())
    assert_frame_equal(found, frame_of(FILES[file].encode()))


def what_is_said(raw):
    """What is said of a file; None where it is read."""
    try:
        frame_of(raw)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize("file", FILES)
def test_a_column_less_is_named_or_nothing_is_told(file):
    """Without any one column of a file it is refused, or reads as a file without that column."""
    header, *rows = rows_of(FILES[file])
    whole = frame_of(FILES[file].encode())
    for place, name in enumerate(header):
        less = csv_of([row[:place] + row[place + 1 :] for row in (header, *rows)]).encode()
        said = what_is_said(less)
        if said is None:
            found = frame_of(less)
            same = [column for column in whole.columns if found[column].null_count() < found.height]
            assert set(found.select(same).rows()) <= set(whole.select(same).rows())
        else:
            assert said.startswith("file.csv line 1: ")
            assert f'"{name}"' in said or "of no known file; expected" in said


@pytest.mark.parametrize("mark", ["", *sorted(MISSING)])
@pytest.mark.parametrize(("file", "column"), [("Treasury", "1 Mo"), ("FRED", "DGS10"), ("SOFR", "SOFR")])
def test_no_value(file, column, mark):
    header, *rows, last = rows_of(FILES[file])
    last[header.index(column)] = mark
    found, whole = frame_of(csv_of([header, *rows, last]).encode()), frame_of(FILES[file].encode())
    assert found.height == whole.height
    assert sum(found.null_count().row(0)) == sum(whole.null_count().row(0)) + 1


@pytest.mark.parametrize("value", ["4.39%", "1,234.5", "4,39", "$4", "(4.39)", "nan", "inf", "1e3", "٣", "-", "n.a."])
@pytest.mark.parametrize(
    ("file", "column"), [("Treasury", "10 Yr"), ("FRED", "DGS10"), ("TreasuryDirect", "highYield")]
)
def test_what_is_no_number_is_named(file, column, value):
    header, first, *rest = rows_of(FILES[file])
    first[header.index(column)] = value
    with pytest.raises(DataError) as caught:
        frame_of(csv_of([header, first, *rest]).encode())
    assert str(caught.value).startswith(f'file.csv line 2, column "{column}": "{value}" is not a number (expected')


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("day", ["24.03.2026", "2026/03/24", "03/24/26", "2026-3-24", "20260324", "13/24/2026"])
def test_what_is_no_date_is_named(file, day):
    header, first, *rest = rows_of(FILES[file])
    place = next(place for place, name in enumerate(header) if "date" in name.lower())
    first[place] = day
    with pytest.raises(DataError) as caught:
        frame_of(csv_of([header, first, *rest]).encode())
    assert str(caught.value).startswith(f'file.csv line 2, column "{header[place]}": "{day}" is not a date (expected')


def zipped(raw):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("file.csv", raw)
    return file.getvalue()


@pytest.mark.parametrize(
    ("pack", "kind"),
    [(gzip.compress, "gzip"), (zipped, "zip or Excel"), (bz2.compress, "bzip2"), (lzma.compress, "xz")],
)
def test_a_packed_file_says_so(pack, kind):
    with pytest.raises(DataError) as caught:
        frame_of(pack(FILES["Treasury"].encode()))
    assert str(caught.value) == f"file.csv: is {kind}, not text; unpack it or save it as CSV"


@pytest.mark.parametrize("file", FILES)
def test_a_line_that_was_cut_off_is_refused(file):
    """Wherever a transfer ended within a line; only in its last field nothing shows that more was to come."""
    text = FILES[file]
    for end in range(1, len(text)):
        whole_line = text[: text.find("\n", end)]
        if not text[:end].endswith("\n") and text[:end].count(",") < whole_line.count(","):
            said = what_is_said(text[:end].encode())
            assert said, text[:end]
            assert said.startswith("file.csv")
            assert "\n" not in said
