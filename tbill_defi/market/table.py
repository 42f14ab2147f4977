"""A text file as checked rows: every refusal names file, line, column, value and what was expected.

The published files are small and have no line breaks inside fields, so a line is a row and its number is exact.
A file is read whole or not at all. It may be UTF-8 or UTF-16, its fields apart by comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.core.identifiers import cusip as checked_cusip

V = TypeVar("V")


class NoRows(DataError):
    """A file or an answer is what it should be, and has nothing in it."""


MAX_BYTES = 64 * 2**20
"""Stated limit of one file: 64 MiB."""
MAX_ROWS = 500_000
"""Stated limit of rows in one file."""
FIRST_YEAR, LAST_YEAR = 1900, 2199
MISSING = frozenset({".", "N/A", "ND", "NA", "null"})
"""What publishers write where they have no value, besides nothing: FRED, the Treasury, the Federal Reserve Board, the
New York Fed and FiscalData.
"""
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip or Excel", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
"""First bytes of files that are packed."""
FEED = "http://www.w3.org/2005/Atom"
"""The namespace that tells the Treasury's XML feed from a page."""
DELIMITERS = (",", ";", "\t")

_NEWLINE = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,20})?|-?\.[0-9]{1,20}")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T00:00:00(?:\.0{1,6})?)?")
_US_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_DATE_EXPECTED = "is not a date (expected YYYY-MM-DD or MM/DD/YYYY such as 2026-03-24)"


def show(value: str) -> str:
    """`value` fit for a message: at most 60 characters, unprintable ones escaped, in double quotes."""
    short = value if len(value) <= 60 else value[:57] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short) + '"'


def read_text(path: str | Path) -> str:
    """The file's text, without byte order mark.

    Raises
    ------
    DataError
        If it is missing, a directory, unreadable, larger than `MAX_BYTES`, packed, empty, not UTF-8 or UTF-16, or HTML.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a directory; give one file")
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a regular file; save it as one")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes is over the limit of {MAX_BYTES:,} bytes for one file")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason})") from None
    return decode(raw, path.name)


def _utf_16(raw: bytes) -> str | None:
    """The codec of UTF-16 bytes, told by the byte order mark or by the zero half of Latin letters; None if they are
    none.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    start = raw[:64]
    if len(start) < 4 or not 0.4 < start.count(0) / len(start) < 0.6:
        return None
    if not any(start[::2]):
        return "utf-16-be"
    return None if any(start[1::2]) else "utf-16-le"


def decode(raw: bytes, name: str) -> str:
    """The text of a file's bytes; see `read_text` for what is refused."""
    for start, kind in PACKED.items():
        if raw.startswith(start):
            raise DataError(f"{name}: is {kind}, not text; unpack it or save it as CSV")
    encoding = _utf_16(raw)
    try:
        text = raw.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if encoding:
            raise DataError(f"{name}: is not UTF-16 text from byte {error.start} on; save it as UTF-8 CSV") from None
        line = len(re.findall(rb"\r\n|\n|\r", raw[: error.start])) + 1
        raise DataError(
            f"{name} line {line}: byte 0x{raw[error.start]:02x} is not UTF-8 text; save the file as plain UTF-8 CSV"
        ) from None
    if not text.strip():
        raise DataError(f"{name}: is empty; expected a CSV file")
    if text.lstrip().startswith("<") and FEED not in text[:4096]:
        raise DataError(f"{name} line 1: is HTML or XML, not CSV; the download was probably an error page")
    return text


@lru_cache(maxsize=65_536)
def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=65_536)
def parse_date(text: str) -> date | None:
    """The date of YYYY-MM-DD (T00:00:00 may follow) or MM/DD/YYYY text, 1900 to 2199; None if it is none."""
    match = _ISO_DATE.fullmatch(text)
    if match:
        year, month, day = (int(part) for part in match.groups())
    else:
        match = _US_DATE.fullmatch(text)
        if not match:
            return None
        month, day, year = (int(part) for part in match.groups())
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number must be: `low` <= value <= `high` in the file's own unit, and an example for the message."""

    low: Decimal
    high: Decimal
    example: str
    percent: bool = False

    @property
    def unit(self) -> str:
        """The word before the example."""
        return "percent such as " if self.percent else "a number such as "


