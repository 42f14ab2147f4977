"""The port to an EVM, and the constants both executors share.

Both machines get the same block: gas limit, coinbase zero, prevrandao zero, base fee zero, block hashes as revm defines
them for an empty database. Contracts read none of these, nor gas, nonce or balance.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tbill_defi.chain.types import Log
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256

TRANSACTION_GAS = 2**24
"""Gas limit of every transaction of an embedded ledger, exactly (EIP-7825's cap)."""

LARGEST_GAS_USED = 2**22
"""A transaction that uses more than this on revm is refused: a machine that counts cold slots would run out."""

BLOCK_GAS = 2**30
"""What the GASLIMIT opcode answers. Not a limit: a block holds any number of transactions."""

DEPLOYMENT_PROXY = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
"""The deterministic deployment proxy; its call data is a salt (32 bytes) and init code."""

DEPLOYMENT_PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""Its runtime code, as on public chains."""

_log = logging.getLogger(__name__)


def create2_address(salt: bytes, init_code_hash: bytes) -> bytes:
    """Address (20 bytes) of a contract the deployment proxy creates.

    Parameters
    ----------
    salt
        32 bytes.
    init_code_hash
        Keccak-256 of the init code, 32 bytes.
    """
    return keccak256(b"\xff" + DEPLOYMENT_PROXY + salt + init_code_hash)[12:]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one message did to the state. `output` is what it returned or reverted with; empty if it halted."""

    status: bool
    logs: tuple[Log, ...]
    output: bytes
    gas_used: int


def refuse_sender_with_code(sender: bytes, code: bytes) -> None:
    """A contract sends no transaction (EIP-3607), so none is simulated from it either.

    Raises
    ------
    LedgerError
        With code "SenderHasCode".
    """
    if code:
        raise LedgerError(f"sender: 0x{sender.hex()} is a contract, it sends no transaction", code="SenderHasCode")


class Executor(Protocol):
    """An EVM with code at genesis, a block to run in, and nested snapshots.

    Snapshots are ended innermost first, each by exactly one of `revert` and `commit`.
    """

    name: str

    def set_block(self, number: int, timestamp: int) -> None:
        """Block of the messages that follow."""
        ...

    def execute(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        """Run one transaction of `TRANSACTION_GAS`; its changes stay unless it reverts."""
        ...

    def snapshot(self) -> Any:
        """Mark the state."""
        ...

    def revert(self, mark: Any) -> None:
        """Go back to the mark."""
        ...

    def commit(self, mark: Any) -> None:
        """Keep what happened since the mark."""
        ...


ExecutorFactory = Callable[[int, Mapping[bytes, bytes]], Executor]
"""(chain id, code by address) -> executor at genesis."""


def executor_factory(name: str | None = None) -> ExecutorFactory:
    """The factory of the executor called `name` ("revm" or "py-evm"); by default the fastest there is.

    Raises
    ------
    UsageError
        If there is no executor of this name.
    LedgerError
        If the one asked for is not installed (code "ExecutorMissing").
    """
    if name not in (None, "revm", "py-evm"):
        raise UsageError(f'executor: {name!r} is neither "revm" nor "py-evm"')
    if name != "py-evm":
        try:
            from tbill_defi.chain.executor_revm import RevmExecutor
        except ImportError:
            if name == "revm":
                raise LedgerError("executor: pyrevm is not installed", code="ExecutorMissing") from None
            _log.warning(
                "pyrevm is not installed, the slow py-evm executor serves; fast platforms are CPython 3.11-3.12 "
                "on Linux x86-64, macOS and Windows"
            )
        else:
            return RevmExecutor
    try:
        from tbill_defi.chain.executor_pyevm import PyEvmExecutor
    except ImportError:
        raise LedgerError(
            "executor: neither pyrevm nor py-evm is installed; pip install py-evm==0.12.1b1", code="ExecutorMissing"
        ) from None
    return PyEvmExecutor
