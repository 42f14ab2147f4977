"""One HTML file about a backtest: charts and figures, readable without a network.

plotly (the extra `report`) draws; its script is inside the file. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from tbill_defi.backtest.result import BacktestResult
from tbill_defi.core.errors import UsageError
from tbill_defi.core.files import write_durably
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.report import backtest_tables as tables
from tbill_defi.report import formats

MISSING = "no tear sheet: plotly is not installed; install it with: pip install 'tbill-defi[report]'"
INK, LINE, MUTED = "#1d2b3a", "#1f5fa8", "#6b7785"
COLOURS = {
    "carry": "#1f5fa8",
    "roll_down": "#3aa6a0",
    "curve": "#e0a030",
    "cost": "#c8453b",
    "options": "#7a4fa3",
    "residual": "#9aa4ae",
}
TEMPLATE = Path(__file__).with_name("tearsheet.html")
DAYS = "days"
"""Stands in a trace for the dates of the run; the page's script puts them in."""


def require_plotly() -> str | None:
    """None if plotly is installed, else one line that says how to install it."""
    return None if importlib.util.find_spec("plotly") else MISSING


def write_tearsheet(result: BacktestResult, path: str | Path | None = None) -> Path:
    """Write the tear sheet; by default `tearsheet.html` beside the run's other files.

    Raises
    ------
    UsageError
        If plotly is not installed.
    """
    if missing := require_plotly():
        raise UsageError(missing)
    place = Path(path) if path else result.files["daily"].with_name("tearsheet.html")
    write_durably(place, render(result).encode())
    return place


def render(result: BacktestResult) -> str:
    """The page."""
    settings = result.settings
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{tables.title(result)} {result.first_day} to {result.last_day}{_simulated(result)}"),
        name=escape(tables.title(result)),
        range=escape(f"{result.first_day:%d %B %Y} to {result.last_day:%d %B %Y}{_simulated(result)}"),
        config=escape("; over ".join(_config(s) for s in (settings.strategy, settings.over) if s)),
        cards="".join(_card(*card) for card in _cards(result)),
        charts="".join(
            f'<section class="{width}"><h2>{escape(title)}</h2><p>{escape(note)}</p>{_html(figure, name)}</section>'
            for name, title, note, width, figure in _charts(result)
        ),
        sources="".join(f"<th>{escape(label)}</th>" for label in tables.parts(result).values()),
        years=_years(result),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _facts(result)),
        script=plotly_script(),
        days=json.dumps(result.daily["date"].dt.to_string("%Y-%m-%d").to_list(), separators=(",", ":")),
    )


def _config(strategy: StrategyIdentity) -> str:
    return ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in strategy.config.items())


def _simulated(result: BacktestResult) -> str:
    return f", simulated market ({result.simulation})" if result.simulation else ""


