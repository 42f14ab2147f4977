"""Sheets about the risk of holdings, from the JSON form that `tbill risk` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbill_defi.report import formats
from tbill_defi.report.curve_page import label
from tbill_defi.report.layout import Column, Sheet


def summary(value: Mapping[str, Any]) -> Sheet:
    """Value and DV01."""
    sheet = Sheet(
        f"Risk of {value['party']} on {value['date']}{label(value['simulation'])}", Column("", left=True), "$"
    )
    sheet.add("NAV at mid", formats.dollars(value["nav"]))
    sheet.add("cash", formats.dollars(value["cash"]))
    sheet.add("securities on the par curve", formats.dollars(value["curve_value"]))
    sheet.add("DV01, yields", formats.dollars(value["dv01"]))
    return sheet


def tail_losses(value: Mapping[str, Any]) -> Sheet:
    """Value at risk and expected shortfall by each method."""
    tail = value["tail"]
    days = f"{tail['horizon_days']} day{'' if tail['horizon_days'] == 1 else 's'}"
    sheet = Sheet(
        f"Loss over {days} at {100 * value['level']:.6g}%, from {tail['moves']:,} moves of the curve",
        Column("method", left=True),
        "VaR $",
        Column("VaR of NAV", rank=2),
        "ES $",
        Column("ES of NAV", rank=1),
    )
    for method in ("historical", "filtered", "parametric"):
        losses = (tail[f"{method}_var"], tail[f"{method}_es"])
        cells = ((formats.dollars(loss), formats.percent(loss / value["nav"], 3)) for loss in losses)
        sheet.add(method, *(cell for pair in cells for cell in pair))
    return sheet


def key_rates(value: Mapping[str, Any]) -> Sheet:
    """Dollars per 1 bp fall of the zero rate at each node."""
    sheet = Sheet("Key rate DV01, zero rates", "years", "$")
    for row in value["key_rate_dv01"]:
        sheet.add(f"{row['years']:g}", formats.dollars(row["dv01"]))
    sheet.add("all", formats.dollars(sum(row["dv01"] for row in value["key_rate_dv01"])))
    return sheet


def worst(value: Mapping[str, Any]) -> Sheet:
    """The days whose moves would lose most."""
    sheet = Sheet("Worst moves, as if they happened now", Column("day", left=True), "loss $")
    for row in value["tail"]["worst"]:
        sheet.add(row["date"], formats.dollars(row["loss"]))
    return sheet


def backtest_lines(value: Mapping[str, Any]) -> list[str]:
    """How often losses went beyond the value at risk of the days before."""
    if not value["backtests"]:
        return [f"no backtest: {value['no_backtest']}"]
    return [
        f"backtest of {'filtered' if test['filtered'] else 'historical'} VaR: {test['exceptions']:,} exceptions in "
        f"{test['days']:,} days, {test['expected']:.1f} expected; "
        f"p-values Kupiec {test['kupiec_p']:.2g}, Christoffersen {test['christoffersen_p']:.2g}"
        for test in value["backtests"]
    ]


def scenarios(value: Mapping[str, Any]) -> Sheet:
    """Gains if a move happened now."""
    sheet = Sheet("Scenarios", Column("move of zero rates", left=True), "profit $", Column("of NAV", rank=1))
    for row in value["scenarios"]:
        share = row["profit"] / value["nav"]
        sheet.add(row["name"], formats.dollars(row["profit"], sign=True), formats.percent(share, 3))
    return sheet
