"""`tbill risk`: the figures are those of the API, of moves up to the date only."""

from datetime import date

import numpy as np
import polars as pl
import pytest

import tbill_defi as td
from tbill_defi.market.sample import sample_data
from tbill_defi.portfolio.value_at_risk import PositionRisk
from tbill_defi.pricing.curve_moves import CurveMoves, parallel
from tests.unit.cli.support import NOTE, OTHER, refused
from tests.unit.cli.test_schemas import valid

DAY = date(2026, 6, 12)
WORDS = ("risk", "--date", str(DAY), "--level", "0.95", "--window", "40", "--json")
FACE = {NOTE: 3_000_000 * 10**6, OTHER: 4_000_000 * 10**6}


def test_figures_are_those_of_the_api(tbill):
    value = valid("risk", tbill(*WORDS).out)
    view = td.view(DAY, home=tbill.home)
    history = td.CurveHistory.of(sample_data().par_yields.filter(pl.col("date") <= DAY))
    book = td.Book([view.securities[view.index(cusip)] for cusip in FACE])
    risk = PositionRisk(book, FACE, history.curve(DAY), settlement=DAY)
    moves = CurveMoves.of(history)
    tail = risk.tail(moves.last(40), level=0.95)
    tests = [risk.backtest(moves, level=0.95, window=40, filtered=way) for way in (False, True)]
    assert value["curve_value"] == pytest.approx(risk.market_value, rel=1e-12)
    mid = sum(FACE[c] / 1e8 * view.mid_dirty[view.index(c)] for c in FACE)
    assert value["nav"] == pytest.approx(mid + 200_000, rel=1e-12)
    assert value["cash"] == 200_000
    for name in (
        "historical_var",
        "historical_es",
        "filtered_var",
        "filtered_es",
        "parametric_var",
        "parametric_es",
        "moves",
    ):
        assert value["tail"][name] == pytest.approx(getattr(tail, name), rel=1e-12)
    assert [(row["date"], row["loss"]) for row in value["tail"]["worst"]] == [
        (str(day), pytest.approx(loss)) for day, loss in tail.worst
    ]
    assert [row["filtered"] for row in value["backtests"]] == [False, True]
    for row, test in zip(value["backtests"], tests, strict=True):
        assert (row["days"], row["exceptions"]) == (len(moves) - 40, test.exceptions)
        assert row["kupiec_p"] == pytest.approx(test.kupiec_p)
    scenarios = {row["name"]: row["profit"] for row in value["scenarios"]}
    nodes = np.array([row["years"] for row in value["key_rate_dv01"]])
    assert scenarios["parallel +100 bp"] == pytest.approx(risk.gains(parallel(nodes, [100.0]), nodes)[0], rel=1e-9)
    assert sum(name.startswith("component") for name in scenarios) == 6
    assert scenarios["parallel -10 bp"] > 0 > scenarios["parallel +10 bp"]
    keys = sum(row["dv01"] for row in value["key_rate_dv01"])
    assert scenarios["parallel -10 bp"] == pytest.approx(10 * keys, rel=5e-3)  # the rest is convexity


def test_nothing_later_than_the_date_is_used(tbill):
    before = tbill(*WORDS).out
    place = tbill.home / "market" / "par_yields.parquet"
    frame = pl.read_parquet(place)
    tenors = [name for name in frame.columns if name not in ("date", "simulated")]
    later = pl.when(pl.col("date") > DAY).then(pl.col(tenors) + 0.02).otherwise(pl.col(tenors))
    frame.with_columns(later).write_parquet(place)
    assert tbill(*WORDS).out == before
    assert tbill("risk", "--date", "2026-06-30", *WORDS[3:]).json["tail"]["worst"][0]["loss"] > 200_000


def test_what_cannot_be_measured_is_said(tbill):
    value = valid("risk", tbill("risk", "--json").out)
    assert (value["moves"], value["tail"], value["backtests"]) == (0, None, [])
    assert "100 are needed" in value["no_tail"]
    assert not any(row["name"].startswith("component") for row in value["scenarios"])
    out = tbill("risk").out
    assert "no value at risk: 0 moves up to 2026-03-24" in out
    assert "no backtest" in out
    out = tbill(*WORDS[:-1]).out
    for words in (
        "Risk of desk on 2026-06-12",
        "Loss over 1 day at 95%, from 40 moves of the curve",
        "Kupiec",
        "flattener 50 bp",
    ):
        assert words in out


def test_a_file_needs_no_ledger(tbill, tmp_path, monkeypatch):
    wallet = tbill(*WORDS).json
    positions = tmp_path / "p.csv"
    positions.write_text(f"cusip,face,cost_price\n{NOTE},3000000,\n{OTHER},4000000,\nUSD,200000,\n")
    (tbill.home / "ledger" / "ledger.db").unlink()
    assert tbill(*WORDS, "--holdings", positions).json == wallet
    positions.write_text("cusip,face,cost_price\nUSD,200000,\n")
    refused(tbill(*WORDS, "--holdings", positions), 5, "no securities")
    positions.write_text("cusip,face,cost_price\n912797TE7,200000,\n")
    refused(tbill("risk", "--date", "2026-06-30", "--holdings", positions), 3, "912797TE7")


def test_simulated_curves_say_so(tbill):
    place = tbill.home / "market" / "par_yields.parquet"
    pl.read_parquet(place).with_columns(simulated=pl.lit("dns seed 7")).write_parquet(place)
    assert valid("risk", tbill(*WORDS).out)["simulation"] == "dns seed 7"
    assert "simulated by dns seed 7" in tbill(*WORDS[:-1]).out


def test_bad_input(tbill):
    refused(tbill("risk", "--level", "1.5"), 4, "level", "1.5", "0.99")
    refused(tbill("risk", "--level", "nan"), 4, "level")
    refused(tbill("risk", "--window", "50"), 4, "window", "50", "100")
    refused(tbill("risk", "--party", "nobody"), 7, "nobody")
    refused(tbill("risk", "--date", "2026-03-28"), 3, "Saturday")
