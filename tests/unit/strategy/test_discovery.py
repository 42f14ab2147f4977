"""Strategies are found by entry point, by file, and by name; what is not there is said."""

import sys
from pathlib import Path

import pytest
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.core.errors import UsageError
from tbill_defi.strategy.discovery import GROUP, find, installed

PLUGIN = '''
from tbill_defi import Holdings, Strategy, StrategyConfig, View, Weights


class BarbellConfig(StrategyConfig):
    """Settings."""

    short: float = 0.5


class Barbell(Strategy[BarbellConfig]):
    """What do I own if I want both ends?"""

    def decide(self, view: View, book: Holdings) -> Weights:
        ends = {view.cusips[0]: self.config.short, view.cusips[-1]: 1 - self.config.short}
        return Weights.of(ends)
'''
SECOND = '''

class Bullet(Strategy[BarbellConfig]):
    """What do I own if I want one maturity?"""

    def decide(self, view: View, book: Holdings) -> Weights:
        return Weights.of({view.cusips[5]: 1.0})
'''
ABSTRACT = '''
from tbill_defi import Strategy, StrategyConfig


class Unfinished(Strategy[StrategyConfig]):
    """What did I forget?"""
'''


@pytest.fixture
def plugin(tmp_path):
    def write(text, name="ideas.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_shipped_ones_come_in_as_anyones():
    assert GROUP == "tbill_defi.strategies"
    assert {"ladder", "duration-target"} <= set(installed())
    assert list(installed()) == sorted(installed())
    assert find("ladder") is Ladder
    assert find("duration-target") is DurationTarget


def test_by_name():
    assert find("tbill_strategies.ladder:Ladder") is Ladder


def test_by_file(plugin, sample, book):
    path = plugin(PLUGIN)
    before = list(sys.path)
    found = find(path)
    assert (found.__name__, found.name(), found.question()) == (
        "Barbell",
        "barbell",
        "What do I own if I want both ends?",
    )
    assert find(f"{path}:Barbell") is found
    assert sys.path == before, "sys.path is left alone"
    assert td.plan(found(short=0.3), sample, book).orders


def test_a_file_with_several(plugin):
    path = plugin(PLUGIN + SECOND)
    with pytest.raises(UsageError, match=r"holds 2 strategies \(Barbell, Bullet\); name one as .*ideas\.py:Class"):
        find(path)
    assert find(f"{path}:Bullet").name() == "bullet"


def test_a_base_of_ones_own_is_no_second_strategy(plugin):
    path = plugin(ABSTRACT + PLUGIN.replace("Strategy[BarbellConfig]", "Unfinished"))
    assert find(path).__name__ == "Barbell"


def test_same_name_other_folder(tmp_path):
    """Two files of one name are two modules."""
    found = []
    for folder, text in (("a", PLUGIN), ("b", PLUGIN.replace("0.5", "0.4"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ideas.py").write_text(text)
        found.append(find(str(tmp_path / folder / "ideas.py")))
    assert [cls().config.short for cls in found] == [0.5, 0.4]
    assert found[0].__module__ != found[1].__module__


def test_an_edited_file_is_read_again(plugin):
    assert find(plugin(PLUGIN))().config.short == 0.5
    assert find(plugin(PLUGIN.replace("0.5", "0.25")))().config.short == 0.25


def test_a_file_named_as_a_module_shadows_nothing(plugin):
    import json

    find(plugin(PLUGIN, "json.py"))
    assert sys.modules["json"] is json
    assert not Path(json.__file__).parent.samefile(Path(plugin(PLUGIN, "json.py")).parent)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("laddr", "strategy 'laddr' is not known; give one of: "),
        ("", "is not known"),
        ("missing.py", "strategy file missing.py is not there"),
        ("missing.py:Ladder", "strategy file missing.py is not there"),
        ("no.such.module:Ladder", "does not load: ModuleNotFoundError"),
        ("tbill_strategies.ladder:Missing", "is not a class derived from tbill_defi.Strategy"),
        ("tbill_strategies.ladder:LadderConfig", "is not a class derived from tbill_defi.Strategy"),
        ("tbill_defi.strategy.base:Strategy", "with a decide method"),
        ("json:dumps", "is not a class derived"),
    ],
)
def test_what_is_not_there(reference, message):
    with pytest.raises(UsageError) as caught:
        find(reference)
    assert message in str(caught.value)


def test_what_is_installed_is_named():
    with pytest.raises(UsageError, match=r"give one of: .*duration-target, .*ladder, or a file such as ideas.py"):
        find("laddr")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "does not load: SyntaxError"),
        ("import no_such_library\n", "does not load: ModuleNotFoundError"),
        ("1 / 0\n", "does not load: ZeroDivisionError"),
        ("", "holds 0 strategies (none)"),
        ("from tbill_strategies.ladder import Ladder\n", "holds 0 strategies (none)"),
        (ABSTRACT, "with a decide method"),
    ],
    ids=["syntax", "import", "raises", "empty", "only imported", "no decide"],
)
def test_a_file_that_is_no_plugin(plugin, text, message):
    path = plugin(text)
    modules = set(sys.modules)
    with pytest.raises(UsageError) as caught:
        find(path)
    assert message in str(caught.value)
    if "does not load" in message:
        assert set(sys.modules) == modules, "half a module is not kept"
