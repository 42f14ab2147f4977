"""One HTML file about an option: its profit at expiry over the clean price, readable without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbill_defi.report import formats
from tbill_defi.report.page import Chart, write_page
from tbill_defi.report.tearsheet import COLOURS, INK, LINE

LEAD = "Profit per 100 face at expiry over the clean price: payoff less premium, no interest on the premium."


def write_payoff(value: Mapping[str, Any], path: Path) -> Path:
    """Write the page of an option's value, the JSON form that `tbill option price` prints.

    Raises
    ------
    UsageError
        If plotly is not installed.
    DataError
        If the file cannot be written.
    """
    title = f"{value['kind']} on {value['cusip']} at {value['strike']:.6f} clean, expiry {value['expiry']}"
    return write_page(path, title, LEAD, [_payoff(value)], _facts(value))


def breakeven(value: Mapping[str, Any]) -> float:
    """Clean price at expiry at which neither side gains."""
    sign = 1.0 if value["kind"] == "call" else -1.0
    return float(value["strike"] + sign * value["price"])


def _payoff(value: Mapping[str, Any]) -> Chart:
    prices = [row["clean_price"] for row in value["payoff"]]
    profits = [row["profit"] for row in value["payoff"]]
    sides = (("holder", profits, LINE), ("writer", [-profit for profit in profits], COLOURS["cost"]))
    traces = [
        {"type": "scatter", "mode": "lines", "x": prices, "y": y, "name": name, "line": {"color": colour}}
        for name, y, colour in sides
    ]
    marks = {"strike": value["strike"], "forward": value["forward_clean"], "breakeven": breakeven(value)}
    layout = {
        "font": {"color": INK},
        "hovermode": "x unified",
        "margin": {"t": 30, "r": 10},
        "xaxis": {"title": {"text": "clean price at expiry, per 100 face"}},
        "yaxis": {"title": {"text": "profit per 100 face"}, "zerolinecolor": "#b8c2cc"},
        "shapes": [
            {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": {"dash": "dot", "width": 1}}
            for x in marks.values()
        ],
        "annotations": [
            {
                "x": x,
                "yref": "paper",
                "y": 1.0 - 0.07 * n,
                "text": f"{name} {x:.4f}",
                "showarrow": False,
                "xanchor": "left",
            }
            for n, (name, x) in enumerate(marks.items())
        ],
    }
    return Chart("payoff", traces, layout)


def _facts(value: Mapping[str, Any]) -> dict[str, str]:
    black = value["volatility"] is not None
    return {
        "premium per 100": f"{value['price']:.6f}, paid {value['settlement_date']}",
        "clean price": f"{value['clean_price']:.6f}, {value['source']}",
        "clean forward": f"{value['forward_clean']:.6f} at repo {formats.percent(value['repo_rate'])}",
        "breakeven": f"{breakeven(value):.6f}",
        "model": f"{value['model']}, "
        + (
            f"price volatility {formats.percent(value['volatility'], 4)}"
            if black
            else f"sigma {value['sigma'] * 1e4:.4f} bp, mean reversion {value['mean_reversion']:g}"
        ),
        "delta, gamma per point": f"{value['delta']:+.6f}, {value['gamma']:+.6f}",
        f"vega per {'1% volatility' if black else '1 bp sigma'}": f"{value['vega']:+.6f}",
        "theta per day": f"{value['theta']:+.6f}",
    }
