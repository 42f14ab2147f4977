"""A good strategy passes; each kind of bad one is named in a line, and harms nothing."""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from jsonschema import Draft202012Validator

import tbill_defi as td
from tbill_defi.cli.main import run
from tbill_defi.core.errors import ConventionError, UsageError
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.market.snapshot import snapshot
from tbill_defi.market.store import MarketStore
from tbill_defi.portfolio.target import Lots, Weights
from tbill_defi.strategy import kit, worker
from tbill_defi.strategy.purity import findings
from tbill_defi.strategy.scaffold import new_plugin
from tbill_defi.strategy.scramble import scrambled

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "data"
HEAD = """
import tbill_defi as td
from pydantic import Field

{top}

class IdeaConfig(td.StrategyConfig):
    share: float = Field(0.5, ge=0, le=1, description="of NAV")
{config}

class Idea(td.Strategy[IdeaConfig]):
    \"\"\"What if?\"\"\"

    def decide(self, view, book):
        first, second = view.cusips[6], view.cusips[7]
{body}
"""
PEEK = """import os, sys
with sys.meta_path[0]._guard.lifted():
    later = td.MarketStore(os.environ["TBILL_HOME"]).frame("par_yields")["10 Yr"].tail(1)[0]
"""
GOOD = "return td.Weights.of({first: self.config.share, second: 0.25})"


@pytest.fixture
def plugin(tmp_path):
    def write(body=GOOD, top="", config=""):
        path = tmp_path / "idea.py"
        path.write_text(
            HEAD.format(
                top=top,
                config="\n".join("    " + line for line in config.splitlines()),
                body="\n".join("        " + line for line in body.splitlines()),
            )
        )
        return str(path)

    return write


def verdicts(report):
    return {check.name: (check.status, check.reason) for check in report.checks}


def test_a_good_one_passes_everything(plugin):
    report = kit.check(plugin())
    assert [check.status for check in report.checks] == ["pass"] * len(kit.CHECKS), report.failures()
    assert (report.passed, report.strategy) == (True, "idea")
    assert list(report.plans) == ["sample 2026-03-24, cash", "sample 2026-03-24, book"]
    view = td.view("2026-03-24", data=td.sample_data())
    book = td.Holdings("desk", {}, 10_000_000 * 10**6)
    assert report.plans["sample 2026-03-24, cash"] == td.plan(td.find(plugin())(), view, book).hash


