"""One HTML file with charts and facts, readable without a network: plotly's script is inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import write_output
from tbill_defi.report.tearsheet import INK, plotly_script, require_plotly

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: $ink; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem }
dt { color: #6b7785 } dd { margin: 0; font-variant-numeric: tabular-nums }
</style><script>$script</script></head>
<body><h1>$title</h1>
<p>$lead</p>
$charts
<dl>$facts</dl>
</body></html>
""")
CHART = Template("""<div id="$name" style="height:${height}px"></div>
<script>Plotly.newPlot("$name", $traces, $layout, {displaylogo: false, responsive: true});</script>""")


@dataclass(frozen=True)
class Chart:
    """What plotly.js draws.

    Attributes
    ----------
    name
        Id of its element.
    traces, layout
        As plotly.js takes them; gaps are None.
    height
        Pixels.
    """

    name: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int = 420

    def html(self) -> str:
        """Element and script."""
        return CHART.substitute(
            name=self.name, height=self.height, traces=_plain(self.traces), layout=_plain(self.layout)
        )


def require_page() -> None:
    """Raises `UsageError` if plotly is not installed."""
    if missing := require_plotly():
        raise UsageError(missing.replace("tear sheet", "plot"))


def write_page(path: Path, title: str, lead: str, charts: Sequence[Chart], facts: Mapping[str, str]) -> Path:
    """Write the page.

    Raises
    ------
    UsageError
        If plotly is not installed.
    DataError
        If the file cannot be written.
    """
    require_page()
    text = PAGE.substitute(
        title=escape(title),
        ink=INK,
        script=plotly_script(),
        lead=escape(lead),
        charts="\n".join(chart.html() for chart in charts),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items()),
    )
    try:
        write_output(path, text.encode())
    except OSError as error:
        raise DataError(f"html: {path} cannot be written: {error.strerror}") from None
    return path


def _plain(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
