"""eth-tester in this process: its machine simulates sequences of calls, and its time follows ours.

py-evm is asked directly: eth-tester can neither run calls one after the other nor call from any address.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth.vm.spoof import SpoofTransaction
from eth_tester import EthereumTester
from eth_tester.backends.pyevm import PyEVMBackend

from tbill_defi.chain.executor import TRANSACTION_GAS, Outcome, refuse_sender_with_code
from tbill_defi.chain.types import Call, Log
from tbill_defi.core.clock import Clock


def make_tester(at: int | None) -> Any:
    """A fresh eth-tester; block 0 is at `at` (Unix seconds) if given, else now."""
    changes = {} if at is None else {"timestamp": at}
    return EthereumTester(PyEVMBackend(genesis_parameters=PyEVMBackend.generate_genesis_params(changes)))


class TesterMachine:
    """The EVM under an eth-tester.

    `clock` None: a simulated clock, each block a second after the one before.
    """

    def __init__(self, tester: Any, clock: Clock | None) -> None:
        self.tester = tester
        self._clock = clock
        self._due: int | None = None

    @property
    def _chain(self) -> Any:
        return self.tester.backend.chain

    def set_next_time(self, timestamp: int) -> None:
        """Time of the next block."""
        self._due = timestamp

    def next_time(self) -> int:
        """Time of the next block: the one set, else the clock's, after the latest block's in any case."""
        header = self._chain.header
        last: int = self._chain.get_canonical_block_header_by_number(header.block_number - 1).timestamp
        wanted = self._due if self._due is not None else self._clock.now() if self._clock else 0
        return max(last + 1, wanted)

    def touch(self) -> None:
        """Give the block about to be mined its time."""
        self._chain.set_header_timestamp(self.next_time())
        self._due = None

    def run(self, calls: Sequence[Call], at: int | None) -> list[Outcome]:
        """Outcomes of calls made one after the other in the next block; leaves no trace."""
        time = self.next_time() if at is None else at
        return self._run(calls, self._chain.header.copy(timestamp=time, base_fee_per_gas=0))

    def again(self, height: int, call: Call) -> Outcome:
        """Outcome of a call in a block that is mined, before its transactions: what its one transaction did."""
        header = self._chain.get_canonical_block_header_by_number(height)
        before = self._chain.get_canonical_block_header_by_number(height - 1)
        (outcome,) = self._run((call,), header.copy(state_root=before.state_root, base_fee_per_gas=0))
        return outcome

    def _run(self, calls: Sequence[Call], header: Any) -> list[Outcome]:
        chain = self._chain
        vm = chain.get_vm(header)
        state = vm.build_state(vm.chaindb.db, header, vm.chain_context, vm.previous_hashes)
        builder = vm.get_transaction_builder()
        outcomes = []
        for call in calls:
            refuse_sender_with_code(call.sender, state.get_code(call.sender))
            unsigned = builder.new_unsigned_dynamic_fee_transaction(
                chain_id=chain.chain_id,
                nonce=state.get_nonce(call.sender),
                max_priority_fee_per_gas=0,
                max_fee_per_gas=0,
                gas=TRANSACTION_GAS,
                to=call.to,
                value=0,
                data=call.data,
                access_list=(),
            )
            spoofed = SpoofTransaction(unsigned, from_=call.sender, sender=call.sender)
            computation = state.get_transaction_executor()(spoofed)
            state.lock_changes()
            outcomes.append(_outcome(computation))
        return outcomes


def _outcome(computation: Any) -> Outcome:
    gas_used = TRANSACTION_GAS - computation.get_gas_remaining()
    output = bytes(computation.output)
    if computation.is_success:
        logs = tuple(
            Log(bytes(address), tuple(topic.to_bytes(32, "big") for topic in topics), bytes(content))
            for address, topics, content in computation.get_log_entries()
        )
        return Outcome(True, logs, output, gas_used)
    return Outcome(False, (), b"" if computation.should_burn_gas else output, gas_used)
