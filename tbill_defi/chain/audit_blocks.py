"""The genesis and block rows as an audit reads them: what each should hold, and where each belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tbill_defi.chain import schema
from tbill_defi.chain.digests import digest_value, split_digests
from tbill_defi.chain.findings import Findings, Kind
from tbill_defi.chain.heads import BLOCK_DOMAIN, GENESIS_DOMAIN, Genesis
from tbill_defi.chain.stored import UNREADABLE, Row, check_types, damage, judge_row, scan
from tbill_defi.core.errors import ConventionError

_COLUMNS = tuple(column.name for column in schema.blocks.columns)
_FIELDS = len(schema.BLOCK_FIELDS)


@dataclass(slots=True)
class StoredBlock:
    """A block row that has its types.

    `height` is where it belongs, `damaged` the columns that are not what was hashed, `hash` the hash to trust, and the
    ranges its rows' sequence numbers (None where neither it nor its neighbours say).
    """

    height: int
    header: dict[str, Any]
    damaged: set[str]
    hash: bytes
    transactions: range | None = None
    events: range | None = None


@dataclass(slots=True)
class StoredChain:
    """All block rows by height, from 1; there may be gaps, which are findings already."""

    genesis: Genesis | None
    genesis_hash: bytes
    genesis_damaged: bool
    blocks: list[StoredBlock]

    @property
    def height(self) -> int:
        """The last block."""
        return self.blocks[-1].height if self.blocks else 0

    @property
    def tip_hash(self) -> bytes:
        """Hash of the last block."""
        return self.blocks[-1].hash if self.blocks else self.genesis_hash

    def hash_at(self, height: int) -> bytes | None:
        """Hash of a block; None if there is none."""
        if height == 0:
            return self.genesis_hash
        return next((block.hash for block in self.blocks if block.height == height), None)


def read_chain(connection: Connection, findings: Findings) -> StoredChain:
    """Genesis and all block rows, each judged by itself and by its neighbours."""
    genesis, genesis_hash, damaged = _read_genesis(connection, findings)
    chain = StoredChain(genesis, genesis_hash, damaged, [])
    placed: dict[int, StoredBlock] = {}
    displaced: list[tuple[int, StoredBlock]] = []
    last = 0
    try:
        for row in scan(connection, schema.blocks):
            block = _judge(row, last, findings)
            last = last + 1 if block is None else int(row[0])
            if block is None:
                continue
            if block.height != row[0]:
                displaced.append((int(row[0]), block))
            elif block.height in placed:
                findings.add(Kind.EXTRA, block.height, "blocks.height", "a second row of this height")
            else:
                placed[block.height] = block
    except UNREADABLE as error:
        findings.add(Kind.PAGES, last + 1, "blocks", f"unreadable from here on: {damage(connection, error)}")
    _place(displaced, placed, findings)
    chain.blocks = [placed[height] for height in sorted(placed)]
    _check_links(chain, findings)
    _find_ranges(chain)
    return chain


def _read_genesis(connection: Connection, findings: Findings) -> tuple[Genesis | None, bytes, bool]:
    rows = list(scan(connection, schema.genesis))
    if len(rows) != 1:
        findings.add(Kind.EXTRA if rows else Kind.MISSING, 0, "genesis", f"{len(rows)} rows where one belongs")
        return None, b"", True
    (row,) = rows
    if not check_types(schema.genesis, row, 0, findings):
        return None, b"", True
    values, digests, stored = row[:-2], row[-2], row[-1]
    bad, trusted = judge_row(GENESIS_DOMAIN, values, digests, stored)
    names = [column.name for column in schema.genesis.columns]
    for n in bad:
        findings.add(Kind.COLUMN, 0, f"genesis.{names[n]}", "not what the genesis hash covers")
    damaged = any(n < len(values) for n in bad)
    try:
        genesis = Genesis.from_row(dict(zip(names, row, strict=True)))
        damaged = damaged or genesis.hash != trusted
    except (ValueError, KeyError, TypeError, AttributeError, ConventionError):
        return None, trusted, True
    if damaged and not bad:
        findings.add(Kind.COLUMN, 0, "genesis.code", "a text column is not in its canonical form")
    return genesis, trusted, damaged


def _judge(row: Row, last: int, findings: Findings) -> StoredBlock | None:
    """One block row by itself; None if its types are wrong."""
    at = row[0] if type(row[0]) is int else last + 1
    if not check_types(schema.blocks, row, at, findings):
        return None
    bad, trusted = judge_row(BLOCK_DOMAIN, row[:_FIELDS], row[_FIELDS], row[_FIELDS + 1])
    damaged = {_COLUMNS[n] for n in bad}
    height = at
    if bad == [0]:
        height = _height_of(split_digests(row[_FIELDS])[0], at)
        damaged -= {"height"} if height != at else set()
    for name in damaged:
        findings.add(Kind.COLUMN, height, f"blocks.{name}", "not what the block's hash covers")
    header = dict(zip(_COLUMNS, row, strict=True))
    if "height" not in damaged:
        header["height"] = height
    return StoredBlock(height, header, damaged, trusted)


def _height_of(digest: bytes, at: int) -> int:
    """The height a digest is of, searched for within a reasonable distance; `at` if not found."""
    for height in range(1, 1_000_000):
        if digest_value(height) == digest:
            return height
    return at


def _place(displaced: list[tuple[int, StoredBlock]], placed: dict[int, StoredBlock], findings: Findings) -> None:
    """Put rows that stand under another height where they belong."""
    stands = {block.height: at for at, block in displaced}
    for at, block in displaced:
        home = block.height
        if home in placed:
            findings.add(Kind.EXTRA, at, "blocks.height", f"a second row of block {home}")
            continue
        placed[home] = block
        if stands.get(at) == home:
            low, high = sorted((at, home))
            findings.add(Kind.SWAPPED, at, "blocks.height", f"blocks {low} and {high} stand in each other's place")
        elif at in stands:
            findings.add(Kind.SWAPPED, at, "blocks.height", f"block {home} stands here")
        else:
            findings.add(Kind.COLUMN, home, "blocks.height", f"holds {at} where {home} belongs")


def _check_links(chain: StoredChain, findings: Findings) -> None:
    """That each block follows from the one before."""
    height, parent_hash, timestamp = 0, chain.genesis_hash, 0
    following = {"transaction": 1, "event": 1}
    if chain.genesis is not None and not chain.genesis_damaged:
        timestamp = chain.genesis.clock_start or 0
    for block in chain.blocks:
        header, at = block.header, block.height
        if at > height + 1:
            text = f"blocks {height + 1} to {at - 1} are missing" if at > height + 2 else "the block is missing"
            findings.add(Kind.MISSING, height + 1, "blocks", text)
        else:
            if parent_hash and header["parent_hash"] != parent_hash and "parent_hash" not in block.damaged:
                text = f"does not name block {height} as it stands: one of the two was replaced"
                findings.add(Kind.LINK, at, "blocks.parent_hash", text)
            for what, expected in following.items():
                column = f"first_{what}"
                if expected and header[column] != expected and column not in block.damaged:
                    findings.add(Kind.LINK, at, f"blocks.{column}", f"is {header[column]}; {expected} follows")
        if "timestamp" not in block.damaged:
            if header["timestamp"] < timestamp:
                findings.add(Kind.TIME, at, "blocks.timestamp", f"{header['timestamp']} is before {timestamp}")
            timestamp = header["timestamp"]
        height, parent_hash = at, block.hash
        for what in following:
            span = {f"first_{what}", f"{what}_count"}
            following[what] = 0 if span & block.damaged else header[f"first_{what}"] + header[f"{what}_count"]


def _find_ranges(chain: StoredChain) -> None:
    """Sequence numbers of each block's rows, from neighbours where the header is damaged."""
    blocks = chain.blocks
    for n, block in enumerate(blocks):
        before = blocks[n - 1] if n else None
        after = blocks[n + 1] if n + 1 < len(blocks) else None
        for what in ("transaction", "event"):
            first, end = _own_range(block, what)
            if first is None and before is None:
                first = 1
            elif first is None and before is not None:
                first = _own_range(before, what)[1]
            if end is None and after is not None:
                end = _own_range(after, what)[0]
            if end is None and first is not None and f"{what}_count" not in block.damaged:
                end = first + block.header[f"{what}_count"]
            if first is not None and end is not None and first <= end:
                setattr(block, f"{what}s", range(first, end))


def _own_range(block: StoredBlock, what: str) -> tuple[int | None, int | None]:
    first = None if f"first_{what}" in block.damaged else block.header[f"first_{what}"]
    if first is None or f"{what}_count" in block.damaged:
        return first, None
    return first, first + block.header[f"{what}_count"]
