"""A plugin that cheats or breaks, at the desk: `plan` and `rebalance` name it in a line, nothing settles or is left."""

import pytest

from tbill_defi.strategy.isolation import IsolatedStrategy
from tests.unit.cli.support import refused, state

PLUGIN = """
import tbill_defi as td


class Idea(td.Strategy[td.StrategyConfig]):
    \"\"\"What if?\"\"\"

    def decide(self, view, book):
        {}
        return td.Weights.of({{view.cusips[6]: 0.3}})
"""
BAD = {
    "ends the process": ("import os; os._exit(0)", 2, "its process ended by itself (status 0)"),
    "kills the desk": ("import os; os.kill(os.getppid(), 9)", 5, "tried os.kill"),
    "loops": ("while True: pass", 2, "no answer within 6 s; it was stopped"),
    "eats memory": ("x = bytearray(10 * 2**30)", 2, "takes more than 2 GiB of memory"),
    "answers no number": ("return td.Weights.of({view.cusips[6]: float('nan')})", 4, "nan is not a share of NAV"),
    "reads the ledger": ("open(__file__.replace('idea.py', 'home/ledger/ledger.db')).read()", 5, "reads a file ("),
    "prints without end": ("while True: print('x' * 10**6)", 2, "prints more than 16 MiB"),
}


@pytest.fixture
def idea(tmp_path):
    def write(line):
        path = tmp_path / "idea.py"
        path.write_text(PLUGIN.format(line))
        return str(path)

    return write


@pytest.mark.parametrize("words", [("plan",), ("rebalance", "--yes")], ids=["plan", "rebalance"])
@pytest.mark.parametrize("case", BAD)
def test_it_is_one_line_and_nothing_settles(tbill, idea, monkeypatch, case, words):
    line, code, said = BAD[case]
    if case == "loops":
        monkeypatch.setitem(IsolatedStrategy.__init__.__kwdefaults__, "seconds", 6.0)
    before = state(tbill.home)
    refused(tbill(words[0], idea(line), *words[1:]), code, "strategy idea", said)
    assert state(tbill.home) == before


def test_what_it_patches_it_patches_for_itself(tbill, idea):
    lines = "import tbill_defi.portfolio.planner as planner, sys; planner.build_plan = planner.make_order = sys.exit"
    made = tbill("plan", idea(lines), "--json").json
    assert [order for order in made["orders"] if order["side"] == "buy"]


def test_what_it_prints_goes_to_the_error_stream(tbill, idea):
    done = tbill("plan", idea("print('thinking aloud')"), "--json")
    assert done.code == 0
    assert done.err == "thinking aloud\n"
