"""The portfolio programme: exact lots, exact cash, limits on the portfolio after costs.

With b, s >= 0 the lots bought and sold, h the lots held, m, o, d the mid, offer and bid value of a lot in
dollars, c the cash, y yields, A loadings, the programme is::

    maximize    sum v_i y_i - (sum b_i (o_i - m_i) + s_i (m_i - d_i)) / horizon
    over        b, s integer lots
    where       v = m (h + b - s),  cash = c - sum o b + sum d s,  N = sum v + cash
    subject to  cash >= 0,  s <= what can be sold,  b = 0 without an offer
                L N <= sum A_i v_i <= U N                                for each limit
                (sum m (b + s)) / 2 <= turnover x NAV before
                b, s <= trade limit, sum (b + s) <= volume, running sum (b - s) <= holding cap, of face: the ledger's

N, the NAV after costs, is a column of its own, so the limits are linear and sparse and hold after costs.
Its LP relaxation gives the shadow prices; the same programme with integer lots gives the orders, over the
trades of the relaxed solution and, should these not come near it, over all. HiGHS solves them. Where no portfolio
satisfies the limits, the elastic programme (a penalty of one per unit of violation) names those to relax and by
how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Context

import highspy
import numpy as np
import numpy.typing as npt

from tbill_defi.core.errors import Infeasible
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio import dealing_rows
from tbill_defi.portfolio.dealing import TRADE, DealingLimits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.target import Limit, Optimize
from tbill_defi.portfolio.view import View

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCALE = 1_000.0
"""The programme counts in thousands of dollars, so that its coefficients are near one."""
CASH_MARGIN = 1e-5
"""One cent: what is kept so that the solver's tolerance never overdraws cash."""
DIGITS = 10
"""Decimals of yields and loadings: the last digits of a double differ between processors and are to decide nothing."""
MIP_GAP = 1e-6
"""Of NAV, a year: whole lots are found to a hundredth of a basis point."""
NEAR = 1e-5
"""Of NAV, a year: lots over the trades of the relaxed solution will do if they are this near to it."""
NEGLIGIBLE_LOTS = 1e-9
MIP_WORK = 10_000
"""Nodes times securities: a bound in work, never in seconds, so that a slow machine makes the same plan."""
TOLERANCE = 1e-9
"""What the arithmetic of doubles may leave a limit overrun by, in its own unit."""


@dataclass(frozen=True)
class Solution:
    """Lots to trade, positive to buy, and the limits' reports.

    Attributes
    ----------
    lots
        [n_securities] int64.
    """

    lots: Ints
    limits: tuple[LimitReport, ...]


@dataclass(frozen=True)
class _Programme:
    """Rows over the columns [b_0..b_n-1, s_0..s_n-1, N], thousands of dollars; rows 0 and 1 are cash and NAV."""

    costs: Floats
    upper: Floats
    rows: Floats
    row_lower: Floats
    row_upper: Floats
    names: tuple[str, ...]
    nav: float
    held_back: Ints
    """Columns whose upper bound is the ledger's trade limit."""
    face: float
    """Face of a lot."""


def solve(target: Optimize, view: View, holdings: Holdings, dealing: DealingLimits | None = None) -> Solution:
    """Lots that reach the target.

    Parameters
    ----------
    dealing
        What the ledger lets the party deal; the lots stay within it.

    Raises
    ------
    Infeasible
        If no portfolio satisfies the limits; `relaxation` names the limits to relax and by how much.
    """
    limits = [limit for constraint in target.constraints for limit in constraint.limits(view)]
    programme = _build(target, limits, view, holdings, dealing)
    relaxed = _run(programme, integer=False)
    if relaxed is None:
        raise _infeasible(programme)
    exact = _whole(programme, relaxed[0])
    if exact is None:
        raise _too_coarse(target)
    n = len(view.cusips)
    counts = np.rint(exact[: 2 * n]).astype(np.int64)
    lots = counts[:n] - counts[n:]
    prices = _shadow_prices(programme, *relaxed)
    reports = (
        *_reports(prices, limits, lots, target, view, holdings),
        *dealing_rows.reports(dealing, view, lots, target.lots.units, prices),
    )
    if any(report.slack < -TOLERANCE for report in reports):
        raise _too_coarse(target)
    return Solution(lots, reports)


