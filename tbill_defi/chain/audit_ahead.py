"""Auditing on two cores: a process that reads ahead, and this one, which executes.

The process reads a stored ledger from its first block, recovers every sender, makes each block again from what the rows
say came of its transactions, and compares it with the rows: types, columns, digests, decoded events. It hands on the
transactions of the blocks that are whole. Here they are executed, and what comes out compared with the receipts hash.
The two together show what one alone does. Wherever anything is not as it should be, or the process is gone, nothing was
shown: the audit is then done by one process, which finds what it has always found.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

from sqlalchemy import Connection

from tbill_defi.chain import schema
from tbill_defi.chain.audit_blocks import StoredChain
from tbill_defi.chain.blocks import Tip, build_block, tip_after
from tbill_defi.chain.digests import receipts_hash
from tbill_defi.chain.engine import Mode, open_engine
from tbill_defi.chain.executor import ExecutorFactory, Outcome
from tbill_defi.chain.heads import Genesis
from tbill_defi.chain.replay import Machine
from tbill_defi.chain.stored import Row, RowStream, scan, types_of
from tbill_defi.chain.transactions import Transaction, recover
from tbill_defi.chain.types import EventDecoder, Log
from tbill_defi.core.errors import LedgerError

FEWEST_ROWS = 20_000
"""Transactions and events of a ledger that is worth a second process."""

_log = logging.getLogger(__name__)
_TRANSACTION_TYPES, _EVENT_TYPES = tuple(types_of(schema.transactions)), tuple(types_of(schema.events))
_RAW = schema.TRANSACTION_COLUMNS.index("raw")
_BLOCK_COLUMNS = tuple(column.name for column in schema.blocks.columns)


class Task(NamedTuple):
    """What the process is to read."""

    url: str
    genesis: Genesis
    decoder: EventDecoder


class Whole(NamedTuple):
    """A block whose rows are what they say of each other."""

    hash: bytes
    transactions: list[Transaction]


class Read(NamedTuple):
    """All blocks were whole, and these were all rows."""

    transactions: int
    events: int


def worthwhile(chain: StoredChain) -> bool:
    """Whether two processes are faster than one: there are two cores, and enough to do."""
    rows = sum(len(block.transactions or ()) + len(block.events or ()) for block in chain.blocks)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores > 1 and rows >= FEWEST_ROWS


def verify_ahead(
    task: Task, chain: StoredChain, factory: ExecutorFactory, progress: Callable[[int, int], None] | None
) -> Read | None:
    """How many rows were read if every block is whole and gives its receipts; None if that was not shown.

    Parameters
    ----------
    chain
        Headers that are whole and follow one another.
    progress
        Called with (blocks done, blocks in all).
    """
    machine = Machine(task.genesis, factory)
    with _Reader(task) as reader:
        for block in chain.blocks:
            found = reader.next()
            if not isinstance(found, Whole) or found.hash != block.hash or block.height != machine.tip.height + 1:
                return None
            try:
                batch = machine.in_order(found.transactions)
            except LedgerError:
                return None
            outcomes = machine.run(batch, block.header["timestamp"])
            if receipts_hash(outcomes) != block.header["receipts_hash"]:
                return None
            machine.keep(tip_after(block.header))
            if progress is not None:
                progress(block.height, chain.height)
        while isinstance(found := reader.next(), Whole):
            pass  # written since
    return found


class _Reader:
    """The process, and what it sends."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __enter__(self) -> Self:
        pipe, path = subprocess.PIPE, os.pathsep.join(part for part in sys.path if part)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is this process's alone to answer
            env=os.environ | {"PYTHONPATH": path},
        )
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        process.wait()

    def next(self) -> Whole | Read | None:
        """What comes next; None if nothing does."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return None
        try:
            if not stdin.closed:
                pickle.dump(self._task, stdin)
                stdin.close()
            found: Whole | Read | None = pickle.load(stdout)  # noqa: S301
        except (OSError, EOFError, pickle.PickleError, AttributeError) as error:
            _log.info("audit in one process: the one that reads ahead is gone (%s)", type(error).__name__)
            return None
        return found


def serve() -> None:
    """Be the process: read a task, send what is found, at last `Read` or, where something is wrong, None."""
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301
    engine = open_engine(task.url, Mode.AUDIT)
    with engine.connect() as connection:
        for found in read_whole(connection, task):
            pickle.dump(found, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.flush()
    engine.dispose()


def read_whole(connection: Connection, task: Task) -> Iterator[Whole | Read | None]:
    """Blocks in order as long as they are whole, then how many rows there were, or None."""
    transactions, events = RowStream(connection, schema.transactions), RowStream(connection, schema.events)
    tip = Tip(0, task.genesis.hash, task.genesis.clock_start or 0)
    for row in scan(connection, schema.blocks):
        header = dict(zip(_BLOCK_COLUMNS, row, strict=True))
        try:
            sent = transactions.take(tip.next_transaction, header["transaction_count"])
            logged = events.take(tip.next_event, header["event_count"])
            batch = [recover(one[_RAW], chain_id=task.genesis.chain_id) for one in sent]
            block = build_block(tip, header["timestamp"], batch, _outcomes(sent, logged), task.decoder)
        except (LedgerError, TypeError, ValueError, IndexError):
            yield None
            return
        typed = _typed(sent, _TRANSACTION_TYPES) and _typed(logged, _EVENT_TYPES)
        if not typed or (block.header, block.transactions, block.events) != (header, sent, logged):
            yield None
            return
        tip = block.tip
        yield Whole(tip.hash, batch)
    whole = not (transactions.rest() or events.rest() or transactions.failure or events.failure)
    yield Read(transactions.read, events.read) if whole else None


def _typed(rows: Sequence[Row], types: tuple[type, ...]) -> bool:
    return all(tuple(map(type, row)) == types for row in rows)


def _outcomes(sent: Sequence[Row], logged: Sequence[Row]) -> list[Outcome]:
    """What the rows say came of the transactions."""
    logs: list[list[Log]] = [[] for _ in sent]
    for _, _, position, _, address, topics, data, _, _ in logged:
        words = tuple(topics[start : start + 32] for start in range(0, len(topics), 32))
        logs[position].append(Log(address, words, data))
    return [
        Outcome(bool(status), tuple(of_one), output, 0) for (*_, status, output), of_one in zip(sent, logs, strict=True)
    ]
