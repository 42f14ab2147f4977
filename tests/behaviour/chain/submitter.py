"""A submitter to be killed: counts for ever through the inbox, saying what it puts in and what it was acknowledged.

python -m tests.behaviour.chain.submitter URL NAME
"""

import sys

from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.clock import SystemClock
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tests.behaviour.chain.support import Desk, decode_count

TROUBLES = {"Busy", "Unreachable", "Database", "NotSequenced"}
"""After these the same bytes are submitted again."""


def main() -> None:
    url, key = sys.argv[1], SigningKey.from_seed(sys.argv[2])
    batch: list[bytes] = []
    while True:
        try:
            with InboxChain.open(url, clock=SystemClock(), decoder=decode_count) as chain:
                while True:
                    nonce = chain.nonce(key.address)
                    batch = batch or [Desk(chain).sign(key, ahead=n) for n in range(1 + nonce % 3)]
                    for receipt, raw in zip(chain.submit(batch), batch, strict=True):
                        assert receipt.transaction_hash == keccak256(raw)
                        print("ack", receipt.transaction_hash.hex(), receipt.height, flush=True)
                    batch = []
        except LedgerError as error:
            print("trouble", error.code, str(error).replace("\n", " ")[:200], flush=True)
            if error.code not in TROUBLES:
                raise


if __name__ == "__main__":
    main()
