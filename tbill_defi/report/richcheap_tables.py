"""What `tbill richcheap` prints: the cheapest and the richest, and residuals by maturity as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet

WIDTH, HEIGHT = 61, 13
"""Columns and rows of the plot."""
MARKS = {"bill": ".", "note": "o", "bond": "x", "tips": "t"}
SHARE = 0.98
"""Of residuals that the plot's scale holds; the others stand at its edges."""


def ranking(value: Mapping[str, Any], curve: Mapping[str, Any], top: int) -> Sheet:
    """The `top` cheapest and richest of the securities that a curve values; all where there are not more."""
    real = curve["name"] == "real"
    rows = [row for row in value["securities"] if (row["kind"] == "tips") is real]
    what = "TIPS, real yields" if real else "bills, notes, bonds and others" if _mixed(rows) else "bills, notes, bonds"
    sheet = Sheet(
        f"{len(rows):,} {what}: settlement {value['settlement_date']}, {value['source']}; "
        f"Svensson curve fitted to {curve['fitted']:,}, rms {curve['rms_bp']:.2f} bp",
        Column("cusip", left=True),
        Column("kind", left=True, rank=4),
        Column("coupon", rank=5),
        Column("maturity", rank=1),
        Column("clean", rank=3),
        Column("model", rank=6),
        Column("price residual", rank=2),
        Column("yield", rank=7),
        "cheap by",
        Column("in fit", rank=9),
        Column("z-spread", rank=8),
        Column("z-score", of_some=True),
    )
    shown = rows if len(rows) <= 2 * top else [*rows[:top], *rows[-top:]]
    for place, row in enumerate(shown):
        if len(shown) < len(rows) and place == top:
            sheet.add("...", *("" for _ in sheet.columns[1:]))
        sheet.add(
            row["cusip"],
            row["kind"],
            "" if row["coupon"] is None else f"{row['coupon'] * 100:.3f}",
            row["maturity_date"],
            f"{row['clean_price']:.4f}",
            f"{row['model_clean_price']:.4f}",
            f"{row['residual']:+.4f}",
            formats.percent(row["yield"]),
            f"{row['residual_bp']:+.2f} bp",
            "yes" if row["fitted"] else "no",
            f"{row['z_spread_bp']:+.1f}",
            "" if row["z_score"] is None else f"{row['z_score']:+.2f}",
        )
    return sheet


def _mixed(rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row["kind"] not in MARKS for row in rows)


def left_out(value: Mapping[str, Any]) -> list[str]:
    """A line on what of the sheet is in no table, if something is."""
    named = ", ".join(f"{count} {kind}" for kind, count in value["left_out"].items())
    return [f"left out, terms or index not on record: {named}"] if named else []


def plot(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Yield residuals over the square root of the years to maturity, as lines of text."""
    sizes = sorted(abs(row["residual_bp"]) for row in rows)
    high = max(sizes[min(int(SHARE * len(sizes)), len(sizes) - 1)], 0.1)
    longest = max(row["years"] for row in rows)
    middle = HEIGHT // 2
    grid = [["-" if line == middle else " " for _ in range(WIDTH)] for line in range(HEIGHT)]
    for row in rows:
        across = round(math.sqrt(row["years"] / longest) * (WIDTH - 1))
        up = max(-1.0, min(1.0, row["residual_bp"] / high))
        grid[middle - round(up * middle)][across] = MARKS.get(row["kind"], "*")
    lines = ["cheap (+) and rich (-), bp of yield by years to maturity: . bill, o note, x bond, t TIPS, * other"]
    for number, cells in enumerate(grid):
        label = f"{high * (middle - number) / middle:+8.1f} " if number % middle == 0 else " " * 9
        lines.append((label + "".join(cells)).rstrip())
    below = [" "] * (WIDTH + 4)
    for years in (0.25, 1, 2, 5, 10, 20, 30):
        at = round(math.sqrt(years / longest) * (WIDTH - 1))
        text = f"{years:g}"
        if at < WIDTH and all(cell == " " for cell in below[max(at - 1, 0) : at + len(text) + 1]):
            below[at : at + len(text)] = text
    lines.append((" " * 9 + "".join(below)).rstrip())
    return lines