PERCENT = Bounds(Decimal(-20), Decimal(100), "4.21", percent=True)
COUPON_PERCENT = Bounds(Decimal(0), Decimal(20), "4.125", percent=True)
PRICE = Bounds(Decimal("0.000001"), Decimal(1000), "99.578125")
PRICE_OR_NONE = Bounds(Decimal(0), Decimal(1000), "99.578125")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, or one record of a JSON or XML file, its cells by column name.

    `own` are the file's own names of the columns where `header` has others; `unit` is what `line` counts.
    """

    file: str
    line: int
    header: tuple[str, ...]
    cells: tuple[str, ...]
    own: tuple[str, ...] = ()
    unit: str = "line"

    @property
    def place(self) -> str:
        """Where the row is, such as "line 12"."""
        return f"{self.unit} {self.line}"

    def text(self, column: str) -> str:
        """The cell's text without surrounding blanks."""
        return self.cells[self.header.index(column)].strip()

    def error(self, column: str, value: str, problem: str) -> DataError:
        """The one error about this cell."""
        name = self.own[self.header.index(column)] if self.own and column in self.header else column
        what = "column" if self.unit == "line" else "field"
        return DataError(f'{self.file} {self.place}, {what} "{name}": {show(value)} {problem}')

    def required(self, column: str, expected: str) -> str:
        """The cell's text, refused if empty."""
        value = self.text(column)
        if not value:
            raise self.error(column, value, f"is empty (expected {expected})")
        return value

    def day(self, column: str) -> date:
        """The cell's date."""
        value = self.required(column, "a date such as 2026-03-24")
        day = parse_date(value)
        if day is None:
            raise self.error(column, value, _DATE_EXPECTED)
        return day

    def optional_day(self, column: str) -> date | None:
        """The cell's date, or None if it is empty."""
        return self.day(column) if self.text(column) else None

    def number(self, column: str, bounds: Bounds, value: str | None = None) -> float:
        """The cell's number, percent as decimal: the float nearest to the exact decimal of the text."""
        text = self.text(column) if value is None else value
        exact = _decimal(text)
        if exact is None:
            raise self.error(column, text, f"is not a number (expected {bounds.unit}{bounds.example})")
        if not bounds.low <= exact <= bounds.high:
            raise self.error(
                column,
                text,
                f"is out of range {bounds.low.normalize():f} to {bounds.high.normalize():f} "
                f"(expected {bounds.unit}{bounds.example})",
            )
        return _nearest(exact, bounds.percent)

    def optional_number(self, column: str, bounds: Bounds, missing: frozenset[str] = MISSING) -> float | None:
        """The cell's number, or None if it is empty or one of `missing`."""
        text = self.text(column)
        return None if not text or text in missing else self.number(column, bounds, text)

    def integer(self, column: str) -> int | None:
        """The cell's whole number, or None if it is empty."""
        text = self.text(column)
        if not text:
            return None
        exact = _decimal(text)
        if exact is None or exact != exact.to_integral_value() or exact < 0:
            raise self.error(column, text, "is not a whole number (expected dollars such as 8000000000)")
        return int(exact)

    def yes_no(self, column: str) -> bool | None:
        """True for Yes, False for No, None if empty."""
        text = self.text(column)
        if text not in ("", "Yes", "No"):
            raise self.error(column, text, "is neither Yes nor No")
        return {"Yes": True, "No": False}.get(text)

    def cusip(self, column: str) -> str:
        """The cell's CUSIP."""
        value = self.required(column, "a CUSIP such as 91282CPZ8")
        try:
            return checked_cusip(value)
        except ConventionError:
            raise self.error(
                column, value, "is not a CUSIP (expected nine of 0-9 and A-Z, such as 91282CPZ8)"
            ) from None


