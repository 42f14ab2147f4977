"""The Federal Reserve's daily parameters of the nominal yield curve (Gurkaynak, Sack and Wright).

Layout of `feds200628.csv`: some lines of notes, then a header with `Date`, `BETA0` to `BETA3`, `TAU1`, `TAU2` among the
fitted yields, then a row a day; `NA` on holidays. Before 1980 the curve has one hump: BETA3 is 0, TAU2 -999.99 or NA.
https://www.federalreserve.gov/data/nominal-yield-curve.htm
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.table import (
    MISSING,
    Bounds,
    Row,
    lines_of,
    read_text,
    refuse_duplicates,
    rows_of,
    show,
    split_line,
)

BETAS, TAUS = ("BETA0", "BETA1", "BETA2", "BETA3"), ("TAU1", "TAU2")
SCHEMA: dict[str, pl.DataType] = {"date": pl.Date()} | {name.lower(): pl.Float64() for name in (*BETAS, *TAUS)}
NONE = MISSING | {"-999.99", "-999.990000"}
BETA = Bounds(Decimal(-1_000_000), Decimal(1_000_000), "3.917606", percent=True)
TAU = Bounds(Decimal("0.000001"), Decimal(1_000_000), "0.339218")
"""Years."""


def read_gsw(path: str | Path) -> pl.DataFrame:
    """Parameters of a file, oldest first; days without a curve are left out.

    Parameters
    ----------
    path
        The Federal Reserve's CSV; columns of fitted yields may be there or not.

    Returns
    -------
    polars.DataFrame
        `date`; `beta0` to `beta3`, decimal, continuous Act/365; `tau1`, `tau2`, years. `beta3` and `tau2` are null
        where the curve has one hump. `td.Curve.svensson(day, parameters=row)` takes the six,
        `td.Curve.nelson_siegel` the other four.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected. The file is read whole or not at all.
    """
    return parse_gsw(read_text(path), Path(path).name)


def parse_gsw(text: str, file: str) -> pl.DataFrame:
    """`read_gsw` on a text; `file` names it in errors."""
    needed = ("Date", *BETAS, *TAUS)
    for number, line in enumerate(lines_of(text), start=1):
        header = [cell.strip() for cell in split_line(file, number, line)] if line.startswith("Date") else []
        if set(needed) <= set(header):
            break
    else:
        raise DataError(f"{file}: no header line with {', '.join(show(name) for name in needed)}")
    rows = list(rows_of(text, file, header, first_line=number + 1))
    refuse_duplicates(rows, [row.text("Date") for row in rows], "Date", "date")
    found = [values for row in rows if (values := _parameters(row)) is not None]
    return pl.DataFrame(found, schema=SCHEMA, orient="row").sort("date")


def _parameters(row: Row) -> tuple[object, ...] | None:
    day = row.day("Date")
    betas = [row.optional_number(name, BETA, NONE) for name in BETAS]
    taus = [row.optional_number(name, TAU, NONE) for name in TAUS]
    if betas[0] is None and taus[0] is None:
        return None
    if taus[1] is None:
        if betas[3]:
            raise row.error("TAU2", row.text("TAU2"), "is missing beside a BETA3 (expected years such as 13.720014)")
        betas[3] = None
    names = [*BETAS, *TAUS] if taus[1] is not None else [*BETAS[:3], TAUS[0]]
    values = dict(zip((*BETAS, *TAUS), (*betas, *taus), strict=True))
    for name in names:
        if values[name] is None:
            raise row.error(name, row.text(name), "is missing beside other parameters of the day (expected a number)")
    return (day, *values.values())
