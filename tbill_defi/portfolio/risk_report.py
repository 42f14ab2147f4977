"""Everything a risk manager asks of holdings on one day: value, sensitivities, tail losses, their test, scenarios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, PlanError
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.value_at_risk import PositionRisk, TailRisk, VarBacktest, check_level, least_moves
from tbill_defi.portfolio.view import View
from tbill_defi.pricing.book.book import KEY_YEARS, Book
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.pricing.curve_moves import CurveMoves, component_moves, parallel, steepeners

PARALLEL_BP = (-100.0, -50.0, -25.0, -10.0, 10.0, 25.0, 50.0, 100.0)
SLOPE_BP = 50.0
"""Move of the 30-year rate of a steepener; it turns about five years, so that the short end moves against it."""
COMPONENTS, DEVIATIONS = 3, 2.0
LARGEST_WINDOW = 10_000
"""Moves: more days than any Treasury curve has been published for in a row."""


@dataclass(frozen=True)
class RiskReport:
    """Risk of holdings at a day's close.

    Attributes
    ----------
    nav, cash
        Dollars, at the view's mid prices.
    dv01
        Dollars per 1 bp fall in yield.
    curve_value
        Dollars, the securities discounted on the par curve; what follows are changes of it.
    key_years, key_rate_dv01
        [n_nodes] years; dollars that a fall of 1 bp in the zero rate at each node brings.
    moves
        Daily moves of the curve that are known on the day.
    tail
        Over the latest moves of the window; None: there are too few.
    backtests
        Over all moves, of historical and of filtered value at risk; empty: there are no more moves than the window.
    scenarios
        Name -> dollars gained if it happened now.
    """

    nav: float
    cash: float
    dv01: float
    curve_value: float
    key_years: Floats
    key_rate_dv01: Floats
    moves: int
    tail: TailRisk | None
    backtests: tuple[VarBacktest, ...]
    scenarios: dict[str, float]


def risk_report(
    view: View, holdings: Holdings, history: CurveHistory, *, level: float = 0.99, window: int = 500
) -> RiskReport:
    """Risk of holdings on the date of a view.

    Parameters
    ----------
    history
        Its last day is the view's, whose curve values the holdings; its moves are the past that may happen again.
    level
        Of value at risk, inside (0.5, 1).
    window
        Moves that value at risk is measured over.

    Raises
    ------
    ConventionError
        If level or window is wrong, or the history ends on another day.
    PlanError
        If no security is held.
    UnknownSecurity
        If a security is not in the view.
    """
    check_tail(level, window)
    last = history.dates[-1].item()
    if last != view.date:
        raise ConventionError(f"history: ends on {last}, not on {view.date}; risk is measured from its last curve")
    if not holdings.positions:
        raise PlanError(f"holdings: {holdings.party} holds no securities, only cash; there is no risk to measure")
    measured = measure(view, holdings.positions, holdings.cash_units)
    book = Book([view.securities[view.index(cusip)] for cusip in holdings.positions])
    risk = PositionRisk(book, holdings.positions, history.curve(view.date), settlement=view.settlement_date)
    moves = CurveMoves.of(history) if len(history) > 1 else None
    count = 0 if moves is None else len(moves)
    latest = None if moves is None or count < least_moves(level) else moves.last(min(window, count))
    return RiskReport(
        nav=measured.nav,
        cash=measured.cash,
        dv01=measured.dv01,
        curve_value=risk.market_value,
        key_years=np.array(KEY_YEARS),
        key_rate_dv01=risk.key_rate_dv01(np.array(KEY_YEARS)),
        moves=count,
        tail=None if latest is None else risk.tail(latest, level=level),
        backtests=()
        if moves is None or count <= window
        else tuple(risk.backtest(moves, level=level, window=window, filtered=way) for way in (False, True)),
        scenarios=_scenarios(risk, latest),
    )


def check_tail(level: float, window: int) -> None:
    """Raises `ConventionError` if level or window can measure nothing."""
    check_level(level)
    least = least_moves(level)
    if not least <= window <= LARGEST_WINDOW:
        raise ConventionError(
            f"window: {str(window)[:30]} is not from {least} to {LARGEST_WINDOW:,} moves, as level {level} needs"
        )


def _scenarios(risk: PositionRisk, latest: CurveMoves | None) -> dict[str, float]:
    """Gains by name; those of principal components where there are moves to find them in."""
    nodes = np.array(KEY_YEARS)
    names = [f"parallel {size:+.0f} bp" for size in PARALLEL_BP]
    names += [f"steepener {SLOPE_BP:.0f} bp", f"flattener {SLOPE_BP:.0f} bp"]
    shifts = [parallel(nodes, PARALLEL_BP), steepeners(nodes, (SLOPE_BP, -SLOPE_BP))]
    if latest is not None:
        sizes = (-DEVIATIONS, DEVIATIONS)
        shifts.append(component_moves(latest.components(COMPONENTS), sizes))
        names += [f"component {i} {size:+.0f} sd" for i in range(1, COMPONENTS + 1) for size in sizes]
    return dict(zip(names, risk.gains(np.concatenate(shifts), nodes).tolist(), strict=True))