def _whole(programme: _Programme, relaxed: Floats) -> Floats | None:
    """Whole lots over the trades of the relaxed solution; over all where these are not near it. None if none fit.

    HiGHS 1.16 can call a solution optimal that is not when it presolves the programme over all, so it does not.
    """
    near = _run(replace(programme, upper=np.where(relaxed > NEGLIGIBLE_LOTS, programme.upper, 0.0)), integer=True)
    if near is not None and programme.costs @ (relaxed - near[0]) <= NEAR * programme.nav:
        return near[0]
    over_all = _run(programme, integer=True, presolve="off")
    found = [solution[0] for solution in (near, over_all) if solution is not None]
    return max(found, key=lambda columns: float(programme.costs @ columns), default=None)


def lot_values(view: View, lot_units: int) -> tuple[Floats, Floats, Floats]:
    """Mid, offer and bid dirty value of one lot, thousands of dollars; nan where there is no quote."""
    factor = lot_units / UNITS_PER_DOLLAR / 100.0 / SCALE
    return view.mid_dirty * factor, view.offer_dirty * factor, view.bid_dirty * factor


def _build(
    target: Optimize, limits: Sequence[Limit], view: View, holdings: Holdings, dealing: DealingLimits | None
) -> _Programme:
    lot = target.lots.units
    mid, offer, bid = lot_values(view, lot)
    buyable, sellable = np.isfinite(offer), np.isfinite(bid)
    offer, bid = np.where(buyable, offer, mid), np.where(sellable, bid, mid)
    held = np.array([holdings.positions.get(c, 0) / lot for c in view.cusips])
    cash = holdings.cash_units / UNITS_PER_DOLLAR / SCALE
    nav = float(mid @ held) + cash
    spare = np.array([holdings.available(c) // lot for c in view.cusips]) * sellable
    upper = np.concatenate([np.where(buyable, np.floor(nav / offer), 0.0), spare, [np.inf]])
    most = dealing_rows.largest_lots(dealing, lot)
    held_back = np.zeros(0, dtype=np.int64) if most is None else np.flatnonzero(upper[:-1] > most)
    upper[held_back] = most
    earn, weigh = mid * np.round(view.yield_, DIGITS) * target.objective.yield_weight, target.objective.cost_per_year
    costs = np.concatenate([earn + weigh * (offer - mid), -earn + weigh * (mid - bid), [0.0]])
    rows = [np.concatenate([-offer, bid, [0.0]]), np.concatenate([offer - mid, mid - bid, [1.0]])]
    lower, higher = [CASH_MARGIN - cash if cash > CASH_MARGIN else -cash, nav], [np.inf, nav]
    names = ["cash", "nav"]
    for limit in limits:
        value = mid * np.round(limit.loadings, DIGITS)
        for bound, sign in ((limit.lower, -1.0), (limit.upper, 1.0)):
            if np.isfinite(bound):
                rows.append(sign * np.concatenate([value, -value, [-bound]]))
                lower.append(-np.inf)
                higher.append(-sign * float(value @ held))
                names.append(limit.name)
    if target.turnover is not None:
        rows.append(np.concatenate([mid, mid, [0.0]]) / 2.0)
        lower.append(-np.inf)
        higher.append(target.turnover.weight * nav)
        names.append("turnover")
    face = lot / UNITS_PER_DOLLAR / SCALE
    for row in dealing_rows.rows(dealing, view, lot, spare):
        rows.append(np.concatenate([row.loadings, [0.0]]) * face)
        lower.append(-np.inf)
        higher.append(row.most * face)
        names.append(row.name)
    return _Programme(
        costs, upper, np.array(rows), np.array(lower), np.array(higher), tuple(names), nav, held_back, face
    )


def _model(programme: _Programme, *, integer: bool, elastic: bool = False) -> highspy.HighsLp:
    rows, costs, upper = programme.rows, -programme.costs, programme.upper
    if elastic:
        slack = -np.eye(len(rows))[:, 2:]
        rows, costs = np.hstack([rows, slack]), np.concatenate([np.zeros_like(costs), np.ones(slack.shape[1])])
        upper = np.concatenate([upper, np.full(slack.shape[1], np.inf)])
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = rows.shape[1], rows.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, np.zeros(rows.shape[1]), upper
    lp.row_lower_, lp.row_upper_ = programme.row_lower, programme.row_upper
    row_index, column = np.nonzero(rows)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(row_index, minlength=len(rows)))])
    lp.a_matrix_.index_ = column
    lp.a_matrix_.value_ = rows[row_index, column]
    if integer:
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger] * (rows.shape[1] - 1) + [kinds.kContinuous]
    return lp


