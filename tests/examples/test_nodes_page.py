"""The shell and Python blocks of docs/nodes.md, on a real anvil: as they stand, but for the port."""

import re
from pathlib import Path

import pytest

from tests.behaviour.nodes import ANVIL, anvil
from tests.examples import terminal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nodes.md"
PLACE = "http://127.0.0.1:8545"


@pytest.mark.node
@pytest.mark.slow
def test_the_page_settles_a_plan_on_anvil(tmp_path):
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    node, desk = terminal.blocks(PAGE)
    (start,) = re.findall(r"anvil --timestamp ([0-9]+) ", node)
    (script,) = terminal.blocks(PAGE, "python")
    with anvil(at=int(start)) as url:
        code, said = terminal.typed(desk.replace(PLACE, url), tmp_path)
        assert code == 0, said
        assert "market date 2026-03-24" in said
        assert re.search(r"settled atomically in block [0-9]+ at 2026-03-24 15:", said)
        assert re.search(r"[0-9]+ figures equal, [0-9]+ transfers", said)
        (tmp_path / "script.py").write_text(script.replace(PLACE, url))
        code, said = terminal.typed("python script.py", tmp_path)
        assert code == 0, said
