"""The journal: blocks of signed transactions, their events and the signed head, each block in one durable commit.

Who writes is fenced twice: by a lock (`engine`), and by an epoch. A writer raises the epoch with its first block, one
that serves others as it begins, and the transaction of each of its blocks first takes the row that holds it and
compares: a writer that was stopped while another wrote or began to serve, whatever it believes of its lock, cannot
write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Result, bindparam, func, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from tbill_defi.chain import schema
from tbill_defi.chain.blocks import Block
from tbill_defi.chain.engine import (
    BLOCK_BELL,
    NOT_ITS_TYPE,
    Mode,
    lock_writer,
    open_engine,
    ring,
    shown_url,
    sync_directory,
    translated,
)
from tbill_defi.chain.handovers import Handover, Operators, operators_of
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.journal_rows import insert_rows, typed_header
from tbill_defi.chain.lock import WriterLock
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError

_log = logging.getLogger(__name__)

Beside = Callable[[Connection, int], None]
"""Writes what belongs to a block of that height, in the transaction that writes the block."""

_PAGE = 2_000
"""Headers read at a time; no read stays open longer, so none keeps the log from being checkpointed."""

_GROUP = 1_000
"""Blocks and transactions read in one query, unless one block has more."""

_INSERT_BLOCK = insert(schema.blocks)
_HANDED_OVER = select(func.count()).select_from(schema.handovers).scalar_subquery()
_SELECT_HEAD = select(schema.head, _HANDED_OVER.label("handed_over"))
_TAKE_EPOCH = select(schema.sequencer.c.epoch).with_for_update()
_MOVE_HEAD = (
    update(schema.head)
    .where(schema.head.c.height == bindparam("from_height"), schema.head.c.hash == bindparam("from_hash"))
    .values(height=bindparam("to_height"), hash=bindparam("to_hash"), signature=bindparam("to_signature"))
)


class Appending:
    """An open write transaction whose parent head was checked; `append` may be called once."""

    def __init__(self, connection: Connection, parent: SignedHead) -> None:
        self.connection = connection
        self.moved_to: SignedHead | None = None
        self._parent = parent

    def append(self, block: Block, head: SignedHead) -> None:
        """Insert a block's rows and move the head from the parent to it."""
        connection = self.connection
        connection.execute(_INSERT_BLOCK, block.header)
        insert_rows(connection, schema.transactions, schema.TRANSACTION_COLUMNS, block.transactions)
        if block.events:
            insert_rows(connection, schema.events, schema.EVENT_COLUMNS, block.events)
        moved = connection.execute(
            _MOVE_HEAD,
            {
                "from_height": self._parent.height,
                "from_hash": self._parent.block_hash,
                "to_height": head.height,
                "to_hash": head.block_hash,
                "to_signature": head.signature,
            },
        )
        if moved.rowcount != 1:
            raise LedgerBusy("another writer moved the head first; nothing was executed", code="Busy")
        ring(connection, BLOCK_BELL)
        self.moved_to = head