class _Quiet(highspy.Highs):
    """HiGHS prints its banner when callbacks are enabled, before any option can be set from outside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def enableCallbacks(self) -> None:  # noqa: N802 - the library's name
        """Silence first."""
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def _run(
    programme: _Programme, *, integer: bool, elastic: bool = False, presolve: str = "choose"
) -> tuple[Floats, Floats, Floats] | None:
    """Columns, row duals and column duals of the solved programme, or None if it is infeasible."""
    solver = _Quiet()
    for option, value in (
        ("threads", 1),
        ("random_seed", 0),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", MIP_GAP * programme.nav),
        ("mip_max_nodes", max(1, 2 * MIP_WORK // programme.upper.size)),
        ("presolve", presolve),
    ):
        solver.setOptionValue(option, value)
    solver.passModel(_model(programme, integer=integer, elastic=elastic))
    solver.run()
    solution = solver.getSolution()
    solved = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if not solved and not (integer and solver.getInfo().primal_solution_status == 2):
        return None
    return np.array(solution.col_value), np.array(solution.row_dual), np.array(solution.col_dual)


def _too_coarse(target: Optimize) -> Infeasible:
    lot = f"${target.lots.face:,}"
    return Infeasible(f"whole lots of {lot} do not fit within these limits; use smaller lots or wider limits")


def _infeasible(programme: _Programme) -> Infeasible:
    relaxed = _run(programme, integer=False, elastic=True)
    relaxation: dict[str, float] = {}
    if relaxed is not None:
        slacks, nav_after = relaxed[0][len(programme.costs) :], relaxed[0][len(programme.costs) - 1]
        for name, slack in zip(programme.names[2:], slacks, strict=True):
            amount = float(slack) / _measure(name, programme.nav, nav_after)
            if amount > 1e-9:
                relaxation[name] = max(relaxation.get(name, 0.0), amount)
    cure = ", ".join(f"{name} by {_rounded_up(amount)}" for name, amount in relaxation.items()) or "cash or the lots"
    if programme.held_back.size:
        cure += f"; or the {TRADE}"
    return Infeasible(f"no portfolio satisfies the limits; relax {cure}", relaxation)


def _measure(name: str, nav: float, nav_after: float) -> float:
    """Thousands of dollars in a unit of a limit: NAV after costs, but before the trade for turnover; $1m of face."""
    if name in dealing_rows.NAMES:
        return 1e6 / SCALE
    return nav if name == "turnover" else nav_after


def _shadow_prices(programme: _Programme, columns: Floats, row_duals: Floats, column_duals: Floats) -> dict[str, float]:
    """Limit -> portfolio yield gained, bp, per unit of its bound."""
    prices: dict[str, float] = {}
    for name, dual in zip(programme.names, row_duals, strict=True):
        unit = _measure(name, programme.nav, programme.nav) / programme.nav
        prices[name] = prices.get(name, 0.0) + abs(float(dual)) * unit * 1e4
    at_bound = [i for i in programme.held_back if columns[i] > programme.upper[i] - NEGLIGIBLE_LOTS]
    bound = np.abs(column_duals[at_bound]).sum() / programme.face
    return prices | {TRADE: float(bound) * _measure(TRADE, programme.nav, programme.nav) / programme.nav * 1e4}


def _rounded_up(amount: float) -> str:
    """Four digits, never less than the amount: what is shown must suffice."""
    return f"{Context(prec=4, rounding=ROUND_UP).create_decimal_from_float(amount):f}"


def _reports(
    prices: dict[str, float],
    limits: Sequence[Limit],
    lots: Ints,
    target: Optimize,
    view: View,
    holdings: Holdings,
) -> list[LimitReport]:
    mid, offer, bid = lot_values(view, target.lots.units)
    held = np.array([holdings.positions.get(c, 0) / target.lots.units for c in view.cusips])
    values = mid * (held + lots)
    bought, sold = np.maximum(lots, 0), np.maximum(-lots, 0)
    cash = holdings.cash_units / UNITS_PER_DOLLAR / SCALE - np.nansum(offer * bought) + np.nansum(bid * sold)
    nav = float(values.sum() + cash)
    reports = []
    for limit in limits:
        value = float(limit.loadings @ values) / nav
        slack = min(value - limit.lower, limit.upper - value)
        reports.append(
            LimitReport(limit.name, value, limit.lower, limit.upper, limit.unit, slack, prices.get(limit.name, 0.0))
        )
    if target.turnover is not None:
        before = float(mid @ held) + holdings.cash_units / UNITS_PER_DOLLAR / SCALE
        value = float(mid @ np.abs(lots)) / 2.0 / before
        bound = target.turnover.weight
        reports.append(LimitReport("turnover", value, 0.0, bound, "weight", bound - value, prices.get("turnover", 0.0)))
    return reports
