"""Two keepers at the same time, as a desk may start them by mistake: everything once, one line from who came second."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tbill_defi.core.errors import LedgerBusy
from tests.unit.automation.killed import keeper, picture
from tests.unit.automation.test_kill import EVERYTHING

ROUNDS = 4
ROOT = Path(__file__).resolve().parents[3]


def started(home):
    words = [sys.executable, "-c", "from tbill_defi.cli.main import main; main()"]
    words += ["keeper", "run", "--once", "--json", "--home", str(home)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def race(home):
    """Two processes at once: what was done by either, and who was told to wait."""
    done, busy = [], 0
    for child in [started(home), started(home)]:
        said, trouble = child.communicate(timeout=300)
        if child.returncode == LedgerBusy.exit_code:
            busy += 1
            assert said == ""
            assert len(trouble.splitlines()) == 1
            assert trouble.startswith("error: another writer holds ")
            assert trouble.rstrip().endswith("nothing was executed")
        else:
            assert (child.returncode, trouble) == (0, "")
            done += [(outcome["rule"], outcome["status"]) for outcome in json.loads(said)["outcomes"]]
    return done, busy


@pytest.mark.slow
def test_two_processes_at_once(busy, tmp_path):
    """They meet, or one comes when the other is through; either way nothing is done twice and nothing is left."""
    alone = tmp_path / "alone"
    shutil.copytree(busy, alone)
    assert keeper(alone)["code"] == 0
    expected = picture(alone)
    met = 0
    for round_ in range(ROUNDS):
        home = tmp_path / f"round{round_}"
        shutil.copytree(busy, home)
        done, told = race(home)
        assert told < 2
        met += told
        assert done == EVERYTHING
        assert race(home)[0] == []
        assert picture(home) == expected
        shutil.rmtree(home)
    assert met
