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
                a mandate's limits at the oracle's prices (`mandate_rows`)

A limit to one value, L = U, is met to within half a lot: whole lots meet no number exactly, and a search for such
lots ends only with its bound in work.

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

import numpy as np

from tbill_defi.core.errors import ConventionError, Infeasible
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio import dealing_rows, mandate_rows
from tbill_defi.portfolio.dealing import TRADE, DealingLimits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.mandate_rows import Marks
from tbill_defi.portfolio.programme import Floats, Ints, Programme, Rows, run
from tbill_defi.portfolio.target import Limit, Lots, Objective, Optimize
from tbill_defi.portfolio.view import View

SCALE = 1_000.0
"""The programme counts in thousands of dollars, so that its coefficients are near one."""
CASH_MARGIN = 1e-5
"""One cent: what is kept so that the solver's tolerance never overdraws cash."""
DIGITS = 10
"""Decimals of yields and loadings: the last digits of a double differ between processors and are to decide nothing."""
NEAR = 1e-5
"""Of NAV, a year: lots over the trades of the relaxed solution will do if they are this near to it."""
NEGLIGIBLE_LOTS = 1e-9
TOLERANCE = 1e-9
"""What the arithmetic of doubles may leave a limit overrun by, in its own unit."""


@dataclass(frozen=True)
class Solution:
    """Lots to trade, positive to buy, and the limits' reports.

    Attributes
    ----------
    lots
        [n_securities] int64.
    limits
        Those of the target and of the ledger's dealing.
    shadow_prices
        Limit -> portfolio yield gained, bp, per unit of its bound; the mandate's too.
    """

    lots: Ints
    limits: tuple[LimitReport, ...]
    shadow_prices: dict[str, float]


@dataclass(frozen=True)
class _Problem:
    """A programme and what its rows and bounds mean.

    Attributes
    ----------
    held_back
        Columns whose upper bound is the ledger's trade limit.
    face
        Of a lot, thousands of dollars.
    units
        Limit -> unit of its bounds.
    marks
        The oracle's prices, under a mandate.
    unpriced
        How many securities on offer cannot be bought because the oracle has no fresh price of them.
    """

    programme: Programme
    held_back: Ints
    face: float
    units: dict[str, str]
    marks: Marks | None
    unpriced: int

    def limits(self) -> slice:
        """Places of the rows that are limits."""
        return slice(self.programme.totals + 1, None)


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
    ConventionError
        If a limit is not over the view's securities.
    """
    asked = _asked(target, view)
    limits = [_to_the_lot(limit, target.lots, view, holdings) for limit in asked]
    lots, prices = _solved(_build(target, limits, view, holdings, dealing), target.lots)
    reports = (
        *_reports(prices, limits, lots, target, view, holdings),
        *dealing_rows.reports(dealing, view, lots, target.lots.units, prices),
    )
    if any(report.slack < -TOLERANCE for report in reports):
        raise too_coarse(target.lots)
    return Solution(lots, reports, prices)


def _asked(target: Optimize, view: View) -> list[Limit]:
    """The limits of a target's constraints, each over the view's securities."""
    found = [limit for constraint in target.constraints for limit in constraint.limits(view)]
    for limit in found:
        if np.shape(limit.loadings) != (len(view.cusips),):
            given = len(limit.loadings)
            raise ConventionError(f"limit {limit.name}: {given} loadings for the view's {len(view.cusips)} securities")
    return found


def cut_to_mandate(wanted: Ints, lots: Lots, view: View, holdings: Holdings, dealing: DealingLimits) -> Solution:
    """Of wanted lots as much as the mandate lets through: never more of anything, never the other side.

    As much is the most value at the oracle's prices. `shadow_prices` are of that, not of yield: they only say which
    limits bind.

    Raises
    ------
    Infeasible
        If no part of it satisfies the mandate; `relaxation` names the limits to relax and by how much.
    """
    problem = _build(Optimize(Objective(), (), lots, None), [], view, holdings, dealing)
    assert problem.marks is not None
    worth, programme = problem.marks.worth, problem.programme
    most = np.concatenate([np.maximum(wanted, 0), np.maximum(-wanted, 0), np.full(programme.totals, np.inf)])
    costs = np.concatenate([worth, worth, np.zeros(programme.totals)])
    programme = replace(programme, costs=costs, upper=np.minimum(programme.upper, most))
    found, prices = _solved(replace(problem, programme=programme), lots)
    return Solution(found, (), prices)


def _to_the_lot(limit: Limit, lots: Lots, view: View, holdings: Holdings) -> Limit:
    """A limit to one value other than 0, which no whole lots meet, as the band within half a lot of it."""
    if limit.lower != limit.upper or limit.lower == 0.0:
        return limit
    mid, _, _ = lot_values(view, lots.units)
    held = np.array([holdings.positions.get(cusip, 0) / lots.units for cusip in view.cusips])
    nav = float(mid @ held) + holdings.cash_units / UNITS_PER_DOLLAR / SCALE
    half = float(np.max(np.abs(limit.loadings - limit.lower) * mid)) / nav / 2.0
    return replace(limit, lower=limit.lower - half, upper=limit.upper + half)


def _solved(problem: _Problem, lots: Lots) -> tuple[Ints, dict[str, float]]:
    """Signed whole lots, [n_securities], and the limits' shadow prices."""
    relaxed = run(problem.programme, integer=False)
    if relaxed is None:
        raise _infeasible(problem)
    exact = _whole(problem.programme, relaxed[0])
    if exact is None:
        raise too_coarse(lots)
    one_way = _one_way(problem.programme, exact)
    if one_way is not None:
        return _solved(replace(problem, programme=one_way), lots)
    counts = np.rint(exact[: -problem.programme.totals]).astype(np.int64)
    bought, sold = np.split(counts, 2)
    return bought - sold, _shadow_prices(problem, *relaxed)


