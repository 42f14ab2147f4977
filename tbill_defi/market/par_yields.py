"""The Treasury's daily par yield curve (CMT): the Treasury's CSV and XML, and FRED's CSV of the same figures.

Sources of the layouts: the Treasury's "Daily Treasury Par Yield Curve Rates" as CSV (`Date,"1 Mo",...`) and as XML feed
(`NEW_DATE`, `BC_1MONTH`, ...): https://home.treasury.gov/treasury-daily-interest-rate-xml-feed; FRED's graph download
(`observation_date,DGS10`, until 2024 `DATE,DGS10`; a missing value is a dot or empty): the Federal Reserve's H.15
series, https://fred.stlouisfed.org/series/DGS10.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.records import Table, table_of
from tbill_defi.market.table import PERCENT, NoRows, Row, column_of, read_text, refuse_duplicates, show

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
SIMULATED = "simulated"
"""Column of the frame that says what made a simulated curve, such as "dns seed 7"; null: published."""
SCHEMA: dict[str, pl.DataType] = {
    "date": pl.Date(),
    **{tenor: pl.Float64() for tenor in TENORS},
    SIMULATED: pl.String(),
}
MARK = "Simulated"
"""The last column of a file of simulated curves."""
_LABEL = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,59}")

_TENOR = re.compile(r"([0-9]{1,2}(?:\.5)?) ?(mo|mos|month|months|m|yr|yrs|year|years|y)\.?", re.IGNORECASE)
FRED_DATES = ("observation_date", "DATE")
"""FRED's name of the date column, now and until 2024."""
FRED_SERIES = {
    f"DGS{tenor.partition(' ')[0]}{'MO' if tenor.endswith('Mo') else ''}": tenor
    for tenor in TENORS
    if tenor not in ("1.5 Mo", "2 Mo", "4 Mo")
}
"""Series of the Federal Reserve's H.15 on FRED -> tenor; H.15 has no 1.5, 2 and 4 months."""
_FRED_OTHERS = frozenset({"SOFR"})
XML_DATE = "NEW_DATE"
XML_FIELDS = {f"BC_{tenor.replace('.', '_').replace(' Mo', 'MONTH').replace(' Yr', 'YEAR')}": tenor for tenor in TENORS}
"""Fields of the Treasury's XML feed -> tenor; BC_30YEARDISPLAY repeats the 30 years for a page."""
_XML_OTHERS = frozenset({"Id", "NEW_DATE", "BC_30YEARDISPLAY"})


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
        The Treasury's CSV: a `Date` column (YYYY-MM-DD or MM/DD/YYYY, any order) and a column per tenor, in percent;
        tenors may be missing altogether, a cell may be empty or of `MISSING`. Or FRED's CSV of DGS1MO to DGS30, one
        series or several; a day on which all are missing is a holiday and left out. Or the Treasury's XML feed.

    Returns
    -------
    polars.DataFrame
        `date`, then all of `TENORS` as decimal (0.0421), null where the file has none, then `simulated`: what made the
        curve, null if it was published; one row per date, ascending.

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
    table = table_of(text, file)
    if is_fred(table.header):
        day, columns = _fred_columns(table)
    elif XML_DATE in table.header:
        day, columns = XML_DATE, _xml_columns(table)
    else:
        day, columns = _treasury_columns(table)
    rows = table.rows({day: "date", **columns})
    dates = column_of(rows, "date", Row.day)
    refuse_duplicates(rows, dates, "date", "date")
    given = set(columns.values())
    made: list[str | None] = column_of(rows, SIMULATED, _label) if SIMULATED in given else [None] * len(rows)
    if len(set(made)) > 1:
        raise DataError(f"{file}: some rows are simulated and some are not, or by others; keep them in files apart")
    values = {tenor: _column(rows, tenor) if tenor in given else [None] * len(rows) for tenor in TENORS}
    frame = pl.DataFrame({"date": dates, **values, SIMULATED: made}, schema=SCHEMA).sort("date")
    if is_fred(table.header):
        frame = frame.filter(pl.any_horizontal(pl.col(TENORS).is_not_null()))
        if frame.is_empty():
            raise NoRows(f"{file}: has no value in any row")
    return frame


def is_fred(header: tuple[str, ...]) -> bool:
    """Whether a header is FRED's, with a series of par yields."""
    return bool(set(header) & set(FRED_DATES) and set(header) & set(FRED_SERIES))


def is_treasury(header: tuple[str, ...]) -> bool:
    """Whether a header is that of the Treasury's CSV: a date and a tenor."""
    return bool(_dates(header)) and any(tenor_name(name) for name in header)


def _dates(header: tuple[str, ...]) -> list[str]:
    return [name for name in header if name.lower() == "date"]


def _treasury_columns(table: Table) -> tuple[str, dict[str, str]]:
    header, place = table.header, table.place
    dates = _dates(header)
    if len(dates) != 1:
        shown = show(",".join(header))
        number, shown = len(dates) or "no", show(",".join(header))
        raise DataError(f'{place}: {number} columns "Date" in header {shown} (expected one)')
    columns: dict[str, str] = {}
    for name in header:
        if name in (MARK, *dates):
            continue
        tenor = tenor_name(name)
        if tenor is None:
            raise DataError(f"{place}: column {show(name)} is not a tenor (expected one of {', '.join(TENORS)})")
        if tenor in columns.values():
            first = next(other for other, same in columns.items() if same == tenor)
            raise DataError(f"{place}: columns {show(first)} and {show(name)} are the same tenor")
        columns[name] = tenor
    if not columns:
        raise DataError(f"{place}: has no tenor column (expected some of {', '.join(TENORS)})")
    return dates[0], columns | ({MARK: SIMULATED} if MARK in header else {})


def _fred_columns(table: Table) -> tuple[str, dict[str, str]]:
    day = next(name for name in FRED_DATES if name in table.header)
    for name in table.header:
        if name not in FRED_SERIES and name not in _FRED_OTHERS and name != day:
            raise DataError(
                f"{table.place}: column {show(name)} is not a par yield (expected some of {', '.join(FRED_SERIES)})"
            )
    return day, {name: FRED_SERIES[name] for name in table.header if name in FRED_SERIES}


def _xml_columns(table: Table) -> dict[str, str]:
    for name in table.header:
        if name not in XML_FIELDS and name not in _XML_OTHERS:
            raise DataError(f"{table.place}: field {show(name)} is not a tenor (expected {', '.join(XML_FIELDS)})")
    columns = {name: XML_FIELDS[name] for name in table.header if name in XML_FIELDS}
    if not columns:
        raise DataError(f"{table.place}: has no par yields (expected fields {', '.join(XML_FIELDS)})")
    return columns


def _label(row: Row, name: str) -> str | None:
    value = row.text(name)
    if value and not _LABEL.fullmatch(value):
        raise row.error(name, value, "is not what a simulation is called (expected such as dns seed 7)")
    return value or None


def _column(rows: list[Row], tenor: str) -> list[float | None]:
    return column_of(rows, tenor, lambda row, name: row.optional_number(name, PERCENT))
