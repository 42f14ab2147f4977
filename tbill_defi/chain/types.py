"""What goes into and comes out of a chain. Addresses are 20 bytes, topics 32 bytes, amounts and times int."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tbill_defi.core.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Log:
    """One log of a transaction: contract, 0 to 4 topics, data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did.

    Attributes
    ----------
    status
        False: it reverted, changed nothing but its sender's nonce.
    return_data
        Output of the call, or of the revert.
    gas_used
        As the executor counted it. Slots stay warm between transactions in revm, so this depends on history: no hash
        contains it.
    transaction_hash
        Keccak-256 of the raw transaction; 32 zero bytes in a simulation.
    height
        Block it is in; in a simulation, the block it would be in.
    revert
        Output of the revert; empty if it succeeded, or halted (which only a simulation shows: a halt burns all gas, and
        `submit` refuses that).
    """

    status: bool
    logs: tuple[Log, ...]
    return_data: bytes
    gas_used: int
    transaction_hash: bytes
    height: int
    revert: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """An unsigned call, for `simulate` only."""

    sender: bytes
    to: bytes
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event by name, its arguments as JSON: integers as decimal strings, bytes and addresses as 0x-hex."""

    name: str
    arguments: Mapping[str, Any]


EventDecoder = Callable[[Log], DecodedEvent | None]
"""Log -> event, or None for a log it does not know. The chain knows no ABI: whoever does injects one."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A row of the journal's event table, with its block's time and its transaction's hash.

    `sequence` counts all events of the ledger from 1; `position` is the transaction's place in its block and
    `log_index` the log's place in the transaction, both from 0. `name` is "" if no decoder knew the log.
    """

    sequence: int
    height: int
    timestamp: int
    transaction_hash: bytes
    position: int
    log_index: int
    log: Log
    name: str
    arguments: Mapping[str, Any]


class CallReverted(LedgerError):
    """A `call` reverted; `data` is the revert's output, for whoever knows the ABI.

    `code` is "Reverted" if there is output, "Halted" (out of gas, invalid opcode) if not.
    """

    def __init__(self, data: bytes) -> None:
        shown = f"0x{data[:68].hex()}{'...' if len(data) > 68 else ''}" if data else "no output"
        super().__init__(f"the call reverted ({shown})", code="Reverted" if data else "Halted")
        self.data = data


class Chain(Protocol):
    """What the floors above know of a ledger, embedded or not."""

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id; random per embedded ledger."""
        ...

    def now(self) -> int:
        """Time the next block would carry, Unix seconds UTC."""
        ...

    def nonce(self, address: bytes) -> int:
        """Next nonce of an account."""
        ...

    def call(self, to: bytes, data: bytes, *, sender: bytes | None = None) -> bytes:
        """Output of a call on the latest state; leaves no trace. Raises `CallReverted`."""
        ...

    def simulate(self, transactions: Sequence[Call], *, at: int | None = None) -> Sequence[Receipt]:
        """Receipts of calls made one after the other in one block at time `at`; leaves no trace."""
        ...

    def submit(self, signed: Sequence[bytes]) -> Sequence[Receipt]:
        """Execute and make durable, in one block; each transaction succeeds or reverts by itself."""
        ...

    def logs(self, *, from_block: int, addresses: Sequence[bytes] | None = None) -> Iterator[Log]:
        """Logs in order, from a height on."""
        ...
