"""`run_backtest(strategy, ...)`: from market data to a result on disk, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from tbill_defi.backtest.checkpoint import Checkpoint, journal_frame
from tbill_defi.backtest.engine import Bookkeeper, DayResult, Engine, Progress, State
from tbill_defi.backtest.result import BacktestResult
from tbill_defi.backtest.settings import Settings
from tbill_defi.backtest.valuation import DayRecord, daily_rows
from tbill_defi.core.errors import UsageError
from tbill_defi.core.files import write_durably
from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.core.home import home_path
from tbill_defi.core.money import units
from tbill_defi.instruments import Security
from tbill_defi.market.data import MarketData
from tbill_defi.market.folder import read_folder
from tbill_defi.market.store import MarketStore
from tbill_defi.portfolio.history import Costs, HistoricalMarket, Universe
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.isolation import About, IsolatedStrategy

LEDGERS = ("arrays", "revm")
Resumed = Callable[[date], None]


def run_backtest(
    strategy: Strategy[Any] | IsolatedStrategy,
    *,
    over: Strategy[Any] | IsolatedStrategy | None = None,
    first: date,
    last: date,
    capital: str | int = 25_000_000,
    ledger: str = "arrays",
    frequency: str | None = None,
    universe: Universe | None = None,
    costs: Costs = "table",
    data: MarketData | str | Path | None = None,
    home: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress = lambda done, total: None,
    resumed: Resumed = lambda day: None,
) -> BacktestResult:
    """Run a strategy over the past.

    Parameters
    ----------
    strategy
        Made here, or in a process of its own: then nothing of the plugin runs here.
    over
        The strategy whose holdings `strategy` writes calls on; None: what `strategy` says itself, which is nothing
        for one that holds securities.
    first, last
        The first must have a curve; the run ends on the last curve not after `last`.
    capital
        Dollars of cash on the first day.
    ledger
        "arrays", or "revm": every trade, coupon and redemption also goes through the contracts, and cash and
        positions are compared to the base unit on every day.
    frequency
        When the strategy is asked: "daily", "weekly", "monthly", "quarterly", "annual" (first trading day of each), or
        "maturity" (when principal is paid). None: the strategy's own `schedule`.
    universe
        "issued" or "par"; None: the strategy's own.
    costs
        "table": dealer's spreads; "none": everything trades at mid.
    data
        Market data in memory, or a folder of market CSV files; None: the home's.
    out
        Folder of the run; None: `<home>/backtests/<strategy>-<first digits of the run's key>`.
    progress, resumed
        Called with (days done, days in all); with the last day of an interrupted run that goes on.

    Raises
    ------
    TbillError
        What settings, data, strategy or contracts refuse, in one line; the years that are done are kept.
    """
    if ledger not in LEDGERS:
        raise UsageError(f"ledger: {ledger!r} is not one of {', '.join(LEDGERS)}")
    with ExitStack() as stack:
        asked = _Asked.enter(strategy, over, stack)
        settings = asked.settings(first, last, units(capital, field="capital"), frequency, universe, costs)
        market = HistoricalMarket(loaded_market(data, home), universe=settings.universe, costs=costs)
        key = settings.key(market)
        folder = Path(out) if out else home_path(home) / "backtests" / f"{settings.strategy.name}-{key.hex()[:12]}"
        checkpoint = Checkpoint(folder, key)
        stack.enter_context(checkpoint.held())
        asked.ready()
        engine = Engine(settings, market, asked.holder, _keeper(ledger, key, stack), asked.overlay)
        return _Run(engine, checkpoint, ledger).go(progress, resumed)


@dataclass(frozen=True)
class _Asked:
    """Who is asked, each in a process of its own: who holds, and who writes calls on it; what the holder says it is."""

    holder: IsolatedStrategy
    overlay: IsolatedStrategy | None
    about: Strategy[Any] | About

    @classmethod
    def enter(
        cls, strategy: Strategy[Any] | IsolatedStrategy, over: Strategy[Any] | IsolatedStrategy | None, stack: ExitStack
    ) -> _Asked:
        """Start the processes."""
        first, about = _entered(strategy, stack)
        named = over or about.over
        if not named:
            return cls(first, None, about)
        holder, about = _entered(named, stack)
        return cls(holder, first, about)

    def settings(
        self,
        first: date,
        last: date,
        capital_units: int,
        frequency: str | None,
        universe: Universe | None,
        costs: Costs,
    ) -> Settings:
        """The run's, with what the holder wants where nothing is said."""
        return Settings(
            (self.overlay or self.holder).identity(),
            first,
            last,
            capital_units,
            frequency or self.about.schedule,
            universe or self.about.universe,  # type: ignore[arg-type]
            costs,
            over=self.holder.identity() if self.overlay else None,
        )

    def ready(self) -> None:
        """Wait until all are loaded."""
        self.holder.ready()
        if self.overlay is not None:
            self.overlay.ready()


