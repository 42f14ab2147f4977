"""What goes into and comes out of a chain. Addresses are 20 bytes, topics 32 bytes, amounts and times int."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import canonical_json


class Log(NamedTuple):
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
        Output of the call, or of the revert. A node keeps no output of a transaction that succeeded: empty there.
    gas_used
        As the executor counted it. Slots stay warm between transactions in revm, so this depends on history: no hash
        contains it, and it is 0 in a receipt that is read from the journal.
    transaction_hash
        Keccak-256 of the raw transaction that was mined (on a node, perhaps one that replaced the one submitted); 32
        zero bytes in a simulation.
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
class Unsigned:
    """A transaction before `Chain.sign`: the key that signs it, where it goes, its calldata, its value in wei.

    An embedded ledger takes no value but 0.
    """

    key: SigningKey
    to: bytes
    data: bytes = b""
    value: int = 0


class DecodedEvent(NamedTuple):
    """An event by name, its arguments as JSON: integers as decimal strings, bytes and addresses as 0x-hex.

    `text` is their canonical JSON, which is what a journal keeps.
    """

    name: str
    text: str

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any]) -> Self:
        """The event of these arguments."""
        return cls(name, canonical_json(arguments).decode())

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments by name."""
        found: dict[str, Any] = json.loads(self.text)
        return found


EventDecoder = Callable[[Log], DecodedEvent | None]
"""Log -> event, or None for a log it does not know. The chain knows no ABI: whoever does injects one."""


class EventRecord(NamedTuple):
    """A row of the journal's event table, with its block's time and its transaction's hash.

    `sequence` counts all events of an embedded ledger from 1; on a node, those of one read. `position` is the
    transaction's place in its block and `log_index` the log's place in the transaction (on a node: in the block), both
    from 0. `name` is "" if no decoder knew the log.
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
    """What the floors above know of a ledger, embedded or on a node."""

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id; random per embedded ledger."""
        ...

    @property
    def url(self) -> str:
        """Where it is, without anything secret."""
        ...

    @property
    def records(self) -> Mapping[str, str]:
        """Text by name kept with the ledger since it was made: administrator and contracts."""
        ...

    @property
    def height(self) -> int:
        """Height of the latest block."""
        ...

    @property
    def shared(self) -> bool:
        """Whether others' contracts are on it too, so that events are asked for by address."""
        ...

    @property
    def simulates(self) -> bool:
        """Whether `simulate` can run several calls one after the other."""
        ...

    def now(self) -> int:
        """Time the next block would carry, Unix seconds UTC."""
        ...

    def nonce(self, address: bytes) -> int:
        """Next nonce of an account."""
        ...

    def sign(self, transactions: Sequence[Unsigned]) -> list[bytes]:
        """Raw transactions of this chain, with its fees and gas limits and each sender's next nonces, in order."""
        ...

    def call(self, to: bytes, data: bytes, *, sender: bytes | None = None) -> bytes:
        """Output of a call on the latest state; leaves no trace. Raises `CallReverted`."""
        ...

    def views(self, calls: Sequence[Call]) -> Sequence[Receipt]:
        """Receipts of calls, each by itself on the latest state; leaves no trace."""
        ...

    def simulate(self, transactions: Sequence[Call], *, at: int | None = None) -> Sequence[Receipt]:
        """Receipts of calls made one after the other in one block at time `at`; leaves no trace."""
        ...

    def submit(self, signed: Sequence[bytes]) -> Sequence[Receipt]:
        """Execute in order and make durable; each transaction succeeds or reverts by itself.

        An embedded ledger makes one block of them, a node as many as it likes.
        """
        ...

    def logs(self, *, from_block: int, addresses: Sequence[bytes] | None = None) -> Iterator[Log]:
        """Logs in order, from a height on."""
        ...

    def events(
        self,
        *,
        names: Sequence[str] | None = None,
        addresses: Sequence[bytes] | None = None,
        from_block: int = 1,
        to_block: int | None = None,
    ) -> Iterator[EventRecord]:
        """Events in order, decoded."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
