"""Reading events without an EVM, and still not on trust.

Headers are followed from genesis to the signed head, and each block's event rows held to the digests in its header: a
row that anyone without the operator's key has changed, moved, added or dropped is an `AuditFailure`, not a number in a
wallet. What only replay can show, that the operator himself wrote what execution gives, `verify` shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

from tbill_defi.chain.blocks import Tip, tip_after
from tbill_defi.chain.digests import digest_column, split_digests
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.journal_rows import require_transactions
from tbill_defi.chain.replay import check_digests, check_header
from tbill_defi.chain.schema import TRANSACTION_COLUMNS, events
from tbill_defi.chain.types import EventRecord, Log, Receipt
from tbill_defi.core.errors import AuditFailure

_ROWS_AT_A_TIME = 2_000
_HASH = TRANSACTION_COLUMNS.index("hash")
_read_json = json.JSONDecoder().raw_decode
"""For text that has no white space around it: a journal's is canonical."""
_HEIGHT, _POSITION, _ADDRESS, _TOPICS, _DATA, _NAME = (
    [column.name for column in events.columns].index(name)
    for name in ("height", "position", "address", "topics", "data", "name")
)
_SPLIT = {32 * count: Struct("32s" * count).unpack for count in range(5)}
"""What makes topics of their bytes, by the number of these."""
_TYPES = tuple(column.type.python_type for column in events.columns)


@dataclass(frozen=True, slots=True)
class _Header:
    """What of a checked header reading needs."""

    height: int
    hash: bytes
    timestamp: int
    transactions: range
    hashes_digest: bytes
    events: range
    event_digests: tuple[bytes, ...]


class EventReader:
    """Event rows of one ledger; follows its head."""

    def __init__(self, journal: Journal, genesis: Genesis) -> None:
        self._journal = journal
        self._genesis = genesis
        self._tip = Tip(0, genesis.hash, genesis.clock_start or 0)
        self._headers: list[_Header] = []

    def read(
        self,
        head: SignedHead,
        *,
        names: Sequence[str] | None,
        addresses: Sequence[bytes] | None,
        from_block: int,
        to_block: int | None,
    ) -> Iterator[EventRecord]:
        """Events up to a head whose signature holds, in order, filtered.

        Raises
        ------
        AuditFailure
            If a row or header is not what the head covers.
        """
        self._follow(head)
        last = head.height if to_block is None else min(to_block, head.height)
        wanted_names = None if names is None else frozenset(names)
        wanted_addresses = None if addresses is None else frozenset(addresses)
        group: list[_Header] = []
        size = 0
        for header in self._headers[max(from_block, 1) - 1 : last]:
            if header.events:
                group.append(header)
                size += len(header.events) + len(header.transactions)
            if group and (size >= _ROWS_AT_A_TIME or header.height == last):
                for header, row, hashes in self._rows(group):
                    named = wanted_names is None or row[_NAME] in wanted_names
                    if named and (wanted_addresses is None or row[_ADDRESS] in wanted_addresses):
                        yield _record(header, row, hashes)
                group, size = [], 0

    def block_hash(self, head: SignedHead, height: int) -> bytes:
        """Hash of the block at a height from 1 to the head's, itself held to the head."""
        self._follow(head)
        return self._headers[height - 1].hash

    def receipts(self, head: SignedHead, height: int) -> list[Receipt]:
        """Receipts of a block, in order; without gas, which the journal does not keep.

        Raises
        ------
        AuditFailure
            If a row is not what the head covers.
        """
        self._follow(head)
        kept = self._headers[height - 1]
        (row,) = self._journal.headers(height, height)
        check_digests(row)
        sent = self._journal.transaction_rows(kept.transactions.start, kept.transactions.stop)
        if row["hash"] != kept.hash:
            raise AuditFailure(f"block {height}: it is not what it was when it was read; run `tbill audit verify`")
        require_transactions(row, sent)
        logs: dict[int, list[Log]] = {position: [] for position in range(len(sent))}
        for _, event, _ in self._rows([kept]) if kept.events else ():
            logs[event[_POSITION]].append(_log(event))
        return [_receipt(one, tuple(logs[position])) for position, one in enumerate(sent)]

    def _follow(self, head: SignedHead) -> None:
        """Check and keep the headers up to the head."""
        if head.height < self._tip.height:
            raise AuditFailure(f"head at height {head.height}: the ledger was longer before; run `tbill audit verify`")
        headers, tip = [], self._tip
        try:
            for row in self._journal.headers(tip.height + 1, head.height):
                check_header(row, tip)
                tip = tip_after(row)
                headers.append(_kept(row))
            if (tip.height, tip.hash) != (head.height, head.block_hash):
                raise AuditFailure(f"block {tip.height}: the headers do not end at the head; run `tbill audit verify`")
        except AuditFailure:
            self._require_as_before()
            raise
        self._headers += headers
        self._tip = tip
        for one in self._journal.operators.handovers:
            height = int(one.height)
            block_hash = self._headers[height - 1].hash if height else self._genesis.hash
            if block_hash.hex() != one.block_hash:
                raise AuditFailure(f"block {height}: the operator handed over at another; run `tbill audit verify`")

    def _require_as_before(self) -> None:
        """Say so if what was read before is not what is there: another's blocks are whole by themselves."""
        height = self._tip.height
        for row in self._journal.headers(height, height) if height else ():
            if row["hash"] != self._tip.hash:
                raise AuditFailure(
                    f"block {height}: it is another block than this process read before: a fork, or an older copy that "
                    "went on; `tbill audit verify --head` with a head that was kept tells which"
                )

    def _rows(self, group: Sequence[_Header]) -> Iterator[tuple[_Header, tuple[Any, ...], list[bytes]]]:
        """Rows of events that were held to their headers, and the hashes of their block's transactions."""
        first, last = group[0], group[-1]
        rows = self._journal.event_rows(first.events.start, last.events.stop)
        hashes = self._journal.transaction_hashes(first.transactions.start, last.transactions.stop)
        for header in group:
            mine = [rows[n] for n in header.events if n in rows]
            _check_rows(header, mine)
            sent = [hashes[n] for n in header.transactions if n in hashes]
            if digest_column(sent) != header.hashes_digest:
                raise AuditFailure(f"block {header.height}, column transactions.hash: not what the block covers")
            for row in mine:
                yield header, row, sent