def plotly_script() -> str:
    """plotly.js as the installed plotly brings it, read without importing plotly."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise UsageError(MISSING)
    return Path(spec.origin).with_name("package_data").joinpath("plotly.min.js").read_text(encoding="utf-8")


def _card(label: str, value: str, note: str) -> str:
    return f'<div class="card"><span>{escape(label)}</span><b>{escape(value)}</b><i>{escape(note)}</i></div>'


def _cards(result: BacktestResult) -> list[tuple[str, str, str]]:
    low, daily = result.drawdown(), result.daily
    costs = -float(daily["cost"].sum())
    return [
        (
            "Final NAV",
            formats.dollars(result.final_nav_units / UNITS_PER_DOLLAR),
            f"from {formats.dollars(result.settings.capital_units / UNITS_PER_DOLLAR)}",
        ),
        ("Return a year", formats.percent(result.annual_return(), 2), "compound, after costs"),
        ("Volatility", formats.percent(result.volatility(), 2), "daily, annualised"),
        ("Deepest fall", formats.percent(low.depth, 2), f"{low.peak:%b %Y} to {low.trough:%b %Y}"),
        ("Average duration", f"{float(np.mean(daily['duration'].to_numpy())):.2f} y", "modified"),
        ("Costs", formats.dollars(costs), "half spreads against mid"),
    ]


def _facts(result: BacktestResult) -> list[tuple[str, str]]:
    settings = result.settings
    return [
        ("run", result.run_hash),
        ("prices", f"simulated, by {result.simulation}" if result.simulation else "model, from published par yields"),
        ("books", "contracts = arrays on every day" if result.ledger == "revm" else "arrays"),
        ("days, events", f"{result.daily.height:,}, {result.events:,}"),
        ("decisions", settings.frequency),
        ("universe", settings.universe),
        *([("calls", called)] if (called := tables.options(result)) else []),
        ("costs", "dealer's spreads by type and maturity" if settings.costs == "table" else "none: all at mid"),
        ("residual", f"{formats.dollars(float(result.daily['residual'].sum()), sign=True)} of P&L unexplained"),
        ("strategy source", "0x" + settings.strategy.source_hash.hex()),
    ]


def _years(result: BacktestResult) -> str:
    net, gross = result.returns_by_year(), result.returns_by_year(without=["cost"])
    rows = []
    for row in tables.by_year(result.daily):
        year = str(row["year"])
        cells = [
            year,
            formats.percent(net[year], 2),
            formats.percent(gross[year], 2),
            formats.dollars(row["nav_units"] / UNITS_PER_DOLLAR),
            *(tables.whole_dollars(row[name]) for name in tables.parts(result)),
        ]
        body = "".join(f'<td class="{"loss" if "-" in cell else ""}">{cell}</td>' for cell in cells[1:])
        rows.append(f"<tr><th>{year}</th>{body}</tr>")
    return "".join(rows)


# --- charts -----------------------------------------------------------------------------------------------------------


def _charts(result: BacktestResult) -> list[tuple[str, str, str, str, Any]]:
    """(id, title, note, width, figure)."""
    daily = result.daily
    nav = daily["nav_units"].to_numpy() / UNITS_PER_DOLLAR / 1e6
    labels = {name: label for name, label in tables.parts(result).items() if name != "residual"}
    sums = {name: np.cumsum(daily[name].to_numpy()) / 1e6 for name in labels}
    years = tables.by_year(daily)
    bars = [
        _bar([str(row["year"]) for row in years], [row[name] / 1e6 for row in years], labels[name], COLOURS[name])
        for name in labels
    ]
    falls = result.drawdowns() * 100.0
    return [
        ("nav", "Net asset value", "Dollars, millions, at mid.", "wide", _figure([_line(nav, "NAV", LINE)], "$")),
        (
            "drawdown",
            "Drawdown",
            "Fall from the highest NAV so far, percent.",
            "wide short",
            _figure([_line(falls, "drawdown", COLOURS["cost"], fill=True)], "%", height=190),
        ),
        (
            "pnl",
            "Profit and loss by source, a year",
            "Millions of dollars: carry at unchanged yields, roll-down on an unchanged curve, the curve's moves, cost"
            + (", and calls written." if "options" in labels else "."),
            "wide",
            _figure(bars, "$", stacked=True),
        ),
        (
            "cumulative",
            "Profit and loss by source, cumulative",
            "Millions of dollars. The lines sum to the gain, but for rounding.",
            "wide",
            _figure([_line(sums[name], labels[name], COLOURS[name]) for name in labels], "$"),
        ),
        (
            "yield",
            "Portfolio yield",
            "STREET, market-value weighted, percent; cash counts with 0.",
            "half",
            _figure([_line(daily["yield"].to_numpy() * 100.0, "yield", LINE)], "%", height=260),
        ),
        (
            "duration",
            "Duration and WAM",
            "Years.",
            "half",
            _figure(
                [
                    _line(daily["wam_years"].to_numpy(), "WAM", COLOURS["curve"]),
                    _line(daily["duration"].to_numpy(), "modified duration", LINE),
                ],
                "y",
                height=260,
            ),
        ),
    ]


def _line(values: Any, name: str, colour: str, *, fill: bool = False) -> dict[str, Any]:
    """A line over the days of the run, which are in the page once."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": DAYS,
        "y": np.round(np.asarray(values, dtype=np.float64), 5).tolist(),
        "name": name,
        "line": {"color": colour, "width": 1.5},
        "fill": "tozeroy" if fill else "none",
        "hovertemplate": "%{y:,.3f}",
    }


def _bar(years: list[str], values: list[float], name: str, colour: str) -> dict[str, Any]:
    marker = {"color": colour}
    return {"type": "bar", "x": years, "y": values, "name": name, "marker": marker, "hovertemplate": "%{y:,.3f}"}


def _figure(traces: Sequence[dict[str, Any]], unit: str, *, height: int = 340, stacked: bool = False) -> dict[str, Any]:
    """What plotly.js draws: traces and layout."""
    form, suffix = {"$": ("$,~f", "m"), "%": ("~f", "%")}.get(unit, ("~f", " y"))
    axis = {"automargin": True, "zerolinewidth": 2, "zerolinecolor": "#b8c2cc"}
    layout = {
        "height": height,
        "margin": {"l": 58, "r": 12, "t": 8, "b": 34},
        "font": {"family": "inherit", "color": INK, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x unified",
        "showlegend": len(traces) > 1,
        "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "barmode": "relative" if stacked else "group",
        "xaxis": {**axis, "type": "category" if stacked else "date", "gridcolor": "#f1f4f7", "zeroline": False},
        "yaxis": {
            **axis,
            "tickformat": form,
            "ticksuffix": suffix,
            "gridcolor": "#e8edf2",
            "rangemode": "tozero" if unit == "y" else "normal",
        },
    }
    return {"traces": list(traces), "layout": layout}


def _html(figure: dict[str, Any], name: str) -> str:
    call = f"draw({json.dumps(f'chart-{name}')}, {json.dumps(figure, separators=(',', ':'))});"
    return f'<div id="chart-{name}" style="height:{figure["layout"]["height"]}px"></div><script>{call}</script>'
