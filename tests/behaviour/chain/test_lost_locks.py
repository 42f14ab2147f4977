"""Writers that lost what keeps others out and do not know: the epoch in the database does, whatever they believe."""

import threading
import time

import psycopg
import pytest

from tbill_defi.chain import engine_postgres
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.inbox import Inbox
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.sequencer import Sequencer, open_sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerBusy, LedgerError
from tests.behaviour.chain.sequencers import OPTIONS, next_of, sequencer_of, sound, stepped, until
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    OPERATOR,
    START,
    Desk,
    decode_count,
    refused,
    url_of,
)


@pytest.fixture
def inbox(url):
    made = Inbox(url)
    yield made
    made.close()


def test_a_session_that_ends_late_has_given_the_lock_back(url, monkeypatch):
    late = []

    def linger(connection):
        late.append(connection)

    with monkeypatch.context() as slow:
        slow.setattr(psycopg.Connection, "close", linger)
        for _ in range(2):
            journal = Journal.open(url, writer=True)
            journal.genesis()
            journal.close()
    assert len(late) == 2
    for connection in late:
        connection.close()


class TestPooler:
    def test_the_session_was_reset(self, url, inbox):
        """As poolers do between two clients (DISCARD ALL): the lock is gone, and the connection is as before."""
        with sequencer_of(url) as first:
            with first._journal._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as session:
                session.exec_driver_sql("DISCARD ALL")
            inbox.put([next_of(url, ALICE)])
            with sequencer_of(url) as second:
                with pytest.raises(LedgerBusy, match="another writer has begun"):
                    first.step()
                assert refused(first.step)[0] == "Reopen"
                assert (second.step(), second.step()) == (1, 0)
        sound(url, 3)

    def test_another_session_for_the_next_transaction(self, url, inbox, postgres):
        """The session ends and the next transaction gets a new one: it asks for the lock, which another has now."""
        with sequencer_of(url) as first:
            (pid,) = session_of(first)
            postgres.execute(f"SELECT pg_terminate_backend({pid})")
            with standing_by(url) as seconds:
                inbox.put([next_of(url, ALICE)])
                code, _ = refused(first.step)
                assert code in ("Unreachable", "Busy")
                until(lambda: seconds)
                inbox.put([next_of(url, BOB)])
                with pytest.raises(LedgerError):
                    first.step()
        sound(url, seconds[0])

    def test_another_session_where_nobody_took_the_lock(self, url, inbox, postgres):
        """The same writer has it again, and goes on where it was."""
        with sequencer_of(url) as first:
            (pid,) = session_of(first)
            postgres.execute(f"SELECT pg_terminate_backend({pid})")
            inbox.put([next_of(url, ALICE)])
            assert refused(first.step)[0] == "Unreachable"
            until(lambda: stepped(first))
            assert session_of(first) != (pid,)
        sound(url, 3)


def session_of(sequencer):
    with sequencer._journal.reading() as connection:
        return tuple(connection.exec_driver_sql("SELECT pg_backend_pid()").one())


class standing_by:  # noqa: N801 - a context manager
    """A second sequencer in a thread, which executes what waits as soon as it is in; the heights at which it did."""

    def __init__(self, url):
        self._url, self._over, self.heights = url, threading.Event(), []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self.heights

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _serve(self):
        found = open_sequencer(
            self._url, clock=SimulatedClock(START), stop=self._over.is_set, report=lambda _: None, **OPTIONS
        )
        if found is not None:
            with found:
                while not self._over.is_set():
                    found.step()
                    self.heights[:] = [found.height]
                    time.sleep(0.002)
                found.step()
                self.heights[:] = [found.height]


@pytest.mark.parametrize("milliseconds", [-40, -10, -3, -1, 0, 1, 3, 10, 40])
def test_at_the_end_of_its_lease(url, inbox, monkeypatch, milliseconds):
    """A writer wakes within milliseconds of the end of its lease, another at the door: one of them writes the block."""
    monkeypatch.setattr(engine_postgres, "LEASE_SECONDS", 1)
    monkeypatch.setattr("tbill_defi.chain.sequencer.RETRY_MILLISECONDS", 1)
    with sequencer_of(url) as first:
        inbox.put([next_of(url, ALICE)])
        assert first.step() == 1
        inbox.put([next_of(url, ALICE)])
        first._journal.serving()
        since = time.monotonic()
        with standing_by(url) as heights:
            time.sleep(max(0, since + 1 + milliseconds / 1_000 - time.monotonic()))
            if not (done := stepped(first)):
                until(lambda: heights)
        assert done or heights
    with sequencer_of(url) as last:
        assert last.step() == 0, "it was executed, by one of them"
    sound(url, 4)


def test_a_clock_that_is_ahead(place):
    """One writes with a clock an hour ahead; who takes over says so and waits for the time, and nothing is refused."""
    make_real(place)
    ahead, right = SimulatedClock(START + 3_600), SimulatedClock(START)
    inbox = Inbox(url_of(place))
    with opened_at(place, ahead) as first:
        inbox.put([Desk(first).sign(ALICE)])
        assert first.step() == 1
        late = [Desk(first).sign(ALICE)]
    with opened_at(place, right) as second:
        hashes = inbox.put(late)
        code, message = refused(second.step)
        assert code == "ClockBehind"
        assert "3600 s behind" in message
        assert not inbox.look(hashes)[hashes[0]].settled
        right.seconds += 3_600
        assert second.step() == 1
    inbox.close()
    assert verify(url_of(place), decoder=decode_count).ok


def opened_at(place, clock):
    return Sequencer.open(url_of(place), clock=clock, **OPTIONS)


def make_real(place):
    """A ledger on the system's clock, here one that is set."""
    url = url_of(place)
    with Sequencer.create(url, clock=SimulatedClock(START), **OPTIONS) as chain:
        Desk(chain).deploy(OPERATOR)
