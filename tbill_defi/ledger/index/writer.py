"""Reads a ledger's events into its books: from where they end, block by block, a batch a transaction.

Running it again changes nothing; a run that was cut off goes on where its last batch ended; two at once cannot both
write, since each batch moves the books from the block it read from. A ledger that no longer has the block at which the
books ended has been rewritten, and is refused.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from tbill_defi.chain.types import EventRecord
from tbill_defi.core.errors import DataError, LedgerBusy, LedgerError
from tbill_defi.core.hashing import canonical_json
from tbill_defi.instruments import AnySecurity, terms_hash
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.index import schema, source
from tbill_defi.ledger.index.effects import Effects, Prices
from tbill_defi.ledger.index.entries import transactions
from tbill_defi.ledger.index.folding import Folder
from tbill_defi.ledger.index.memory import Memory
from tbill_defi.ledger.index.relot import relot, relot_all
from tbill_defi.ledger.index.store import Store, insert_rows, replace_rows
from tbill_defi.ledger.ledger import Ledger

EVENTS_PER_BATCH = 20_000
"""A batch ends with the block in which so many events are reached."""
Progress = Callable[[int, int], None]

_MOVE = (
    update(schema.state)
    .where(
        schema.state.c.height == bindparam("from_height"),
        schema.state.c.block_hash == bindparam("from_hash"),
        schema.state.c.revision == bindparam("from_revision"),
    )
    .values(height=bindparam("to_height"), block_hash=bindparam("to_hash"))
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a run did: blocks from `first` to `height` (none if `first` is above), their events and entries."""

    first: int
    height: int
    events: int
    entries: int


