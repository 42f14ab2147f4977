"""`tbill backtest`: JSON as its schema says, one clear error for each bad input, interruption without loss."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from jsonschema import Draft202012Validator

from tbill_defi.market.par_yields import TENORS
from tests.unit.backtest.support import par_yields
from tests.unit.cli.support import SCHEMAS

RANGE = ("--from", "2003-01-02", "--to", "2004-12-31", "--capital", "1000000")
LADDER = ("ladder", *RANGE, "--frequency", "quarterly", "--rungs", "16", "--longest-years", "4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a par yield file as the Treasury's, in percent."""
    place = tmp_path_factory.mktemp("files")
    frame = par_yields()
    percent = frame.select(pl.col("date").alias("Date"), *((pl.col(name) * 100).round(2) for name in TENORS))
    percent.write_csv(place / "par_yields.csv")
    (place / "notes.txt").write_text("not a market file")
    (place / "other.csv").write_text("a,b\n1,2\n")
    return place


def command(folder, out, *words):
    code = "import sys; from tbill_defi.cli.main import main; main()"
    return [sys.executable, "-c", code, "backtest", *LADDER, "--data", str(folder), "--out", str(out), "--json", *words]


def test_json_is_as_the_schema_says(nothing, folder, tmp_path):
    ran = nothing("backtest", *LADDER, "--data", folder, "--out", tmp_path / "run", "--json")
    value = ran.json
    schema = json.loads((SCHEMAS / "backtest.schema.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    assert value["files"].keys() >= {"daily", "journal", "result"}
    assert all(Path(path).exists() for path in value["files"].values())
    assert pl.read_parquet(value["files"]["daily"])["nav_units"][-1] == int(value["final_nav_units"])
    assert set(value["returns_by_year"]) == {"2003", "2004"}


def test_the_table_has_the_years_and_the_hash(nothing, folder, tmp_path):
    ran = nothing("backtest", *LADDER, "--data", folder, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "2003" in ran.out
    assert "run 0x" in ran.out


def test_calls_are_written_on_what_another_strategy_holds(nothing, folder, tmp_path):
    words = ("covered-call-overlay", *RANGE, "--delta", "0.4", "--over", "ladder", "--over.longest-years=4")
    out = ("--data", folder, "--out", tmp_path / "run")
    value = nothing("backtest", *words, *out, "--json").json
    schema = json.loads((SCHEMAS / "backtest.schema.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    assert value["settings"]["strategy"] == "covered-call-overlay"
    assert value["settings"]["over"]["config"]["longest_years"] == 4
    assert value["calls"]["written"] > 20
    assert value["attribution"]["options"] != 0
    told = nothing("backtest", *words, *out).out
    assert "covered-call-overlay over ladder" in told
    assert f"calls: {value['calls']['written']} written for $" in told
    assert "options" in told
    if "tear_sheet" in value["files"]:
        assert "<th>options</th>" in Path(value["files"]["tear_sheet"]).read_text()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("ladder", "--from", "2003-01-04", "--to", "2003-12-31"), 3, "2003-01-04, a Saturday, is not a trading day"),
        (("ladder", "--from", "1999-01-04", "--to", "2003-12-31"), 3, "there is no curve on 1999-01-04"),
        (("ladder", "--from", "2003-01-02", "--to", "2009-12-31"), 3, "there is no curve up to 2009-12-31"),
        (("ladder", "--from", "2003-1-2", "--to", "2009-12-31"), 2, "is not a date such as"),
        (("ladder", *RANGE, "--longest-years", "30"), 5, "no 30 Yr is issued on 2003-01-02"),
        (("ladder", *RANGE[:4], "--capital", "900"), 2, "is below a lot"),
        (("ladder", *RANGE[:4], "--capital", "much"), 4, "is not an amount of dollars"),
        (("ladder", *RANGE, "--ledger", "paper"), 2, "is not one of arrays, revm"),
        (("ladder", *RANGE, "--runge", "3"), 2, "--runge is not known; did you mean --rungs?"),
        (("ladder", *RANGE, "--rungs", "0"), 4, "ladder: rungs: 0 is not allowed; expected a whole number, at least 1"),
        (("laddr", *RANGE), 2, "strategy 'laddr' is not known; give one of"),
        (("ladder", "--from", "2004-01-02", "--to", "2003-12-31"), 2, "to: 2003-12-31 is not after from 2004-01-02"),
        (("ladder", "--from", "2003-07-04", "--to", "2003-12-31"), 3, "2003-07-04, a Friday, is not a trading day"),
        (("constant-maturity", *RANGE, "--tenor", "30 Yr"), 5, "no 30 Yr is issued on 2003-01-02: the tenors with"),
        (("constant-maturity", *RANGE, "--tenor", "ten"), 5, "no ten is issued on 2003-01-02"),
        (("bill-roll", *RANGE, "--months", "2"), 5, "no 2 Mo bill is issued on 2003-01-02"),
        (("covered-call-overlay", *RANGE, "--over", "covered-call-overlay"), 5, "and holds nothing itself; name the"),
        (
            ("covered-call-overlay", *RANGE, "--over.runge", "3"),
            2,
            "--over.runge is not known; did you mean --over.rungs",
        ),
        (("covered-call-overlay", *RANGE, "--over", "laddr"), 2, "strategy 'laddr' is not known; give one of"),
        (("covered-call-overlay", *RANGE, "--over.rungs"), 2, "option --rungs needs a value"),
        (
            ("ladder", *RANGE, "--over", "barbell"),
            5,
            "ladder says what to hold and writes no options; leave --over out",
        ),
        (
            ("ladder", *RANGE, "--over.rungs", "3"),
            2,
            "option --over.rungs: it is over no strategy; name one with --over",
        ),
    ],
)
def test_bad_input(words, code, text, nothing, folder, tmp_path):
    ran = nothing("backtest", *words, "--data", folder, "--out", tmp_path / "run")
    assert ran.code == code, ran.err
    assert text in ran.err
    assert ran.err.count("\n") <= 2
    assert not ran.out


def test_a_folder_without_market_files(nothing, tmp_path):
    ran = nothing("backtest", *LADDER, "--data", tmp_path)
    assert ran.code == 3
    assert "holds no CSV file of par_yields, auctions, sofr" in ran.err


def outcome(out):
    """Everything a run leaves, byte for byte, but the names of its own files."""
    found = json.loads((out / "result.json").read_text())
    del found["files"]
    parts = {path.name: path.read_bytes() for path in sorted((out / "parts").iterdir())}
    return found, parts, (out / "daily.parquet").read_bytes(), (out / "journal.parquet").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("ledger", ["arrays", "revm"])
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_ends_as_one_that_was_left_alone(sent, ledger, folder, tmp_path):
    """Killed once the first year is kept; the same command then leaves the same files as an uninterrupted run."""
    words = ("--ledger", ledger)
    subprocess.run(command(folder, tmp_path / "whole", *words), capture_output=True, check=True)
    out = tmp_path / "cut"
    running = subprocess.Popen(command(folder, out, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(12_000):
        if (out / "state.json").exists() or running.poll() is not None:
            break
        time.sleep(0.005)
    running.send_signal(sent)
    _, said = running.communicate()
    assert b"Traceback" not in said
    assert [part["name"] for part in json.loads((out / "state.json").read_text())["parts"]][:1] == ["2003"]
    if sent == signal.SIGINT and running.returncode:
        assert (running.returncode, said.count(b"\n")) == (130, 1)
        assert b"the same command goes on" in said
    again = subprocess.run(command(folder, out, *words), capture_output=True)
    assert again.returncode == 0, again.stderr
    assert running.returncode == 0 or b"going on after 2003-12-31" in again.stderr
    assert outcome(out) == outcome(tmp_path / "whole")


# --- plugins that cheat ------------------------------------------------------------

CHEAT = """
import os, sys, numpy as np
import tbill_defi as td
{top}

class Cheat(td.Strategy[td.StrategyConfig]):
    \"\"\"What if I do not play fair?\"\"\"

    def decide(self, view, book):
        {body}
        return td.Weights.of({{view.cusips[9]: 0.5}})
"""
FAIR = "pass"
CHEATS = {
    "reads market files": ("", "open({data!r})", 5, "reads a file ("),
    "reads them while loading": ("open({data!r})", FAIR, 5, "reads a file ("),
    "reads them in a thread": (
        "import threading",
        "threading.Thread(target=open, args=({data!r},)).start()",
        5,
        "starts a thread (_thread.start_new_thread)",
    ),
    "looks through memory": ("import gc", "gc.get_objects()", 5, "looks through memory (gc.get_objects)"),
    "forks": ("", "os.fork()", 5, "starts a process (os.fork)"),
    "sets a timer": ("import signal", "signal.pthread_kill(0, 9)", 5, "signal.pthread_kill"),
    "exits": ("", "sys.exit(0)", 2, "calls sys.exit(0); it is to answer"),
    "exits while loading": ("sys.exit(0)", FAIR, 2, "calls sys.exit(0)"),
    "exits at once": ("", "os._exit(0)", 2, "its process ended by itself (status 0)"),
    "interrupts": ("", "raise KeyboardInterrupt", 2, "strategy cheat failed: KeyboardInterrupt"),
    "recurses": ("", "(lambda f: f(f))(lambda f: f(f))", 2, "RecursionError"),
    "recurses without end": ("sys.setrecursionlimit(10**9)", "(lambda f: f(f))(lambda f: f(f))", 2, "strategy cheat"),
    "takes memory": ("", "x = bytearray(3 * 2**30)", 2, "takes more than 2 GiB of memory"),
    "writes arrays": ("", "view.mid_dirty[:] = 1.0", 2, "assignment destination is read-only"),
    "nan": ("", "return td.Weights.of({{view.cusips[0]: np.nan}})", 4, "nan is not a share of NAV"),
    "infinity": ("", "return td.Weights.of({{view.cusips[0]: np.inf}})", 4, "their sum inf is more than 1"),
    "negative": ("", "return td.Weights.of({{view.cusips[0]: -0.5}})", 4, "-0.5 is not a share of NAV"),
    "leverage": ("", "return td.Weights.of(dict.fromkeys(view.cusips[:3], 0.5))", 4, "their sum 1.5 is more than 1"),
    "no target": ("", "return 'buy'", 2, "answered a str; expected Weights.of"),
    "an answer of its own": (
        "class Mine(td.Weights): pass",
        "return Mine({{view.cusips[0]: 0.5}}, td.Lots(), {{}}) and 7",
        2,
        "answered a int",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_plugin_that_cheats_is_named_in_a_line(name, nothing, folder, tmp_path):
    top, body, code, text = CHEATS[name]
    place = {"data": str(folder / "par_yields.csv")}
    path = tmp_path / "cheat.py"
    path.write_text(CHEAT.format(top=top.format(**place), body=body.format(**place)))
    before = sorted(item.name for item in folder.iterdir())
    ran = nothing("backtest", path, *RANGE[:3], "2003-02-28", "--data", folder, "--out", tmp_path / "run")
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert text in ran.err
    assert "cheat" in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(item.name for item in folder.iterdir()) == before
    assert not (tmp_path / "run" / "result.json").exists()


PATCHES = """
import tbill_defi.portfolio.history, tbill_defi.portfolio.planner, tbill_defi.backtest.books
tbill_defi.portfolio.history.HistoricalMarket.marks = None
tbill_defi.backtest.books.Books.check = lambda *_: None
np.searchsorted = np.exp = np.cumsum = None
print("noise")
"""


def test_a_plugin_that_patches_the_framework_patches_its_own_copy(nothing, folder, tmp_path):
    """What it alters at its import is not where prices and books are: the NAV is that of one that alters nothing."""
    navs = []
    for number, top in enumerate((PATCHES, "")):
        path = tmp_path / f"cheat{number}.py"
        path.write_text(CHEAT.format(top=top, body=FAIR))
        ran = nothing(
            "backtest", path, *RANGE[:3], "2003-02-28", "--data", folder, "--out", tmp_path / str(number), "--json"
        )
        assert ran.code == 0, ran.err
        navs.append((ran.json["final_nav_units"], ran.json["attribution"]))
    assert navs[0] == navs[1]
