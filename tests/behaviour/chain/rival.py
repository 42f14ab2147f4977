"""A writer beside others: does what it is told, line by line, and says what came of it in a line of JSON.

python -m tests.behaviour.chain.rival URL NAME [--without-lock]

`open` becomes the ledger's writer; `write` submits a batch of three by its own key; `close` lets others in.
`--without-lock` is a file system on which the lock of the operating system locks nothing out, or a pooler between.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from tbill_defi.chain import engine_postgres
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.replay import Machine
from tbill_defi.core import files
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerBusy, LedgerError
from tests.behaviour.chain.support import OPERATOR, START, Desk, decode_count

BATCH = 3


class Rival:
    def __init__(self, url: str, name: str) -> None:
        self.url, self.key = url, SigningKey.from_seed(name)
        self.chain: EmbeddedChain | None = None
        self.executed = 0

    def open(self) -> dict[str, Any]:
        self.chain = EmbeddedChain.open(self.url, clock=SimulatedClock(START), operator=OPERATOR, decoder=decode_count)
        return {"height": self.chain.height}

    def write(self) -> dict[str, Any]:
        assert self.chain is not None
        desk = Desk(self.chain)
        batch = [desk.sign(self.key, ahead=n) for n in range(BATCH)]
        receipts = self.chain.submit(batch)
        assert all(receipt.status for receipt in receipts)
        return {"height": receipts[0].height, "hash": self.chain.head().block_hash.hex()}

    def close(self) -> dict[str, Any]:
        if self.chain is not None:
            self.chain.close()
            self.chain = None
        return {}

    def answer(self, word: str) -> dict[str, Any]:
        """What came of it, and how many transactions were executed for it."""
        self.executed, act = 0, {"open": self.open, "write": self.write, "close": self.close}[word]
        try:
            said = act()
        except LedgerBusy as busy:
            said = {"busy": str(busy)}
        except LedgerError as error:
            said = {"refused": error.code}
        return {**said, "executed": self.executed}

    def count_executions(self) -> None:
        """Of batches that are to become blocks; those of a replay are taken off again."""
        run: Callable[..., Any] = Machine.run
        replay: Callable[..., Any] = Machine.replay

        def counted(machine: Machine, batch: Any, timestamp: int) -> Any:
            self.executed += len(batch)
            return run(machine, batch, timestamp)

        def replayed(machine: Machine, header: Any, raws: Any) -> None:
            before = self.executed
            replay(machine, header, raws)
            self.executed = before

        Machine.run, Machine.replay = counted, replayed  # type: ignore[method-assign]


def main() -> None:
    rival = Rival(sys.argv[1], sys.argv[2])
    rival.count_executions()
    if "--without-lock" in sys.argv:
        files._lock = lambda descriptor: None
        engine_postgres._take_lock = lambda cursor: None
    for line in sys.stdin:
        print(json.dumps(rival.answer(line.strip())), flush=True)


if __name__ == "__main__":
    main()
