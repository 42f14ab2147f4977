"""The Secured Overnight Financing Rate: our own file, and the New York Fed's and FRED's column names."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.table import PERCENT, Row, header_of, read_text, refuse_duplicates, rows_of, show

SCHEMA: dict[str, pl.DataType] = {"date": pl.Date(), "rate": pl.Float64()}
DATE_COLUMNS = ("Date", "Effective Date", "observation_date", "DATE")
RATE_COLUMNS = ("SOFR", "Rate (%)")
_RATE_TYPE = "Rate Type"
_MISSING = frozenset({".", "N/A"})


def read_sofr(path: str | Path) -> pl.DataFrame:
    """SOFR of a file, oldest first.

    Parameters
    ----------
    path
        CSV with a date and a rate in percent: columns `Date,SOFR`; the New York Fed's `Effective Date`, `Rate Type`,
        `Rate (%)`; or FRED's `observation_date,SOFR`. The rate is empty (FRED: a dot) on holidays.

    Returns
    -------
    polars.DataFrame
        `date`, `rate` (decimal, Act/360, null on holidays); one row per date, ascending. The date is the day the rate
        is for; it is published on the next business morning.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected. The file is read whole or not at all.

    Notes
    -----
    https://www.newyorkfed.org/markets/reference-rates/sofr
    """
    return parse_sofr(read_text(path), Path(path).name)


def _the_column(header: tuple[str, ...], names: tuple[str, ...], file: str) -> str:
    for name in names:
        if name in header:
            return name
    raise DataError(
        f"{file} line 1: no column {' or '.join(show(name) for name in names)} in header {show(','.join(header))}"
    )


def _rate(row: Row, column: str) -> float | None:
    if _RATE_TYPE in row.header and row.text(_RATE_TYPE) != "SOFR":
        raise row.error(_RATE_TYPE, row.text(_RATE_TYPE), "is another rate (expected SOFR)")
    return row.optional_number(column, PERCENT, _MISSING)


def parse_sofr(text: str, file: str) -> pl.DataFrame:
    """`read_sofr` on a text; `file` names it in errors."""
    header = header_of(text, file)
    date_column = _the_column(header, DATE_COLUMNS, file)
    rate_column = _the_column(header, RATE_COLUMNS, file)
    rows = list(rows_of(text, file, header, first_line=2))
    dates = [row.day(date_column) for row in rows]
    refuse_duplicates(rows, dates, date_column, "date")
    rates = [_rate(row, rate_column) for row in rows]
    return pl.DataFrame({"date": dates, "rate": rates}, schema=SCHEMA).sort("date")
