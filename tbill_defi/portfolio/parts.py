"""A plan of more orders than one Instruction settles, as plans that settle one after the other."""

from __future__ import annotations

from dataclasses import replace

from tbill_defi.ledger.settlement import MAX_LEGS
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.orders import require_cash
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.view import View

MOST = MAX_LEGS - 1
"""Orders beside one leg of net cash."""
PART = 48
"""Orders of a part: well within the gas of one transaction, even if all are in tokens that the party never had."""


def in_parts(plan: RebalancePlan, view: View) -> tuple[RebalancePlan, ...]:
    """The plan itself if it fits, else parts of it: sales first, each on the holdings that the one before leaves.

    Parameters
    ----------
    view
        The one that the plan was made of.
    """
    if len(plan.orders) <= MOST:
        return (plan,)
    by_side = sorted(plan.orders, key=lambda order: order.side == "buy")
    parts: list[RebalancePlan] = []
    holdings, before = plan.holdings, plan.before
    for start in range(0, len(by_side), PART):
        orders = tuple(sorted(by_side[start : start + PART], key=plan.orders.index))
        cash, positions = require_cash(orders, holdings.cash_units), dict(holdings.positions)
        for order in orders:
            signed = order.face_units if order.side == "buy" else -order.face_units
            positions[order.cusip] = positions.get(order.cusip, 0) + signed
        positions = {cusip: face for cusip, face in positions.items() if face}
        after = measure(view, positions, cash)
        parts.append(replace(plan, holdings=holdings, orders=orders, before=before, after=after))
        holdings, before = replace(holdings, positions=positions, cash_units=cash), after
    return tuple(parts)
