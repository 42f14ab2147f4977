"""kill -9 of a command that writes a file or a folder: it is there whole or not at all, and the next run makes it."""

import json
import os
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
    assert tbill("wallet", "desk", "--json").out == before
    assert tbill("audit", "verify").code == 0


def test_a_restored_home_is_whole_or_not_there(tbill, tmp_path):
    archive, work = tmp_path / "desk.tar", tmp_path / "work"
    assert tbill("backup", archive, "--keys").code == 0
    for point in killed(tbill.home, work, "restore", str(archive), "--home", "OUT"):
        assert point["killed"], point
        assert point["whole"], point
        assert (point["again"]["code"] == 0) is not point["left"], point
    assert tbill("restore", archive, "--home", work / "last").code == 0
    kept = {name: digest for name, digest in state(tbill.home).items() if name != "keys/passphrase"}
    assert state(work / "last") == kept
