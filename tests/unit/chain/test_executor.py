"""Constants and addresses against their published values; the executor's refusal to print what pyrevm prints."""

import pytest

from tbill_defi.chain import executor_revm
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE, create2_address, executor_factory
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256


def test_proxy_code_is_the_published_one():
    """The code hash that explorers show for 0x4e59b44847b379578588920cA78FbF26c0B4956C."""
    assert len(DEPLOYMENT_PROXY_CODE) == 69
    assert keccak256(DEPLOYMENT_PROXY_CODE).hex() == "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"


@pytest.mark.parametrize("name", ["revm", "py-evm"])
def test_proxy_returns_the_address_we_compute(name):
    machine = executor_factory(name)(777, {DEPLOYMENT_PROXY: DEPLOYMENT_PROXY_CODE})
    machine.set_block(1, 1)
    code = bytes.fromhex("60016000f3")
    outcome = machine.execute(b"\x01" * 20, DEPLOYMENT_PROXY, b"\x07" * 32 + code)
    assert outcome.output == create2_address(b"\x07" * 32, keccak256(code))


def test_other_errors_of_pyrevm_keep_their_text():
    with pytest.raises(LedgerError) as caught:
        executor_revm._failure("Database error: the whole journal, 30 MB of it")
    assert "30 MB" not in str(caught.value)
    assert caught.value.code == "ExecutorFailure"


def test_reads_revert_and_halt():
    reverted = executor_revm._failure("Revert { gas_used: 21620, output: 0x1234 }")
    assert (reverted.status, reverted.output, reverted.gas_used) == (False, b"\x12\x34", 21_620)
    halted = executor_revm._failure("Halt { reason: OutOfGas(Basic), gas_used: 16777216 }")
    assert (halted.status, halted.output, halted.gas_used) == (False, b"", 2**24)
