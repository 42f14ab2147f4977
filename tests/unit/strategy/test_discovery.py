"""Strategies are found by entry point, by file, and by name; what is not there is said."""

import re
import sys
from pathlib import Path

import pytest
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.core.errors import StrategyError, UsageError
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


# --- a file and what it imports ---------------------------------------------------------------------------------------

IMPORTS = '''
from tbill_defi import Strategy, StrategyConfig, Weights
{line}

class Leaning(Strategy[StrategyConfig]):
    """What do I own if a helper tells me?"""

    def decide(self, view, book):
        {body}
        return Weights.of({{view.cusips[0]: SHARE}})
'''


@pytest.fixture
def folder(tmp_path):
    """A strategy, its helper, the helper's helper, and a file that nobody imports."""
    place = tmp_path / "desk"
    place.mkdir()
    (place / "helper.py").write_text("from .deeper import SHARE\n")
    (place / "deeper.py").write_text("SHARE = 0.5\n")
    (place / "stranger.py").write_text("X = 1\n")
    return place


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("from .helper import SHARE", "pass"),
        ("from . import helper; SHARE = helper.SHARE", "pass"),
        ("", "from .helper import SHARE"),
        ("", "import importlib; SHARE = importlib.import_module('.helper', __package__).SHARE"),
    ],
)
def test_a_file_leans_on_what_is_beside_it_and_its_hash_covers_it(folder, line, body, sample, book):
    (folder / "ideas.py").write_text(IMPORTS.format(line=line, body=body))
    path = str(folder / "ideas.py")
    seen = {}
    for text in ("SHARE = 0.5\n", "SHARE = 0.25\n", "SHARE = 0.25  # a word\n", "SHARE = 0.5\n"):
        (folder / "deeper.py").write_text(text)
        plan = td.plan(find(path)(), sample, book)
        seen.setdefault(text, []).append((plan.context["strategy_source_hash"], plan.hash))
    assert len({hashes for found in seen.values() for hashes, _ in found}) == 3
    assert len({found[0][1] for found in seen.values()}) == 3
    assert len(set(seen["SHARE = 0.5\n"])) == 1, "the same source, the same plan"
    before = find(path).source_hash()
    (folder / "stranger.py").write_text("X = 2\n")
    assert find(path).source_hash() == before


def test_the_hash_of_several_files_recomputes(folder):
    import json

    from tbill_defi.core.hashing import keccak256

    (folder / "ideas.py").write_text(IMPORTS.format(line="from .helper import SHARE", body="pass"))
    names = ("deeper.py", "helper.py", "ideas.py")
    listed = {name: "0x" + keccak256((folder / name).read_bytes()).hex() for name in names}
    canonical = json.dumps(listed, sort_keys=True, separators=(",", ":")).encode()
    assert find(str(folder / "ideas.py")).source_hash() == keccak256(canonical)


def test_a_package_is_covered_as_far_as_it_is_imported(folder, monkeypatch):
    package = folder / "my_package"
    (package / "ideas").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Words."""\n')
    (package / "ideas" / "__init__.py").write_text("LEVEL = 1\n")
    (package / "ideas" / "leaning.py").write_text(IMPORTS.format(line="from my_package.sums import SHARE", body="pass"))
    (package / "sums.py").write_text("import json\nfrom .ideas import LEVEL\nSHARE = 0.5\n")
    (package / "unused.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(folder))
    from tbill_defi.strategy.source import own_files

    found = find("my_package.ideas.leaning:Leaning")
    assert list(own_files(found)) == [
        "my_package/ideas/__init__.py",
        "my_package/ideas/leaning.py",
        "my_package/sums.py",
    ]
    before = found.source_hash()
    (package / "sums.py").write_text("SHARE = 0.4\n")
    assert found.source_hash() != before


@pytest.mark.parametrize(("text", "said"), [("raise SystemExit(7)", "calls sys.exit(7)"), ("exit()", "sys.exit(None)")])
def test_a_file_that_exits_while_it_loads(plugin, tmp_path, text, said):
    with pytest.raises(StrategyError, match=re.escape(said)):
        find(plugin(f"{text}\n"))
    assert not [module for module in sys.modules.values() if str(tmp_path) in str(vars(module).get("__path__", ""))]
