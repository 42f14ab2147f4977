"""Rows on their way into the journal and out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, insert

from tbill_defi.chain.digests import digest_column, split_digests
from tbill_defi.chain.schema import blocks, transactions
from tbill_defi.core.errors import AuditFailure


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows in the table's column order: SQLite takes them as they are, PostgreSQL columns, in one statement.

    Many statements in a pipeline would keep the server waiting for the next one, which no time-out of an idle session
    ends: a writer stopped in between would hold its lock for ever.
    """
    dialect = connection.dialect
    statement = _insertion(dialect, table, tuple(columns))
    if dialect.positional:
        connection.exec_driver_sql(statement, list(rows))
    else:
        connection.exec_driver_sql(statement, tuple(list(column) for column in zip(*rows, strict=True)))


@lru_cache(maxsize=16)
def _insertion(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> str:
    if dialect.positional:
        return str(insert(table).compile(dialect=dialect, column_keys=columns))
    names = ", ".join(dialect.identifier_preparer.quote(name) for name in columns)
    arrays = ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in columns)
    return f"INSERT INTO {dialect.identifier_preparer.quote(table.name)} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608


def typed_header(row: dict[str, Any]) -> dict[str, Any]:
    """A header whose columns have their types; AuditFailure if one has not."""
    for column in blocks.columns:
        if type(row[column.name]) is not column.type.python_type:
            where = f"block {row['height']}, column {column.name}"
            raise AuditFailure(f"{where}: not of its type; run `tbill audit verify`")
    return row


def require_transactions(header: Mapping[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
    """Raise AuditFailure, with the column, if rows of transactions are not those that a checked header covers."""
    where = f"block {header['height']}"
    if len(rows) != header["transaction_count"]:
        raise AuditFailure(
            f"{where}: {len(rows)} rows of transactions where {header['transaction_count']} belong; "
            "run `tbill audit verify`"
        )
    kept = split_digests(header["transaction_digests"])
    for n, column in enumerate(transactions.columns):
        values = [row[n] for row in rows]
        if not {column.type.python_type}.issuperset(map(type, values)) or digest_column(values) != kept[n]:
            raise AuditFailure(
                f"{where}, column transactions.{column.name}: not what the block covers; run `tbill audit verify`"
            )
