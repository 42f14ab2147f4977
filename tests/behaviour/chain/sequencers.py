"""Sequencers in this process, and what is true once they are done."""

import time

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.sequencer import Sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerError
from tests.behaviour.chain.support import OPERATOR, START, Desk, decode_count, reopen

OPTIONS = {"operator": OPERATOR, "decoder": decode_count}


def sequencer_of(url):
    return Sequencer.open(url, clock=SimulatedClock(START), **OPTIONS)


def next_of(url, key):
    with reopen(url, None) as reader:
        return Desk(reader).sign(key)


def sound(url, height):
    report = verify(url, decoder=decode_count)
    assert report.ok, report.verdict
    assert report.height == height


def stepped(sequencer):
    """How many transactions a writer executed; 0 if it has lost its place, and then it asks for it again."""
    try:
        return sequencer.step()
    except LedgerError as error:
        if error.code not in ("Unreachable", "Busy", "Reopen"):
            raise
        if error.code == "Reopen":
            sequencer.take_over()
        return 0


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
