"""A desk's own file of securities: terms or only a CUSIP in each row, and what is known of the price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tbill_defi.conventions import parse_quote
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import AnySecurity, read_security
from tbill_defi.market.table import Bounds, Row, header_of, read_text, rows_of

QUOTES = ("price", "yield", "discount_rate", "discount_margin")
"""Columns of which a row fills one at most."""
ANY_NUMBER = Bounds(Decimal(-1_000_000), Decimal(1_000_000), "0.04125")


def _number(row: Row, column: str) -> float:
    return row.number(column, ANY_NUMBER)


def _day(row: Row, column: str) -> date:
    return row.day(column)


def _whole(row: Row, column: str) -> int | None:
    return row.integer(column)


def _text(row: Row, column: str) -> str:
    return row.text(column)


def _calls(row: Row, column: str) -> list[tuple[date, float]]:
    """Pairs such as "2029-02-06 102.05; 2031-02-06 101"."""
    found = []
    for pair in row.text(column).split(";"):
        words = pair.split()
        if len(words) != 2:
            raise row.error(column, pair.strip(), "is not a date and a price such as 2029-02-06 102.05; 2031-02-06 101")
        one = Row(row.file, row.line, ("call date", "call price"), (words[0], words[1]))
        found.append((one.day("call date"), one.number("call price", ANY_NUMBER)))
    return found


TERMS: dict[str, Callable[[Row, str], Any]] = {
    "kind": _text,
    "coupon": _number,
    "dated_date": _day,
    "maturity_date": _day,
    "first_coupon_date": _day,
    "penultimate_coupon_date": _day,
    "issue_date": _day,
    "spread": _number,
    "dated_reference_cpi": _number,
    "frequency": _whole,
    "call_schedule": _calls,
    "rating": _text,
    "recovery": _number,
    "principal_of": _text,
}
"""Column -> how its cell is read; an empty cell is no field."""


@dataclass(frozen=True, slots=True)
class QuotedRow:
    """One row of the file.

    Attributes
    ----------
    place
        Where it is, such as "book.csv line 3".
    cusip
        Always there.
    security
        Its terms; None: the row names only the CUSIP.
    quote
        Name of one of `QUOTES` and its value, a price per 100 face or a decimal rate; None: no cell is filled.
    """

    place: str
    cusip: str
    security: AnySecurity | None
    quote: tuple[str, float] | None


def read_quotes(path: str | Path) -> list[QuotedRow]:
    """The rows of a CSV file with a header, in their order.

    Parameters
    ----------
    path
        Columns, any of them left out but `cusip`: the fields of the terms of a security by their own names (`kind`
        makes the row one with terms), rates decimal, `call_schedule` as "2029-02-06 102.05; 2031-02-06 101"; and one
        of `price` (99.5 or 99-16+), `yield`, `discount_rate` and `discount_margin`.

    Raises
    ------
    DataError
        Names file, line, field, value and CUSIP, and what was expected. The file is read whole or not at all.
    """
    text, name = read_text(path), Path(path).name
    header = header_of(text, name)
    known = ("cusip", *TERMS, *QUOTES)
    if unknown := next((column for column in header if column not in known), None):
        raise DataError(f'{name} line 1: column "{unknown}" is not one of {", ".join(known)}')
    if "cusip" not in header:
        raise DataError(f"{name} line 1: has no column cusip; the columns are {', '.join(known)}")
    return [_read(row) for row in rows_of(text, name, header, first_line=2)]


def _read(row: Row) -> QuotedRow:
    place, cusip = f"{row.file} {row.place}", row.cusip("cusip")
    try:
        filled = [column for column in row.header if column in TERMS and row.text(column)]
        terms = {column: TERMS[column](row, column) for column in filled}
        security = read_security({"cusip": cusip, **terms}) if "kind" in terms else None
        quote = _quote(row)
    except (ConventionError, DataError) as error:
        words = str(error) if str(error).startswith(row.file) else f"{place}: {error}"
        raise DataError(words if cusip in words else f"{words} ({cusip})") from None
    if terms and security is None:
        raise DataError(f"{place} ({cusip}): {filled[0]} is given without kind; name the kind, or leave the terms out")
    return QuotedRow(place, cusip, security, quote)


def _quote(row: Row) -> tuple[str, float] | None:
    given = [column for column in row.header if column in QUOTES and row.text(column)]
    if len(given) > 1:
        raise DataError(f"{row.file} {row.place}: {given[0]} and {given[1]} are both given; give one")
    if not given:
        return None
    if given[0] == "price":
        try:
            return "price", parse_quote(row.text("price"))
        except ConventionError as error:
            raise DataError(f"{row.file} {row.place}, price: {error}") from None
    return given[0], _number(row, given[0])
