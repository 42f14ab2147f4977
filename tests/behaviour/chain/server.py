"""A sequencer to be killed, stopped and cut off: serves until it is told to end, and says so.

python -m tests.behaviour.chain.server URL [--lease SECONDS] [--keeps]

`--keeps`: once it serves, the server ends no session of its own for silence, however long a busy machine starves it.
"""

import argparse
import signal
import sys

from tbill_defi.chain import engine_postgres
from tbill_defi.chain.sequencer import Sequencer, open_sequencer
from tbill_defi.core.clock import SystemClock
from tests.behaviour.chain.support import OPERATOR, decode_count


def keep(sequencer: Sequencer) -> None:
    engine = sequencer._journal._engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as session:
        for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            session.exec_driver_sql(f"SET {name} = 0")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--lease", type=int, default=2)
    parser.add_argument("--keeps", action="store_true")
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
        if options.keeps:
            keep(sequencer)
        say("serving")
        sequencer.serve(stop=stop, report=say)


if __name__ == "__main__":
    main()
