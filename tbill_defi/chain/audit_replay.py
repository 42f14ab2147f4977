"""Executing a stored ledger again and comparing every row with what comes out."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.chain import schema
from tbill_defi.chain.audit_blocks import StoredBlock
from tbill_defi.chain.blocks import Block, build_block
from tbill_defi.chain.executor import ExecutorFactory
from tbill_defi.chain.findings import Findings, Kind
from tbill_defi.chain.heads import Genesis
from tbill_defi.chain.replay import Machine
from tbill_defi.chain.stored import Row
from tbill_defi.chain.types import EventDecoder
from tbill_defi.core.errors import LedgerError

_RAW = schema.TRANSACTION_COLUMNS.index("raw")
_DECODED = frozenset({"events.name", "events.arguments", "blocks.event_digests", "blocks.field_digests", "blocks.hash"})


class Replayer:
    """Goes from genesis as far as blocks follow one another and what they execute is undamaged."""

    def __init__(
        self, genesis: Genesis, factory: ExecutorFactory, decoder: EventDecoder | None, findings: Findings
    ) -> None:
        self._machine = Machine(genesis, factory)
        self._decoder = decoder
        self._findings = findings
        self._halted = False

    def replay(self, block: StoredBlock, transactions: Sequence[Row], events: Sequence[Row]) -> bool:
        """Execute a block and compare; whether it could be executed and nothing differs."""
        tip = self._machine.tip
        inputs = f"{schema.transactions.name}.raw"
        usable = (
            not self._halted
            and block.height == tip.height + 1
            and "timestamp" not in block.damaged
            and not self._findings.at(block.height, inputs)
        )
        if not usable:
            self._halted = True
            return False
        timestamp = block.header["timestamp"]
        try:
            batch = self._machine.admit([row[_RAW] for row in transactions])
        except LedgerError as error:
            self._findings.add(Kind.AUTHORITY, block.height, inputs, f"{error} ({error.code})")
            self._halted = True
            return False
        before = len(self._findings)
        outcomes = self._machine.run(batch, timestamp)
        expected = build_block(tip, timestamp, batch, outcomes, self._decoder)
        self._compare(block, expected, transactions, events)
        tip = expected.tip
        self._machine.keep(type(tip)(tip.height, block.hash, tip.timestamp, tip.next_transaction, tip.next_event))
        return len(self._findings) == before

    def _compare(self, block: StoredBlock, expected: Block, transactions: Sequence[Row], events: Sequence[Row]) -> None:
        differing: list[str] = [
            f"blocks.{name}" for name, value in expected.header.items() if block.header[name] != value
        ]
        for table, stored, wanted in (
            (schema.transactions, transactions, expected.transactions),
            (schema.events, events, expected.events),
        ):
            if len(stored) != len(wanted):
                differing.append(table.name)
                continue
            for n, column in enumerate(table.columns):
                if any(one[n] != other[n] for one, other in zip(stored, wanted, strict=True)):
                    differing.append(f"{table.name}.{column.name}")
        if self._decoder is None:
            differing = [column for column in differing if column not in _DECODED]
        derived = {"blocks.field_digests", "blocks.hash", "blocks.transaction_digests", "blocks.event_digests"}
        plain = [column for column in differing if column not in derived]
        for place in plain or differing:
            if not self._findings.at(block.height, place):
                self._findings.add(Kind.REPLAY, block.height, place, "executing the block gives something else")
