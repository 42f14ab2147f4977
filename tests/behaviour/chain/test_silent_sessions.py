"""Sessions that fall silent, and those who wait for them: every wait on PostgreSQL has its limit."""

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import event

from tbill_defi.chain import engine_postgres, postgres_line
from tbill_defi.chain.engine import BLOCK_BELL
from tbill_defi.chain.engine_modes import Mode
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.inbox import Inbox
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerBusy, LedgerError
from tbill_defi.core.hashing import keccak256
from tests.behaviour.chain.sequencers import next_of, sequencer_of, sound, stepped, until
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    START,
    decode_count,
    refused,
    reopen,
)
from tests.behaviour.chain.wire import wire

LEASE = 1
NUMBER = engine_postgres._LOCK_CLASS


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(engine_postgres, "LEASE_SECONDS", LEASE)


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(engine_postgres, "BUSY_MILLISECONDS", 50)


@contextmanager
def opened_as(url, mode):
    """A connection of ours, set up for the mode; left as it is."""
    engine = engine_postgres.open_engine(url, mode)
    connection = engine.raw_connection()
    try:
        yield connection.driver_connection
    finally:
        connection.invalidate()
        engine.dispose()


def fall_silent(connection, statement=b"SELECT 1"):
    """In the middle of a pipeline, where the server has no limit."""
    session = connection.pgconn
    session.enter_pipeline_mode()
    session.send_query_params(statement, None)
    session.send_flush_request()
    session.flush()


def asked(url):
    """Whether the lock was to be had."""
    try:
        with opened_as(url, Mode.WRITE):
            return True
    except LedgerBusy:
        return False


def is_there(postgres, connection):
    return postgres.execute(f"SELECT 1 FROM pg_stat_activity WHERE pid = {connection.info.backend_pid}") != []


def test_a_writer(url, short_lease):
    """Who asks for the lock ends the session, after the lease and not before."""
    with opened_as(url, Mode.WRITE) as holder:
        began = time.monotonic()
        fall_silent(holder)
        until(lambda: asked(url))
        assert time.monotonic() - began > LEASE


@pytest.mark.parametrize("whose", ["another database", "another schema", "another program", "a submitter", "a reader"])
def test_nobody_else(url, postgres, short_lease, whose):
    """A writer that executes for longer than the lease is not silent, and whoever is has no lock of this ledger."""
    place, mode = url, {"a submitter": Mode.SUBMIT, "a reader": Mode.READ}.get(whose, Mode.WRITE)
    if whose == "another database":
        place = postgres.database()
    if whose == "another schema":
        postgres.execute("CREATE SCHEMA other", url.rpartition("/")[2])
        place = f"{url}?options=-csearch_path%3Dother"
    with opened_as(place, mode) as other:
        if whose == "another program":
            ((schema,),) = other.execute("SELECT 'public'::regnamespace::oid::int8").fetchall()
            other.execute("SELECT pg_advisory_unlock_all()")
            other.execute("SELECT pg_advisory_lock(%s)", [NUMBER << 32 | schema])
            other.commit()
        fall_silent(other)
        with opened_as(url, Mode.WRITE) as holder:
            holder.pgconn.send_query(b"SELECT pg_sleep(60)")
            time.sleep(LEASE + 0.2)
            assert not asked(url)
            assert is_there(postgres, holder)
            assert is_there(postgres, other)
    if whose == "another database":
        postgres.drop(place)


def test_an_administrator_who_keeps_writers_out(url, postgres, short_lease):
    """Who holds the lock by hand is no writer that fell silent in a command."""
    with psycopg.connect(url, autocommit=True) as administrator:
        assert administrator.execute(engine_postgres._TRY_LOCK).fetchone() == (True,)
        time.sleep(LEASE + 0.2)
        assert not asked(url)
        assert is_there(postgres, administrator)
    until(lambda: asked(url))


@pytest.mark.parametrize(
    ("holder", "rights", "ended"),
    [
        ("tbill", "tbill", False),
        ("tbill", "pg_read_all_stats, pg_signal_backend", False),
        ("keeper", "pg_read_all_stats", False),
        ("keeper", "pg_read_all_stats, pg_signal_backend", True),
        ("keeper", "keeper", True),
        ("keeper", "", False),
    ],
)
def test_another_role(url, postgres, short_lease, holder, rights, ended):
    """Who may not end the session stands by, as if there were none."""
    postgres.execute("CREATE ROLE keeper LOGIN")
    postgres.execute("CREATE ROLE asker LOGIN")
    try:
        if rights:
            postgres.execute(f"GRANT {rights} TO asker")
        with opened_as(url.replace("tbill@", f"{holder}@"), Mode.WRITE) as silent:
            fall_silent(silent)
            time.sleep(LEASE + 0.2)
            assert not asked(url.replace("tbill@", "asker@"))
            if ended:
                until(lambda: not is_there(postgres, silent))
            else:
                assert is_there(postgres, silent)
    finally:
        postgres.execute("DROP ROLE asker")
        postgres.execute("DROP ROLE keeper")


def test_a_submitter_in_its_transaction(url, short_lease, short_waits):
    """Who puts the same in is told that it is locked, and gets it in after the lease."""
    raw = next_of(url, ALICE)
    inbox = Inbox(url)
    with opened_as(url, Mode.SUBMIT) as silent:
        silent.execute(
            "INSERT INTO inbox (bundle, hash, raw, state, height, code, message) VALUES ('', %s, '', 0, 0, '', '')",
            [keccak256(raw)],
        )

        def put():
            try:
                return inbox.put([raw])
            except LedgerBusy:
                return []

        until(put)
    with sequencer_of(url) as sequencer:
        assert sequencer.step() == 1
    inbox.close()
    sound(url, 3)


