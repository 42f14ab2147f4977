"""HTML files about curves: one day's par yields, zero rates and forwards; the zero rates of many days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbill_defi.report import formats
from tbill_defi.report.page import Chart, write_page
from tbill_defi.report.tearsheet import COLOURS, INK, LINE

PERCENT = 100.0


def label(simulation: str | None) -> str:
    """What a title says of curves that were never published."""
    return f", simulated by {simulation}" if simulation else ""


def write_curve(value: Mapping[str, Any], drawn: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Write the page of a day's curve.

    Parameters
    ----------
    value
        The JSON form that `tbill curve` prints.
    drawn
        "years", "zero" and "forward", decimal, close enough to look like lines.

    Raises
    ------
    UsageError
        If plotly is not installed.
    DataError
        If the file cannot be written.
    """
    lines = (("zero rate", drawn["zero"], LINE), ("forward rate", drawn["forward"], COLOURS["curve"]))
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(drawn["years"]),
            "y": [rate * PERCENT for rate in rates],
            "name": name,
            "line": {"color": colour, "width": 1.5},
        }
        for name, rates, colour in lines
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [row["years"] for row in value["tenors"]],
            "y": [row["par_yield"] * PERCENT for row in value["tenors"]],
            "text": [row["tenor"] for row in value["tenors"]],
            "name": "par yield",
            "marker": {"color": INK},
        }
    )
    layout = {
        "font": {"color": INK},
        "margin": {"t": 30, "r": 10},
        "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "xaxis": {"title": {"text": "years"}},
        "yaxis": {"title": {"text": "percent"}, "ticksuffix": "%"},
    }
    return write_page(
        path,
        f"Curve of {value['date']}{label(value['simulation'])}",
        "Par yields are bond equivalent; zero and forward rates are continuous, Act/365.",
        [Chart("curve", traces, layout)],
        {"interpolation": value["interpolation"].replace("_", " ")}
        | {row["tenor"]: f"{formats.percent(row['par_yield'], 2)} par" for row in value["tenors"]},
    )


def write_history(value: Mapping[str, Any], path: Path) -> Path:
    """Write heat map and surface of the zero rates that `tbill curve --history` prints; errors as of `write_curve`."""
    days = [row["date"] for row in value["days"]]
    by_tenor = [
        [None if rate is None else round(rate * PERCENT, 4) for rate in column]
        for column in zip(*(row["zero_rates"] for row in value["days"]), strict=True)
    ]
    common = {"x": days, "y": value["tenors"], "z": by_tenor, "colorscale": "Viridis", "colorbar": {"ticksuffix": "%"}}
    axis = {"type": "category", "title": {"text": ""}}
    font = {"color": INK}
    heat = Chart(
        "heatmap",
        [{"type": "heatmap", "hovertemplate": "%{x}, %{y}: %{z:.2f}%<extra></extra>", **common}],
        {"font": font, "margin": {"t": 30, "r": 10}, "xaxis": {"type": "date"}, "yaxis": axis},
    )
    scene = {"xaxis": {"type": "date", "title": {"text": ""}}, "yaxis": axis, "zaxis": {"title": {"text": "percent"}}}
    surface = Chart("surface", [{"type": "surface", **common}], {"font": font, "margin": {"t": 0}, "scene": scene}, 640)
    return write_page(
        path,
        f"Zero rates {value['from']} to {value['to']}{label(value['simulation'])}",
        "Continuous, Act/365, at the published tenors; empty outside a day's own.",
        [heat, surface],
        {
            "interpolation": value["interpolation"].replace("_", " "),
            "days": f"{len(days):,} drawn of {value['curves']:,} with a curve",
        },
    )
