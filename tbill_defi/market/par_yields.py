"""The Treasury's daily par yield curve (CMT): our own file and the Treasury site's download."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.table import PERCENT, Row, header_of, read_text, refuse_duplicates, rows_of, show

TENORS = (
    "1 Mo",
    "1.5 Mo",
    "2 Mo",
    "3 Mo",
    "4 Mo",
    "6 Mo",
    "1 Yr",
    "2 Yr",
    "3 Yr",
    "5 Yr",
    "7 Yr",
    "10 Yr",
    "20 Yr",
    "30 Yr",
)
"""The Treasury's tenors, shortest first, as the frame names them."""
SCHEMA: dict[str, pl.DataType] = {"date": pl.Date(), **{tenor: pl.Float64() for tenor in TENORS}}

_TENOR = re.compile(r"([0-9]{1,2}(?:\.5)?) ?(mo|mos|month|months|m|yr|yrs|year|years|y)\.?", re.IGNORECASE)
_MISSING = frozenset({"N/A"})


def tenor_name(text: str) -> str | None:
    """The tenor of a column name: "1 Mo", "1.5 Month", "10 Year" and "30 Yr" are all known; None if it is none."""
    match = _TENOR.fullmatch(text)
    if not match:
        return None
    name = f"{match[1]} {'Mo' if match[2].lower().startswith('m') else 'Yr'}"
    return name if name in TENORS else None


def read_par_yields(path: str | Path) -> pl.DataFrame:
    """Par yields of a file, oldest first.

    Parameters
    ----------
    path
        CSV with a `Date` column (YYYY-MM-DD or MM/DD/YYYY, any order) and a column per tenor, in percent.
        Tenors may be missing altogether; a cell may be empty or N/A.

    Returns
    -------
    polars.DataFrame
        `date`, then all of `TENORS` as decimal (0.0421), null where the file has none; one row per date, ascending.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected. The file is read whole or not at all.

    Notes
    -----
    https://home.treasury.gov/resource-center/data-chart-center/interest-rates, "Daily Treasury Par Yield Curve Rates".
    """
    return parse_par_yields(read_text(path), Path(path).name)


def parse_par_yields(text: str, file: str) -> pl.DataFrame:
    """`read_par_yields` on a text; `file` names it in errors."""
    header = header_of(text, file)
    if not header or header[0].lower() != "date":
        raise DataError(f'{file} line 1: the first column is {show(header[0] if header else "")}, expected "Date"')
    columns: dict[str, str] = {}
    for name in header[1:]:
        tenor = tenor_name(name)
        if tenor is None:
            raise DataError(f"{file} line 1: column {show(name)} is not a tenor (expected one of {', '.join(TENORS)})")
        if tenor in columns:
            raise DataError(f"{file} line 1: columns {show(columns[tenor])} and {show(name)} are the same tenor")
        columns[tenor] = name
    if not columns:
        raise DataError(f"{file} line 1: has no tenor column (expected some of {', '.join(TENORS)})")
    rows = list(rows_of(text, file, header, first_line=2))
    dates = [row.day(header[0]) for row in rows]
    refuse_duplicates(rows, dates, header[0], "date")
    values = {tenor: _column(rows, columns.get(tenor)) for tenor in TENORS}
    return pl.DataFrame({"date": dates, **values}, schema=SCHEMA).sort("date")


def _column(rows: list[Row], name: str | None) -> list[float | None]:
    if name is None:
        return [None] * len(rows)
    return [row.optional_number(name, PERCENT, _MISSING) for row in rows]
