"""The shell blocks of docs/settlement.md, in order, as a reader types them."""

import re
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
    assert "settled: dealer delivers 1,000,000.00 91282CPP0 to fund for 991,250.00 USD" in said[2]
    assert "5,000,000.00 of it has settled" in said[3]
    assert said[4].count("pending: dealer delivers") == 2
    assert re.search(r"2026-03: dealer owes desk [0-9.]+ USD, not above the minimum", said[5])
    assert re.search(r"paid in block [0-9]+: dealer owes fund [0-9.]+ USD, paid", said[5])
    assert "3 obligations settled" in said[6]
