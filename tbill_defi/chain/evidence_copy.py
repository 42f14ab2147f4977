"""All evidence of a ledger as one folder: its journal as a database of its own, and the signed head beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, insert, select
from sqlalchemy.exc import DatabaseError

from tbill_defi.chain import schema
from tbill_defi.chain.engine import Mode, open_engine, translated
from tbill_defi.chain.handovers import operators_of
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.core.drafts import sweep
from tbill_defi.core.errors import AuditFailure, LedgerError, UsageError
from tbill_defi.core.files import new_folder

JOURNAL, HEAD = "ledger.db", "head.json"
_ROWS_AT_A_TIME = 5_000
EVIDENCE = (schema.genesis, schema.blocks, schema.transactions, schema.events, schema.handovers, schema.head)
"""Tables that an audit reads."""


def export_evidence(url: str, folder: Path) -> SignedHead:
    """Copy a ledger's journal as it stands, from one view of it, into a folder that is empty or not there.

    Raises
    ------
    UsageError
        If the folder holds anything.
    LedgerError
        If the ledger cannot be read, or the folder's disk is full.
    AuditFailure
        If there is no genesis or head to be copied.
    """
    sweep(folder)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"export: {folder} is not empty; evidence is never mixed")
    with new_folder(folder) as place:
        return _export(url, place)


def _export(url: str, folder: Path) -> SignedHead:
    source = open_engine(url, Mode.READ)
    target = create_engine(f"sqlite:///{folder / JOURNAL}")
    try:
        with source.connect() as reading, _written(folder), target.begin() as writing:
            if source.dialect.name != "sqlite":  # whose transactions see one state anyway
                reading.execution_options(isolation_level="REPEATABLE READ")
            schema.metadata.create_all(writing)
            for table in EVIDENCE:
                for part in _parts(url, reading, table):
                    writing.execute(insert(table), part)
            head = _head(writing)
    except DatabaseError as error:
        raise translated(url, error.orig or error) from None
    finally:
        source.dispose()
        target.dispose()
    head.write(folder / HEAD)
    return head


def _parts(url: str, connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Rows of a table, some at a time."""
    try:
        ordered = select(table).order_by(*table.primary_key.columns)
        rows = connection.execute(ordered, execution_options={"yield_per": _ROWS_AT_A_TIME})
        for part in rows.mappings().partitions():
            yield [dict(row) for row in part]
    except DatabaseError as error:
        raise translated(url, error.orig or error) from None


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise LedgerError(
            f"export: {folder.parent} cannot be written: {error.orig or error}", code="Database"
        ) from None


def _head(connection: Connection) -> SignedHead:
    genesis = connection.execute(select(schema.genesis)).mappings().first()
    row = connection.execute(select(schema.head)).first()
    if genesis is None or row is None:
        raise AuditFailure("export: the ledger has no genesis or no head; run `tbill audit verify`")
    if [type(value) for value in row] != [column.type.python_type for column in schema.head.columns]:
        raise AuditFailure("export: a column of the head has another type; run `tbill audit verify`")
    made = Genesis.checked(dict(genesis))
    if made is None:
        raise AuditFailure("export: the genesis row does not have its own hash; run `tbill audit verify`")
    handed = connection.execute(select(schema.handovers).order_by(schema.handovers.c.number))
    operator = operators_of(made, [tuple(one) for one in handed]).latest
    head = SignedHead(made.chain_id, made.hash, row.height, row.hash, operator, row.signature)
    if not head.holds():
        raise AuditFailure("export: the head is not as the operator signed it; run `tbill audit verify`")
    return head
