"""`tbill richcheap`: ranking, z-scores over earlier sheets, plots."""

from __future__ import annotations

import importlib.util
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tbill_defi as td
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.pricing.svensson import SvenssonCurve
from tbill_defi.report.richcheap_tables import HEIGHT, plot
from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid

plotted = pytest.mark.skipif(importlib.util.find_spec("plotly") is None, reason="plotly is not installed")


def test_residuals_are_of_the_fitted_curve(tbill: Any) -> None:
    value = valid("richcheap", tbill("richcheap", "--json").out)
    assert value["settlement_date"] == str(SAMPLE_DATE)
    rows = value["securities"]
    sizes = [row["residual_bp"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    curve = SvenssonCurve.of(SAMPLE_DATE, list(value["fit"].values()))
    from tbill_defi.market.snapshot import snapshot

    market = snapshot(sample_data(), SAMPLE_DATE)
    for row in rows[::5]:
        security = market.security(row["cusip"])
        quote = market.quote(row["cusip"])
        assert quote is not None
        mid = quote.bid if quote.offer is None else (quote.bid + quote.offer) / 2
        model = curve.clean_price(security, settlement=SAMPLE_DATE)
        assert row["residual"] == pytest.approx(mid - model, abs=1e-9)
        own, of_model = (
            td.yield_from_clean_price(security, price, settlement=SAMPLE_DATE, convention=td.YieldConvention.STREET)
            for price in (mid, model)
        )
        assert row["residual_bp"] == pytest.approx((own - of_model) * 1e4, abs=1e-6)
    fitted = np.array([row["residual_bp"] for row in rows if row["fitted"]])
    assert value["fitted"] == len(fitted)
    assert value["rms_bp"] == pytest.approx(np.sqrt(np.mean(fitted**2)))


def test_scores_are_over_earlier_sheets(tbill: Any) -> None:
    assert all(row["z_score"] is None for row in tbill("richcheap", "--json").json["securities"])
    path = tbill.home / "market" / "fedinvest.parquet"
    frame = pl.read_parquet(path)
    random = np.random.default_rng(4)
    earlier = [
        frame.with_columns(
            (pl.col("date") - timedelta(days=days)).alias("date"),
            (pl.col("sell") + pl.lit(random.normal(0.0, 0.02, len(frame)))).alias("sell"),
        )
        for days in range(1, 9)
    ]
    pl.concat([*earlier, frame]).sort("date", "cusip").write_parquet(path)
    value = valid("richcheap", tbill("richcheap", "--json").out)
    assert value["history_sheets"] == 8
    scores = [row["z_score"] for row in value["securities"] if row["z_score"] is not None]
    assert len(scores) > len(value["securities"]) / 2
    assert max(map(abs, scores)) < 25
    few = tbill("richcheap", "--history", "4", "--json").json
    assert few["history_sheets"] == 4
    assert all(row["z_score"] is None for row in few["securities"])


def test_a_file_of_prices(tbill: Any, tmp_path: Path) -> None:
    value = tbill("richcheap", "--json").json
    lines = [f"{row['cusip']},{row['clean_price']}" for row in value["securities"]]
    path = tmp_path / "book.csv"
    path.write_text("\n".join(["cusip,price", *lines]) + "\n")
    again = valid("richcheap", tbill("richcheap", "--file", path, "--json").out)
    assert again["fit"] == pytest.approx(value["fit"], rel=1e-6)
    path.write_text("cusip,price\n" + lines[0].split(",")[0] + ",\n")
    refused(tbill("richcheap", "--file", path), 3, "book.csv line 2", "price is empty", lines[0].split(",")[0])
    path.write_text("\n".join(["cusip,price", *lines[:3]]) + "\n")
    refused(tbill("richcheap", "--file", path), 4, "a fit of 6 parameters needs more")
    path.write_text("\n".join(["cusip,price", *lines[:-1], lines[-1].split(",")[0] + ",-400"]) + "\n")
    refused(tbill("richcheap", "--file", path), 4, f"book.csv line {len(lines) + 1}", lines[-1].split(",")[0])


def test_table_and_plot(tbill: Any) -> None:
    out = tbill("richcheap", "--top", "3").out
    assert "cheap by" in out
    assert "..." in out
    rows = [
        {"kind": "note", "years": 2.0, "residual_bp": 5.0},
        {"kind": "bond", "years": 30.0, "residual_bp": -5.0},
        {"kind": "bill", "years": 0.1, "residual_bp": 0.0},
    ]
    lines = plot(rows)[1 : HEIGHT + 1]
    assert "o" in lines[0]
    assert lines[-1].endswith("x")
    assert "." in lines[HEIGHT // 2]


@plotted
def test_the_page_needs_no_network(tbill: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    tbill("richcheap", "--html", page)
    text = page.read_text()
    assert "Rich and cheap on" in text
    assert 'src="http' not in text


def test_what_cannot_be(tbill: Any, nothing: Any) -> None:
    refused(tbill("richcheap", "--top", "0"), 2, "top: 0")
    refused(tbill("richcheap", "--history", "-1"), 2, "history: -1")
    refused(tbill("richcheap", "--sheet", "a", "--file", "b"), 2, "not both")


@pytest.mark.realdata
def test_the_whole_market_of_a_day(tbill: Any) -> None:
    sheet = Path(__file__).resolve().parents[4] / "shared" / "data" / "fedinvest_2026-03-24.csv"
    if not sheet.exists():
        pytest.skip(f"{sheet} is not here")
    value = valid("richcheap", tbill("richcheap", "--date", str(date(2026, 3, 24)), "--sheet", sheet, "--json").out)
    assert len(value["securities"]) == 400
    assert value["left_out"] == {"TIPS": 53, "FRN": 8}
    assert value["rms_bp"] < 6.0
