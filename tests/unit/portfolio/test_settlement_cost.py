"""Atomic against regular settlement, recomputed from the orders."""

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tbill_defi.portfolio.settlement_cost import compare_settlement
from tests.unit.portfolio.support import DOLLAR


def test_by_hand(plan, sample):
    found = compare_settlement(plan, sample, daily_move_bp=6.0, target_rate=0.035)
    assert found.days == 1
    assert found.net_cash_atomic == plan.net_cash_units / DOLLAR
    regular, purchases, dv01 = Decimal(0), 0, 0.0
    for order in plan.orders:
        sign = 1 if order.side == "buy" else -1
        regular += sign * Decimal(order.face_units) / DOLLAR * order.regular_dirty_price / 100
        purchases += order.cash_units / DOLLAR if sign > 0 else 0
        dv01 += sign * order.cash_units / DOLLAR * sample.modified_duration[sample.index(order.cusip)] / 1e4
    assert found.net_cash_regular == pytest.approx(float(regular), abs=1e-6 * len(plan.orders))
    assert found.fails_charge == pytest.approx(purchases * 0.01 / 360)
    assert found.replacement_risk == pytest.approx(abs(dv01) * 6.0)
    gain = (plan.after.yield_ - plan.before.yield_) * plan.after.nav
    assert found.carry_gained == pytest.approx(gain / 365)


def test_the_difference_is_financing(plan, sample):
    """Each price grows by the repo rate for a day, coupons of the day aside: so does the net, to a unit an order."""
    found = compare_settlement(plan, sample, daily_move_bp=6.0, target_rate=0.035)
    grown = sum(
        (1 if o.side == "buy" else -1) * o.cash_units / DOLLAR * (1 + sample.repo_rate / 360) for o in plan.orders
    )
    tolerance = sum(o.face_units / DOLLAR / 100 * 5e-7 for o in plan.orders) + 1e-6 * len(plan.orders)
    assert found.net_cash_regular == pytest.approx(grown, abs=tolerance)


@pytest.mark.parametrize(("rate", "charge"), [(0.0, 0.03), (0.0125, 0.0175), (0.02, 0.01), (0.05, 0.01)])
def test_fails_charge(plan, sample, rate, charge):
    """Treasury Market Practices Group: the greater of 1% and 3% less the target rate."""
    found = compare_settlement(plan, sample, daily_move_bp=0.0, target_rate=rate)
    purchases = sum(o.cash_units for o in plan.orders if o.side == "buy") / DOLLAR
    assert found.fails_charge == pytest.approx(purchases * charge / 360)
    assert found.replacement_risk == 0.0


def test_over_several_days(plan, sample):
    longer = replace(plan, market_settlement_date=date(2026, 3, 28))
    one, four = (compare_settlement(p, sample, daily_move_bp=6.0, target_rate=0.035) for p in (plan, longer))
    assert four.days == 4
    assert four.replacement_risk == pytest.approx(one.replacement_risk * math.sqrt(4))
    assert four.carry_gained == pytest.approx(one.carry_gained * 4)
