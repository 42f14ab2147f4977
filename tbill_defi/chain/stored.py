"""The journal as it is stored, for the audit: raw values of whatever type, read without trusting anything.

Rows are read by full scans, never by a key or an index, so damage to either hides nothing: in SQLite in physical order,
which is that of its keys; in PostgreSQL sorted, since there a row that is written again moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from tbill_defi.chain.digests import Value, digest_column, digest_value, hash_digests, split_digests
from tbill_defi.chain.engine import is_damage
from tbill_defi.chain.findings import Findings, Kind

Row = tuple[Any, ...]

UNREADABLE = (DBAPIError, MemoryError, OverflowError, UnicodeError)
"""What databases and their drivers raise on damaged pages."""

_MOST_STRAYS = 64


def types_of(table: Table) -> list[type]:
    """Python type of each column."""
    return [column.type.python_type for column in table.columns]


def damage(connection: Connection, error: BaseException) -> str:
    """What the database driver said of damage, in one line; whatever else kept from reading is raised again."""
    if not is_damage(connection, error):
        raise error
    return said(error)


def said(error: BaseException) -> str:
    """What the database driver said, in one line."""
    return " ".join((str(getattr(error, "orig", None) or error) or type(error).__name__).split())[:300]


def scan(connection: Connection, table: Table) -> Iterator[Row]:
    """All rows of a table in the order of its key, values as stored."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f'SELECT {names} FROM "{table.name}"'  # noqa: S608
    if connection.dialect.name == "postgresql":
        statement += f' ORDER BY "{table.columns[0].name}"'
    streaming = connection.execution_options(stream_results=True)
    with streaming.exec_driver_sql(statement) as rows:
        for row in rows:
            yield tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def check_types(table: Table, row: Row, block: int, findings: Findings) -> bool:
    """Whether each value has its column's type."""
    good = True
    for column, value, wanted in zip(table.columns, row, types_of(table), strict=True):
        if type(value) is not wanted:
            good = False
            found = "NULL" if value is None else type(value).__name__
            findings.add(
                Kind.TYPE, block, f"{table.name}.{column.name}", f"holds {found} where {wanted.__name__} belongs"
            )
    return good


def judge_row(domain: str, values: Sequence[Value], digests: bytes, stored_hash: bytes) -> tuple[list[int], bytes]:
    """Which stored values of a hashed row are not what was hashed, and the hash to trust.

    Of the fields, their digests and the hash, two that agree convict the third.

    Returns
    -------
    tuple
        Positions of the damaged values, counting the digests as `len(values)` and the hash as `len(values) + 1`; and
        the hash.
    """
    count = len(values)
    own = [digest_value(value) for value in values]
    from_values, from_digests = hash_digests(domain, b"".join(own)), hash_digests(domain, digests)
    if from_digests == stored_hash:
        kept = split_digests(digests)
        if len(kept) != count:
            return [count], stored_hash
        return [n for n in range(count) if own[n] != kept[n]], stored_hash
    if from_values == from_digests:
        return [count + 1], from_values
    if from_values == stored_hash:
        return [count], stored_hash
    kept = split_digests(digests)
    bad = [n for n in range(count) if n >= len(kept) or own[n] != kept[n]]
    return [*bad, count + 1], stored_hash


class RowStream:
    """Transaction or event rows, taken block by block in the order of their sequence numbers.

    Rows that are in nobody's range are strays, kept for the end.
    """

    def __init__(self, connection: Connection, table: Table) -> None:
        self.table = table
        self.read = 0
        self.strays: list[Row] = []
        self.failure = ""
        self.told = False
        self._connection = connection
        self._rows = scan(connection, table)
        self._waiting: list[Row] = []

    def take(self, first: int, count: int) -> list[Row]:
        """The rows of a range that are there."""
        taken: dict[int, Row] = {}
        while (row := self._next()) is not None:
            sequence = row[0]
            if type(sequence) is not int or sequence < first or sequence in taken:
                self._stray(row)
            elif sequence < first + count:
                taken[sequence] = row
            else:
                following = self._next()
                if following is not None:
                    self._waiting.append(following)
                    if type(following[0]) is int and following[0] <= sequence:
                        self._stray(row)
                        continue
                self._waiting.append(row)
                break
        return [taken[sequence] for sequence in sorted(taken)]

    def rest(self) -> list[Row]:
        """Strays, and whatever is left."""
        while (row := self._next()) is not None:
            self._stray(row)
        return self.strays

    def _stray(self, row: Row) -> None:
        if len(self.strays) < _MOST_STRAYS:
            self.strays.append(row)

    def _next(self) -> Row | None:
        if self._waiting:
            return self._waiting.pop()
        if self.failure:
            return None
        try:
            row = next(self._rows, None)
        except UNREADABLE as error:
            self.failure = damage(self._connection, error)
            return None
        self.read += row is not None
        return row


def check_columns(table: Table, rows: Sequence[Row], digests: bytes, block: int, findings: Findings) -> bool:
    """Whether each column of a block's rows has the digest its header keeps."""
    good = True
    for row in rows:
        good &= check_types(table, row, block, findings)
    kept = split_digests(digests)
    for n, (name, wanted) in enumerate(zip(table.columns.keys(), types_of(table), strict=True)):
        values = [row[n] for row in rows]
        typed = all(type(value) is wanted for value in values)
        if typed and (n >= len(kept) or digest_column(values) != kept[n]):
            good = False
            findings.add(Kind.COLUMN, block, f"{table.name}.{name}", "a stored value is not what the block covers")
    return good


def renumbered(table: Table, row: Row, sequence: int, rows: Sequence[Row], digests: bytes) -> bool:
    """Whether a stray row is the missing one of a block under another sequence number."""
    whole = sorted([*rows, (sequence, *row[1:])], key=lambda one: int(one[0]))
    unseen = Findings()
    return check_columns(table, whole, digests, 0, unseen)
