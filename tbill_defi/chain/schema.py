"""The tables of the journal, and the one meaning of each column. No column is ever NULL.

Genesis, blocks, transactions, events, hand-overs and head are the ledger, and every byte of them is evidence: by a
hand-over one operator's key says that another signs heads from a block on. `sequencer` says who writes: `epoch` is
raised by every writer with its first block, and a block is written only under its writer's own. `inbox` holds what
others ask the writer to execute: raw transactions by hash, those of one `bundle` together or not at all, and what
became of them. Neither of the two is evidence: what they could tell that is not so, the ledger shows.

`sequence` counts transactions, and events, over the whole ledger from 1, so a block's rows are a range and a gap is a
missing row. `position` and `log_index` count from 0 within the block and within the transaction.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

_Int = BigInteger().with_variant(Integer(), "sqlite")


def _key(name: str) -> Column[int]:
    return Column(name, _Int, primary_key=True, autoincrement=False)


def _int(name: str) -> Column[int]:
    return Column(name, _Int, nullable=False)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


genesis = Table(
    "genesis",
    metadata,
    _key("version"),
    _int("chain_id"),
    _bytes("operator"),
    _text("code"),
    _text("clock"),
    _text("extras"),
    _bytes("field_digests"),
    _bytes("hash"),
)

blocks = Table(
    "blocks",
    metadata,
    _key("height"),
    _bytes("parent_hash"),
    _int("timestamp"),
    _int("first_transaction"),
    _int("transaction_count"),
    _bytes("transaction_digests"),
    _bytes("receipts_hash"),
    _int("first_event"),
    _int("event_count"),
    _bytes("event_digests"),
    _bytes("field_digests"),
    _bytes("hash"),
)

transactions = Table(
    "transactions",
    metadata,
    _key("sequence"),
    _int("height"),
    _int("position"),
    _bytes("hash"),
    _bytes("sender"),
    _int("nonce"),
    _bytes("recipient"),
    _bytes("raw"),
    _int("status"),
    _bytes("output"),
)

events = Table(
    "events",
    metadata,
    _key("sequence"),
    _int("height"),
    _int("position"),
    _int("log_index"),
    _bytes("address"),
    _bytes("topics"),
    _bytes("data"),
    _text("name"),
    _text("arguments"),
)

head = Table(
    "head",
    metadata,
    _key("id"),
    _int("height"),
    _bytes("hash"),
    _bytes("signature"),
)

handovers = Table(
    "handovers",
    metadata,
    _key("number"),
    _int("height"),
    _bytes("hash"),
    _bytes("operator"),
    _bytes("successor"),
    _bytes("signature"),
    _bytes("field_digests"),
)

sequencer = Table("sequencer", metadata, _key("id"), _int("epoch"), _text("serving"))

inbox = Table(
    "inbox",
    metadata,
    Column("sequence", _Int, Identity(), primary_key=True),  # needs no right of its own, as a sequence would
    _bytes("bundle"),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _bytes("raw"),
    _int("state"),
    _int("height"),
    _text("code"),
    _text("message"),
)

WAITING, EXECUTED, REFUSED = 0, 1, 2
"""States of an inbox row: `height` is set when it is executed, `code` and `message` when it is refused."""

_waiting = inbox.c.state == text(str(WAITING))
Index("inbox_waiting", inbox.c.sequence, sqlite_where=_waiting, postgresql_where=_waiting)

GENESIS_FIELDS = ("version", "chain_id", "operator", "code", "clock", "extras")
BLOCK_FIELDS = tuple(column.name for column in blocks.columns)[:-2]
TRANSACTION_COLUMNS = tuple(column.name for column in transactions.columns)
EVENT_COLUMNS = tuple(column.name for column in events.columns)
