"""The shell blocks of docs/settlement.md, in order, as a reader types them."""

from pathlib import Path

import pytest

from tests.examples import terminal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settlement.md"


@pytest.mark.slow
def test_the_page_runs(tmp_path):
    said = {}
    for count, block in enumerate(terminal.blocks(PAGE)):
        code, said[count] = terminal.typed(block, tmp_path, TBILL_HOME=str(tmp_path / "desk"))
        assert code == 0, said[count]
    assert "15,000,000 JPY in circulation" in said[1]
