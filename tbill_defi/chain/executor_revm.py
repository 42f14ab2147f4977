"""The fast executor: revm through pyrevm 0.3.7, used by its measured habits.

revm never finalises here: one journal grows from genesis on. So `snapshot()` stands before each message and exactly one
`commit()` or `revert()` after it (a `commit()` alone drives the depth below zero), transient storage is cleared after
each transaction by hand, and nonces of senders are not bumped: the ledger keeps them. Errors of pyrevm other than
`Revert` and `Halt` print the whole journal (30 MB), so their text never leaves this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from tbill_defi.chain.executor import BLOCK_GAS, TRANSACTION_GAS, Outcome, refuse_sender_with_code
from tbill_defi.chain.types import Log
from tbill_defi.core.errors import LedgerError

_REVERT = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-fA-F]*) \}")
_HALT = re.compile(r"Halt \{ reason: \w+(?:\(\w+\))?, gas_used: (\d+) \}")
_ZERO = "0x" + "00" * 20


class RevmExecutor:
    """See the module. One instance serves one ledger in one thread."""

    name = "revm"

    def __init__(self, chain_id: int, code: Mapping[bytes, bytes]) -> None:
        self._evm = EVM(
            env=Env(cfg=CfgEnv(chain_id=chain_id), block=_block(0, 0)), gas_limit=BLOCK_GAS, spec_id="PRAGUE"
        )
        for address, runtime in code.items():
            self._evm.insert_account_info(address.hex(), AccountInfo(nonce=1, code=runtime))

    def set_block(self, number: int, timestamp: int) -> None:
        """Block of the messages that follow."""
        self._evm.set_block_env(_block(number, timestamp))

    def execute(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        """Run one transaction; its changes stay unless it reverts."""
        evm = self._evm
        mark = evm.snapshot()
        try:
            output = evm.message_call("0x" + sender.hex(), "0x" + to.hex(), calldata=data, gas=TRANSACTION_GAS)
        except RuntimeError as error:
            evm.revert(mark)
            refuse_sender_with_code(sender, evm.get_code("0x" + sender.hex()) or b"")
            outcome = _failure(str(error))
        except BaseException:
            evm.revert(mark)
            raise
        else:
            result: Any = evm.result
            evm.commit()
            outcome = Outcome(True, tuple(map(_log_of, result.logs)), bytes(output), result.gas_used)
        finally:
            evm.reset_transient_storage()
        return outcome

    def snapshot(self) -> Any:
        """Mark the state."""
        return self._evm.snapshot()

    def revert(self, mark: Any) -> None:
        """Go back to the mark."""
        self._evm.revert(mark)

    def commit(self, mark: Any) -> None:
        """Keep what happened since the mark."""
        del mark  # revm closes the innermost
        self._evm.commit()


def _block(number: int, timestamp: int) -> BlockEnv:
    return BlockEnv(
        number=number,
        timestamp=timestamp,
        coinbase=_ZERO,
        difficulty=0,
        prevrandao=bytes(32),
        basefee=0,
        gas_limit=BLOCK_GAS,
    )


def _log_of(log: Any) -> Log:
    topics, data = log.data
    return Log(_address(log.address), tuple(topics), data)


@lru_cache(maxsize=4_096)
def _address(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _failure(text: str) -> Outcome:
    if found := _REVERT.fullmatch(text):
        return Outcome(False, (), bytes.fromhex(found[2]), int(found[1]))
    if found := _HALT.fullmatch(text):
        return Outcome(False, (), b"", int(found[1]))
    raise LedgerError("the EVM failed for a reason of its own; nothing was executed", code="ExecutorFailure") from None
