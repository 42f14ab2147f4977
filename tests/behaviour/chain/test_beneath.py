"""A SQLite ledger whose file, folder or disk fails beneath its processes: one line each, and nothing half done."""

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tbill_defi.chain.copying import copy_journal
from tbill_defi.chain.engine_modes import Mode
from tbill_defi.chain.engine_sqlite import connect
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.evidence_copy import export_evidence
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.inbox import Inbox
from tbill_defi.chain.sequencer import open_sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import AuditFailure, LedgerError
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    COUNTER_ADDRESS,
    OPERATOR,
    START,
    Desk,
    decode_count,
    extend,
    make_ledger,
    refused,
    reopen,
    url_of,
)
from tests.behaviour.chain.test_sequencer_faults import fill, small_disk  # noqa: F401
from tests.unit.automation.killed import forked

NOBODY = 65_534


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "desk.db"
    make_ledger(made, blocks=3)
    return made


def follower_of(path):
    return InboxChain.open(url_of(path), clock=SimulatedClock(START), decoder=decode_count)


def count_of(chain):
    return int.from_bytes(chain.call(COUNTER_ADDRESS, b""), "big")


def serve_once(path):
    return open_sequencer(
        url_of(path),
        operator=OPERATOR,
        clock=SimulatedClock(START),
        stop=lambda: False,
        report=lambda _: None,
        decoder=decode_count,
    )


def put_one(path):
    inbox = Inbox(url_of(path))
    try:
        inbox.put([b"\x02"])
    finally:
        inbox.close()


def reads_and_writes_not(path, out):
    """Everything that reads does; whoever writes is told in one line."""
    before = path.read_bytes()
    assert verify(url_of(path), decoder=decode_count).ok
    with reopen(path, None) as reader:
        assert (reader.height, len(list(reader.events())), count_of(reader)) == (3, 4, 5)
        raw = Desk(reader).sign(ALICE)
    assert export_evidence(url_of(path), out / "evidence").height == 3
    assert copy_journal(url_of(path), out / "copy.db", lambda *_: None).height == 3
    for write in (
        lambda: reopen(path),
        lambda: serve_once(path),
        lambda: put_one(path),
        lambda: follower_of(path).submit([raw]),
    ):
        code, message = refused(write)
        assert code == "NotWritable"
        assert str(path) in message
    assert path.read_bytes() == before
    return True


@contextmanager
def mounted(folder, *options):
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class TestReadOnly:
    def test_a_file_system(self, tmp_path):
        with mounted(tmp_path / "disk") as disk:
            make_ledger(disk / "desk.db", blocks=3)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            assert reads_and_writes_not(disk / "desk.db", tmp_path)
            assert refused(lambda: make_ledger(disk / "other.db"))[0] == "NotWritable"

    def test_a_file_system_with_a_log_on_it(self, tmp_path):
        """It cannot be read where it is; and is not read without its log, which would be an older state."""
        source = tmp_path / "source.db"
        make_ledger(source, blocks=2)
        with mounted(tmp_path / "disk") as disk:
            with reopen(source) as writer:
                extend(Desk(writer), 1)
                for name in ("source.db", "source.db-wal"):
                    shutil.copy(tmp_path / name, disk)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            there = disk / "source.db"
            for read in (
                lambda: verify(url_of(there), decoder=decode_count),
                lambda: reopen(there, None),
                lambda: export_evidence(url_of(there), tmp_path / "evidence"),
                lambda: copy_journal(url_of(there), tmp_path / "copy.db", lambda *_: None),
            ):
                code, message = refused(read)
                assert code == "NeedsRecovery"
                assert f"{there} has a log that cannot be read there" in message
            for name in ("source.db", "source.db-wal"):
                shutil.copy(disk / name, tmp_path / f"moved{name[6:]}")
        assert verify(url_of(tmp_path / "moved.db"), decoder=decode_count).height == 3

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="takes another user's place")
    @pytest.mark.parametrize("folder_mode", [0o755, 0o777])
    def test_another_users_file(self, folder_mode):
        with ExitStack() as stack:
            folder, out = (Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))) for _ in range(2))
            make_ledger(folder / "desk.db", blocks=3)
            folder.chmod(folder_mode)
            out.chmod(0o777)

            def act():
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                return reads_and_writes_not(folder / "desk.db", out)

            assert forked(act)


