"""The daily reference CPI of TIPS: FiscalData's and TreasuryDirect's records, and a plain `date,refCpi` file.

Sources of the layouts: FiscalData's "TIPS and CPI Data", detail table (`cusip`, `original_issue_date`, `index_date`,
`ref_cpi`, `index_ratio`; one record a CUSIP and day, the reference CPI of a day the same in all)
https://fiscaldata.treasury.gov/datasets/tips-cpi-data/; TreasuryDirect's secindex service (`cusip`, `indexDate`,
`refCpi`, `dailyIndex`) https://www.treasurydirect.gov/webapis/webapisecindex.htm.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.records import table_of
from tbill_defi.market.table import Bounds, Row, read_text, show

SCHEMA: dict[str, pl.DataType] = {"date": pl.Date(), "value": pl.Float64()}
DATE_COLUMNS = ("index_date", "indexDate", "date", "Date")
VALUE_COLUMNS = ("ref_cpi", "refCpi")
INDEX = Bounds(Decimal(50), Decimal(5_000), "324.08800")
"""CPI-U, 1982-84 = 100; the first TIPS has 158.43548."""


def read_reference_cpi(path: str | Path) -> pl.DataFrame:
    """Reference CPI of a file, oldest first.

    Parameters
    ----------
    path
        CSV or JSON with FiscalData's or TreasuryDirect's field names, of one TIPS or several; or `date,refCpi`.

    Returns
    -------
    polars.DataFrame
        `date`, `value` (CPI-U, 1982-84 = 100, not seasonally adjusted, interpolated to the day, 5 decimals); one row
        per date, ascending. A month's values are published with the CPI about the middle of the month before.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected; also where two TIPS disagree on a day. The file is read
        whole or not at all.

    Notes
    -----
    31 CFR 356 Appendix B, I.B.
    """
    return parse_reference_cpi(read_text(path), Path(path).name)


def is_reference_cpi(header: Sequence[str]) -> bool:
    """Whether a header is that of a file of reference CPI."""
    return bool(set(header) & set(VALUE_COLUMNS) and set(header) & set(DATE_COLUMNS))


def parse_reference_cpi(text: str, file: str) -> pl.DataFrame:
    """`read_reference_cpi` on a text; `file` names it in errors."""
    table = table_of(text, file)
    names = {}
    for wanted, column in ((DATE_COLUMNS, "date"), (VALUE_COLUMNS, "value")):
        found = [name for name in wanted if name in table.header]
        if not found:
            expected = " or ".join(show(name) for name in wanted)
            raise DataError(f"{table.place}: no column {expected} in header {show(','.join(table.header))}")
        names[found[0]] = column
    values: dict[object, tuple[Row, float]] = {}
    for row in table.rows(names):
        day, value = row.day("date"), row.number("value", INDEX)
        first, known = values.setdefault(day, (row, value))
        if value != known:
            raise row.error("value", row.text("value"), f"contradicts {first.place}, which has {known} for {day}")
    rows = {"date": list(values), "value": [value for _, value in values.values()]}
    return pl.DataFrame(rows, schema=SCHEMA).sort("date")
