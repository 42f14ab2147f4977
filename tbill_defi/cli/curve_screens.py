"""What `tbill curve` prints: a day's curve as a table and a plot of text, zero rates of many days as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbill_defi.cli.common import console

WIDTH, HEIGHT = 61, 11
"""Columns and rows of the plot."""
SHOWN_DAYS = 20
"""Of a history."""
ALWAYS = ("3 Mo", "2 Yr", "5 Yr", "10 Yr", "30 Yr")
"""Tenors that a narrow screen keeps."""


def show_day(value: dict[str, Any]) -> None:
    """A row a tenor."""
    from tbill_defi.report import formats
    from tbill_defi.report.curve_page import label
    from tbill_defi.report.layout import Column, Sheet

    method = value["interpolation"].replace("_", " ")
    sheet = Sheet(
        f"Curve of {value['date']}, {method}{label(value['simulation'])}",
        Column("tenor", left=True),
        Column("maturity", rank=1),
        "par yield",
        "zero rate",
        "forward to next",
        "discount factor",
    )
    for row in value["tenors"]:
        forward = row["forward_rate"]
        sheet.add(
            row["tenor"],
            row["maturity_date"],
            formats.percent(row["par_yield"], 2),
            formats.percent(row["zero_rate"], 4),
            "-" if forward is None else formats.percent(forward, 4),
            f"{row['discount_factor']:.6f}",
        )
    console().print(sheet)


def columns(offsets: Sequence[int]) -> list[int]:
    """Days after the curve date of the plot's columns: tenors stand at even steps, days evenly between them."""
    import numpy as np

    places = np.linspace(0.0, len(offsets) - 1.0, WIDTH)
    return [int(day) for day in np.interp(places, np.arange(len(offsets)), np.array(offsets, dtype=np.float64))]


def plot(drawn: dict[str, list[float]], tenors: Sequence[str]) -> list[str]:
    """Rates over tenors as lines of text: `*` the zero rate, `.` the forward rate."""
    zero, forward = drawn["zero"], drawn["forward"]
    low, high = min(*zero, *forward), max(*zero, *forward)
    step = (high - low) / (HEIGHT - 1) or 1.0
    stars, dots = ([round((high - rate) / step) for rate in rates] for rates in (zero, forward))
    lines = ["* zero rate, . forward rate, percent; tenors at even steps"]
    for row in range(HEIGHT):
        cells = ["*" if star == row else "." if dot == row else " " for star, dot in zip(stars, dots, strict=True)]
        label = f"{(high - row * step) * 100:8.2f} " if row % (HEIGHT // 2) == 0 else " " * 9
        lines.append((label + "".join(cells)).rstrip())
    below = [" "] * WIDTH
    middle = len(tenors) // 2 if len(tenors) > 2 else 0
    for place in {0, middle, len(tenors) - 1}:
        at = round(place * (WIDTH - 1) / (len(tenors) - 1))
        start = min(max(at - len(tenors[place]) // 2, 0), WIDTH - len(tenors[place]))
        below[start : start + len(tenors[place])] = tenors[place]
    lines.append(" " * 9 + "".join(below))
    return lines


def show_history(value: dict[str, Any]) -> None:
    """Zero rates of days spread over the range, the last among them."""
    from tbill_defi.report import formats
    from tbill_defi.report.curve_page import label
    from tbill_defi.report.layout import Column, Sheet

    sheet = Sheet(
        f"Zero rates {value['from']} to {value['to']}, {value['interpolation'].replace('_', ' ')}"
        f"{label(value['simulation'])}",
        Column("date", left=True),
        *(Column(tenor, rank=0 if tenor in ALWAYS else 1) for tenor in value["tenors"]),
    )
    days = value["days"]
    step = -(-len(days) // SHOWN_DAYS)
    shown = days[(len(days) - 1) % step :: step]
    for row in shown:
        sheet.add(row["date"], *("-" if rate is None else formats.percent(rate, 2) for rate in row["zero_rates"]))
    out = console()
    out.print(sheet)
    out.print(f"{len(shown):,} of {value['curves']:,} days with a curve; --json gives {len(days):,}")
