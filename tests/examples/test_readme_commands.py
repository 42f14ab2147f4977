"""The README's commands, line by line in a new folder, as a reader types them."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.examples import tutorial

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
NODE, KEEPER = "--chain http", "tbill keeper "
RULES = '[rules.coupons]\napproval = "key:desk"\ntrigger = { kind = "coupon" }\naction = { kind = "pay-coupon" }\n'


@pytest.mark.slow
def test_every_line_works(tmp_path):
    (positions,) = re.findall(r"```csv\n(.*?)```", README, re.DOTALL)
    (tmp_path / "positions.csv").write_text(positions)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("tbill ") and NODE not in line]
    assert len(commands) >= 17
    for line in commands:
        if line.startswith(KEEPER):
            (tmp_path / ".tbill" / "keeper.toml").write_text(RULES)
        done = subprocess.run(
            ["bash", "-e", "-c", line],
            cwd=tmp_path,
            env=tutorial.surroundings(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert not done.stderr, f"{line}\n{done.stderr}"
