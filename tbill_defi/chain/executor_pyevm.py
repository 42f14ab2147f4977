"""The slow twin: py-evm 0.12.1b1, an independent EVM, for platforms without pyrevm and to test the machine itself.

The same journal replays on both to the same receipts. Whether a transaction may run at
all is decided before, by `replay.Machine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.state import PragueState
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction

from tbill_defi.chain.executor import BLOCK_GAS, TRANSACTION_GAS, Outcome, refuse_sender_with_code
from tbill_defi.chain.types import Log
from tbill_defi.core.hashing import keccak256

_ZERO = bytes(20)


class PyEvmExecutor:
    """See the module. One instance serves one ledger in one thread."""

    name = "py-evm"

    def __init__(self, chain_id: int, code: Mapping[bytes, bytes]) -> None:
        self._chain_id = chain_id
        self._database = AtomicDB()
        self._builder: Any = PragueTransactionBuilder()
        state: Any = PragueState(self._database, _block(chain_id, 0, 0), BLANK_ROOT_HASH)
        self._state = state
        for address, runtime in code.items():
            state.set_code(address, runtime)
            state.set_nonce(address, 1)

    def set_block(self, number: int, timestamp: int) -> None:
        """Block of the messages that follow."""
        self._state.execution_context = _block(self._chain_id, number, timestamp)

    def execute(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        """Run one transaction; its changes stay unless it reverts."""
        state = self._state
        refuse_sender_with_code(sender, state.get_code(sender))
        unsigned = self._builder.new_unsigned_dynamic_fee_transaction(
            chain_id=self._chain_id,
            nonce=state.get_nonce(sender),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=TRANSACTION_GAS,
            to=to,
            value=0,
            data=data,
            access_list=(),
        )
        transaction = SpoofTransaction(unsigned, from_=sender, sender=sender)
        computation = state.get_transaction_executor()(transaction)
        state.lock_changes()
        gas_used = TRANSACTION_GAS - computation.get_gas_remaining()
        if computation.is_success:
            logs = tuple(
                Log(bytes(address), tuple(topic.to_bytes(32, "big") for topic in topics), bytes(content))
                for address, topics, content in computation.get_log_entries()
            )
            return Outcome(True, logs, bytes(computation.output), gas_used)
        output = bytes(computation.output) if isinstance(computation.error, Revert) else b""
        return Outcome(False, (), output, gas_used)

    def snapshot(self) -> Any:
        """Mark the state: by its root, since py-evm's own snapshots end with a transaction."""
        self._state.persist()
        return self._state.state_root

    def revert(self, mark: Any) -> None:
        """Go back to the mark."""
        self._state = PragueState(self._database, self._state.execution_context, mark)

    def commit(self, mark: Any) -> None:
        """Keep what happened since the mark: it is kept already."""


def _block(chain_id: int, number: int, timestamp: int) -> ExecutionContext:
    context: Any = ExecutionContext
    made: ExecutionContext = context(
        coinbase=_ZERO,
        timestamp=timestamp,
        block_number=number,
        difficulty=0,
        mix_hash=bytes(32),
        gas_limit=BLOCK_GAS,
        prev_hashes=_hashes_before(number),
        chain_id=chain_id,
        base_fee_per_gas=0,
        excess_blob_gas=0,
    )
    return made


def _hashes_before(number: int) -> Iterator[bytes]:
    """Block hashes as revm's empty database has them: Keccak-256 of the decimal number."""
    return (keccak256(str(height).encode()) for height in range(number - 1, -1, -1))
