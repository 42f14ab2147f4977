"""kill -9 at every statement of a sequencer and of a submitter: each transaction is executed once, or refused once."""

import os
import signal

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.inbox import Inbox
from tbill_defi.chain.sequencer import Sequencer, open_sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    COUNTER_ADDRESS,
    OPERATOR,
    START,
    Desk,
    decode_count,
    make_ledger,
    opened,
    reopen,
    url_of,
)
from tests.unit.automation.killed import forked, places

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
POINTS = 10
OPTIONS = {"clock": SimulatedClock(START), "decoder": decode_count}


class Reaper:
    """Counts statements before and after they are sent, commits and what follows them; kills before number `die_at`."""

    def __init__(self, die_at):
        self.die_at, self.seen = die_at, 0
        for target, name in (
            (Engine, "before_cursor_execute"),
            (Engine, "after_cursor_execute"),
            (Engine, "commit"),
            (Pool, "checkin"),
        ):
            event.listen(target, name, self._tick)

    def _tick(self, *_):
        self.seen += 1
        if self.seen == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def waiting(place):
    """A ledger with two bundles and a bad one in its inbox, and the good transactions."""
    make_ledger(place, blocks=2)
    with reopen(place, None) as reader:
        desk = Desk(reader)
        first, second = [desk.sign(ALICE, ahead=n) for n in range(3)], [desk.sign(BOB)]
    inbox = Inbox(url_of(place))
    for bundle in (first, [b"\x02rubbish"], second):
        inbox.put(bundle)
    inbox.close()
    return place, [*first, *second]


def served(place, die_at):
    reaper = Reaper(die_at)
    with Sequencer.open(url_of(place), operator=OPERATOR, **OPTIONS) as one:
        one.step()
        one.step()
    return reaper.seen


def submitted(place, raws, die_at):
    """Nobody serves: it goes in, and is waited for in vain."""
    reaper = Reaper(die_at)
    with InboxChain.open(url_of(place), **OPTIONS) as chain:
        chain.patience_seconds = 0
        with pytest.raises(LedgerError, match="tbill serve"):
            chain.submit(raws)
    return reaper.seen


def follow(place):
    """The next sequencer: whoever was killed is gone when the server has seen it."""
    with open_sequencer(url_of(place), operator=OPERATOR, stop=lambda: False, report=lambda _: None, **OPTIONS) as one:
        while one.step():
            pass
        return int.from_bytes(one.call(COUNTER_ADDRESS, b""), "big")


def sound(place, height, hashes, code="BadTransaction"):
    """One ledger, whose inbox says of each transaction where it is, once."""
    report = verify(url_of(place), decoder=decode_count)
    assert report.ok, report.verdict
    assert report.height == height
    with opened(place) as database:
        stored = [(bytes(one), at) for one, at in database.execute("SELECT hash, height FROM transactions")]
        known = database.execute("SELECT hash, height, code FROM inbox")
    assert len(dict(stored)) == len(stored)
    assert {(bytes(one), at) for one, at, said in known if not said} == {(one, height) for one in hashes}
    assert {(one, height) for one in hashes} <= set(stored)
    assert [said for _, _, said in known if said] == [code] * bool(code)


@pytest.mark.parametrize("points", [POINTS, pytest.param(10**6, marks=pytest.mark.slow)], ids=["some", "all"])
def test_a_sequencer(waiting, copied, points):
    source, raws = waiting
    whole = copied(source)
    changes = forked(lambda: served(whole, 0))
    expected = follow(whole)
    hashes = set(hashes_of(raws))
    sound(whole, 3, hashes)
    assert changes > 20
    for die_at in places(changes, min(points, changes)):
        place = copied(source)
        assert forked(lambda place=place, die_at=die_at: served(place, die_at)) is None
        assert follow(place) == expected
        sound(place, 3, hashes)


@pytest.mark.parametrize("points", [POINTS, pytest.param(10**6, marks=pytest.mark.slow)], ids=["some", "all"])
def test_a_submitter(place, copied, points):
    """It submits the same bytes again, as it does: they are executed once, killed before or after they were in."""
    make_ledger(place, blocks=2)
    with reopen(place, None) as reader:
        raws = [Desk(reader).sign(ALICE, ahead=n) for n in range(2)]
        before = int.from_bytes(reader.call(COUNTER_ADDRESS, b""), "big")
    hashes = hashes_of(raws)
    whole = copied(place)
    changes = forked(lambda: submitted(whole, raws, 0))
    seen = set()
    for die_at in places(changes, min(points, changes)):
        one = copied(place)
        assert forked(lambda one=one, die_at=die_at: submitted(one, raws, die_at)) is None
        inbox = Inbox(url_of(one))
        seen.add(len(inbox.look(hashes)))
        assert follow(one) == before + len(inbox.look(hashes))
        inbox.put(raws)
        inbox.close()
        assert follow(one) == before + 2
        sound(one, 3, set(hashes), code="")
        with InboxChain.open(url_of(one), **OPTIONS) as chain:
            assert [receipt.height for receipt in chain.submit(raws)] == [3, 3]
    assert seen == {0, 2}, "in or not, and never half"


def hashes_of(raws):
    return [keccak256(raw) for raw in raws]
