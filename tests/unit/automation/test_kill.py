"""kill -9 at any point, then the keeper again: every payment, call and settlement is there once, and nothing else."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

POINTS, PARTS = 30, 2
ROOT = Path(__file__).resolve().parents[3]
KILLED = [sys.executable, "-m", "tests.unit.automation.killed"]
TBILL = [sys.executable, "-c", "from tbill_defi.cli.main import main; main()"]
EVERYTHING = [("coupons", "done")] * 2 + [("redeem", "done")] + [("margin", "done")] * 2 + [("daily", "done")]
EVENTS = {
    **{"CouponPaid": 4, "CouponPassed": 2, "Redeemed": 1},
    **{"MarginCalled": 2, "MarginDelivered": 2, "MarginCallMet": 2},
    "Settled": 5,
}
"""Two coupons to two holders, one of them the facility, which passes its share on; of the five Instructions two opened
repos before that day."""


def process(words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)


def killed_at_many(busy, work, part):
    place = work / str(part)
    place.mkdir()
    ran = process([*KILLED, "many", *map(str, (busy, place, POINTS, part, PARTS))])
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_thirty_points(busy, tmp_path):
    with ThreadPoolExecutor(PARTS) as pool:
        found = list(pool.map(lambda part: killed_at_many(busy, tmp_path, part), range(PARTS)))
    whole, points = found[0][0], [point for part in found for point in part[1:]]
    assert all(part[0] == whole for part in found)
    assert [tuple(one) for one in whole["statuses"]] == EVERYTHING
    assert whole["picture"]["events"] == EVENTS
    assert whole["picture"]["drafts"] == []
    assert whole["changes"]["commit"] >= 10  # a block each: treasury, coupons and what is passed on, marks, margin, ...
    assert whole["changes"]["fsync"] >= 10
    assert len({point["point"] for point in points}) == POINTS
    for point in points:
        assert point["killed"], point
        assert point["codes"] == [0, 0, 0], point
        assert point["again"] == [], point
        assert point["picture"] == whole["picture"], point


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_of_its_own(busy):
    """As a desk starts it: the interpreter, the command, its death, and another that goes on."""
    changes = 20
    died = process([*KILLED, "one", str(changes), str(busy)])
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, ""), died.stderr
    went_on = process([*TBILL, "keeper", "run", "--once", "--json", "--home", str(busy)])
    assert went_on.returncode == 0, went_on.stderr
    rest = [(outcome["rule"], outcome["status"]) for outcome in json.loads(went_on.stdout)["outcomes"]]
    assert 0 < len(rest) < len(EVERYTHING)
    assert rest == EVERYTHING[-len(rest) :]
    audit = process([*TBILL, "audit", "verify", "--home", str(busy)])
    assert audit.returncode == 0, audit.stderr
