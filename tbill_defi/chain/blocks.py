"""A block: built from executed transactions, as the rows the journal stores and the digests over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tbill_defi.chain.digests import digest_columns, digest_fields, hash_digests, receipts_hash
from tbill_defi.chain.executor import Outcome
from tbill_defi.chain.heads import BLOCK_DOMAIN
from tbill_defi.chain.schema import EVENT_COLUMNS, TRANSACTION_COLUMNS
from tbill_defi.chain.transactions import Transaction
from tbill_defi.chain.types import EventDecoder, Log


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a block's predecessor leaves the ledger: its height, hash and time, and the next sequence numbers."""

    height: int
    hash: bytes
    timestamp: int
    next_transaction: int = 1
    next_event: int = 1


def tip_after(header: Mapping[str, Any]) -> Tip:
    """Where a block of that header leaves the ledger."""
    return Tip(
        header["height"],
        header["hash"],
        header["timestamp"],
        header["first_transaction"] + header["transaction_count"],
        header["first_event"] + header["event_count"],
    )


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one block: a header by column name, transaction and event rows as tuples in column order."""

    header: dict[str, Any]
    transactions: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]

    @property
    def tip(self) -> Tip:
        """Where this block leaves the ledger."""
        return tip_after(self.header)


def build_block(
    parent: Tip,
    timestamp: int,
    batch: Sequence[Transaction],
    outcomes: Sequence[Outcome],
    decoder: EventDecoder | None,
) -> Block:
    """The block after `parent` that holds these transactions with these outcomes."""
    height = parent.height + 1
    transactions: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    for position, (item, outcome) in enumerate(zip(batch, outcomes, strict=True)):
        transactions.append(
            (
                parent.next_transaction + position,
                height,
                position,
                item.hash,
                item.sender,
                item.nonce,
                item.to,
                item.raw,
                int(outcome.status),
                outcome.output,
            )
        )
        for log_index, log in enumerate(outcome.logs):
            name, arguments = decode(log, decoder)
            sequence = parent.next_event + len(events)
            topics = b"".join(log.topics)
            events.append((sequence, height, position, log_index, log.address, topics, log.data, name, arguments))
    header: dict[str, Any] = {
        "height": height,
        "parent_hash": parent.hash,
        "timestamp": timestamp,
        "first_transaction": parent.next_transaction,
        "transaction_count": len(transactions),
        "transaction_digests": digest_columns(transactions, len(TRANSACTION_COLUMNS)),
        "receipts_hash": receipts_hash(outcomes),
        "first_event": parent.next_event,
        "event_count": len(events),
        "event_digests": digest_columns(events, len(EVENT_COLUMNS)),
    }
    digests = digest_fields(header.values())
    header |= {"field_digests": digests, "hash": hash_digests(BLOCK_DOMAIN, digests)}
    return Block(header, transactions, events)


def decode(log: Log, decoder: EventDecoder | None) -> tuple[str, str]:
    """Name and canonical JSON arguments of a log; ("", "{}") if nobody knows it.

    Any contract can emit anything under any topic, so a decoder that cannot parse a log does not know it: a stranger's
    malformed log must not stop the ledger.
    """
    if decoder is not None:
        try:
            event = decoder(log)
            if event is not None:
                return event.name, event.text
        except Exception:
            return "", "{}"
    return "", "{}"