def _one_way(programme: Programme, columns: Floats) -> Programme | None:
    """The programme without the smaller side of what whole lots both buy and sell; None if it does so nowhere.

    It pays where a limit grows with what is traded: a mandate's slippage, in a security of a narrow spread. A plan has
    the difference alone, to which the limit grows less.
    """
    bought, sold = np.split(columns[: -programme.totals], 2)
    both = np.minimum(bought, sold) > 0.5
    if not both.any():
        return None
    closed = np.concatenate([both & (bought <= sold), both & (bought > sold), np.zeros(programme.totals, dtype=bool)])
    return replace(programme, upper=np.where(closed, 0.0, programme.upper))


def _whole(programme: Programme, relaxed: Floats) -> Floats | None:
    """Whole lots over the trades of the relaxed solution; over all where these are not near it. None if none fit.

    HiGHS 1.16 can call a solution optimal that is not when it presolves the programme over all, so it does not.
    """
    near = run(replace(programme, upper=np.where(relaxed > NEGLIGIBLE_LOTS, programme.upper, 0.0)), integer=True)
    if near is not None and programme.costs @ (relaxed - near[0]) <= NEAR * programme.nav:
        return near[0]
    over_all = run(programme, integer=True, presolve="off")
    found = [solution[0] for solution in (near, over_all) if solution is not None]
    return max(found, key=lambda columns: float(programme.costs @ columns), default=None)


def lot_values(view: View, lot_units: int) -> tuple[Floats, Floats, Floats]:
    """Mid, offer and bid dirty value of one lot, thousands of dollars; nan where there is no quote."""
    factor = lot_units / UNITS_PER_DOLLAR / 100.0 / SCALE
    return view.mid_dirty * factor, view.offer_dirty * factor, view.bid_dirty * factor


