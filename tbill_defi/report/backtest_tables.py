"""Tables of a backtest."""

from __future__ import annotations

from typing import Any

import polars as pl

from tbill_defi.backtest.result import BacktestResult
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet

PARTS = (("carry", "carry"), ("roll_down", "roll-down"), ("curve", "curve"), ("cost", "cost"), ("residual", "residual"))


def by_year(daily: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a calendar year: NAV at its end, P&L by source in dollars."""
    year = pl.col("date").dt.year().alias("year")
    sums = [pl.col(name).sum() for name, _ in PARTS]
    return daily.group_by(year, maintain_order=True).agg(pl.col("nav_units").last(), *sums).to_dicts()


def whole_dollars(amount: float, *, sign: bool = False) -> str:
    """Whole dollars; nothing is never negative."""
    return formats.dollars(round(amount) or 0.0, sign=sign)


def years(result: BacktestResult) -> Sheet:
    """Return of each calendar year, and where its P&L came from."""
    sheet = Sheet(
        f"{result.settings.strategy.name} {result.first_day} to {result.last_day}, "
        + ("simulated market, dollars" if result.simulation else "dollars"),
        *(Column("year", left=True), "return", Column("before costs", rank=2), "NAV"),
        *(Column(label, rank=1) for _, label in PARTS),
    )
    net, gross = result.returns_by_year(), result.returns_by_year(without=["cost"])
    for row in by_year(result.daily):
        year = str(row["year"])
        sheet.add(
            year,
            formats.percent(net[year], 2),
            formats.percent(gross[year], 2),
            formats.dollars(row["nav_units"] / UNITS_PER_DOLLAR),
            *(whole_dollars(row[name], sign=True) for name, _ in PARTS),
        )
    return sheet


def summary(result: BacktestResult) -> list[str]:
    """The run in a few lines."""
    low = result.drawdown()
    certified = (
        f"contracts and arrays agree to the base unit on all {result.compared_days:,} days"
        if result.ledger == "revm"
        else "kept by arrays; --ledger revm has the contracts keep the same books"
    )
    simulated = f"prices: simulated, by {result.simulation}; nobody ever quoted one of them"
    return [
        *([simulated] if result.simulation else []),
        f"{formats.cents(result.settings.capital_units)} became {formats.cents(result.final_nav_units)}: "
        f"{formats.percent(result.annual_return(), 2)} a year, volatility {formats.percent(result.volatility(), 2)}, "
        f"deepest fall {formats.percent(low.depth, 2)} from {low.peak} to {low.trough}",
        f"{result.daily.height:,} days, {result.events:,} events; {certified}",
        f"run {result.run_hash}",
    ]
