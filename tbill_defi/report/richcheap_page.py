"""An HTML file of residuals against a fitted curve, by maturity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbill_defi.report.page import Chart, write_page
from tbill_defi.report.tearsheet import COLOURS, INK, LINE

PERCENT = 100.0


def write_richcheap(value: Mapping[str, Any], path: Path) -> Path:
    """Write the page of what `tbill richcheap` prints as JSON.

    Raises
    ------
    UsageError
        If plotly is not installed.
    DataError
        If the file cannot be written.
    """
    rows = sorted(value["securities"], key=lambda row: row["years"])
    kinds = dict.fromkeys(row["kind"] for row in rows)
    residuals = [_dots(kind, [row for row in rows if row["kind"] == kind], "residual_bp", 1.0) for kind in kinds]
    models = [_model(curve["name"], rows) for curve in value["curves"]]
    yields = [*models, *(_dots(kind, [row for row in rows if row["kind"] == kind], "yield", PERCENT) for kind in kinds)]
    facts = {
        f"{curve['name']} curve": f"fitted to {curve['fitted']:,}, rms {curve['rms_bp']:.2f} bp; "
        + ", ".join(f"{name} {number:.6g}" for name, number in curve["fit"].items())
        for curve in value["curves"]
    }
    return write_page(
        path,
        f"Rich and cheap on {value['settlement_date']}",
        f"{value['source']}. Market less model yield: above zero is cheap. The model is a Svensson curve, "
        "of TIPS one of real rates.",
        [
            Chart("residuals", residuals, _layout("basis points", " bp")),
            Chart("yields", yields, _layout("percent", "%")),
        ],
        facts | {"z-scores over": f"{value['history_sheets']:,} earlier sheets"},
    )


def _model(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The model yields of one curve; those of floating rate notes follow an index and lie on no line."""
    on = [row for row in rows if row["kind"] != "frn" and (row["kind"] == "tips") is (name == "real")]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [row["years"] for row in on],
        "y": [row["model_yield"] * PERCENT for row in on],
        "name": f"{name} model yield",
        "line": {"color": LINE, "width": 1},
    }


def _dots(kind: str, rows: Sequence[Mapping[str, Any]], field: str, scale: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row["years"] for row in rows],
        "y": [row[field] * scale for row in rows],
        "text": [f"{row['cusip']} {row['maturity_date']} {row['residual']:+.4f}" for row in rows],
        "name": kind,
        "marker": {"size": 6, "color": {"bill": COLOURS["curve"], "note": LINE}.get(kind, INK)},
    }


def _layout(title: str, suffix: str) -> dict[str, Any]:
    return {
        "font": {"color": INK},
        "margin": {"t": 30, "r": 10},
        "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "xaxis": {"title": {"text": "years to maturity"}},
        "yaxis": {"title": {"text": title}, "ticksuffix": suffix},
    }
