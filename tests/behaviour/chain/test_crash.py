"""Kill -9 and power loss: what was acknowledged is there, and the ledger goes on."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import verify
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerError, TbillError
from tests.behaviour.chain.support import ALICE, OPERATOR, START, Desk, decode_count, reopen, url_of

ROOT = Path(__file__).resolve().parents[3]
SECTOR = 512

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 and LD_PRELOAD are POSIX")


class Writer:
    """The writer program as a child, and what it acknowledged."""

    def __init__(self, database: Path, *options: str, **environment: str) -> None:
        self.acknowledged: list[tuple[int, str]] = []
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.behaviour.chain.writer", str(database), *options],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def acknowledgement(self) -> tuple[int, str]:
        """Wait for the next one."""
        line = self._child.stdout.readline()
        assert line, "the writer ended by itself"
        height, block_hash = line.split()
        self.acknowledged.append((int(height), block_hash))
        return self.acknowledged[-1]

    def go_on(self) -> None:
        self._child.stdin.write("\n")
        self._child.stdin.flush()

    def kill(self) -> tuple[int, str]:
        """Kill -9; the last acknowledgement that left the child, (0, "") if none did."""
        self._child.kill()
        rest, _ = self._child.communicate()
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                height, block_hash = line.split()
                self.acknowledged.append((int(height), block_hash))
        return self.acknowledged[-1] if self.acknowledged else (0, "")


def holds(path: Path, acknowledged: tuple[int, str]) -> bool:
    """Whether the acknowledged block is in the ledger, and the ledger as a whole is sound."""
    height, block_hash = acknowledged
    try:
        with reopen(path, None) as reader:
            head = reader.head()
    except TbillError:
        return False
    report = verify(url_of(path), decoder=decode_count)
    assert report.ok, report.verdict
    if head.height < height:
        return False
    assert any(found == block_hash for found in hashes(path, height))
    return True


def hashes(path: Path, height: int) -> list[str]:
    connection = sqlite3.connect(path)
    found = [row[0].hex() for row in connection.execute("SELECT hash FROM blocks WHERE height = ?", (height,))]
    connection.close()
    return found


def test_kill_loses_nothing_and_the_next_writer_goes_on(tmp_path):
    path = tmp_path / "desk.db"
    moments = random.Random(20260321)
    last = 0
    for _ in range(6):
        writer = Writer(path)
        first = writer.acknowledgement()
        assert first[0] >= last
        time.sleep(moments.uniform(0.0, 0.15))
        acknowledged = writer.kill()
        assert holds(path, acknowledged)
        last = acknowledged[0]
    with reopen(path) as chain:
        height = chain.height
        assert height >= last
        assert all(receipt.status for receipt in Desk(chain).count(ALICE, 3))
        assert chain.height == height + 1


def test_kill_while_it_is_made_leaves_no_half_ledger(tmp_path):
    """Killed during creation, there is either a whole ledger, or none and it can be made."""
    moments = random.Random(7)
    for attempt in range(8):
        path = tmp_path / f"{attempt}.db"
        writer = Writer(path)
        while not path.exists():
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.02))
        writer.kill()
        try:
            reopen(path).close()
        except LedgerError as error:
            if error.code != "NotALedger":
                raise
            EmbeddedChain.create(url_of(path), operator=OPERATOR, clock=SimulatedClock(START)).close()
        assert verify(url_of(path)).ok


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The forgetful disk, compiled; skipped where it cannot be put under SQLite."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "power_loss.so"
    source = Path(__file__).with_name("power_loss.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source, "-ldl"], check=True)
    return library


class Disk:
    """A live folder, and what of it was synced."""

    def __init__(self, folder: Path, shim: Path) -> None:
        self.live, self.synced = folder / "live", folder / "disk"
        self.live.mkdir()
        self.synced.mkdir()
        self.environment = {"LD_PRELOAD": str(shim), "SHIM_LIVE": str(self.live), "SHIM_DISK": str(self.synced)}

    @property
    def database(self) -> Path:
        return self.live / "desk.db"

    def lose_power(self, target: Path, survives: random.Random | None = None) -> Path:
        """The database after power loss.

        Without `survives` nothing that was not synced is there; with it, each sector of it is or is not, by chance.
        """
        target.mkdir()
        names = self.synced / "names"
        for line in names.read_text().splitlines() if names.exists() else []:
            inode, name = line.split(" ", 1)
            synced, live = self.synced / inode, self.live / name
            content = synced.read_bytes() if synced.exists() else b""
            if survives is not None and live.exists() and str(live.stat().st_ino) == inode:
                content = torn(content, live.read_bytes(), survives)
            if not name.endswith(("-shm", ".lock")):
                (target / name).write_bytes(content)
        return target / self.database.name


def torn(synced: bytes, live: bytes, survives: random.Random) -> bytes:
    length = survives.choice((len(synced), len(live)))
    sectors = []
    for start in range(0, length, SECTOR):
        source = live if survives.random() < 0.5 else synced
        sectors.append(source[start : start + SECTOR].ljust(min(SECTOR, length - start), b"\0"))
    return b"".join(sectors)


def test_the_shim_is_under_sqlite(tmp_path, shim):
    """Else the tests below would prove nothing."""
    disk = Disk(tmp_path, shim)
    writer = Writer(disk.database, "--lockstep", **disk.environment)
    writer.acknowledgement()
    writer.kill()
    synced = {path.name for path in disk.synced.iterdir()}
    assert str(disk.database.stat().st_ino) in synced
    assert str(disk.database.with_name("desk.db-wal").stat().st_ino) in synced
    assert "names" in synced


def test_power_loss_after_each_acknowledgement_loses_nothing(tmp_path, shim):
    disk = Disk(tmp_path, shim)
    writer = Writer(disk.database, "--lockstep", "--set", "wal_autocheckpoint=40", **disk.environment)
    chance = random.Random(1)
    checkpoints = set()
    for n in range(30):
        acknowledged = writer.acknowledgement()
        checkpoints.add((disk.synced / str(disk.database.stat().st_ino)).stat().st_size)
        assert holds(disk.lose_power(tmp_path / f"clean{n}"), acknowledged)
        assert holds(disk.lose_power(tmp_path / f"torn{n}", chance), acknowledged)
        writer.go_on()
    writer.kill()
    assert len(checkpoints) > 1, "no checkpoint was among the moments"


def test_power_loss_at_any_moment_loses_nothing(tmp_path, shim):
    moments = random.Random(2)
    for n in range(5):
        (tmp_path / str(n)).mkdir()
        disk = Disk(tmp_path / str(n), shim)
        writer = Writer(disk.database, **disk.environment)
        writer.acknowledgement()
        time.sleep(moments.uniform(0.0, 0.2))
        acknowledged = writer.kill()
        after = disk.lose_power(tmp_path / f"clean{n}")
        assert holds(after, acknowledged)
        for k in range(3):
            assert holds(disk.lose_power(tmp_path / f"torn{n}.{k}", moments), acknowledged)
        with reopen(after) as chain:
            assert Desk(chain).count()[0].status


@pytest.mark.parametrize("level", [0, 1], ids=["OFF", "NORMAL"])
def test_with_synchronous_lowered_something_is_lost(tmp_path, shim, level):
    """The test above can fail: the same with less than FULL does."""
    disk = Disk(tmp_path, shim)
    writer = Writer(disk.database, "--lockstep", "--set", f"synchronous={level}", **disk.environment)
    lost = 0
    for n in range(10):
        acknowledged = writer.acknowledgement()
        lost += not holds(disk.lose_power(tmp_path / f"clean{n}"), acknowledged)
        writer.go_on()
    writer.kill()
    assert lost > 0
