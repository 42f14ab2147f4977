"""Transactions read without an EVM, held to the signed head: every column of every block to the header's digests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tbill_defi.chain.blocks import Tip, tip_after
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.journal_rows import require_transactions
from tbill_defi.chain.replay import check_header
from tbill_defi.chain.schema import TRANSACTION_COLUMNS
from tbill_defi.core.errors import AuditFailure


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """A transaction as its block has it: where, when, its raw bytes, whether it succeeded."""

    height: int
    position: int
    timestamp: int
    hash: bytes
    raw: bytes
    status: bool


def read_transactions(
    journal: Journal, genesis: Genesis, head: SignedHead, to_block: int
) -> Iterator[TransactionRecord]:
    """Every transaction from the first to the last of a block, in order.

    Headers are followed to the head, so that what is read is what it covers.

    Raises
    ------
    AuditFailure
        If a header or row is not what the head covers.
    """
    tip = Tip(0, genesis.hash, genesis.clock_start or 0)
    for header in journal.headers(1, head.height):
        check_header(header, tip)
        tip = tip_after(header)
        if tip.height <= to_block:
            first, count = header["first_transaction"], header["transaction_count"]
            rows = journal.transaction_rows(first, first + count)
            require_transactions(header, rows)
            for row in rows:
                named = dict(zip(TRANSACTION_COLUMNS, row, strict=True))
                what = named["hash"], named["raw"], bool(named["status"])
                yield TransactionRecord(tip.height, named["position"], header["timestamp"], *what)
    if (tip.height, tip.hash) != (head.height, head.block_hash):
        raise AuditFailure(f"block {tip.height}: the headers do not end at the head; run `tbill audit verify`")