def _receipt(row: tuple[Any, ...], logs: tuple[Log, ...]) -> Receipt:
    found = dict(zip(TRANSACTION_COLUMNS, row, strict=True))
    status, output = bool(found["status"]), found["output"]
    return Receipt(status, logs, output, 0, found["hash"], found["height"], b"" if status else output)


def _kept(row: Mapping[str, Any]) -> _Header:
    transactions = range(row["first_transaction"], row["first_transaction"] + row["transaction_count"])
    spanned = range(row["first_event"], row["first_event"] + row["event_count"])
    hashes_digest = split_digests(row["transaction_digests"])[_HASH]
    digests = tuple(split_digests(row["event_digests"]))
    return _Header(row["height"], row["hash"], row["timestamp"], transactions, hashes_digest, spanned, digests)


def _check_rows(header: _Header, rows: Sequence[tuple[Any, ...]]) -> None:
    where = f"block {header.height}"
    if len(rows) != len(header.events):
        missing = len(header.events) - len(rows)
        raise AuditFailure(f"{where}: {missing} rows of events are missing; run `tbill audit verify`")
    for n, (column, wanted) in enumerate(zip(events.columns, _TYPES, strict=True)):
        values = [row[n] for row in rows]
        if not {wanted}.issuperset(map(type, values)) or digest_column(values) != header.event_digests[n]:
            raise AuditFailure(
                f"{where}, column events.{column.name}: not what the block covers; run `tbill audit verify`"
            )


def _record(header: _Header, row: tuple[Any, ...], hashes: Sequence[bytes]) -> EventRecord:
    sequence, height, position, log_index, _, _, _, name, arguments = row
    hash_ = hashes[position]
    return EventRecord(
        sequence, height, header.timestamp, hash_, position, log_index, _log(row), name, _read_json(arguments)[0]
    )


def _log(row: tuple[Any, ...]) -> Log:
    topics = row[_TOPICS]
    split = _SPLIT.get(len(topics))
    if split is None:
        raise AuditFailure(f"block {row[_HEIGHT]}, column events.topics: no 0 to 4 words; run `tbill audit verify`")
    return Log(row[_ADDRESS], split(topics), row[_DATA])


def checked_head(journal: Journal, genesis: Genesis) -> tuple[SignedHead, int]:
    """The head, its signature and its block checked, and that block's time (Unix seconds).

    Raises
    ------
    AuditFailure
        If the signature is not the operator's, or it is not the last block's.
    """
    head, header, largest = journal.latest(genesis)
    where = f"head at height {head.height}"
    if not head.holds():
        raise AuditFailure(f"{where}: the signature is not the operator's; run `tbill audit verify`")
    if head.height == 0:
        block_hash, timestamp = genesis.hash, genesis.clock_start or 0
    elif header is None:
        raise AuditFailure(f"{where}: the row of its block is missing; run `tbill audit verify`")
    else:
        block_hash, timestamp = header["hash"], header["timestamp"]
    if head.block_hash != block_hash or largest > head.height:
        raise AuditFailure(f"{where}: it is not the last block's; run `tbill audit verify`")
    return head, timestamp
