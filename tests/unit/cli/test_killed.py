"""kill -9 of a command that writes a file or a folder: it is there whole or not at all, and the next run makes it.

What the killed one left beside goes too; what one that still runs has beside stays.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.unit.cli.support import NOTE, ROOT, state

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")]

POINTS = 8
COMMANDS = {
    "backup": ("backup", "--keys", "OUT.tar"),
    "export": ("audit", "export", "OUT"),
    "prove": ("audit", "prove", NOTE, "desk", "--out", "OUT.json"),
    "csv": ("books", "export", "desk", "--out", "OUT.csv"),
    "plan": ("plan", "ladder", "--out", "OUT.json"),
    "page": ("curve", "--html", "OUT.html"),
}


def killed(home, work, *words):
    ran = subprocess.run(
        [sys.executable, "-m", "tests.unit.cli.killed", str(home), str(work), str(POINTS), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_it_writes_is_whole_or_not_there(tbill, tmp_path, command):
    before = tbill("wallet", "desk", "--json").out
    assert tbill("books", "index").code == 0
    found = killed(tbill.home, tmp_path / "work", *COMMANDS[command])
    assert len(found) == min(POINTS, found[0]["changes"]) > 2
    for point in found:
        assert point["killed"], point
        assert point["whole"], point
        refused = point["left"] and command in ("backup", "export")  # which write over nothing
        assert (point["again"]["code"] == 0) is not refused, point
        assert point["drafts"] == [], point
    assert tbill("wallet", "desk", "--json").out == before
    assert tbill("audit", "verify").code == 0


def test_a_restored_home_is_whole_or_not_there(tbill, tmp_path):
    archive, work = tmp_path / "desk.tar", tmp_path / "work"
    assert tbill("backup", archive, "--keys").code == 0
    for point in killed(tbill.home, work, "restore", str(archive), "--home", "OUT"):
        assert point["killed"], point
        assert point["whole"], point
        assert (point["again"]["code"] == 0) is not point["left"], point
        assert point["drafts"] == [], point
    assert tbill("restore", archive, "--home", work / "last").code == 0
    kept = {name: digest for name, digest in state(tbill.home).items() if name != "keys/passphrase"}
    assert state(work / "last") == kept


def stopped(words, out):
    """A process of the command that was stopped while it held a draft beside `out`, and the draft."""
    while True:
        command = [sys.executable, "-m", "tbill_defi", *words]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while not (found := [one for one in out.parent.iterdir() if one.name.startswith(f".{out.name}.")]):
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        if is_held(found[0]) and not out.exists():
            return process, found[0]
        process.kill()
        process.communicate()
        for one in [out, *found]:
            shutil.rmtree(one) if one.is_dir() else one.unlink(missing_ok=True)


def is_held(draft):
    """Whether a process has the lock on a draft; who makes one has it a moment later."""
    import fcntl

    try:
        descriptor = os.open(draft, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@pytest.mark.parametrize("command", ["backup", "export", "restore"])
def test_what_a_live_process_has_beside_stays(tbill, tmp_path, command):
    """One is stopped in the middle, the same command runs to its end beside it, and the first one goes on."""
    archive, out = tmp_path / "desk.tar", tmp_path / "out"
    assert tbill("backup", archive).code == 0
    words = {
        "backup": ("backup", str(out)),
        "export": ("audit", "export", str(out)),
        "restore": ("restore", str(archive), "--home", str(out)),
    }[command]
    first, draft = stopped(words, out)
    try:
        left = tmp_path / ".out.0123456789abcdef.new"
        left.mkdir()
        other = tmp_path / ".out.of-somebody.new"
        other.mkdir()
        assert tbill(*words).code == 0
        assert (draft.exists(), left.exists(), other.exists()) == (True, False, True)
    finally:
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=120)[1]
    assert "Traceback" not in said
    assert first.returncode in (2, 3, 7), said
    assert out.exists()
    assert not draft.exists()
