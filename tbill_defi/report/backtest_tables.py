"""Tables of a backtest."""

from __future__ import annotations

from typing import Any

import polars as pl

from tbill_defi.backtest.result import SOURCES, BacktestResult
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet

LABELS = {"roll_down": "roll-down"}


def parts(result: BacktestResult) -> dict[str, str]:
    """Sources of P&L -> what they are called; options only where some were written."""
    written = result.calls()["written"]
    return {name: LABELS.get(name, name) for name in SOURCES if name != "options" or written}


def by_year(daily: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a calendar year: NAV at its end, P&L by source in dollars."""
    year = pl.col("date").dt.year().alias("year")
    sums = [pl.col(name).sum() for name in SOURCES]
    return daily.group_by(year, maintain_order=True).agg(pl.col("nav_units").last(), *sums).to_dicts()


def title(result: BacktestResult) -> str:
    """The strategy's name; of one that writes calls, and what it writes them on."""
    settings = result.settings
    return settings.strategy.name + (f" over {settings.over.name}" if settings.over else "")


def options(result: BacktestResult) -> str:
    """What became of the calls, in a line; "" if none were written."""
    found = result.calls()
    if not found["written"]:
        return ""
    open_ = found["written"] - found["exercised"] - found["lapsed"]
    return (
        f"{found['written']:,} written for {formats.cents(found['premium_units'])}, {found['exercised']:,} exercised, "
        f"{found['lapsed']:,} lapsed, {open_:,} open"
    )


def whole_dollars(amount: float, *, sign: bool = False) -> str:
    """Whole dollars; nothing is never negative."""
    return formats.dollars(round(amount) or 0.0, sign=sign)


def years(result: BacktestResult) -> Sheet:
    """Return of each calendar year, and where its P&L came from."""
    shown = parts(result)
    sheet = Sheet(
        f"{title(result)} {result.first_day} to {result.last_day}, "
        + ("simulated market, dollars" if result.simulation else "dollars"),
        *(Column("year", left=True), "return", Column("before costs", rank=2), "NAV"),
        *(Column(label, rank=1) for label in shown.values()),
    )
    net, gross = result.returns_by_year(), result.returns_by_year(without=["cost"])
    for row in by_year(result.daily):
        year = str(row["year"])
        sheet.add(
            year,
            formats.percent(net[year], 2),
            formats.percent(gross[year], 2),
            formats.dollars(row["nav_units"] / UNITS_PER_DOLLAR),
            *(whole_dollars(row[name], sign=True) for name in shown),
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
        *([f"calls: {called}"] if (called := options(result)) else []),
        f"{result.daily.height:,} days, {result.events:,} events; {certified}",
        f"run {result.run_hash}",
    ]
