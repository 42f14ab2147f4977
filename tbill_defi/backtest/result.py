"""What a backtest found: daily table, journal, returns, drawdown, and one hash of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tbill_defi.backtest.settings import Settings
from tbill_defi.core.money import UNITS_PER_DOLLAR

Floats = npt.NDArray[np.float64]
DAYS_PER_YEAR = 365.25
TRADING_DAYS = 252
SOURCES = ("carry", "roll_down", "curve", "cost", "options", "residual")
"""Of P&L, columns of the daily table; they sum to the change of NAV."""


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall of NAV from an earlier high: share of the high, its date, the low's."""

    depth: float
    peak: date
    trough: date


@dataclass(frozen=True)
class BacktestResult:
    """A finished run.

    Attributes
    ----------
    daily
        One row a day, `valuation.SCHEMA`.
    journal
        Every line of the books, `checkpoint.JOURNAL_SCHEMA`.
    run_hash
        Hash over settings, data, strategy source, every event and the final NAV; 0x and 64 digits. It does not depend
        on where the run was interrupted, nor on whether contracts kept books beside it.
    events
        Capital, orders, coupons, redemptions; calls written, exercised and lapsed.
    ledger
        "arrays", or "revm": the contracts agreed with the arrays on every day.
    compared_days
        Days on which the two were compared.
    files
        What was written: name -> path.
    simulation
        What made the par yields, such as "dns seed 7"; None: they were published.
    """

    settings: Settings
    daily: pl.DataFrame
    journal: pl.DataFrame
    run_hash: str
    events: int
    ledger: str
    compared_days: int
    files: dict[str, Path]
    simulation: str | None = None

    @property
    def first_day(self) -> date:
        """First day of the run."""
        found: date = self.daily["date"][0]
        return found

    @property
    def last_day(self) -> date:
        """Last day of the run."""
        found: date = self.daily["date"][-1]
        return found

    @property
    def final_nav_units(self) -> int:
        """NAV at mid on the last day, base units."""
        return int(self.daily["nav_units"][-1])

    @cached_property
    def _navs(self) -> tuple[Floats, Floats]:
        """[n_days] NAV at the end of each day, and before it, base units."""
        nav = self.daily["nav_units"].to_numpy().astype(np.float64)
        return nav, np.concatenate([[self.settings.capital_units], nav[:-1]])

    def returns_by_year(self, *, without: Sequence[str] = ()) -> dict[str, float]:
        """Calendar year -> total return, decimal; the first and last year as far as the run goes.

        Parameters
        ----------
        without
            Parts of the P&L that are left out of each day's return before the days are compounded: "cost" gives
            returns before costs; with "roll_down" too, those of a bond whose maturity does not shrink.
        """
        nav, before = self._navs
        left_out = sum((self.daily[name].to_numpy() * UNITS_PER_DOLLAR for name in without), np.zeros(len(nav)))
        factors = (nav - left_out) / before
        years = self.daily["date"].dt.year().to_numpy()
        return {str(year): float(np.prod(factors[years == year]) - 1.0) for year in np.unique(years)}

    def annual_return(self) -> float:
        """Compound total return a year, decimal, by actual days over 365.25."""
        years = max((self.last_day - self.first_day).days, 1) / DAYS_PER_YEAR
        return float((self.final_nav_units / self.settings.capital_units) ** (1.0 / years) - 1.0)

    def volatility(self) -> float:
        """Standard deviation of daily log returns, times the square root of the days in a year."""
        nav, before = self._navs
        logs = np.log(nav / before)[1:]
        return float(logs.std() * np.sqrt(TRADING_DAYS)) if len(logs) > 1 else 0.0

    def drawdowns(self) -> Floats:
        """[n_days] NAV over its highest so far, less one."""
        nav = np.concatenate([[self.settings.capital_units], self.daily["nav_units"].to_numpy()]).astype(np.float64)
        falls: Floats = (nav / np.maximum.accumulate(nav) - 1.0)[1:]
        return falls

    def drawdown(self) -> Drawdown:
        """The deepest one."""
        falls = self.drawdowns()
        low = int(np.argmin(falls))
        nav = self.daily["nav_units"].to_numpy()[: low + 1]
        high = int(np.argmax(nav))
        return Drawdown(float(falls[low]), self.daily["date"][high], self.daily["date"][low])

    def calls(self) -> dict[str, int]:
        """How many calls were written, exercised, and lapsed; and their premiums, base units."""
        counts = dict(self.journal.group_by("kind").len().iter_rows())
        premiums = self.journal.filter(kind="premium")["units"]
        return {
            "written": len(premiums),
            "exercised": counts.get("exercise", 0) // 2,
            "lapsed": counts.get("release", 0),
            "premium_units": int(premiums.sum()),
        }

    def attribution(self) -> dict[str, float]:
        """P&L of the whole run by source, dollars; they sum to the change of NAV."""
        return {name: float(self.daily[name].sum()) for name in SOURCES}

    def to_json(self) -> dict[str, Any]:
        """JSON form; base units as text, paths as text."""
        low = self.drawdown()
        return {
            "run_hash": self.run_hash,
            "simulation": self.simulation,
            "ledger": self.ledger,
            "compared_days": self.compared_days,
            "settings": self.settings.to_json(),
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "days": self.daily.height,
            "events": self.events,
            "final_nav_units": str(self.final_nav_units),
            "annual_return": self.annual_return(),
            "volatility": self.volatility(),
            "returns_by_year": self.returns_by_year(),
            "returns_by_year_before_costs": self.returns_by_year(without=["cost"]),
            "returns_by_year_at_constant_maturity": self.returns_by_year(without=["cost", "roll_down"]),
            "drawdown": {"depth": low.depth, "peak": low.peak.isoformat(), "trough": low.trough.isoformat()},
            "attribution": self.attribution(),
            "calls": {name: str(count) if name == "premium_units" else count for name, count in self.calls().items()},
            "files": {name: str(path) for name, path in self.files.items()},
        }