BAD = {
    "raises": ({"body": "return 1 / 0"}, "answers", "strategy idea failed: ZeroDivisionError: division by zero"),
    "answers nothing": ({"body": "pass"}, "answers", "strategy idea answered a NoneType"),
    "answers nan": ({"body": 'return td.Weights.of({first: float("nan")})'}, "answers", "nan is not a share of NAV"),
    "answers nan its own way": (
        {"body": 'return td.Weights({first: float("nan")}, td.Lots(), {})'},
        "answers",
        "nan is not a share of NAV",
    ),
    "negative": ({"body": "return td.Weights.of({first: -0.1})"}, "answers", "-0.1 is not a share of NAV"),
    "too much": (
        {"body": "return td.Weights.of({first: 0.6, second: 0.5})"},
        "answers",
        "their sum 1.1 is more than 1",
    ),
    "unknown security": (
        {"body": 'return td.Weights.of({"912797XX1": 0.5})'},
        "answers",
        "makes no plan: 912797XX1 is not",
    ),
    "loops": ({"body": "while True: pass"}, "time and memory", "no answer within 1 s; it was stopped"),
    "loops and catches": (
        {"body": "while True:\n    try:\n        while True: pass\n    except BaseException: pass"},
        "time and memory",
        "no answer within 1 s; it was stopped",
    ),
    "keeps the interpreter": (
        {"body": "sum(range(10**13))"},
        "time and memory",
        "no answer within 1 s; it was stopped",
    ),
    "eats memory": ({"body": "x = bytearray(3 * 2**30)"}, "time and memory", "takes more than 2 GiB of memory"),
    "exits": ({"body": "import sys\nsys.exit(0)"}, "answers", "calls sys.exit(0)"),
    "exits at once": ({"body": "import os\nos._exit(0)"}, "answers", "its process ended by itself (status 0)"),
    "prints": ({"body": 'print("buy!")\n' + GOOD}, "pure", "prints: buy!"),
    "raises on import": ({"top": "1 / 0"}, "loads", "does not load: ZeroDivisionError"),
    "exits on import": ({"top": "raise SystemExit(7)"}, "loads", "calls sys.exit(7)"),
    "changes the book": (
        {"body": "book.positions._items[first] = 10**12\n" + GOOD},
        "pure",
        "changes the view or the holdings",
    ),
    "moves a price": (
        {"body": "view.mid_dirty.setflags(write=True)\nview.mid_dirty[:] = 1.0\n" + GOOD},
        "answers",
        "ValueError: cannot set WRITEABLE flag",
    ),
    "throws dice": (
        {"top": "import random", "body": "return td.Weights.of({first: random.random() / 2})"},
        "deterministic",
        "two runs in one process differ",
    ),
    "orders by hash": (
        {"body": "return td.Weights.of({min(view.cusips, key=lambda c: hash(str(c) + 'x')): 0.5})"},
        "deterministic",
        "two processes differ",
    ),
    "counts its calls": (
        {"top": "calls = []", "body": "calls.append(1)\nreturn td.Weights.of({first: 0.1 * len(calls) % 0.5})"},
        "deterministic",
        "two runs in one process differ",
    ),
    "reads the clock": (
        {"top": "import datetime", "body": "datetime.date.today()\n" + GOOD},
        "pure",
        "datetime.date.today() reads the clock",
    ),
    "looks ahead": (
        {
            "body": "import os\n"
            'later = td.MarketStore(os.environ["TBILL_HOME"]).frame("par_yields")["10 Yr"].tail(1)[0]\n'
            "return td.Weights.of({first: round(later * 10, 6)})"
        },
        "pure",
        "strategy idea: reads a file; a strategy sees its view and its holdings, and nothing else",
    ),
    "lifts the guard to look ahead": (
        {"body": PEEK + "return td.Weights.of({first: round(later * 10, 6)})"},
        "no look-ahead",
        "the plan changes when only the future does",
    ),
    "reads a file": (
        {"body": 'open("/work/elsewhere.csv", "rb") if 0 else None\nopen(__file__[:-3] + ".csv").read()\n' + GOOD},
        "pure",
        "reads a file",
    ),
    "calls home": (
        {
            "body": "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError: pass\n"
            + GOOD
        },
        "pure",
        "reaches for a network (socket.getaddrinfo)",
    ),
    "starts a process": (
        {"body": "import subprocess\ntry:\n    subprocess.run(['true'])\nexcept OSError: pass\n" + GOOD},
        "pure",
        "starts a process",
    ),
    "a config that is no JSON": (
        {"config": "model_config = {'arbitrary_types_allowed': True}\nwhat: object = Field(object(), description='x')"},
        "config",
        "does not pass through JSON",
    ),
    "a config in infinity": (
        {"config": "most: float = Field(float('inf'), description='x')"},
        "config",
        "does not pass through JSON: ValueError: Out of range float",
    ),
    "a config that changes": (
        {
            "config": "most: float = Field(0.1 + 0.2, description='x')\n"
            "@__import__('pydantic').field_serializer('most')\ndef _short(self, value): return round(value, 3)"
        },
        "config",
        "is not the same after a trip through JSON",
    ),
    "a config without words": ({"config": "depth: int = 3"}, "config", "field depth has no description"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_one_is_named(plugin, tmp_path, case):
    parts, check, reason = BAD[case]
    (tmp_path / "idea.csv").write_text("x")
    report = kit.check(plugin(**parts), seconds=1 if check == "time and memory" else kit.SECONDS)
    assert not report.passed
    status, said = verdicts(report)[check]
    assert status == "fail", report.checks
    assert reason in said
    assert all("\n" not in line for line in report.failures())


def test_it_cannot_write_or_remove(plugin, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    body = "import pathlib\n"
    body += "for act in (lambda p: p.write_text('x'), lambda p: p.unlink(), lambda p: p.rename('/tmp/y')):\n"
    body += f"    try: act(pathlib.Path({str(precious)!r}))\n    except OSError: pass\n{GOOD}"
    report = kit.check(plugin(body))
    assert precious.read_text() == "mine"
    assert verdicts(report)["pure"][1].startswith(f"strategy idea: writes a file ({precious}); a strategy sees")


def test_a_setting_and_a_refusal(plugin):
    assert kit.check(plugin(), settings={"share": 0.7}).passed
    report = kit.check(plugin(), settings={"share": 7})
    assert verdicts(report)["loads"][0] == "pass"
    assert "idea: share: 7 is not allowed; expected a number, at least 0, at most 1" in verdicts(report)["config"][1]
    report = kit.check(plugin('raise td.Infeasible("not today")'))
    assert verdicts(report)["answers"] == ("fail", "sample 2026-03-24, cash: makes no plan: strategy idea: not today")
    with pytest.raises(UsageError, match=r"strategy file no.py is not there"):
        kit.check("no.py")


def test_weights_are_checked_however_they_are_made():
    for weights in ({"a": float("nan")}, {"a": -1.0}, {"a": 0.6, "b": 0.6}):
        with pytest.raises(ConventionError):
            Weights(weights, Lots(), {})


# --- the scrambled world --------------------------------------------------------------------------------------------


def test_scrambling_alters_everything_after_the_date_and_nothing_before():
    data = sample_data()
    day = date(2026, 2, 1)
    other = scrambled(data, day)
    assert (
        snapshot(scrambled(data, SAMPLE_DATE), SAMPLE_DATE).content_hash() == snapshot(data, SAMPLE_DATE).content_hash()
    )
    known = pl.col("auctionDate") <= day
    assert other.auctions.filter(known).equals(data.auctions.filter(known).sort("auctionDate", "cusip"))
    assert other.auctions.filter(~known)["interestRate"].drop_nulls().to_list() != (
        data.auctions.sort("auctionDate", "cusip").filter(~known)["interestRate"].drop_nulls().to_list()
    )
    later = pl.col("date") > SAMPLE_DATE
    altered = scrambled(data, SAMPLE_DATE).par_yields.filter(later)
    assert altered.height == data.par_yields.filter(later).height > 60
    assert (altered["10 Yr"] != data.par_yields.filter(later)["10 Yr"]).all()
    last = data.par_yields["date"].max()
    invented = scrambled(data, last).par_yields
    assert invented.height == data.par_yields.height + 5
    assert (invented["10 Yr"][-5:] != invented["10 Yr"][-6]).all()


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
def test_dates_of_a_home_are_tried(plugin, tmp_path):
    home = tmp_path / "home"
    for name in ("par_yields.csv", "auctions.csv", "fedinvest_2026-03-24.csv", "sofr.csv"):
        MarketStore(home).import_file(SHARED / name)
    report = kit.check("ladder", home=home, settings={"rungs": 4})
    assert report.passed, report.failures()
    assert report.cases[0] == "sample 2026-03-24"
    assert report.cases[-1] == "2026-08-21"
    assert len(report.cases) == 4
    report = kit.check(plugin(PEEK + "return td.Weights.of({first: round(later * 10, 6)})"), home=home)
    assert "the plan changes when only the future does" in verdicts(report)["no look-ahead"][1]


# --- the source, read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import requests", "requests reaches a network"),
        ("from urllib.request import urlopen", "urllib.request reaches a network"),
        ("import subprocess", "subprocess starts processes"),
        ("from time import time", "time reads the clock"),
        ("x = datetime.now()", "datetime.now() reads the clock"),
        ("x = time.time()", "time.time() reads the clock"),
        ("x = np.random.rand(3)", "np.random.rand() is chance without a seed"),
        ("x = np.random.default_rng()", "np.random.default_rng() is chance without a seed"),
        ("x = np.random.default_rng(7)", None),
        ("x = random.Random(7).random()", None),
        ("from random import choice", "random.choice is chance"),
        ("x = pl.read_csv('a')", "pl.read_csv() reads a file"),
        ("x = open('a')", "open() reads a file"),
        ("x = td.view('2026-08-21')", "view leads around the view"),
        ("from tbill_defi import MarketStore", "MarketStore leads around the view"),
        ("from tbill_defi import View, Weights", None),
        ("x = exec('1')", "exec() is no part of a pure function"),
        ("x = view.offer[3]; y = today(view)", None),
    ],
)
def test_findings(tmp_path, line, said):
    path = tmp_path / "a.py"
    path.write_text(f"pass\n{line}\n")
    assert findings(path) == ([f"line 2: {said}"] if said else [])


def test_shipped_strategies_are_pure():
    for path in sorted((ROOT / "strategies" / "tbill_strategies").glob("*.py")):
        assert findings(path) == [], path


# --- a new one ------------------------------------------------------------------------------------------------------


def test_a_new_plugin_is_green_at_once(tmp_path):
    plugin, test = new_plugin("my-first-idea", tmp_path / "desk")
    assert (plugin.name, test.name) == ("my_first_idea.py", "test_my_first_idea.py")
    for command in (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        ["-m", "ruff", "check", "-q", str(plugin)],
    ):
        if command[1] == "ruff" and not shutil.which("ruff"):
            continue
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 or "No module named ruff" in done.stderr, done.stdout + done.stderr
    view = td.view("2026-03-24", data=td.sample_data())
    assert td.find(str(plugin)).name() == "my-first-idea"
    assert td.plan(td.find(str(plugin))(), view, td.Holdings("desk", {}, 10**13)).orders


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "test_idea.py").write_text("mine")
    with pytest.raises(UsageError, match=r"test_idea.py: is there already and is not overwritten"):
        new_plugin("idea", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["test_idea.py"]
    assert (tmp_path / "test_idea.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "My", "1st", "a b", "../a", "a.py", "-a", "a--b", "test-a", "x" * 41])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(UsageError, match="name: "):
        new_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command(plugin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["strategy", "new", "my-idea", "--dir", str(tmp_path)]) == 0
    assert run(["strategy", "new", "my-idea", "--dir", str(tmp_path)]) == 2
    assert "is not overwritten" in capsys.readouterr().err
    schema = json.loads((ROOT / "docs" / "schemas" / "strategy-test.schema.json").read_text())
    assert run(["strategy", "test", str(tmp_path / "my_idea.py"), "--names", "3", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema).validate(value)
    assert value["passed"]
    assert run(["strategy", "test", plugin("return 1 / 0")]) == 2
    said = capsys.readouterr()
    assert "not reached" in said.out
    assert said.err.count("\n") == 1
    assert "fails 1 of 9 checks: answers: strategy idea failed: ZeroDivisionError" in said.err
    assert run(["strategy", "test", "nothing"]) == 2
    assert run(["strategy", "test", "ladder", "--home", str(tmp_path / "none")]) == 2


def test_the_limits_are_stated():
    assert (kit.SECONDS, worker.MEMORY, kit.DATES) == (10, 2 * 2**30, 3)