def _entered(
    strategy: Strategy[Any] | IsolatedStrategy | str, stack: ExitStack
) -> tuple[IsolatedStrategy, Strategy[Any] | About]:
    """A strategy in its process, and what it says of itself; one that was made here says so without it."""
    isolated = strategy if isinstance(strategy, IsolatedStrategy) else IsolatedStrategy(strategy)
    stack.enter_context(isolated)
    return isolated, strategy if isinstance(strategy, Strategy) else isolated.about


def loaded_market(data: MarketData | str | Path | None, home: str | Path | None) -> MarketData:
    """Market data in memory, of a folder of CSV files, or of a home."""
    if isinstance(data, MarketData):
        return data
    return MarketStore(home_path(home)).load() if data is None else read_folder(data)


def _keeper(ledger: str, key: bytes, stack: ExitStack) -> Bookkeeper | None:
    if ledger == "arrays":
        return None
    from tbill_defi.backtest.contracts import ContractBooks

    keeper = ContractBooks(key)
    stack.callback(keeper.close)
    return keeper


class _Run:
    """One run: years of days, each valued, saved and joined at the end."""

    def __init__(self, engine: Engine, checkpoint: Checkpoint, ledger: str) -> None:
        self.engine, self.checkpoint, self.ledger = engine, checkpoint, ledger
        self.daily: list[pl.DataFrame] = []
        self.journal: list[pl.DataFrame] = []
        self._results: list[DayResult] = []
        self._held: dict[str, Security] = {}

    def go(self, progress: Progress, resumed: Resumed) -> BacktestResult:
        """From the start, or on from the last whole year."""
        engine, days = self.engine, self.engine.days
        saved = self.checkpoint.load(blocks=engine.bookkeeper is not None)
        if saved is not None:
            state, before = saved.state, saved.record
            self.daily, self.journal = saved.daily, saved.journal
            self._held = dict(state.books.securities)
            resumed(days[state.done - 1])
            if engine.bookkeeper is not None:
                engine.resume(state, pl.concat(saved.blocks))
        else:
            state, before = engine.fresh(), None
            self.checkpoint.forget()
        progress(state.done, len(days))
        for result in engine.run(state):
            self._results.append(result)
            if state.done == len(days) or days[state.done].year != result.day.year:
                before = self._close_year(state, before)
                progress(state.done, len(days))
            elif state.done % 21 == 0:
                progress(state.done, len(days))
        assert before is not None
        return self._finish(state, before)

    def _close_year(self, state: State, before: DayRecord | None) -> DayRecord:
        results, self._results = self._results, []
        start = self.engine.settings.capital_units if before is None else None
        first = before or DayRecord(results[0].record.row, {}, 0)
        securities = dict(self._held)
        for result in results:
            securities.update(result.securities)
        daily = daily_rows(self.engine.market, securities, [first, *(r.record for r in results)], start)
        journal = journal_frame([line for result in results for line in result.lines])
        self.daily.append(daily)
        self.journal.append(journal)
        tables = {"daily": daily, "journal": journal}
        if self.engine.bookkeeper is not None:
            tables["blocks"] = self.engine.bookkeeper.blocks()
        last = results[-1]
        self.checkpoint.save(str(last.day.year), state, last.record, tables)
        self._held = dict(last.securities)
        return last.record

    def _finish(self, state: State, record: DayRecord) -> BacktestResult:
        daily, journal = pl.concat(self.daily), pl.concat(self.journal)
        final = {"kind": "end", "day": daily["date"][-1].isoformat(), "nav": str(daily["nav_units"][-1])}
        run_hash = "0x" + keccak256(state.chain + canonical_json(final)).hex()
        folder = self.checkpoint.folder
        files = {name: folder / f"{name}.parquet" for name in ("daily", "journal")}
        for name, frame in (("daily", daily), ("journal", journal)):
            buffer = BytesIO()
            frame.write_parquet(buffer)
            write_durably(files[name], buffer.getvalue())
        files["result"] = folder / "result.json"
        keeper = self.engine.bookkeeper
        compared = keeper.compared_days if keeper else 0
        simulation = self.engine.market.data.simulation
        result = BacktestResult(
            self.engine.settings, daily, journal, run_hash, state.events, self.ledger, compared, files, simulation
        )
        write_durably(files["result"], (json.dumps(result.to_json(), indent=1) + "\n").encode())
        self.checkpoint.finish(state, record)
        return result
