"""A strategy in a process of its own: the same target, and nothing to be reached but the view."""

import gc
from datetime import date

import pytest

from tbill_defi.core.errors import Infeasible, LookAhead, UsageError
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.strategy.discovery import find
from tbill_defi.strategy.isolation import IsolatedStrategy
from tests.unit.backtest.support import market

BOOK = Holdings("desk", {}, 10**13)
HEAD = """
from tbill_defi import Holdings, Strategy, StrategyConfig, View, Weights
{before}
class Plugin(Strategy[StrategyConfig]):
    "A question?"

    def decide(self, view: View, book: Holdings) -> Weights:
        {body}
        return Weights.of({{view.cusips[{pick}]: 1.0}})
"""


@pytest.fixture(scope="module")
def view():
    return HistoricalMarket(market()).view(date(2003, 6, 2))


@pytest.fixture
def plugin(tmp_path):
    def make(body="pass", *, before="", pick="7"):
        path = tmp_path / "plugin.py"
        path.write_text(HEAD.format(body=body, before=before, pick=pick))
        return IsolatedStrategy(find(str(path))(), seconds=20.0)

    return make


@pytest.mark.parametrize("name", ["ladder", "duration-target"])
def test_the_target_is_that_of_the_strategy_itself(name, view):
    strategy = find(name)()
    with IsolatedStrategy(strategy) as isolated:
        assert isolated.decide(view, BOOK) == strategy.decide(view, BOOK)
        assert isolated.decide(view, BOOK) == strategy.decide(view, BOOK)
        assert isolated.identity() == strategy.identity()


CHEATS = {
    "a file": "open('/etc/hostname').read()",
    "a folder": "import os; os.listdir('/')",
    "a file, hidden": "\n        try: open('/etc/hostname')\n        except BaseException: pass",
    "the network": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "another process": "import subprocess; subprocess.run(['ls'])",
    "a fork": "import os; os.fork()",
    "a database": "import sqlite3; sqlite3.connect('x.db')",
    "memory": "import gc; gc.get_objects()",
    "raw memory": "import ctypes; ctypes.string_at(0)",
    "its limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))",
}


@pytest.mark.parametrize("body", CHEATS.values(), ids=CHEATS.keys())
def test_reaching_for_more_is_caught_and_named(body, plugin, view):
    with (
        plugin(body) as isolated,
        pytest.raises(LookAhead, match=r"strategy plugin: .*; a strategy sees its view and"),
    ):
        isolated.decide(view, BOOK)


def test_a_file_read_while_loading_is_caught(plugin, view, tmp_path):
    """The plugin is loaded here first, for its name and config; in its own process loading is guarded."""
    (tmp_path / "future.csv").write_text("1")
    before = f"from pathlib import Path; FUTURE = Path({str(tmp_path / 'future.csv')!r}).read_text()"
    with plugin(before=before) as isolated, pytest.raises(LookAhead, match=r"future\.csv"):
        isolated.decide(view, BOOK)


def test_a_library_that_opens_files_by_itself_opens_none(plugin, view, tmp_path):
    """polars reads files without telling Python."""
    market().par_yields.write_parquet(tmp_path / "par_yields.parquet")
    body = f"import polars; self.rows = polars.read_parquet({str(tmp_path / 'par_yields.parquet')!r})"
    with plugin(body) as isolated, pytest.raises(LookAhead, match="strategy plugin: reads a file; a strategy sees"):
        isolated.decide(view, BOOK)


def test_the_market_beyond_the_view_is_not_in_its_process(plugin):
    """What this process holds of later days is not in the other: its module of histories was never loaded."""
    history = HistoricalMarket(market())
    assert any(found is history for found in gc.get_objects())
    body = "import sys; assert 'tbill_defi.portfolio.history' not in sys.modules, 'loaded'"
    with plugin(body) as isolated:
        isolated.decide(history.view(date(2003, 6, 2)), BOOK)


def test_views_cannot_be_changed_across_the_border(plugin, view):
    with plugin("view.curve.clear() if hasattr(view.curve, 'clear') else None") as isolated:
        isolated.decide(view, BOOK)
    assert view.curve["10 Yr"] > 0


def test_a_lazy_import_of_an_installed_package_is_fine(plugin, view):
    with plugin("import statistics, decimal; import highspy") as isolated:
        assert isolated.decide(view, BOOK).weights == {view.cusips[7]: 1.0}


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("raise ValueError('no')", UsageError, "strategy plugin failed: ValueError: no"),
        ("return 7", UsageError, "strategy plugin answered a int; expected Weights.of"),
        ("return Weights.of({view.cusips[0]: float('nan')})", Exception, "is not a share of NAV"),
        ("import os; os._exit(3)", UsageError, "its process ended by itself"),
        ("from tbill_defi import Infeasible; raise Infeasible('none', {'duration': 0.5})", Infeasible, "none"),
    ],
)
def test_what_a_bad_plugin_does_is_named(body, kind, text, plugin, view):
    with plugin(body) as isolated, pytest.raises(kind, match=text):
        isolated.decide(view, BOOK)


def test_a_relaxation_comes_through(plugin, view):
    body = "from tbill_defi import Infeasible; raise Infeasible('none', {'duration': 0.5})"
    with plugin(body) as isolated, pytest.raises(Infeasible) as caught:
        isolated.decide(view, BOOK)
    assert caught.value.relaxation == {"duration": 0.5}


def test_a_loop_is_stopped(tmp_path, view):
    path = tmp_path / "plugin.py"
    path.write_text(HEAD.format(body="\n        while True: pass", before="", pick="0"))
    with (
        IsolatedStrategy(find(str(path))(), seconds=3.0) as isolated,
        pytest.raises(UsageError, match="no answer within 3 s; it was stopped"),
    ):
        isolated.decide(view, BOOK)


def test_prints_do_not_disturb_the_answer(plugin, view):
    with plugin("print('hello')") as isolated:
        assert isolated.decide(view, BOOK).weights == {view.cusips[7]: 1.0}


def test_what_it_prints_is_passed_on_after_a_decision_and_not_after_an_error(plugin, view, capfd):
    with plugin("print('thinking aloud')") as isolated:
        isolated.decide(view, BOOK)
    assert "thinking aloud" in capfd.readouterr().err
    with plugin("print('thinking aloud'); raise ValueError('no')") as isolated, pytest.raises(UsageError):
        isolated.decide(view, BOOK)
    assert capfd.readouterr().err == ""
