"""The monthly ladder over published curves: arrays, contracts beside them, and bt on given prices.

Needs `../shared/data`. The peer is handed finished price series and holds the same number of assets for as many
days, rebalanced to equal weights in whole units each month; ours makes curves, prices, plans, hashes and a journal.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.rows import Row, emit
from tbill_defi.backtest.result import BacktestResult
from tbill_defi.backtest.run import run_backtest
from tbill_defi.market.folder import read_folder
from tbill_defi.report.tearsheet import require_plotly, write_tearsheet
from tbill_defi.strategy.discovery import find

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FIRST, LAST = date(1990, 1, 2), date(2026, 8, 21)
CERTIFIED_FIRST = date(2016, 9, 1)
ASSETS, DAYS, PEER_FIRST = 30, 7_000, date(1998, 8, 31)
"""A plan has at most 64 legs: 30 assets, of which all may change in a month."""


def run(first: date, ledger: str, **config: Any) -> tuple[float, BacktestResult]:
    """Seconds from files to tear sheet, and the result."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        result = run_backtest(
            find("ladder")(**config), first=first, last=LAST, data=read_folder(DATA), out=folder, ledger=ledger
        )
        if require_plotly() is None:
            write_tearsheet(result)
        return perf_counter() - start, result


def peer_seconds() -> tuple[float, str] | None:
    """Seconds bt takes for as many assets and days, and its version; None where it is not installed."""
    try:
        import bt
        import pandas as pd
    except ImportError:
        return None
    moves = np.random.default_rng(0).normal(0.0001, 0.003, (DAYS, ASSETS))
    index = pd.bdate_range(PEER_FIRST.isoformat(), periods=DAYS)
    prices = pd.DataFrame(100.0 * np.exp(moves.cumsum(axis=0)), index=index, columns=[f"a{i}" for i in range(ASSETS)])
    algos = [bt.algos.RunMonthly(), bt.algos.SelectAll(), bt.algos.WeighEqually(), bt.algos.Rebalance()]
    test = bt.Backtest(bt.Strategy("ladder", algos), prices, initial_capital=25_000_000, integer_positions=True)
    start = perf_counter()
    bt.run(test)
    return perf_counter() - start, str(bt.__version__)


def main() -> None:
    """backtest.ladder_arrays, backtest.ladder_revm, backtest.against_bt."""
    if not DATA.exists():
        raise SystemExit(f"no published data at {DATA}")
    seconds, _ = run(FIRST, "arrays")
    certified, result = run(CERTIFIED_FIRST, "revm")
    rows = [
        Row("backtest.ladder_arrays", seconds, "s, 36 years"),
        Row("backtest.ladder_revm", certified, f"s, {result.compared_days:,} days", max_abs_diff=0),
    ]
    if (peer := peer_seconds()) is not None:
        ours, _ = run(PEER_FIRST, "arrays", rungs=ASSETS)
        rows.append(
            Row("backtest.against_bt", ours, "s", peer[0] / ours, peer="bt, prices given", peer_version=peer[1])
        )
    emit(rows)


if __name__ == "__main__":
    main()
