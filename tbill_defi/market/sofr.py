"""The Secured Overnight Financing Rate: the New York Fed's CSV and JSON, FRED's CSV, and a plain `Date,SOFR` file.

Sources of the layouts: the New York Fed's download (`Effective Date,Rate Type,Rate (%),...`, newest first, notes below)
https://www.newyorkfed.org/markets/reference-rates/sofr, and its markets API
(`{"refRates": [{"effectiveDate": ..., "type": "SOFR", "percentRate": ...}]}`)
https://markets.newyorkfed.org/static/docs/markets-api.html; FRED (`observation_date,SOFR`, until 2024 `DATE,SOFR`, a
missing value is a dot or empty) https://fred.stlouisfed.org/series/SOFR.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.records import Table, is_csv, table_of
from tbill_defi.market.table import PERCENT, Row, column_of, lines_of, read_text, refuse_duplicates, show

SCHEMA: dict[str, pl.DataType] = {"date": pl.Date(), "rate": pl.Float64()}
DATE_COLUMNS = ("Date", "Effective Date", "observation_date", "DATE")
RATE_COLUMNS = ("SOFR", "Rate (%)")
JSON_COLUMNS = ("effectiveDate", "percentRate")
TYPE_COLUMNS = ("Rate Type", "type")
OTHER_RATES = frozenset({"EFFR", "OBFR", "TGCR", "BGCR", "SOFRAI"})
"""What else the New York Fed publishes in the same file; SOFRAI is the averages and the index of SOFR."""


def read_sofr(path: str | Path) -> pl.DataFrame:
    """SOFR of a file, oldest first.

    Parameters
    ----------
    path
        A date and a rate in percent: columns `Date,SOFR`; the New York Fed's `Effective Date`, `Rate Type`,
        `Rate (%)`, with or without notes below the rows; its JSON; or FRED's `observation_date,SOFR`. Other rates of
        the New York Fed in the same file are passed over. The rate is empty or of `MISSING` on holidays.

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


def _the_column(table: Table, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.header:
            return name
    raise DataError(
        f"{table.place}: no column {' or '.join(show(name) for name in names)} in header {show(','.join(table.header))}"
    )


def _is_note(line: str) -> bool:
    """Whether a line is none of a rate: it begins with no digit, and no field of it is the name of a rate."""
    fields = [field.strip(' "') for field in re.split("[,;\t]", line)]
    return not fields[0][:1].isdigit() and not OTHER_RATES.union({"SOFR"}).intersection(fields)


def _without_notes(text: str) -> str:
    """The text up to the notes that the New York Fed puts below the rows."""
    lines = lines_of(text)
    while len(lines) > 1 and _is_note(lines[-1]):
        lines.pop()
    return "\n".join(lines)


def _of_sofr(rows: list[Row]) -> list[Row]:
    """The rows of SOFR itself."""
    found = [row for row in rows if row.text("type") == "SOFR"]
    for row in rows:
        kind = row.text("type")
        if kind != "SOFR" and (kind not in OTHER_RATES or not found):
            raise row.error("type", kind, "is another rate (expected SOFR)")
    return found


def is_sofr(header: Sequence[str]) -> bool:
    """Whether a header is that of a file of SOFR."""
    names = set(header)
    return bool(names & set(DATE_COLUMNS) and names & set(RATE_COLUMNS)) or names >= set(JSON_COLUMNS)


def parse_sofr(text: str, file: str) -> pl.DataFrame:
    """`read_sofr` on a text; `file` names it in errors."""
    table = table_of(text, file)
    days, rates = (DATE_COLUMNS, RATE_COLUMNS) if is_csv(text) else ((name,) for name in JSON_COLUMNS)
    names = {_the_column(table, days): "date", _the_column(table, rates): "rate"}
    types = [name for name in TYPE_COLUMNS if name in table.header]
    if types and is_csv(text):
        table = table_of(_without_notes(text), file)
    rows = table.rows(names | dict.fromkeys(types[:1], "type"))
    rows = _of_sofr(rows) if types else rows
    dates = column_of(rows, "date", Row.day)
    refuse_duplicates(rows, dates, "date", "date")
    values = column_of(rows, "rate", lambda row, name: row.optional_number(name, PERCENT))
    return pl.DataFrame({"date": dates, "rate": values}, schema=SCHEMA).sort("date")
