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
        (("ladder", *RANGE, "--runge", "3"), 2, "--runge is not known"),
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


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_to_the_same_hash(sent, nothing, folder, tmp_path):
    """Killed once the first year is kept; the same command ends with the hash of a run that was left alone."""
    whole = json.loads(subprocess.run(command(folder, tmp_path / "whole"), capture_output=True, check=True).stdout)
    out = tmp_path / "cut"
    running = subprocess.Popen(command(folder, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(2_000):
        if (out / "state.json").exists() or running.poll() is not None:
            break
        time.sleep(0.005)
    running.send_signal(sent)
    _, said = running.communicate()
    assert b"Traceback" not in said
    if sent == signal.SIGINT and running.returncode:
        assert (running.returncode, said.count(b"\n")) == (130, 1)
        assert b"the same command goes on" in said
    again = subprocess.run(command(folder, out), capture_output=True)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["run_hash"] == whole["run_hash"]
