"""`tbill curve`: a day's curve and the zero rates of many, as table, text plot, JSON and offline page."""

import importlib.util
import json
import re
from datetime import date

import numpy as np
import polars as pl
import pytest

from tbill_defi.cli.curve import MOST_DAYS, history_of
from tbill_defi.cli.curve_screens import HEIGHT, WIDTH
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.report.tearsheet import plotly_script
from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid

RANGE = ("--history", "--from", "2026-03-24", "--to", "2026-06-30")
plotted = pytest.mark.skipif(importlib.util.find_spec("plotly") is None, reason="plotly is not installed")


@pytest.mark.parametrize("method", ["monotone_convex", "log_linear"])
def test_a_days_curve_is_quantlibs(tbill, method):
    value = valid("curve", tbill("curve", "--interpolation", method, "--json").out)
    par = {row["tenor"]: row["par_yield"] for row in value["tenors"]}
    curve = Curve.bootstrap(SAMPLE_DATE, par, method)
    assert (value["date"], value["simulation"], par["10 Yr"]) == (str(SAMPLE_DATE), None, 0.0439)
    ends = [date.fromisoformat(row["maturity_date"]) for row in value["tenors"]]
    for row, end in zip(value["tenors"], ends, strict=True):
        assert row["discount_factor"] == pytest.approx(curve.discount(end), abs=1e-11)
        assert row["zero_rate"] == pytest.approx(curve.zero_rate(end), abs=1e-9)
    for row, end, after in zip(value["tenors"], ends, ends[1:], strict=False):
        assert row["forward_rate"] == pytest.approx(curve.forward_rate(end, after), abs=1e-8)
    assert value["tenors"][-1]["forward_rate"] is None


def test_table_and_plot(tbill):
    out = tbill("curve").out
    assert f"Curve of {SAMPLE_DATE}, monotone convex" in out
    _, plot = out.split("* zero rate, . forward rate")
    lines = plot.splitlines()[1 : HEIGHT + 1]
    columns = ["".join(line.ljust(9 + WIDTH)[9 + i] for line in lines) for i in range(WIDTH)]
    assert all(column.count("*") == 1 for column in columns)
    zero = {row["tenor"]: row["zero_rate"] for row in tbill("curve", "--json").json["tenors"]}
    assert (columns[-1].index("*") < columns[0].index("*")) == (zero["30 Yr"] > zero["1 Mo"])


def test_history_is_that_of_the_api(tbill):
    value = valid("curve", tbill("curve", *RANGE, "--json").out)
    data = sample_data().par_yields.filter(pl.col("date") <= date(2026, 6, 30))
    assert (value["from"], value["to"], value["curves"]) == ("2026-03-24", "2026-06-30", len(data))
    expected = CurveHistory.of(data).zero_rates(value["tenors"])
    got = np.array([row["zero_rates"] for row in value["days"]], dtype=np.float64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)
    assert "Zero rates 2026-03-24 to 2026-06-30" in tbill("curve", *RANGE).out


def test_long_histories_are_thinned_and_gaps_stay_empty():
    count = 3 * MOST_DAYS + 2
    days = pl.date_range(date(2000, 1, 1), date(2020, 1, 1), eager=True)[:count]
    frame = pl.DataFrame(
        {
            "date": days,
            "1 Mo": [None] * (count - 1) + [0.02],
            "1 Yr": [0.02] * count,
            "2 Yr": [0.03] * count,
            "30 Yr": [0.04] * 900 + [None] * (count - 900),
            "simulated": [None] * count,
        },
        schema_overrides={"simulated": pl.String},
    )
    value = history_of(frame, "monotone_convex", None, None)
    assert value["curves"] == count
    assert MOST_DAYS / 2 < len(value["days"]) <= MOST_DAYS
    assert value["days"][-1]["date"] == str(days[-1])
    first, last = value["days"][0]["zero_rates"], value["days"][-1]["zero_rates"]
    assert [rate is None for rate in first] == [True, False, False, False]
    assert [rate is None for rate in last] == [False, False, False, True]
    steps = {b - a for a, b in zip(*(2 * [[date.fromisoformat(r["date"]) for r in value["days"]]]), strict=True)}
    assert len(steps) == 1


def drawn(page, name):
    traces, layout = re.search(rf'newPlot\("{name}", (\[.*?\}}\]), (\{{.*?\}}), \{{displaylogo', page).groups()
    return json.loads(traces), json.loads(layout)


@plotted
def test_pages_are_whole_and_offline(tbill, tmp_path):
    page = tmp_path / "curve.html"
    assert f"curve in {page}" in tbill("curve", "--html", page).out
    value = tbill("curve", "--json").json
    text = page.read_text()
    zero, _, par = drawn(text, "curve")[0]
    assert par["y"] == [row["par_yield"] * 100 for row in value["tenors"]]
    at = [row["years"] for row in value["tenors"]]
    expected = [row["zero_rate"] * 100 for row in value["tenors"]]
    np.testing.assert_allclose(np.interp(at, zero["x"], zero["y"]), expected, atol=2e-3)
    assert "simulated" not in text.replace(plotly_script(), "")
    value = tbill("curve", *RANGE, "--html", page, "--json").json
    text = page.read_text()
    for name in ("heatmap", "surface"):
        (trace,), _ = drawn(text, name)
        assert (trace["type"], trace["y"], trace["x"][-1]) == (name, value["tenors"], "2026-06-30")
        assert trace["z"][0][0] == pytest.approx(value["days"][0]["zero_rates"][0] * 100, abs=1e-4)
    outside = text.replace(plotly_script(), "")
    assert "http" not in outside
    assert "src=" not in outside
    refused(tbill("curve", "--html", tmp_path), 3, "html", "cannot be written")


@plotted
def test_simulated_curves_say_so(tbill, tmp_path):
    place = tbill.home / "market" / "par_yields.parquet"
    pl.read_parquet(place).with_columns(simulated=pl.lit("dns seed 7")).write_parquet(place)
    page = tmp_path / "curve.html"
    for words in ((), RANGE):
        assert "simulated by dns seed 7" in tbill("curve", *words, "--html", page).out
        assert "simulated by dns seed 7" in page.read_text()
        assert valid("curve", tbill("curve", *words, "--json").out)["simulation"] == "dns seed 7"


def test_bad_input(tbill, nothing, monkeypatch):
    monkeypatch.setenv("TBILL_HOME", str(tbill.home))
    refused(tbill("curve", "--interpolation", "cubic"), 2, "interpolation", "cubic", "log_linear")
    refused(tbill("curve", "--from", "2026-03-24"), 2, "from", "--history")
    refused(tbill("curve", "--history", "--date", "2026-03-24"), 2, "date", "--from")
    refused(tbill("curve", "--history", "--from", "2026-06-30", "--to", "2026-03-24"), 2, "from", "after")
    refused(tbill("curve", "--history", "--from", "2030-01-01"), 2, "from", "2026-03-24")
    refused(tbill("curve", "--history", "--to", "2020-01-01"), 2, "to", "2026-03-24")
    refused(tbill("curve", "--date", "2026-03-28"), 3, "Saturday", "2026-03-27")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused(tbill("curve", "--html", "x.html"), 2, "pip install")
    monkeypatch.undo()
    monkeypatch.setenv("TBILL_HOME", str(nothing.home))
    refused(nothing("curve", "--history"), 2, "import par_yields.csv")
    refused(nothing("curve"), 2, "date")
