"""The monthly ladder over published curves, contracts beside it, and the same portfolio in bt at the same prices.

Needs `../shared/data`. The peer is handed finished prices and coupons of thirty bonds that were outstanding all the
while, and holds equal weights of them in whole dollars of face, rebalanced each month; ours makes curves, prices,
plans, hashes and a journal on the way to the same NAV.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.rows import Row, emit
from tbill_defi.backtest.books import coupons_due
from tbill_defi.backtest.result import BacktestResult
from tbill_defi.backtest.run import run_backtest
from tbill_defi.instruments import Security
from tbill_defi.market.folder import read_folder
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.pricing.lines import FlowTable
from tbill_defi.report.tearsheet import require_plotly, write_tearsheet
from tbill_defi.strategy.discovery import find

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EQUAL_WEIGHTS = Path(__file__).with_name("equal_weights.py")
FIRST, LAST = date(1990, 1, 2), date(2026, 8, 21)
CAPITAL = 25_000_000
ASSETS, PEER_LAST = 30, date(2012, 6, 29)
"""A plan has at most 64 legs: 30 assets, of which all may change in a month."""
FLOOR_SECONDS = 3.0
"""What 36 years in arrays are to take, from files to tear sheet."""


def run(strategy: Any, last: date = LAST, **changes: Any) -> tuple[float, BacktestResult]:
    """Seconds from files to tear sheet, and the result."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        result = run_backtest(strategy, first=FIRST, last=last, capital=CAPITAL, data=DATA, out=folder, **changes)
        if require_plotly() is None:
            write_tearsheet(result)
        return perf_counter() - start, result


def outstanding(market: HistoricalMarket) -> list[Security]:
    """Bonds that are outstanding from the first day to the peer's last."""
    issues = [issue.security for issue in market.issues.issues if issue.listed <= FIRST]
    return [security for security in issues if security.maturity_date > PEER_LAST][:ASSETS]


def peer(market: HistoricalMarket, bonds: list[Security]) -> tuple[float, str, Any] | None:
    """Seconds bt takes, its version, and its NAV by day; None where it is not installed.

    On days on which a coupon is paid its NAV is nan: it counts a coupon from the next day on.
    """
    try:
        import bt
        import pandas as pd
    except ImportError:
        return None
    days = [day for day in market.days if FIRST <= day <= PEER_LAST]
    table, rows = FlowTable.of(bonds), np.array([market.row(day) for day in days])
    index = np.repeat(np.arange(len(bonds)), len(days))
    mids = market.marks(table, index, np.tile(rows, len(bonds))).mid.reshape(len(bonds), -1).T / 100.0
    names = [bond.cusip for bond in bonds]
    coupons = np.zeros_like(mids)
    for place, bond in enumerate(bonds):
        for due in coupons_due(bond, 10**12, FIRST, days[-1]):
            paid = int(np.searchsorted(np.array(days, dtype="datetime64[D]"), np.datetime64(due.payment)))
            if paid < len(days):
                coupons[paid, place] += due.cash / 10**12
    when = pd.DatetimeIndex([day.isoformat() for day in days])
    frames = [pd.DataFrame(values, index=when, columns=names) for values in (mids, coupons)]
    algos = [bt.algos.RunMonthly(run_on_first_date=True), bt.algos.SelectAll(), bt.algos.WeighEqually()]
    children = [bt.CouponPayingSecurity(name) for name in names]
    strategy = bt.Strategy("equal weights", [*algos, bt.algos.Rebalance()], children=children)
    test = bt.Backtest(
        strategy,
        frames[0],
        initial_capital=CAPITAL,
        integer_positions=True,
        progress_bar=False,
        additional_data={"coupons": frames[1]},
    )
    start = perf_counter()
    bt.run(test)
    seconds, nav = perf_counter() - start, test.strategy.values[when].to_numpy()
    return seconds, str(bt.__version__), np.where(coupons.any(axis=1), np.nan, nav)


def against_peer() -> Row | None:
    """The same portfolio at the same prices; the difference is of NAV, as a share of it, on the worst day."""
    market = HistoricalMarket(read_folder(DATA), costs="none")
    bonds = outstanding(market)
    theirs = peer(market, bonds)
    if theirs is None:
        return None
    strategy = find(str(EQUAL_WEIGHTS))(cusips=tuple(bond.cusip for bond in bonds))
    ours, result = run(strategy, PEER_LAST, costs="none")
    nav = result.daily["nav_units"].to_numpy() / 1e6
    difference = float(np.nanmax(np.abs(nav / theirs[2] - 1.0)))
    return Row("backtest.against_bt", ours, "s", theirs[0] / ours, None, difference, "bt, prices given", theirs[1])


def main() -> None:
    """backtest.ladder_arrays, backtest.ladder_revm, backtest.against_bt."""
    if not DATA.exists():
        raise SystemExit(f"no published data at {DATA}")
    seconds, arrays = run(find("ladder")())
    certified, contracts = run(find("ladder")(), ledger="revm")
    difference = abs(contracts.final_nav_units - arrays.final_nav_units)
    rows = [
        Row("backtest.ladder_arrays", seconds, "s, 36 years", floor=FLOOR_SECONDS),
        Row("backtest.ladder_revm", certified, f"s, {contracts.compared_days:,} days", max_abs_diff=difference),
    ]
    emit([*rows, *filter(None, [against_peer()])])


if __name__ == "__main__":
    main()
