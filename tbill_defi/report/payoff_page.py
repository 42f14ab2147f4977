"""One HTML file about an option: its profit at expiry over the clean price, readable without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.report import formats
from tbill_defi.report.tearsheet import COLOURS, INK, LINE, plotly_script, require_plotly

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: $ink; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem }
dt { color: #6b7785 } dd { margin: 0; font-variant-numeric: tabular-nums }
</style><script>$script</script></head>
<body><h1>$title</h1>
<p>Profit per 100 face at expiry over the clean price: payoff less premium, no interest on the premium.</p>
<div id="payoff" style="height:420px"></div>
<dl>$facts</dl>
<script>Plotly.newPlot("payoff", $traces, $layout, {displaylogo: false, responsive: true});</script>
</body></html>
""")


def write_payoff(value: Mapping[str, Any], path: Path) -> Path:
    """Write the page of an option's value, the JSON form that `tbill option price` prints.

    Raises
    ------
    UsageError
        If plotly is not installed.
    DataError
        If the file cannot be written.
    """
    if missing := require_plotly():
        raise UsageError(missing.replace("tear sheet", "plot"))
    try:
        path.write_text(render(value), encoding="utf-8")
    except OSError as error:
        raise DataError(f"html: {path} cannot be written: {error.strerror}") from None
    return path


def breakeven(value: Mapping[str, Any]) -> float:
    """Clean price at expiry at which neither side gains."""
    sign = 1.0 if value["kind"] == "call" else -1.0
    return float(value["strike"] + sign * value["price"])


def render(value: Mapping[str, Any]) -> str:
    """The page."""
    title = f"{value['kind']} on {value['cusip']} at {value['strike']:.6f} clean, expiry {value['expiry']}"
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
    return PAGE.substitute(
        title=escape(title),
        ink=INK,
        script=plotly_script(),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _facts(value).items()),
        traces=_plain(traces),
        layout=_plain(layout),
    )


def _plain(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace("</", "<\\/")


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