class Journal:
    """An open journal: of the one writer, or of any number of readers beside it."""

    def __init__(self, url: str, engine: Engine, lock: WriterLock | None) -> None:
        self.url = shown_url(url)
        self.target = url
        self._engine = engine
        self._lock = lock
        self._epoch = 0
        self._claimed = False
        self._operators: Operators | None = None

    @classmethod
    def create(cls, url: str, genesis: Genesis, head: SignedHead) -> Journal:
        """Make the tables with a genesis and its signed head (height 0), and stay the writer.

        Raises
        ------
        LedgerError
            If there is a ledger already (code "Exists").
        LedgerBusy
            If another writer is at it.
        """
        lock = lock_writer(url)
        engine = open_engine(url, Mode.CREATE)
        journal = cls(url, engine, lock)
        try:
            with journal._write() as connection:
                if inspect(connection).get_table_names():
                    raise LedgerError(f"ledger: {journal.url} exists; a ledger is never overwritten", code="Exists")
                schema.metadata.create_all(connection)
                connection.execute(insert(schema.genesis), genesis.row())
                row = {"id": 1, "height": 0, "hash": head.block_hash, "signature": head.signature}
                connection.execute(insert(schema.head), row)
                connection.execute(insert(schema.sequencer), {"id": 1, "epoch": 0, "serving": ""})
            sync_directory(url)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open(cls, url: str, *, writer: bool) -> Journal:
        """Open as the one writer or as a reader.

        Raises
        ------
        LedgerError
            If there is none (code "NotFound").
        LedgerBusy
            If `writer` and there is one already.
        """
        lock = None
        engine = open_engine(url, Mode.WRITE if writer else Mode.READ)
        if writer:
            lock = lock_writer(url)
        return cls(url, engine, lock)

    def close(self) -> None:
        """Close the connections, then let the next writer in."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def genesis(self) -> Genesis:
        """Block 0, its hash checked.

        Raises
        ------
        LedgerError
            If the database holds no ledger (code "NotALedger").
        AuditFailure
            If the stored hash is not that of the stored fields.
        """
        with self.reading() as connection:
            rows = [dict(row) for row in connection.execute(select(schema.genesis)).mappings()]
        found = Genesis.checked(rows[0]) if len(rows) == 1 else None
        if found is None:
            text = "block 0: the genesis row does not have its own hash"
            raise AuditFailure(f"{self.url}: {text}; run `tbill audit verify`")
        return found

    def is_writer_at(self, genesis: Genesis, head: SignedHead) -> bool:
        """Whether the ledger's head is this one, and no other writer has begun since this one did."""
        with self.reading() as connection:
            stored = connection.execute(select(schema.sequencer.c.epoch)).scalars().all()
            return stored == [self._epoch] and self._head(connection, genesis) == head

    def latest(self, genesis: Genesis) -> tuple[SignedHead, Mapping[str, Any] | None, int]:
        """In one view: the head, the header it speaks of (None if there is no such row), and the largest height."""
        table = schema.blocks
        with self.reading() as connection:
            head = self._head(connection, genesis)
            query = select(table).where(table.c.height == head.height)
            header = connection.execute(query).mappings().first()
            largest = connection.execute(select(table.c.height).order_by(table.c.height.desc()).limit(1)).scalar()
        return head, None if header is None else typed_header(dict(header)), largest or 0

    def read_blocks(self, first: int, last: int) -> Iterator[tuple[Mapping[str, Any], list[bytes]]]:
        """Headers from height `first` to `last` with their raw transactions, as many as there are rows for."""
        group: list[dict[str, Any]] = []
        size = 0
        for header in self.headers(first, last):
            group.append(header)
            size += 1 + header["transaction_count"]
            if size >= _GROUP:
                yield from self._with_transactions(group)
                group, size = [], 0
        yield from self._with_transactions(group)

    def _with_transactions(
        self, headers: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], list[bytes]]]:
        if not headers:
            return
        end = headers[-1]["first_transaction"] + headers[-1]["transaction_count"]
        raws = self._transaction_column("raw", headers[0]["first_transaction"], end)
        for header in headers:
            start = header["first_transaction"]
            yield header, [raws[n] for n in range(start, start + header["transaction_count"]) if n in raws]

    def _transaction_column(self, name: str, first: int, end: int) -> dict[int, bytes]:
        sequence, column = schema.transactions.c.sequence, schema.transactions.c[name]
        query = select(sequence, column).where(sequence >= first, sequence < end)
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return {row[0]: row[1] for row in rows if type(row[1]) is bytes}

    def headers(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """Headers from height `first` to `last`, each of its types."""
        blocks = schema.blocks
        while first <= last:
            upto = min(last, first + _PAGE - 1)
            query = select(blocks).where(blocks.c.height.between(first, upto)).order_by(blocks.c.height)
            with self.reading() as connection:
                rows = [typed_header(dict(row)) for row in connection.execute(query).mappings()]
            yield from rows
            first = upto + 1

    def event_rows(self, first: int, end: int) -> dict[int, tuple[Any, ...]]:
        """Event rows by sequence number, from `first` to before `end`, in column order."""
        sequence = schema.events.c.sequence
        query = select(schema.events).where(sequence >= first, sequence < end)
        with self.reading() as connection:
            return {row[0]: tuple(row) for row in connection.execute(query).all()}

    def transaction_rows(self, first: int, end: int) -> list[tuple[Any, ...]]:
        """Transaction rows by sequence number, from `first` to before `end`, in column order."""
        sequence = schema.transactions.c.sequence
        query = select(schema.transactions).where(sequence >= first, sequence < end).order_by(sequence)
        with self.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def transaction_hashes(self, first: int, end: int) -> dict[int, bytes]:
        """Transaction hashes by sequence number, from `first` to before `end`."""
        return self._transaction_column("hash", first, end)

    def begin(self, genesis: Genesis, head: SignedHead, *, serving: str) -> None:
        """Be the writer on top of `head`; who serves nobody writes nothing yet, and raises the epoch with a block.

        Where one that is gone still says that it serves, it is unsaid at once: others would wait for it.
        """
        if serving or self.serving():
            self.claim(genesis, head, serving=serving)
            return
        with self.reading() as connection:
            self._epoch, self._claimed = _only(connection.execute(select(schema.sequencer.c.epoch))), False

    def claim(self, genesis: Genesis, head: SignedHead, *, serving: str) -> None:
        """Begin to serve on top of `head`: whoever wrote before, and does not know, can write no more.

        Parameters
        ----------
        serving
            Who it is, for others to see.

        Raises
        ------
        LedgerBusy
            If the database is locked, or its head is not `head`.
        """
        table = schema.sequencer
        with self._write() as connection:
            epoch = _epoch(connection) + 1
            if self._head(connection, genesis) != head:
                raise LedgerBusy("another writer moved the head; nothing was executed. Open again", code="Busy")
            connection.execute(update(table).values(epoch=epoch, serving=serving))
        self._epoch, self._claimed = epoch, True

    def serving(self) -> str:
        """Who executes what is in the inbox, as far as anyone said; empty if nobody does."""
        with self.reading() as connection:
            return str(connection.execute(select(schema.sequencer.c.serving)).scalar() or "")

    @contextmanager
    def appending(self, genesis: Genesis, parent: SignedHead) -> Iterator[Appending]:
        """A write transaction on top of `parent`: committed, and on the disk, when the block is left.

        Raises
        ------
        LedgerBusy
            If the database is locked, another writer has begun since, or its head is not `parent`. Raised before the
            body is entered.
        """
        with self.fenced() as connection:
            if self._head(connection, genesis) != parent:
                raise LedgerBusy("another writer moved the head; nothing was executed. Open again", code="Busy")
            if not self._claimed:
                connection.execute(update(schema.sequencer).values(epoch=self._epoch + 1, serving=""))
            appending = Appending(connection, parent)
            yield appending
        if not self._claimed:
            self._epoch, self._claimed = self._epoch + 1, True
        if (head := appending.moved_to) is not None:
            _log.info("block", extra={"chain_id": genesis.chain_id, "height": head.height, "hash": head.block_hash})

    def hand_over(self, genesis: Genesis, parent: SignedHead, handover: Handover, head: SignedHead) -> None:
        """Write that the operator of `parent` handed over, and the head as his successor signed it, in one commit.

        Raises as `appending`.
        """
        with self.appending(genesis, parent) as appending:
            number = len(self.operators.handovers) + 1
            appending.connection.execute(insert(schema.handovers), handover.row(number))
            appending.connection.execute(update(schema.head).values(signature=head.signature))

    @property
    def operators(self) -> Operators:
        """Who signs heads at which height, as of the head that was read last."""
        assert self._operators is not None  # opening reads the head
        return self._operators

    def _head(self, connection: Connection, genesis: Genesis) -> SignedHead:
        """The head as stored, of the operator to whom the hand-overs lead.

        Raises
        ------
        AuditFailure
            If there is not one row, of its types; or a hand-over does not hold, or one that was there is gone.
        """
        rows = connection.execute(_SELECT_HEAD).all()
        if len(rows) != 1:
            raise AuditFailure(f"head: {len(rows)} rows where one belongs; run `tbill audit verify`")
        (row,) = rows
        if not (type(row.height) is int and type(row.hash) is type(row.signature) is bytes):
            raise AuditFailure("head: a column has another type; run `tbill audit verify`")
        known = self._operators
        if known is None or len(known.handovers) != row.handed_over:
            table = schema.handovers
            stored = [tuple(one) for one in connection.execute(select(table).order_by(table.c.number))]
            found = operators_of(genesis, stored)
            if known is not None and found.handovers[: len(known.handovers)] != known.handovers:
                raise AuditFailure("head: a hand-over that was there is gone; run `tbill audit verify`")
            self._operators = known = found
        if known.handovers and int(known.handovers[-1].height) > row.height:
            raise AuditFailure(f"head at height {row.height}: from before the last hand-over; run `tbill audit verify`")
        return SignedHead(genesis.chain_id, genesis.hash, row.height, row.hash, known.latest, row.signature)

    @contextmanager
    def fenced(self) -> Iterator[Connection]:
        """A write transaction of the writer that began last, and of no other.

        Raises
        ------
        LedgerBusy
            If the database is locked, or another writer has begun since this one did.
        """
        with self._write() as connection:
            epoch = _epoch(connection)
            if epoch != self._epoch:
                text = f"another writer has begun since (epoch {epoch}, this one's is {self._epoch})"
                raise LedgerBusy(f"{text}; nothing was executed. Open again", code="Busy")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One view of the database; the driver's errors come out as the ledger's own."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DatabaseError, *NOT_ITS_TYPE) as error:
            raise translated(self.target, getattr(error, "orig", None) or error) from None

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        try:
            with self._engine.connect().execution_options(writing=True) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise LedgerBusy("another writer wrote this height first; nothing was executed", code="Busy") from None
        except DatabaseError as error:
            raise translated(self.target, error.orig or error) from None


def _epoch(connection: Connection) -> int:
    """The epoch; its row is this transaction's until it ends."""
    return _only(connection.execute(_TAKE_EPOCH))


def _only(found: Result[Any]) -> int:
    rows = found.scalars().all()
    if len(rows) != 1 or type(rows[0]) is not int:
        raise AuditFailure(f"sequencer: {len(rows)} rows where one with an epoch belongs; run `tbill audit verify`")
    return rows[0]
