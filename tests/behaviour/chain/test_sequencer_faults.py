"""Real processes, killed, stopped, cut off and starved: no fork, nothing acknowledged lost, the same head by replay."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.inbox import Inbox
from tbill_defi.core.errors import LedgerError
from tests.behaviour.chain.support import COUNTER_ADDRESS, decode_count, make_ledger, opened, reopen, url_of
from tests.behaviour.chain.wire import DOWN, UP, WAYS, wire

ROOT = Path(__file__).resolve().parents[3]
LEASE = 2
SECONDS = 90
"""Patience with what must come."""
ROUNDS = int(os.environ.get("TBILL_FAULT_ROUNDS", "2"))
"""Of the random ones; more find more. Their seed is drawn anew where it is set."""
SEED = random.randrange(2**32) if "TBILL_FAULT_ROUNDS" in os.environ else 20261129

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


class Process:
    """A child and what it says."""

    def __init__(self, module: str, *words: object) -> None:
        self.said: list[str] = []
        self.child = subprocess.Popen(
            [sys.executable, "-m", f"tests.behaviour.chain.{module}", *map(str, words)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with self.child.stdout as lines:
            for line in lines:
                if line.endswith("\n"):
                    self.said.append(line.rstrip())

    def send(self, number: int) -> None:
        self.child.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
        self.child.wait(SECONDS)
        self._listener.join(SECONDS)


class Cast:
    """Sequencers and submitters of one ledger, and an observer who keeps the heads he saw."""

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self.sequencers: list[Process] = []
        self.submitters: list[Process] = []
        self.heads = []

    def sequencer(self, url: str | None = None, *, keeps: bool = False) -> Process:
        """One that is silent for the lease loses its lock; one that keeps it does so by nothing but its end."""
        options = ["--keeps"] if keeps and isinstance(self.place, str) else []
        made = Process("server", url or url_of(self.place), "--lease", LEASE, *options)
        self.sequencers.append(made)
        return made

    def submitter(self, name: str, url: str | None = None) -> Process:
        made = Process("submitter", url or url_of(self.place), name)
        self.submitters.append(made)
        return made

    @property
    def acknowledged(self) -> list[tuple[str, int]]:
        """Hash and height of everything that any submitter was acknowledged."""
        words = [line.split() for one in self.submitters for line in list(one.said) if line.startswith("ack ")]
        return [(word[1], int(word[2])) for word in words]

    def more(self, count: int = 3) -> None:
        """Wait until so many more are acknowledged; note the head."""
        wanted = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= wanted, lambda: self.story())
        with reopen(self.place, None) as reader:
            self.heads.append(reader.head())

    def leader(self) -> Process:
        """The sequencer that says it serves."""

        def found() -> list[Process]:
            with opened(self.place) as database:
                ((text,),) = database.execute("SELECT serving FROM sequencer")
            pid = int((re.findall(r"process (\d+)", text) or [0])[0])
            return [one for one in self.sequencers if one.child.pid == pid and one.child.poll() is None]

        until(lambda: bool(found()), self.story)
        return found()[0]

    def story(self) -> str:
        return "\n".join(f"{one.child.pid}: {one.said[-6:]}" for one in self.sequencers + self.submitters)

    def end(self) -> None:
        for one in self.submitters + self.sequencers:
            one.end()


def until(condition, story=lambda: "") -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, story()
        time.sleep(0.02)


@contextmanager
def performance(place):
    """A cast; afterwards whatever waits is executed, and the ledger is sound."""
    make_ledger(place, blocks=2)
    cast = Cast(place)
    try:
        yield cast
        for one in cast.submitters:
            one.end()
        finish(cast)
    finally:
        cast.end()
    settled(cast)


def finish(cast) -> None:
    """A sequencer serves until nothing waits."""
    for one in cast.sequencers:
        one.end()
    last = cast.sequencer()

    def waiting():
        with opened(cast.place) as database:
            ((count,),) = database.execute("SELECT count(*) FROM inbox WHERE state = 0")
        return count

    until(lambda: "serving" in last.said and waiting() == 0, cast.story)
    last.end(signal.SIGTERM)
    assert last.child.returncode == 0, cast.story()


def settled(cast) -> None:
    """No fork, nothing acknowledged lost or doubled, evidence whole, and the same head by replay."""
    with opened(cast.place) as database:
        stored = [(bytes(one).hex(), at) for one, at in database.execute("SELECT hash, height FROM transactions")]
        refused = database.execute("SELECT code, message FROM inbox WHERE state = 2")
        entries = database.execute("SELECT hash, height FROM inbox WHERE state = 1")
    assert refused == []
    assert len(set(dict(stored))) == len(stored), "a transaction is in two blocks"
    assert {(bytes(one).hex(), at) for one, at in entries} <= set(stored)
    assert cast.acknowledged
    assert set(cast.acknowledged) <= set(stored)
    for head in cast.heads[-1:] + cast.heads[:1]:
        report = verify(url_of(cast.place), decoder=decode_count, head=head)
        assert report.ok, report.verdict
        assert report.replayed == report.height
    with reopen(cast.place) as writer, reopen(cast.place, None) as reader:
        assert writer.call(COUNTER_ADDRESS, b"") == reader.call(COUNTER_ADDRESS, b"")
        assert writer.head() == reader.head()


def kill_at_random(place, seed, rounds):
    """Kill -9 the sequencer that serves, and a submitter between what it put in and its acknowledgement."""
    moments = random.Random(seed)
    with performance(place) as cast:
        cast.sequencer()
        cast.sequencer()
        cast.submitter("bea")
        for _ in range(rounds):
            ann = cast.submitter("ann")
            cast.more()
            time.sleep(moments.uniform(0, 0.3))
            ann.end(signal.SIGKILL)
            cast.leader().end(signal.SIGKILL)
            cast.sequencer()
        cast.more()
        return cast.heads[-1].height


def test_killed_at_random(place):
    print("seed", SEED)
    assert kill_at_random(place, SEED, ROUNDS) > 2


def test_racing(place):
    """Three start at once: one serves, the others say that they stand by, and one of them goes on."""
    with performance(place) as cast:
        for _ in range(3):
            cast.sequencer(keeps=True)
        cast.submitter("ann")
        cast.more()
        leader = cast.leader()
        others = [one for one in cast.sequencers if one is not leader]
        until(lambda: all(one.said for one in others), cast.story)
        assert all("serving" not in one.said for one in others)
        assert all(one.said[0].startswith("standing by: another writer holds") for one in others)
        leader.end(signal.SIGKILL)
        cast.more()
        assert sum("serving" in one.said for one in others) == 1


class TestStopped:
    def test_past_its_lease_on_postgresql(self, postgres):
        """SIGSTOP; another takes over; SIGCONT: the first writes nothing, stands by, and serves after that one."""
        with performance(postgres.database()) as cast:
            first = cast.sequencer()
            cast.submitter("ann")
            cast.submitter("bea")
            for _ in range(2):
                cast.more()
                until(lambda: cast.leader() is first, cast.story)
                first.send(signal.SIGSTOP)
                other = cast.sequencer(keeps=True)
                until(lambda other=other: cast.leader() is other, cast.story)
                cast.more()
                heard = len(first.said)
                first.send(signal.SIGCONT)
                cast.more(6)
                assert cast.leader() is other
                until(lambda heard=heard: len(first.said) > heard, cast.story)
                assert "serving again" not in first.said[heard:]
                assert first.child.poll() is None, "it stands by"
                other.end(signal.SIGKILL)
                until(lambda heard=heard: "serving again" in first.said[heard:], cast.story)

    def test_on_sqlite_it_keeps_the_lock_until_it_is_killed(self, tmp_path):
        with performance(tmp_path / "desk.db") as cast:
            first = cast.sequencer()
            cast.submitter("ann")
            cast.more()
            second = cast.sequencer()
            until(lambda: second.said, cast.story)
            first.send(signal.SIGSTOP)
            time.sleep(LEASE + 1)
            assert cast.leader() is first
            assert "serving" not in second.said
            first.end(signal.SIGKILL)
            until(lambda: "serving" in second.said, cast.story)
            cast.more()


class TestNetwork:
    def test_cut_again_and_again(self, postgres):
        url = postgres.database()
        moments = random.Random(SEED)
        with wire(postgres.port) as line, performance(url) as cast:
            through = postgres.url(url.rpartition("/")[2], port=line.port)
            cast.sequencer(through)
            cast.submitter("ann", through)
            cast.submitter("bea", through)
            for _ in range(2 * ROUNDS):
                cast.more()
                time.sleep(moments.uniform(0, 0.2))
                line.cut()
            cast.more()
            assert cast.heads[-1].height > cast.heads[0].height

    @pytest.mark.parametrize("ways", [WAYS, (UP,), (DOWN,)], ids=" and ".join)
    def test_stalled_past_the_lease(self, postgres, ways):
        """The line holds back everything, what is asked, or its answers; another takes over; then all of it arrives."""
        url = postgres.database()
        with wire(postgres.port) as line, performance(url) as cast:
            through = postgres.url(url.rpartition("/")[2], port=line.port)
            near = cast.sequencer(through)
            cast.submitter("ann")
            cast.submitter("bea", through)
            cast.more()
            line.stall(*ways)
            far = cast.sequencer(keeps=True)
            until(lambda: cast.leader() is far, cast.story)
            cast.more()
            heard = len(near.said)
            line.flow()
            cast.more(6)
            assert cast.leader() is far
            until(lambda: len(near.said) > heard, cast.story)
            assert "serving again" not in near.said[heard:]

    def test_no_notification_arrives(self, postgres):
        """Whoever listens loses its session again and again: they look by themselves."""
        url = postgres.database()
        name = url.rpartition("/")[2]
        listening = f"application_name = 'tbill listen' AND datname = '{name}'"
        with performance(url) as cast:
            cast.sequencer()
            cast.submitter("ann")
            cast.more()
            ended = 0
            for _ in range(8):
                rows = postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}")
                ended += len(rows)
                cast.more(1)
            assert ended > 0

    @pytest.mark.parametrize("gone", ["crash", "stop"])
    def test_the_server_goes_and_comes_back(self, postgres, gone):
        moments = random.Random(SEED)
        with performance(postgres.database()) as cast:
            cast.sequencer()
            cast.submitter("ann")
            cast.submitter("bea")
            for _ in range(ROUNDS):
                cast.more()
                time.sleep(moments.uniform(0, 0.2))
                getattr(postgres, gone)()
                time.sleep(moments.uniform(0, 0.2))
                postgres.start()
            cast.more()
            assert cast.heads[-1].height > cast.heads[0].height


class TestStarved:
    def test_a_locked_database(self, tmp_path):
        """Longer than anybody waits for a lock: they say so, and go on."""
        path = tmp_path / "desk.db"
        with performance(path) as cast:
            sequencer = cast.sequencer()
            cast.submitter("ann")
            cast.more()
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(3)
            other.execute("ROLLBACK")
            other.close()
            cast.more()
            assert sequencer.child.poll() is None

    def test_a_full_disk(self, small_disk):
        """Nothing fits any more: it is said, nothing is lost, and it goes on when there is space again."""
        path = small_disk / "desk.db"
        with performance(path) as cast:
            sequencer = cast.sequencer()
            submitter = cast.submitter("ann")
            cast.more()
            ballast = small_disk / "ballast"
            fill(ballast)
            until(lambda: any("full" in line or "No space" in line for line in told(sequencer, submitter)), cast.story)
            with pytest.raises(LedgerError, match="full"):
                put_much(path)
            ballast.unlink()
            cast.more()
            assert sequencer.child.poll() is None

    def test_a_full_disk_of_the_server(self, postgres):
        """Tables can grow no more; the log has a disk of its own."""
        with postgres.small_space(24) as (space, folder):
            url = postgres.database(tablespace=space)
            with performance(url) as cast:
                sequencer = cast.sequencer()
                submitter = cast.submitter("ann")
                cast.more()
                fill(folder / "ballast")
                until(lambda: any("No space" in line for line in told(sequencer, submitter)), cast.story)
                (folder / "ballast").unlink()
                cast.more()
                assert sequencer.child.poll() is None
            postgres.drop(url)


def told(*processes):
    return [line for one in processes for line in list(one.said)]


def fill(path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        for size in (65_536, 512):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def put_much(path) -> None:
    inbox = Inbox(url_of(path))
    try:
        for n in range(100):
            inbox.put([bytes([n]) * 100_000])
    finally:
        inbox.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    shutil.rmtree(folder)