def _build(
    target: Optimize, limits: Sequence[Limit], view: View, holdings: Holdings, dealing: DealingLimits | None
) -> _Problem:
    lot, mandate = target.lots.units, dealing.mandate if dealing else None
    mid, offer, bid = lot_values(view, lot)
    marks = None if mandate is None else mandate_rows.marks_of(mandate, view, lot)
    buyable, sellable = np.isfinite(offer) & (True if marks is None else marks.known), np.isfinite(bid)
    offer, bid = np.where(np.isfinite(offer), offer, mid), np.where(sellable, bid, mid)
    held = np.array([holdings.positions.get(c, 0) / lot for c in view.cusips])
    cash = holdings.cash_units / UNITS_PER_DOLLAR / SCALE
    nav = float(mid @ held) + cash
    spare = np.array([holdings.available(c) // lot for c in view.cusips]) * sellable
    upper = np.concatenate([np.where(buyable, np.floor(nav / offer), 0.0), spare])
    most = dealing_rows.largest_lots(dealing, lot)
    held_back = np.zeros(0, dtype=np.int64) if most is None else np.flatnonzero(upper > most)
    upper[held_back] = most
    earn, weigh = mid * np.round(view.yield_, DIGITS) * target.objective.yield_weight, target.objective.cost_per_year
    costs = np.concatenate([earn + weigh * (offer - mid), -earn + weigh * (mid - bid)])
    rows = Rows(1 if marks is None else 2)
    rows.add("cash", np.concatenate([-offer, bid]), np.inf, lower=CASH_MARGIN - cash if cash > CASH_MARGIN else -cash)
    rows.add("nav", np.concatenate([offer - mid, mid - bid]), nav, lower=nav, nav=1.0)
    units = {limit.name: limit.unit for limit in limits} | {"turnover": "weight"}
    if mandate is not None and marks is not None:
        value = float(marks.worth @ held) + cash
        rows.add("value", mandate_rows.value_row(marks, offer, bid), value, lower=value, value=1.0)
        for bound in mandate_rows.rows(mandate, marks, held, value, offer, bid):
            rows.add(bound.name, bound.trades, bound.most, value=bound.value)
    _add_limits(rows, limits, mid, held)
    if target.turnover is not None:
        rows.add("turnover", np.concatenate([mid, mid]) / 2.0, target.turnover.weight * nav)
    face = lot / UNITS_PER_DOLLAR / SCALE
    for row in dealing_rows.rows(dealing, view, lot, spare):
        rows.add(row.name, row.loadings * face, row.most * face)
    unpriced = 0 if marks is None else int((np.isfinite(view.offer_dirty) & ~marks.known).sum())
    return _Problem(rows.programme(costs, upper, nav), held_back, face, mandate_rows.UNITS | units, marks, unpriced)


def _add_limits(rows: Rows, limits: Sequence[Limit], mid: Floats, held: Floats) -> None:
    for limit in limits:
        value = mid * np.round(limit.loadings, DIGITS)
        for bound, sign in ((limit.lower, -1.0), (limit.upper, 1.0)):
            if np.isfinite(bound):
                change = np.concatenate([value, -value])
                rows.add(limit.name, sign * change, -sign * float(value @ held), nav=-sign * bound)


def too_coarse(lots: Lots) -> Infeasible:
    """What to say where fractions of lots fit, and whole ones do not."""
    lot = f"${lots.face:,}"
    return Infeasible(f"whole lots of {lot} do not fit within these limits; use smaller lots or wider limits")


def _infeasible(problem: _Problem) -> Infeasible:
    programme = problem.programme
    relaxed = run(programme, integer=False, elastic=True)
    relaxation: dict[str, float] = {}
    if relaxed is not None:
        columns, slacks = np.split(relaxed[0], [len(programme.costs)])
        for name, slack in zip(programme.names[problem.limits()], slacks, strict=True):
            amount = float(slack) / _measure(problem, name, columns) if slack > 0 else 0.0
            if amount > 1e-9:
                relaxation[name] = max(relaxation.get(name, 0.0), amount)
    named = (f"{name} by {_shown(amount, problem.units.get(name, '$m'))}" for name, amount in relaxation.items())
    cure = ", ".join(named) or "cash or the lots"
    if problem.held_back.size:
        cure += f"; or the {TRADE}"
    if problem.unpriced:
        cure += f"; or publish the oracle's prices of {problem.unpriced} more securities on offer"
    return Infeasible(f"no portfolio satisfies the limits; relax {cure}", relaxation)


def _measure(problem: _Problem, name: str, columns: Floats) -> float:
    """Thousands of dollars in a unit of a limit: NAV after costs, but before the trade for turnover; $1m of face."""
    if name in dealing_rows.NAMES:
        return 1e6 / SCALE
    if problem.marks is not None and name in mandate_rows.UNITS:
        return mandate_rows.per_unit(name, problem.marks, columns)
    return problem.programme.nav if name == "turnover" else float(columns[-problem.programme.totals])


def _shadow_prices(problem: _Problem, columns: Floats, row_duals: Floats, column_duals: Floats) -> dict[str, float]:
    """Limit -> portfolio yield gained, bp, per unit of its bound."""
    programme, prices = problem.programme, dict[str, float]()
    for name, dual in zip(programme.names, row_duals, strict=True):
        earned = abs(float(dual)) * _measure(problem, name, columns) / programme.nav * 1e4
        prices[name] = prices.get(name, 0.0) + earned
    at_bound = [i for i in problem.held_back if columns[i] > programme.upper[i] - NEGLIGIBLE_LOTS]
    bound = float(np.abs(column_duals[at_bound]).sum()) / problem.face
    return prices | {TRADE: bound * _measure(problem, TRADE, columns) / programme.nav * 1e4}


def _shown(amount: float, unit: str) -> str:
    """An amount with its unit."""
    text = _rounded_up(amount)
    return {"years": f"{text} years", "weight": f"{text} of NAV", "bp": f"{text} bp"}.get(unit, f"${text}m of face")


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