@pytest.mark.parametrize("mode", [Mode.WRITE, Mode.SUBMIT, Mode.READ, Mode.AUDIT])
def test_the_server_notices_that_a_machine_is_gone(url, mode):
    with opened_as(url, mode) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("5",)


@pytest.mark.parametrize("mode", [Mode.SUBMIT, Mode.READ])
def test_beside_one_in_the_middle_of_a_command(url, mode):
    """What a silent submitter or reader has locked is in nobody's way."""
    raw = next_of(url, BOB)
    inbox = Inbox(url)
    with opened_as(url, mode) as silent, sequencer_of(url) as sequencer:
        inbox.put([next_of(url, ALICE)])
        fall_silent(silent, b"SELECT count(*) FROM inbox, blocks, transactions, events, head, sequencer")
        assert sequencer.step() == 1
        inbox.put([raw])
        assert sequencer.step() == 1
        with reopen(url, None) as reader:
            assert reader.height == 4
    inbox.close()
    sound(url, 4)


@pytest.mark.parametrize("table", ["genesis", "blocks", "transactions", "events", "head", "sequencer", "inbox"])
def test_a_table_that_an_administrator_locked(url, short_waits, table):
    """Everybody says that it is locked, nobody that it is damaged; then all goes on."""
    inbox = Inbox(url)
    first, second = next_of(url, ALICE), next_of(url, BOB)
    with sequencer_of(url) as sequencer, psycopg.connect(url) as administrator:
        inbox.put([first])
        administrator.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        assert outcome(sequencer.step) == (1 if table == "genesis" else "Busy")
        assert outcome(lambda: inbox.put([second])) == ("Busy" if table == "inbox" else hashes_of(second))
        assert outcome(lambda: verify(url, decoder=decode_count).ok) == "Busy"
        assert outcome(lambda: reopen(url, None).close()) in (None, "Busy")
        administrator.rollback()
        inbox.put([second])
        until(lambda: stepped(sequencer))
        until(lambda: not stepped(sequencer))
    assert all(entry.height for entry in inbox.look([*hashes_of(first), *hashes_of(second)]).values())
    inbox.close()
    assert verify(url, decoder=decode_count).ok


def outcome(act):
    """What it gave, or the code of its refusal."""
    try:
        return act()
    except LedgerError as error:
        return error.code


def hashes_of(raw):
    return [keccak256(raw)]


class Impatient:
    """A line, and those at its end who wait a second, and not a minute, while it is stalled."""

    def __init__(self, line, patch):
        self.port, self._line, self._patch = line.port, line, patch

    def stall(self, *ways):
        self._patch.setattr(postgres_line, "ANSWER_SECONDS", 1)
        self._patch.setattr(engine_postgres, "_CONNECT_SECONDS", 2)
        self._line.stall(*ways)

    def flow(self):
        self._patch.setattr(postgres_line, "ANSWER_SECONDS", 60)
        self._line.flow()


class TestHalfOpen:
    """The line is there and nothing comes: whoever waits says so after a while."""

    @pytest.fixture
    def line(self, postgres, monkeypatch):
        with wire(postgres.port) as made:
            yield Impatient(made, monkeypatch)

    @pytest.fixture
    def through(self, url, postgres, line):
        return postgres.url(url.rpartition("/")[2], port=line.port)

    def test_a_sequencer(self, url, through, line):
        inbox = Inbox(url)
        with sequencer_of(through) as sequencer:
            inbox.put([next_of(url, ALICE)])
            line.stall()
            assert refused(sequencer.step)[0] == "Unreachable"
            line.flow()
            until(lambda: stepped(sequencer))
        inbox.close()
        sound(url, 3)

    def test_a_sequencer_that_closes(self, through, line):
        began = time.monotonic()
        with sequencer_of(through):
            line.stall()
        assert time.monotonic() - began < 30

    def test_at_the_commit(self, url, through, line, monkeypatch):
        """The block may be in: it is written once."""
        inbox = Inbox(url)
        with sequencer_of(through) as sequencer:
            inbox.put([next_of(url, ALICE)])
            with sequencer._journal._engine.connect() as connection:
                event.listen(connection.engine, "commit", lambda _: line.stall("down"), once=True)
            assert refused(sequencer.step)[0] == "Unreachable"
            line.flow()
            assert refused(sequencer.step)[0] == "Reopen"
            until(lambda: outcome(sequencer.take_over) is None)
            assert sequencer.step() == 0
        inbox.close()
        sound(url, 3)

    def test_a_submitter(self, url, through, line):
        raw = next_of(url, ALICE)
        with InboxChain.open(through, clock=SimulatedClock(START), decoder=decode_count) as chain:
            threading.Timer(0.5, line.stall).start()
            assert refused(lambda: chain.submit([raw]))[0] == "Unreachable"
            line.flow()

    def test_a_listener(self, through, line):
        connection = engine_postgres.Listener(through, BLOCK_BELL)._listening()
        line.stall()
        with pytest.raises(psycopg.OperationalError, match="did not answer for 1 s"):
            connection.execute("SELECT 1")
        assert connection.closed
        line.flow()
