"""A writer to be killed: submits blocks for ever, saying after each what was acknowledged.

python -m tests.behaviour.chain.writer DATABASE [--lockstep] [--set PRAGMA=N]

`--lockstep` waits for a line on stdin after each acknowledgement; `--set` changes one of SQLite's settings: a lower
`synchronous` must show, a smaller `wal_autocheckpoint` brings checkpoints about.
"""

import argparse
import sys
from pathlib import Path

from tbill_defi.chain import engine_sqlite
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.support import ALICE, OPERATOR, START, Desk, decode_count, url_of


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("--lockstep", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    for setting in options.settings:
        name, value = setting.split("=")
        engine_sqlite._SETTINGS[name] = int(value)
    url, clock = url_of(options.database), SimulatedClock(START)
    if options.database.exists():
        chain = EmbeddedChain.open(url, clock=clock, operator=OPERATOR, decoder=decode_count)
    else:
        chain = EmbeddedChain.create(
            url, operator=OPERATOR, clock=clock, simulated_start=START, decoder=decode_count, extras={"n": "1"}
        )
    desk = Desk(chain)
    if chain.height == 0:
        desk.deploy(ALICE)
    while True:
        print(chain.head().height, chain.head().block_hash.hex(), flush=True)
        if options.lockstep and not sys.stdin.readline():
            break
        desk.count(ALICE, 1 + chain.height * 7 % 40)
    chain.close()


if __name__ == "__main__":
    main()
