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
    (fitted_curve,) = value["curves"]
    assert fitted_curve["name"] == "nominal"
    curve = SvenssonCurve.of(SAMPLE_DATE, list(fitted_curve["fit"].values()))
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
    assert fitted_curve["fitted"] == len(fitted)
    assert fitted_curve["rms_bp"] == pytest.approx(np.sqrt(np.mean(fitted**2)))


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
    assert again["curves"][0]["fit"] == pytest.approx(value["curves"][0]["fit"], rel=1e-6)
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


DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
DAY = date(2026, 3, 24)


@pytest.fixture
def sheet() -> Path:
    path = DATA / "fedinvest_2026-03-24.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.mark.realdata
def test_the_whole_market_of_a_day(tbill: Any, sheet: Path) -> None:
    value = valid("richcheap", tbill("richcheap", "--date", str(DAY), "--sheet", sheet, "--json").out)
    rows = {row["cusip"]: row for row in value["securities"]}
    assert len(rows) == 453
    assert value["left_out"] == {"FRN": 8}  # their spreads are in no sheet
    nominal, real = value["curves"]
    assert (nominal["name"], nominal["rms_bp"] < 6.0) == ("nominal", True)
    assert (real["name"], real["fitted"], real["rms_bp"] < 9.0) == ("real", 52, True)
    curve = SvenssonCurve.of(DAY, list(real["fit"].values()))
    terms = {"coupon": 0.00375, "dated_date": date(2017, 7, 15), "maturity_date": date(2027, 7, 15)}
    tips = td.Tips(cusip="9128282L3", dated_reference_cpi=244.61839, **terms)
    row = rows["9128282L3"]
    assert (row["kind"], row["clean_price"]) == ("tips", (99.8125 + 99.875) / 2)
    assert row["model_clean_price"] == pytest.approx(curve.clean_price(tips, settlement=DAY), abs=1e-9)
    where = {"settlement": DAY, "convention": td.YieldConvention.STREET}
    assert row["yield"] == pytest.approx(td.yield_from_clean_price(tips, row["clean_price"], **where), abs=1e-12)
    out = tbill("richcheap", "--date", str(DAY), "--sheet", sheet, "--top", "3").out
    assert "53 TIPS, real yields" in out
    assert "left out, terms or index not on record: 8 FRN" in out


@pytest.mark.realdata
def test_floating_rate_notes_where_spread_and_index_are_on_record(nothing: Any, sheet: Path, tmp_path: Path) -> None:
    # the sheet as if of a day on which the 13-week auctions of the running quarter are on record
    day = date(2026, 6, 12)
    rows = [line for line in sheet.read_text().splitlines() if line.split(",")[3][6:] + line[:2] > "2026"]
    alive = [r for r in rows if date(int(r.split(",")[3][6:]), *map(int, r.split(",")[3][:5].split("/"))) > day]
    moved = tmp_path / "sheet.csv"
    moved.write_text("\n".join(alive) + "\n")
    assert nothing("market", "import", DATA / "par_yields.csv", DATA / "auctions.csv").code == 0
    value = valid("richcheap", nothing("richcheap", "--date", str(day), "--sheet", moved, "--json").out)
    floating = [row for row in value["securities"] if row["kind"] == "frn"]
    assert {row["cusip"] for row in floating} == {"91282CMJ7", "91282CMX6", "91282CNQ0", "91282CPG0", "91282CPX3"}
    assert value["left_out"] == {"FRN": 2}
    assert all(abs(row["residual_bp"]) < 60 and not row["fitted"] for row in floating)


@pytest.mark.realdata
def test_tips_of_a_file_have_a_curve_of_their_own(nothing: Any, sheet: Path, tmp_path: Path) -> None:
    files = [DATA / name for name in ("par_yields.csv", "auctions.csv", "reference_cpi.csv")]
    assert nothing("market", "import", *files).code == 0
    known = {row["cusip"] for row in td.read_auctions(DATA / "auctions.csv").iter_rows(named=True) if row["tips"]}
    frame = td.read_fedinvest(sheet, price_date=DAY).filter(pl.col("type") == "TIPS")
    rows = [row for row in frame.iter_rows(named=True) if row["cusip"] in known]
    path = tmp_path / "tips.csv"
    path.write_text("cusip,price\n" + "".join(f"{row['cusip']},{row['sell']}\n" for row in rows))
    value = valid("richcheap", nothing("richcheap", "--date", str(DAY), "--file", path, "--json").out)
    assert [curve["name"] for curve in value["curves"]] == ["real"]
    assert {row["kind"] for row in value["securities"]} == {"tips"}
    assert len(value["securities"]) == len(rows) == 33
    path.write_text(path.read_text() + f"{rows[0]['cusip']},-120\n")
    line = len(rows) + 2
    refused(nothing("richcheap", "--date", str(DAY), "--file", path), 4, f"tips.csv line {line}", rows[0]["cusip"])
