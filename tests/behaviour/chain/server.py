"""A sequencer to be killed, stopped and cut off: serves until it is told to end, and says so.

python -m tests.behaviour.chain.server URL [--lease SECONDS]
"""

import argparse
import signal
import sys

from tbill_defi.chain import engine_postgres
from tbill_defi.chain.sequencer import open_sequencer
from tbill_defi.core.clock import SystemClock
from tests.behaviour.chain.support import OPERATOR, decode_count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--lease", type=int, default=2)
    options = parser.parse_args()
    engine_postgres.LEASE_SECONDS = options.lease
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))

    def say(text: str) -> None:
        print(text, flush=True)

    def stop() -> bool:
        return bool(ended)

    sequencer = open_sequencer(
        options.url, operator=OPERATOR, clock=SystemClock(), stop=stop, report=say, decoder=decode_count
    )
    if sequencer is None:
        sys.exit(0)
    with sequencer:
        say("serving")
        sequencer.serve(stop=stop, report=say)


if __name__ == "__main__":
    main()
