"""What settling a trade at once is worth against regular settlement, in dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from tbill_defi.core.money import UNITS_PER_DOLLAR, cash_from_price
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.view import View

TMPG_RATE, TMPG_FLOOR = 0.03, 0.01
"""Treasury Market Practices Group fails charge: max(1%, 3% - target rate), a year of 360 days."""


@dataclass(frozen=True)
class SettlementComparison:
    """Regular settlement against atomic, for one plan; dollars.

    Attributes
    ----------
    days
        Calendar days from atomic to regular settlement.
    net_cash_atomic, net_cash_regular
        What the party pays net; negative if it receives. The difference is financing at the repo rate.
    carry_gained
        Gain in yield x NAV x days / 365: the new book is owned that much earlier.
    replacement_risk
        One standard deviation of what replacing the trade would cost should the dealer not settle: DV01 of purchases
        less that of sales, times a day's move, times the square root of the days.
    fails_charge
        TMPG charge if the purchases arrive a day late.
    """

    days: int
    net_cash_atomic: float
    net_cash_regular: float
    carry_gained: float
    replacement_risk: float
    fails_charge: float


def compare_settlement(
    plan: RebalancePlan, view: View, *, daily_move_bp: float, target_rate: float
) -> SettlementComparison:
    """Compare atomic settlement of a plan with regular settlement.

    Parameters
    ----------
    daily_move_bp
        One standard deviation of a day's change in yield, bp.
    target_rate
        Lower bound of the target federal funds rate, decimal.
    """
    days = (plan.market_settlement_date - plan.settlement_date).days
    regular, purchases, exposure = 0, 0, 0.0
    for order in plan.orders:
        sign = 1 if order.side == "buy" else -1
        regular += sign * cash_from_price(order.face_units, order.regular_dirty_price or Decimal(100))
        purchases += order.cash_units if sign > 0 else 0
        i = view.index(order.cusip)
        exposure += sign * order.cash_units / UNITS_PER_DOLLAR * float(view.modified_duration[i]) / 1e4
    gain = (plan.after.yield_ - plan.before.yield_) * plan.after.nav
    charge = max(TMPG_FLOOR, TMPG_RATE - target_rate)
    return SettlementComparison(
        days=days,
        net_cash_atomic=plan.net_cash_units / UNITS_PER_DOLLAR,
        net_cash_regular=regular / UNITS_PER_DOLLAR,
        carry_gained=gain * days / 365.0,
        replacement_risk=abs(exposure) * daily_move_bp * math.sqrt(days),
        fails_charge=purchases / UNITS_PER_DOLLAR * charge / 360.0,
    )
