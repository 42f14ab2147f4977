"""A mandate's limits on a plan: as rows of the programme and as reports after the trade.

With b, s the lots bought and sold, h held, o, d their offer and bid value, c the cash, P and D a lot's value and
duration at the oracle, and V the portfolio's value there after the trade, which is a column::

    V = sum P (h + b - s) + c - sum o b + sum d s
    L V <= sum P D (h + b - s) <= U V
    P_i (h_i + b_i - s_i) <= cap x V                             for each security
    turned + (sum P (b + s)) / 2 <= turnover x V
    sum b (o - P) + s (P - d) <= slippage x sum P (b + s)

The guard rounds in integers, the solver in doubles: each row keeps a margin that is larger than both, so that what is
called feasible is. A row that cannot be broken (a cap of all, a band that starts at 0) is left out and keeps none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.mandate import (
    DURATION,
    FULL_BP,
    ISSUE_CAP,
    SLIPPAGE,
    TURNOVER,
    MandateLimits,
    Verdict,
)
from tbill_defi.portfolio.view import View

Floats = npt.NDArray[np.float64]

THOUSAND = 1_000 * UNITS_PER_DOLLAR
"""Base units in the programme's unit, a thousand dollars."""
MARGIN = 1e-4
"""Ten cents (of duration, ten cents for a year). Of 64 lines each loses less than a unit to the guard's rounding, which
a duration of 100 years makes less than a cent; the solver's tolerance is a tenth of a cent."""
LOT_MARGIN = 4e-9
"""Of slippage, for each lot: four units, more than rounding of worth, cash and bound can take from an order."""
UNITS = {DURATION: "years", ISSUE_CAP: "weight", TURNOVER: "weight", SLIPPAGE: "bp"}
"""Limit -> unit of its bounds."""


@dataclass(frozen=True)
class Row:
    """sum of `trades` x lots + `value` x V <= `most`; trades is [2 n_securities], bought, then sold."""

    name: str
    trades: Floats
    value: float
    most: float


@dataclass(frozen=True)
class Marks:
    """The oracle's prices of a view's securities: `worth` of a lot in thousands of dollars, `years`; [n_securities]."""

    worth: Floats
    years: Floats
    known: npt.NDArray[np.bool_]


def marks_of(mandate: MandateLimits, view: View, lot_units: int) -> Marks:
    """The marks in the view's order; 0 where the oracle has no fresh price."""
    found = [mandate.marks.get(cusip) for cusip in view.cusips]
    dirty = np.array([mark.dirty_e6 if mark else 0 for mark in found], dtype=np.float64)
    years = np.array([mark.duration_e6 / 1e6 if mark else 0.0 for mark in found])
    return Marks(dirty / 1e8 * (lot_units / THOUSAND), years, np.array([mark is not None for mark in found]))


def value_row(marks: Marks, offer: Floats, bid: Floats) -> Floats:
    """What the trades take from V, [2 n_securities]: V + sum of this x lots = V before."""
    return np.concatenate([offer - marks.worth, marks.worth - bid])


def rows(mandate: MandateLimits, marks: Marks, held: Floats, value: float, offer: Floats, bid: Floats) -> Iterator[Row]:
    """The rows of a mandate; `held` is [n_securities] in lots, `value` is V before the trade."""
    n, worth = len(held), marks.worth
    load, start = worth * marks.years, float(worth * marks.years @ held)
    change = np.concatenate([load, -load])
    upper, lower = mandate.duration_max_e6 / 1e6, mandate.duration_min_e6 / 1e6
    if marks.years.max(initial=0.0) > upper:
        yield Row(DURATION, change, -upper, -start - MARGIN)
    if lower > 0:
        yield Row(DURATION, -change, lower, start - MARGIN)
    cap = mandate.issue_cap_bp / FULL_BP
    for i in np.flatnonzero(marks.known).tolist() if cap < 1 else ():
        trades = np.zeros(2 * n)
        trades[i], trades[n + i] = worth[i], -worth[i]
        yield Row(ISSUE_CAP, trades, -cap, -float(worth[i] * held[i]) - MARGIN)
    share = mandate.turnover_bp / FULL_BP
    room = share * value - mandate.turned_units / THOUSAND
    yield Row(TURNOVER, np.concatenate([worth, worth]) / 2.0, -share, max(0.0, room - MARGIN) - share * value)
    bearable = mandate.slippage_bp / FULL_BP * worth - LOT_MARGIN
    yield Row(SLIPPAGE, np.concatenate([offer - worth - bearable, worth - bid - bearable]), 0.0, 0.0)


def reports(
    mandate: MandateLimits, verdict: Verdict, shadow_prices: dict[str, float] | None = None
) -> Iterator[LimitReport]:
    """Each limit after the trade, by the guard's arithmetic; shadow prices are of the programme's."""
    value, traded = max(verdict.value, 1), max(verdict.traded, 1)
    band = mandate.duration_min_e6 / 1e6, mandate.duration_max_e6 / 1e6
    for name, found, lower, upper in (
        (DURATION, verdict.weighted / value / 1e6, *band),
        (ISSUE_CAP, verdict.largest / value, 0.0, mandate.issue_cap_bp / FULL_BP),
        (TURNOVER, verdict.turned / value, 0.0, mandate.turnover_bp / FULL_BP),
        (SLIPPAGE, verdict.loss / traded * FULL_BP, 0.0, float(mandate.slippage_bp)),
    ):
        slack = min(found - lower, upper - found) if name == DURATION else upper - found
        yield LimitReport(name, found, lower, upper, UNITS[name], slack, (shadow_prices or {}).get(name, 0.0))


def per_unit(name: str, marks: Marks, columns: Floats) -> float:
    """Thousands of dollars that a unit of a limit is worth at a solution [b, s, NAV, V]: a year, a share, a bp."""
    n = len(marks.worth)
    if name == SLIPPAGE:
        return float(marks.worth @ (columns[:n] + columns[n : 2 * n])) / FULL_BP
    return float(columns[2 * n + 1])
