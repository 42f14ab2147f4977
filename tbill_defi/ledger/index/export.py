"""Books as files: CSV and Parquet of any table, beancount of a party; written whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import UsageError
from tbill_defi.core.files import write_output
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.beancount import beancount_file
from tbill_defi.ledger.index.income import Accrual, Gain, Income, Rung
from tbill_defi.ledger.index.lots import FIFO, METHODS
from tbill_defi.ledger.index.view import BooksView, OpenLot, Position, Posting

Columns = Sequence[tuple[str, type]]
TABLES = ("positions", "lots", "journal", "trades", "flows", "gains", "accruals", "ladder")
FORMATS = (".csv", ".parquet", ".beancount")
_ROWS: Mapping[str, type] = {
    "positions": Position,
    "lots": OpenLot,
    "journal": Posting,
    "gains": Gain,
    "accruals": Accrual,
    "ladder": Rung,
}
_TYPES = {"int": int, "str": str, "date": date, "int | None": int}


def table_rows(
    view: BooksView, name: str, party: str, *, method: str = FIFO, at: int | date | None = None
) -> tuple[Columns, list[dict[str, Any]]]:
    """Columns with their types, and rows, of one of `TABLES` for a party.

    Raises
    ------
    UsageError
        If there is no such table, or it is asked as of a block and is one of dates.
    """
    if name not in TABLES:
        raise UsageError(f"table: {name!r} is not one of {', '.join(TABLES)}")
    if name in ("trades", "flows"):
        return _plain(view, schema.metadata.tables[f"books_{name}"], party, at)
    income = Income(view)
    if isinstance(at, int) and name in ("accruals", "ladder", "gains"):
        raise UsageError(f"at: {name} are of a date, not of a block")
    day = at if isinstance(at, date) else None
    asked: dict[str, Callable[[], Sequence[Any]]] = {
        "positions": lambda: view.positions(party, at),
        "lots": lambda: view.lots(party, method=method, at=at),
        "journal": lambda: view.journal(party, at=at),
        "gains": lambda: income.gains(party, last=day, method=method),
        "accruals": lambda: income.accruals(party, day or market_date(view.point().timestamp)),
        "ladder": lambda: income.ladder(party, day),
    }
    kind = _ROWS[name]
    assert is_dataclass(kind)
    columns = [(column.name, _TYPES[str(column.type)]) for column in fields(kind)]
    return columns, [asdict(row) for row in asked[name]()]


def _plain(view: BooksView, table: Any, party: str, at: int | date | None) -> tuple[Columns, list[dict[str, Any]]]:
    entries = schema.entries
    query = select(table, entries.c.height, entries.c.timestamp, entries.c.kind).join(
        entries, entries.c.entry == table.c.entry
    )
    query = query.where(table.c.party == party, table.c.entry <= view.point(at).entry)
    columns = [(column.name, column.type.python_type) for column in (*table.columns, *entries.columns)]
    wanted = {column.name for column in table.columns} | {"height", "timestamp", "kind"}
    kept = [(name, kind) for name, kind in dict(columns).items() if name in wanted]
    rows = view.store.rows(query.order_by(*table.primary_key.columns))
    return kept, [{name: row[name] for name, _ in kept} for row in rows]


def export(
    view: BooksView, path: Path, table: str, party: str, *, method: str = FIFO, at: int | date | None = None
) -> int:
    """Write a table as CSV or Parquet, or all of a party's books as beancount, by the file's ending.

    Returns
    -------
    int
        Rows written; of beancount, lines.

    Raises
    ------
    UsageError
        If the ending is none of `FORMATS`, or the method none of `METHODS`.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"out: {path} ends in none of {', '.join(FORMATS)}")
    if method not in METHODS:
        raise UsageError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    if path.suffix == ".beancount":
        text = beancount_file(view, party, method=method, at=at)
        _write(path, text.encode())
        return text.count("\n")
    columns, rows = table_rows(view, table, party, method=method, at=at)
    _write(path, _csv(columns, rows) if path.suffix == ".csv" else _parquet(columns, rows))
    return len(rows)


def _csv(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [name for name, _ in columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> bytes:
    import polars as pl

    kinds: dict[type, Any] = {int: pl.Int64, str: pl.String, date: pl.Date}
    frame = pl.DataFrame(
        {name: [row[name] for row in rows] for name, _ in columns},
        schema={name: kinds[kind] for name, kind in columns},
    )
    data = io.BytesIO()
    frame.write_parquet(data)
    return data.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, data)