@lru_cache(maxsize=65_536)
def _nearest(exact: Decimal, percent: bool) -> float:
    return float(exact.scaleb(-2) if percent else exact) + 0.0


def delimiter_of(text: str) -> str:
    """What parts the fields of a file: comma, semicolon or tab, by which the first line has most fields."""

    def fields(delimiter: str) -> int:
        try:
            return len(next(csv.reader([first], strict=True, skipinitialspace=True, delimiter=delimiter), []))
        except csv.Error:
            return 0

    first = _NEWLINE.split(text, maxsplit=1)[0]
    return max(DELIMITERS, key=fields)


def split_line(file: str, line: int, text: str, delimiter: str = ",") -> tuple[str, ...]:
    """The cells of one CSV line (RFC 4180 quotes)."""
    if '"' not in text:
        cells = text.split(delimiter)
        return tuple([cell.lstrip(" ") for cell in cells] if " " in text else cells)
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{file} line {line}: {show(text)} is not a CSV line ({error})") from None
    return tuple(rows[0]) if rows else ()


def lines_of(text: str) -> list[str]:
    """The lines of a text, trailing blank ones left off."""
    lines = _NEWLINE.split(text)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def cells_of(text: str, file: str, header: Sequence[str], *, first_line: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number and cells of each line from line `first_line` on (1-based), exactly as many cells as the header.

    Raises
    ------
    DataError
        On an empty line, a wrong number of cells, a broken quote, no rows or more than `MAX_ROWS`.
    """
    lines = lines_of(text)
    if len(lines) < first_line:
        raise NoRows(f"{file}: has no rows after line {len(lines)}")
    if len(lines) - first_line + 1 > MAX_ROWS:
        raise DataError(f"{file}: {len(lines):,} lines are over the limit of {MAX_ROWS:,} rows for one file")
    columns, delimiter = tuple(header), delimiter_of(text)
    for number, line in enumerate(lines[first_line - 1 :], start=first_line):
        if not line.strip():
            raise DataError(f"{file} line {number}: is empty (expected {len(columns)} fields)")
        cells = split_line(file, number, line, delimiter)
        if len(cells) != len(columns):
            raise DataError(f"{file} line {number}: has {len(cells)} fields (expected {len(columns)}): {show(line)}")
        yield number, cells


def rows_of(text: str, file: str, header: Sequence[str], *, first_line: int) -> Iterator[Row]:
    """`cells_of` as rows."""
    columns = tuple(header)
    return (Row(file, line, columns, cells) for line, cells in cells_of(text, file, columns, first_line=first_line))


def column_of(rows: Sequence[Row], column: str, read: Callable[[Row, str], V]) -> list[V]:
    """`read(row, column)` of each row; a text that recurs is read once."""
    known: dict[str, V] = {}
    place = rows[0].header.index(column) if rows else 0
    for row in rows:
        if row.cells[place] not in known:
            known[row.cells[place]] = read(row, column)
    return [known[row.cells[place]] for row in rows]


def header_of(text: str, file: str) -> tuple[str, ...]:
    """The column names of line 1, blanks stripped; a name that is there twice is refused."""
    names = tuple(cell.strip() for cell in split_line(file, 1, lines_of(text)[0], delimiter_of(text)))
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file} line 1: column {show(name)} is there twice")
    return names


def refuse_duplicates(rows: Sequence[Row], keys: Sequence[object], column: str, what: str) -> None:
    """Refuse a second row with the same key, naming both lines."""
    seen: dict[object, Row] = {}
    for row, key in zip(rows, keys, strict=True):
        if key in seen:
            raise row.error(column, row.text(column), f"is a duplicate: {seen[key].place} has the same {what}")
        seen[key] = row
