"""From a target to a plan: exact lots, orders at the dealer's prices, cash that suffices, figures before and after."""

from __future__ import annotations

import numpy as np

from tbill_defi.core.errors import PlanError
from tbill_defi.ledger.settlement import MAX_LEGS
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.dealing_rows import reports
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.lots import lots_from_weights
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.orders import Order, make_order, require_cash
from tbill_defi.portfolio.plan import RebalancePlan, StrategyIdentity
from tbill_defi.portfolio.target import Target, Weights
from tbill_defi.portfolio.view import View


def build_plan(
    target: Target,
    view: View,
    holdings: Holdings,
    *,
    strategy: StrategyIdentity,
    counterparty: str,
    dealing: DealingLimits | None = None,
) -> RebalancePlan:
    """The plan that brings `holdings` to `target` at the view's prices.

    Parameters
    ----------
    dealing
        A ledger's limits, which the plan is made within.

    Raises
    ------
    UnknownSecurity
        If a held security is not in the view.
    Infeasible
        If the limits cannot be met.
    PlanError
        If cash, lots, offers or the number of legs stand in the way.
    """
    if holdings.party == counterparty:
        raise PlanError(f"counterparty: {counterparty} cannot deal with itself")
    if not holdings.positions and not holdings.cash_units:
        raise PlanError(f"holdings: {holdings.party} has neither securities nor cash; there is nothing to invest")
    for cusip in holdings.positions:
        view.index(cusip)
    limits: tuple[LimitReport, ...] = ()
    lot = target.lots.units
    if isinstance(target, Weights):
        lots, reasons = lots_from_weights(target, view, holdings, dealing), target.reasons
        limits = tuple(reports(dealing, view, lots, lot))
    else:
        from tbill_defi.portfolio.optimiser import solve

        solution = solve(target, view, holdings, dealing)
        lots, limits, reasons = solution.lots, solution.limits, {}
    orders = [
        make_order(view, i, int(lots[i]) * lot, reasons.get(view.cusips[i]) or _reason(int(lots[i]), view, i))
        for i in np.flatnonzero(lots).tolist()
    ]
    cash_after = require_cash(orders, holdings.cash_units)
    _require_one_instruction(orders)
    positions = {cusip: face for cusip, face in _after(holdings, orders).items() if face}
    return RebalancePlan(
        party=holdings.party,
        counterparty=counterparty,
        trade_date=view.date,
        settlement_date=view.settlement_date,
        market_settlement_date=view.market_settlement_date,
        strategy=strategy,
        market_hash=view.market_hash,
        repo_rate=view.repo_rate,
        repo_source=view.repo_source,
        repo_date=view.repo_date,
        holdings=holdings,
        orders=tuple(orders),
        limits=limits,
        before=measure(view, holdings.positions, holdings.cash_units),
        after=measure(view, positions, cash_after),
        lot_units=lot,
        dealing=dealing,
    )


def _reason(lots: int, view: View, index: int) -> str:
    side = "adds" if lots > 0 else "frees"
    return f"{side} {view.modified_duration[index]:.2f} y of duration at {view.yield_[index] * 100:.3f}%"


def _after(holdings: Holdings, orders: list[Order]) -> dict[str, int]:
    positions = dict(holdings.positions)
    for order in orders:
        signed = order.face_units if order.side == "buy" else -order.face_units
        positions[order.cusip] = positions.get(order.cusip, 0) + signed
    return positions


def _require_one_instruction(orders: list[Order]) -> None:
    """A plan is one Instruction of at most 64 legs: its orders and one net cash leg."""
    most = MAX_LEGS - 1
    if len(orders) <= most:
        return
    sells = sum(o.side == "sell" for o in orders)
    parts = -(-len(orders) // most)
    raise PlanError(
        f"{len(orders)} orders and a cash leg are more than the {MAX_LEGS} legs of one instruction; {parts} plans fit: "
        f"give the strategy fewer securities, or split sales ({sells}) and purchases ({len(orders) - sells}) into "
        f"parts of at most {most}, sales first"
    )