class TestTheFile:
    def test_removed_beneath_a_writer(self, path):
        """What it wrote would be gone with it."""
        with reopen(path) as writer, follower_of(path) as follower:
            desk = Desk(writer)
            desk.count()
            aside = path.rename(path.with_name("aside.db"))
            assert refused(desk.count)[0] == "NotFound"
            assert refused(follower.head)[0] == "NotFound"
            aside.rename(path)
            assert follower.height == 4
        with reopen(path) as writer:
            assert Desk(writer).count()[0].height == 5
        assert verify(url_of(path), decoder=decode_count).ok

    @pytest.mark.parametrize("blocks", [2, 3, 5])
    def test_replaced_beneath_a_follower(self, path, blocks):
        """It follows the other or says how it differs, and never goes on with one that has no name."""
        with follower_of(path) as follower:
            list(follower.events())
            other = path.with_name("other.db")
            make_ledger(other, blocks=blocks)
            with reopen(other) as writer:
                Desk(writer).count(BOB)
            other.replace(path)
            if blocks < 3:
                with pytest.raises(AuditFailure, match="another block than this process read before"):
                    list(follower.events())
            else:
                assert follower.height == blocks + 1
                assert len(list(follower.events())) == len(list(reopen(path, None).events()))

    @pytest.mark.parametrize("left", [0, 1, 4_096, 20_480])
    def test_cut_off_beneath_a_follower(self, path, left):
        with follower_of(path) as follower:
            known = count_of(follower)
            os.truncate(path, left)
            said = told(lambda: count_of(follower))
            assert said == known or "tbill audit verify" in said or "holds no ledger" in said
        report = verify(url_of(path), decoder=decode_count)
        assert not report.ok
        assert "\n" not in report.verdict

    @pytest.mark.parametrize("left", [0, 32, 4_152, 10_000])
    def test_a_log_that_is_cut_off_beneath_a_follower(self, path, left):
        with reopen(path) as writer, follower_of(path) as follower:
            desk = Desk(writer)
            for _ in range(3):
                desk.count()
            known, events = count_of(follower), len(list(follower.events()))
            os.truncate(path.with_name(path.name + "-wal"), left)
            said = told(lambda: count_of(follower))
            assert said == known or "tbill audit verify" in said
            said = told(lambda: len(list(follower.events())))
            assert said == events or "tbill audit verify" in said
        assert "\n" not in verify(url_of(path), decoder=decode_count).verdict


def test_a_reader_that_stands_still(path):
    """In the middle of its transaction: the log grows and nobody waits; when it has gone, the log goes too."""
    log = path.with_name("desk.db-wal")
    with closing(connect(path, Mode.READ)) as silent:
        silent.execute("BEGIN")
        silent.execute("SELECT height FROM head").fetchall()
        with reopen(path) as writer, follower_of(path) as follower:
            desk = Desk(writer)
            for _ in range(250):
                desk.count()
            assert follower.height == 253
            assert log.stat().st_size > 1_000 * 4_096, "past what SQLite checkpoints at"
        with reopen(path) as writer:
            Desk(writer).count()
        assert silent.execute("SELECT height FROM head").fetchall() == [(3,)]
        assert verify(url_of(path), decoder=decode_count).height == 254
    reopen(path).close()
    assert not log.exists()
    assert verify(url_of(path), decoder=decode_count).height == 254


def told(read):
    """What was read, or the one line that says why not."""
    try:
        return read()
    except (AuditFailure, LedgerError) as error:
        return str(error)


class TestFullDisk:
    @pytest.mark.parametrize("free", [0, 8_192, 40_000])
    def test_a_copy(self, tmp_path, path, small_disk, free):  # noqa: F811
        self.leave(small_disk, free)
        target = small_disk / "copy.db"
        code, message = refused(lambda: copy_journal(url_of(path), target, lambda *_: None))
        assert (code, str(small_disk) in message, "full" in message) == ("Database", True, True)

    @pytest.mark.parametrize("free", [0, 8_192, 40_000])
    def test_an_export(self, path, small_disk, free):  # noqa: F811
        self.leave(small_disk, free)
        with pytest.raises((LedgerError, OSError), match=r"full|No space") as caught:
            export_evidence(url_of(path), small_disk / "evidence")
        assert str(small_disk) in str(caught.value)
        assert [one.name for one in small_disk.iterdir()] == ["ballast"]
        (small_disk / "ballast").unlink()
        assert export_evidence(url_of(path), small_disk / "evidence").height == 3

    @staticmethod
    def leave(disk, free):
        (disk / "spare").write_bytes(bytes(free))
        fill(disk / "ballast")
        (disk / "spare").unlink()
