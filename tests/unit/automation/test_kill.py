"""kill -9 anywhere, then the keeper again: every payment and settlement is there once, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

POINTS = 30
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_thirty_points(home, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "tests.unit.automation.killed", str(home), str(work), str(POINTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    whole, *points = [json.loads(line) for line in run.stdout.splitlines()]
    assert [status for _, status in whole["statuses"]] == ["done"] * 4
    assert whole["picture"]["events"] == ["CouponPaid", "CouponPaid", "Redeemed", "Settled"]
    assert whole["durable"] > 20
    assert len(points) == POINTS
    assert sum(point["killed"] for point in points) >= POINTS - 1  # the last call may come a little earlier
    for point in points:
        assert point["picture"] == whole["picture"], point
        assert point["again"] == [], point
