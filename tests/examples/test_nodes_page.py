"""The shell and Python blocks of docs/nodes.md, on a real anvil: as they stand, but for the port."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.behaviour.nodes import ANVIL, anvil

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "nodes.md").read_text()
PLACE = "http://127.0.0.1:8545"


@pytest.mark.node
@pytest.mark.slow
def test_the_page_settles_a_plan_on_anvil(tmp_path):
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    node, desk = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    (start,) = re.findall(r"anvil --timestamp ([0-9]+) ", node)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TBILL_")}
    environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "*"}

    def ran(words, **more):
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with anvil(at=int(start)) as url:
        said = ran(["bash", "-e", "-c", desk.replace(PLACE, url)])
        assert "market date 2026-03-24" in said
        assert re.search(r"settled atomically in block [0-9]+ at 2026-03-24 15:", said)
        assert re.search(r"[0-9]+ figures equal, [0-9]+ transfers", said)
        ran([sys.executable, "-c", script.replace(PLACE, url).replace("on-anvil", "another-home")])
