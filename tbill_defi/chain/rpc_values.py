"""What a node answers, read strictly: quantities, bytes, blocks, logs, and the output of a revert wherever it hides.

Nodes write quantities as 0x-text; eth-tester, in this process, as int. Anything else is no answer of a node.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tbill_defi.chain.types import Log
from tbill_defi.core.errors import LedgerError

_EXECUTED = (
    "revert",
    "opcode",
    "out of gas",
    "outofgas",
    "invalid jump",
    "stack underflow",
    "stack overflow",
    "evm error",
)


@dataclass(frozen=True, slots=True)
class BlockHead:
    """Height, hash (32 bytes; empty if pending), Unix time, wei of base fee per gas, gas limit."""

    number: int
    hash: bytes
    timestamp: int
    base_fee: int
    gas_limit: int


class RpcRefusal(LedgerError):
    """The node answered with a JSON-RPC error; `number` is its code, `data` whatever it carries."""

    def __init__(self, method: str, number: int, message: str, data: Any = None) -> None:
        super().__init__(f"chain: the node refuses {method}: {message} ({number})", "NodeRefuses")
        self.number = number
        self.message = message
        self.data = data

    @property
    def unknown_method(self) -> bool:
        """Whether the node does not have the method at all."""
        return self.number == -32601 or "not implemented" in self.message.lower()

    @property
    def reverted(self) -> bool:
        """Whether the call was executed, and reverted or halted."""
        text = self.message.lower()
        return self.number in (3, -32015) or self.output() != b"" or any(word in text for word in _EXECUTED)

    def output(self) -> bytes:
        """Output of the revert; empty if there is none."""
        return _output_in(self.data)


def _output_in(data: Any) -> bytes:
    """geth, anvil, erigon, reth: 0x-text; parity and nethermind: "Reverted 0x..."; hardhat and ganache: nested."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        text = data.removeprefix("Reverted ").strip()
        try:
            return bytes.fromhex(text[2:]) if text.startswith("0x") else b""
        except ValueError:
            return b""
    if isinstance(data, Mapping):
        inner = [data[name] for name in ("data", "return", "output", "result") if name in data]
        return next((found for part in (*inner, *data.values()) if (found := _output_in(part))), b"")
    return b""


def tester_output(error: BaseException) -> bytes:
    """Output of a revert that eth-tester raised: bytes, their repr, or text, perhaps in an exception in another."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        first: Any = current.args[0] if current.args else b""
        if isinstance(first, BaseException):
            current = first
            continue
        if isinstance(first, bytes):
            return first
        if isinstance(first, str) and first[:2] in ("b'", 'b"'):
            found = ast.literal_eval(first)
            return found if isinstance(found, bytes) else b""
        current = current.__context__
    return b""


def garbage(what: str, value: Any) -> LedgerError:
    """The error for an answer that is none."""
    shown = repr(value)
    return LedgerError(
        f"chain: {what} is {shown[:60]}{'...' if len(shown) > 60 else ''}: not an answer of an Ethereum node",
        "NotANode",
    )


def quantity(value: Any, what: str) -> int:
    """A non-negative integer."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.startswith("0x") and "_" not in value:
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise garbage(what, value)


def octets(value: Any, what: str, length: int | None = None) -> bytes:
    """Bytes, of `length` if given."""
    try:
        raw = bytes(value) if isinstance(value, bytes) else bytes.fromhex(value[2:]) if value[:2] == "0x" else None
    except (TypeError, ValueError):
        raw = None
    if raw is None or length not in (None, len(raw)):
        raise garbage(what, value)
    return raw


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise garbage(what, value)
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list | tuple):
        raise garbage(what, value)
    return list(value)


def block_head(raw: Any) -> BlockHead | None:
    """The head of a block, or None if the node has no such block."""
    if raw is None:
        return None
    block = mapping(raw, "block")
    number, found = block.get("number"), block.get("hash")
    return BlockHead(
        quantity(number, "block number") if number is not None else 0,
        octets(found, "block hash", 32) if found is not None else b"",
        quantity(block.get("timestamp"), "block time"),
        quantity(block.get("baseFeePerGas", 0) or 0, "base fee"),
        quantity(block.get("gasLimit"), "block gas limit"),
    )


def log_of(raw: Any) -> Log:
    """A log of a receipt, of `eth_getLogs` or of a simulation."""
    entry = mapping(raw, "log")
    topics = tuple(octets(topic, "topic", 32) for topic in sequence(entry.get("topics"), "topics"))
    return Log(octets(entry.get("address"), "log address", 20), topics, octets(entry.get("data"), "log data"))


def hexed(raw: bytes) -> str:
    """0x-text."""
    return "0x" + raw.hex()
