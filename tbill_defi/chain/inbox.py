"""The inbox: raw signed transactions of others, waiting for the one writer to execute them, and what became of them.

Those put in together are a bundle: admitted together and executed one after the other in one block, or refused
together, as `submit` does with a batch. A transaction is known by its hash, so to put it in twice is to put it in once;
one that was refused and is put in again is judged again. What is executed is marked in the transaction that writes its
block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, bindparam, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from tbill_defi.chain.engine import BLOCK_BELL, INBOX_BELL, Mode, open_engine, ring, translated
from tbill_defi.chain.journal_rows import insert_rows
from tbill_defi.chain.schema import EXECUTED, REFUSED, WAITING
from tbill_defi.chain.schema import inbox as table
from tbill_defi.chain.transactions import LONGEST_TRANSACTION
from tbill_defi.core.errors import LedgerBusy, LedgerError
from tbill_defi.core.hashing import keccak256

MOST_TRANSACTIONS = 10_000
"""Transactions in one bundle, and at least so many of several in one block."""

_ATTEMPTS = 5
_GROUP = 500
"""Hashes in one statement: one after the other, not many in a pipeline, so that the server ends who falls silent."""
_LONGEST_MESSAGE = 500

_One = TypeVar("_One")

_NEW = ("bundle", "hash", "raw", "state", "height", "code", "message")
_AGAIN = (
    update(table)
    .where(table.c.hash == bindparam("of"), table.c.state == REFUSED)
    .values(state=WAITING, bundle=bindparam("to"), raw=bindparam("with_raw"), code="", message="")
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a transaction: executed at `height`, refused for `code`, or neither yet."""

    height: int
    code: str
    message: str

    @property
    def settled(self) -> bool:
        """Whether it was executed or refused."""
        return bool(self.height or self.code)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Waiting transactions that were put in together: row, hash and bytes of each, as claimed."""

    sequences: list[int]
    hashes: list[bytes]
    raws: list[bytes]


class Inbox:
    """The inbox as a submitter sees it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine = open_engine(url, Mode.SUBMIT)

    def put(self, signed: Sequence[bytes]) -> list[bytes]:
        """Put a bundle in, durably; the hashes of its transactions.

        Raises
        ------
        LedgerError
            By code: "TooMany", "TooLong"; LedgerBusy if the database stays locked. Nothing was put in.
        """
        if len(signed) > MOST_TRANSACTIONS:
            raise LedgerError(f"batch: {len(signed)} transactions; at most {MOST_TRANSACTIONS}", code="TooMany")
        for raw in signed:
            if len(raw) > LONGEST_TRANSACTION:
                raise LedgerError(f"transaction: {len(raw)} bytes; at most {LONGEST_TRANSACTION}", code="TooLong")
        hashes = [keccak256(raw) for raw in signed]
        raws = dict(zip(hashes, signed, strict=True))
        bundle = keccak256(b"".join(hashes))
        for attempt in range(_ATTEMPTS):
            try:
                self._put(bundle, raws)
                break
            except (IntegrityError, LedgerBusy):  # another put one of them in at the same time, or has the lock
                if attempt == _ATTEMPTS - 1:
                    raise LedgerBusy("inbox: locked by another; nothing was put in, try again", code="Busy") from None
        return hashes

    def look(self, hashes: Sequence[bytes]) -> dict[bytes, Entry]:
        """What became of transactions, by hash; those that are not in the inbox are left out."""
        with self._connected(writing=False) as connection:
            return {
                row.hash: Entry(row.height if row.state == EXECUTED else 0, row.code, row.message)
                for row in _rows(connection, hashes)
            }

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def _put(self, bundle: bytes, raws: dict[bytes, bytes]) -> None:
        with self._connected(writing=True) as connection:
            known = {row.hash: row.state for row in _rows(connection, list(raws))}
            again = [one for one in raws if known.get(one) == REFUSED]
            fresh = [(bundle, one, raw, WAITING, 0, "", "") for one, raw in raws.items() if one not in known]
            for one in again:
                connection.execute(_AGAIN, {"of": one, "to": bundle, "with_raw": raws[one]})
            if fresh:
                insert_rows(connection, table, _NEW, fresh)
            if again or fresh:
                ring(connection, INBOX_BELL)

    @contextmanager
    def _connected(self, *, writing: bool) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(writing=writing) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise translated(self._url, error.orig or error) from None


def waiting(connection: Connection, most: int = MOST_TRANSACTIONS) -> list[Bundle]:
    """Bundles in the order they came, whole, of about `most` transactions in all."""
    columns = select(table.c.sequence, table.c.bundle, table.c.hash, table.c.raw).where(table.c.state == WAITING)
    rows = connection.execute(columns.order_by(table.c.sequence).limit(most)).all()
    if len(rows) == most:
        rest = columns.where(table.c.bundle == rows[-1].bundle, table.c.sequence > rows[-1].sequence)
        rows = [*rows, *connection.execute(rest.order_by(table.c.sequence)).all()]
    bundles: dict[bytes, Bundle] = {}
    for row in rows:
        bundle = bundles.setdefault(row.bundle, Bundle([], [], []))
        bundle.sequences.append(row.sequence)
        bundle.hashes.append(row.hash)
        bundle.raws.append(row.raw)
    return list(bundles.values())


def mark_executed(connection: Connection, hashes: Iterable[bytes], height: int) -> None:
    """Note that transactions are in a block; the block has their bytes."""
    mark = update(table).values(state=EXECUTED, height=height, raw=b"")
    for group in _groups(list(hashes)):
        connection.execute(mark.where(table.c.hash.in_(group)))


def mark_refused(connection: Connection, refused: Sequence[tuple[Bundle, LedgerError]]) -> None:
    """Note that bundles were refused, and why."""
    for bundle, error in refused:
        mark = update(table).values(state=REFUSED, code=error.code, message=str(error)[:_LONGEST_MESSAGE])
        for group in _groups(bundle.sequences):
            connection.execute(mark.where(table.c.sequence.in_(group)))
    if refused:
        ring(connection, BLOCK_BELL)


def _rows(connection: Connection, hashes: Sequence[bytes]) -> list[Row[Any, Any, Any, Any, Any]]:
    columns = select(table.c.hash, table.c.state, table.c.height, table.c.code, table.c.message)
    return [row for group in _groups(hashes) for row in connection.execute(columns.where(table.c.hash.in_(group)))]


def _groups(of: Sequence[_One]) -> Iterator[Sequence[_One]]:
    return (of[start : start + _GROUP] for start in range(0, len(of), _GROUP))
