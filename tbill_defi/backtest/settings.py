"""What is run: range, capital, strategy, schedule, universe, costs; checked before the first day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, get_args

from tbill_defi.backtest.schedule import FREQUENCIES
from tbill_defi.conventions import TRADING
from tbill_defi.core.errors import DataError, NoCurve, UsageError
from tbill_defi.core.hashing import json_hash
from tbill_defi.core.money import UNITS_PER_DOLLAR, format_units
from tbill_defi.portfolio.history import Costs, HistoricalMarket, Universe
from tbill_defi.portfolio.plan import StrategyIdentity

FORMAT = "tbill_defi backtest, version 1"
LONGEST_GAP_DAYS = 10
"""Days without a curve, within the range, beyond which the data are said to have a hole."""
SMALLEST_CAPITAL = 1_000 * UNITS_PER_DOLLAR
"""One lot of $1,000 face."""
LARGEST_CAPITAL = 10**12 * UNITS_PER_DOLLAR


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the data.

    Attributes
    ----------
    first, last
        First and last day asked for; the first must have a curve.
    capital_units
        Base units of cash on the first day.
    frequency
        When the strategy is asked, of `schedule.FREQUENCIES`.
    universe, costs
        As of `HistoricalMarket`.
    over
        Of a strategy that writes calls: the one whose holdings it writes on.
    """

    strategy: StrategyIdentity
    first: date
    last: date
    capital_units: int
    frequency: str = "monthly"
    universe: Universe = "issued"
    costs: Costs = "table"
    over: StrategyIdentity | None = None

    def __post_init__(self) -> None:
        if self.last <= self.first:
            raise UsageError(f"to: {self.last} is not after from {self.first}")
        for name, value, known in (
            ("frequency", self.frequency, FREQUENCIES),
            ("universe", self.universe, get_args(Universe)),
            ("costs", self.costs, get_args(Costs)),
        ):
            if value not in known:
                raise UsageError(f"{name}: {value!r} is not one of {', '.join(known)}")
        if self.capital_units < SMALLEST_CAPITAL:
            raise UsageError(
                f"capital: ${format_units(self.capital_units)} is below a lot; at least $1,000 buys one of face"
            )
        if self.capital_units > LARGEST_CAPITAL:
            raise UsageError(f"capital: ${format_units(self.capital_units)} is more than a trillion dollars")

    def to_json(self) -> dict[str, Any]:
        """What the run's hash begins with."""
        return {
            "format": FORMAT,
            **_named(self.strategy),
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "capital": str(self.capital_units),
            "frequency": self.frequency,
            "universe": self.universe,
            "costs": self.costs,
            **({"over": _named(self.over)} if self.over else {}),
        }

    def key(self, market: HistoricalMarket) -> bytes:
        """Hash of the settings and of all market data known on the last day: where a run's chain of hashes begins."""
        days = self.days(market.days)
        return json_hash({**self.to_json(), "market_hash": "0x" + market.market_hash(days[-1]).hex()})

    def days(self, curves: Sequence[date]) -> list[date]:
        """The days of the run: those with a curve in the range.

        Raises
        ------
        DataError
            If the range is outside the curves, or they have a hole in it.
        NoCurve
            If the first day has no curve; names the next that has.
        """
        known = f"the curves are from {curves[0]} to {curves[-1]}"
        if self.first < curves[0] or self.first > curves[-1]:
            raise DataError(f"from: there is no curve on {self.first}; {known}")
        if self.last > curves[-1] and TRADING.good_days(curves[-1] + timedelta(days=1), self.last):
            raise DataError(f"to: there is no curve up to {self.last}; {known}")
        start = bisect_left(curves, self.first)
        if curves[start] != self.first:
            why = "a trading day without a curve in the data" if TRADING.is_good(self.first) else "not a trading day"
            raise NoCurve(
                f"from: {self.first:%Y-%m-%d}, a {self.first:%A}, is {why}; the first day after it with a curve is "
                f"{curves[start]}"
            )
        days = list(curves[start : bisect_right(curves, self.last)])
        for before, after in zip(days, [*days[1:], self.last], strict=True):
            if (after - before).days > LONGEST_GAP_DAYS:
                raise DataError(f"par yields: there is no curve between {before} and {after}; the range has a hole")
        return days


def _named(strategy: StrategyIdentity) -> dict[str, Any]:
    return {
        "strategy": strategy.name,
        "strategy_source_hash": "0x" + strategy.source_hash.hex(),
        "config": dict(strategy.config),
    }