class BooksWriter:
    """Writes the books of one ledger."""

    def __init__(self, store: Store, ledger: Ledger, prices: Prices | None = None) -> None:
        self._store = store
        self._ledger = ledger
        self._prices = prices
        self._memory: Memory | None = None
        self._folder: Folder
        self._effects: Effects
        self._height = 0
        self._hash = ""
        self._revision = 0

    def update(self, *, progress: Progress | None = None, upto: int | None = None) -> Indexed:
        """Read what is new.

        Parameters
        ----------
        progress
            Called with (blocks done, blocks in all) after each batch.
        upto
            The last block to be read; None: the ledger's last.

        Raises
        ------
        LedgerError
            If the books are another ledger's (code "OtherLedger"), or the ledger was rewritten ("Forked").
        LedgerBusy
            If another process moved the books meanwhile.
        """
        memory = self._loaded()
        first, before = self._height + 1, memory.counters.entry
        last = self._ledger.chain.height if upto is None else min(upto, self._ledger.chain.height)
        with _uncollected():
            count = self._read(memory, first, last, progress)
        if progress is not None:
            progress(self._height, last)
        return Indexed(first, self._height, count, memory.counters.entry - before)

    def _read(self, memory: Memory, first: int, last: int, progress: Progress | None) -> int:
        """Write the events of these blocks in batches; returns how many they are."""
        count = 0
        batch: list[EventRecord] = []
        for event in source.events(self._ledger, memory.known, first, last):
            if len(batch) >= EVENTS_PER_BATCH and event.height != batch[-1].height:
                self._write(batch, event.height - 1)
                batch = []
                if progress is not None:
                    progress(self._height, last)
            batch.append(event)
            count += 1
        if last > self._height:
            self._write(batch, last)
        return count

    def rebuild(self, *, progress: Progress | None = None) -> Indexed:
        """Empty the books and read all anew; what was declared and identified is kept."""
        self._store.clear()
        self._memory = None
        done = self.update(progress=progress)
        relot_all(self._store)
        return done

    def _loaded(self) -> Memory:
        ledger = self._ledger
        with self._store.reading() as connection:
            rows = [dict(row) for row in connection.execute(select(schema.state)).mappings()]
            row = rows[0] if rows else None
            if row is not None:
                self._require_same(row)
            at = (self._height, self._revision)
            if self._memory is not None and row is not None and at == (row["height"], row["revision"]):
                return self._memory
            try:
                memory = Memory.load(connection)
            except (KeyError, ValueError):
                raise self._store.damaged("a row speaks of one that is not there, or of no number") from None
        if row is None:
            self._height, self._hash, self._revision = 0, source.block_hash(ledger, 0), 0
            first = (1, schema.VERSION, source.identity(ledger), self._height, self._revision, self._hash)
            with self._store.writing() as connection:
                insert_rows(connection, schema.state, [first])
        else:
            self._height, self._hash, self._revision = row["height"], row["block_hash"], row["revision"]
        self._memory = memory
        self._folder = Folder(ledger.contracts, memory.known)
        contracts = ["0x" + address.hex() for address in ledger.contracts.addresses()]
        self._effects = Effects(memory.known, contracts, CURRENCY, memory.shelves.under_way, self._prices)
        return memory

    def _require_same(self, row: Mapping[str, Any]) -> None:
        mine, theirs = row["ledger"], source.identity(self._ledger)
        if mine != theirs:
            raise LedgerError(
                f"books: {self._store.url} are of ledger {mine}, not of {theirs}; use others, or `--rebuild`",
                "OtherLedger",
            )
        height, now = row["height"], source.block_hash(self._ledger, row["height"])
        if now != row["block_hash"]:
            raise LedgerError(
                f"books: the ledger {'ends before' if not now else 'has another'} block {height}, at which the books "
                "end: it was rewritten or put back. `tbill audit verify --head` tells which; "
                "`tbill books index --rebuild` reads it anew",
                "Forked",
            )

    def _write(self, events: Iterable[EventRecord], upto: int) -> None:
        memory = self._memory
        assert memory is not None
        self._memory = None  # until it is known that memory and tables agree
        folder, effects = self._folder, self._effects
        for group in transactions(events):
            for entry in folder.fold(group):
                trades, flows = effects.of(entry, memory.balances)
                if entry.kind == "reassignment":
                    memory.owned(entry.facts["wallet"], entry.height)
                if entry.movements or trades or entry.custody or entry.kind == "novation":
                    memory.post(entry, trades, flows)
            memory.restricted(folder.restricted)
        block_hash = source.block_hash(self._ledger, upto)
        with self._store.writing() as connection:
            stale = memory.batch.relots
            memory.save(connection)
            for party, asset in sorted(stale):
                relot(connection, party, asset)
            self._move(connection, upto, block_hash)
        self._height, self._hash, self._memory = upto, block_hash, None if stale else memory

    def _move(self, connection: Connection, height: int, block_hash: str) -> None:
        moved = connection.execute(
            _MOVE,
            {
                "from_height": self._height,
                "from_hash": self._hash,
                "from_revision": self._revision,
                "to_height": height,
                "to_hash": block_hash,
            },
        )
        if moved.rowcount != 1:
            raise LedgerBusy("books: another process moved them first; nothing was changed. Run it again", "Busy")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Spare the garbage collector: a batch is in no cycles, and walking it over and over takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def keep_terms(store: Store, securities: Iterable[AnySecurity]) -> int:
    """Keep the terms of the books' securities, for accrued interest; returns how many are new.

    Raises
    ------
    DataError
        If terms are not those the token was made with.
    """
    made = {row["asset"]: row["terms_hash"] for row in store.rows(select(schema.assets)) if row["terms_hash"]}
    there = {row["asset"] for row in store.rows(select(schema.terms.c.asset))}
    rows = {}
    for security in securities:
        cusip = security.cusip
        if cusip not in made or cusip in there:
            continue
        found = "0x" + terms_hash(security).hex()
        if found != made[cusip]:
            raise DataError(f"books: terms of {cusip} hash to {found}, its token was made with {made[cusip]}")
        text = canonical_json(security.model_dump(mode="json", exclude_none=True)).decode()
        rows[cusip] = (cusip, found, text)
    with store.writing() as connection:
        replace_rows(connection, schema.terms, rows)
    return len(rows)
