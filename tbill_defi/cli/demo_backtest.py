"""The demo's backtest: a quarter of real curves, settled through the contracts and held against arrays every day."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from rich.console import Console

from tbill_defi.backtest.result import BacktestResult
from tbill_defi.backtest.run import run_backtest
from tbill_defi.cli.demo_stage import require
from tbill_defi.market.sample import sample_data
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet
from tbill_defi.strategy.discovery import find

CAPITAL = "10000000"


def certify(out: Console, folder: Path) -> None:
    """A ladder over the sample's quarter, by arrays and by contracts at once."""
    data = sample_data()
    first, last = data.par_yields["date"][0], data.par_yields["date"][-1]
    strategy = find("ladder")(rungs=6, longest_years=5.0)
    result = run_backtest(strategy, first=first, last=last, capital=CAPITAL, ledger="revm", data=data, out=folder)
    require(result.compared_days == result.daily.height, "contracts and arrays were not compared every day")
    out.rule(f"[bold]A backtest certified on the contracts, {first} to {last}[/]", align="left")
    out.print(_months(result))
    out.print(
        f"{result.daily.height} days of ladder: cash and positions of the contracts equal the arrays' to the base unit "
        f"on all {result.compared_days}; run {result.run_hash[:18]}…\n"
    )


def _months(result: BacktestResult) -> Sheet:
    """One row a month: what was traded and paid in it, and NAV at its end."""
    sheet = Sheet("", Column("month", left=True), "days", "orders", "coupons $", "redeemed $", "cash $", "NAV $")
    month = pl.col("date").dt.truncate("1mo")
    journal = result.journal.with_columns(pl.col("date").dt.truncate("1mo").alias("month"))
    for (start,), days in result.daily.group_by(month, maintain_order=True):
        lines = journal.filter(pl.col("month") == start)
        sheet.add(
            f"{start:%Y-%m}",
            str(days.height),
            str(_of_kind(lines, "trade").filter(pl.col("asset") != "USD").height),
            *(_dollars(lines, kind) for kind in ("coupon", "redemption")),
            *(formats.cash(int(days[name][-1]))[1:] for name in ("cash_units", "nav_units")),
        )
    return sheet


def _of_kind(lines: pl.DataFrame, kind: str) -> pl.DataFrame:
    return lines.filter(pl.col("kind") == kind)


def _dollars(lines: pl.DataFrame, kind: str) -> str:
    """Cash of a kind; empty where there was none."""
    found = _of_kind(lines, kind).filter(pl.col("asset") == "USD")
    return formats.cash(sum(int(text) for text in found["units"]))[1:] if found.height else ""
