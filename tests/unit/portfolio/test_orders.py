"""An order's amounts follow from its price alone."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from tbill_defi.core.errors import PlanError
from tbill_defi.instruments import terms_hash
from tbill_defi.portfolio.orders import make_order, require_cash
from tests.unit.portfolio.support import DOLLAR, toy_view


def test_cash_is_face_times_dirty_price(plan):
    """Recomputed with Decimal from the printed figures, half up to 10^-6 dollar."""
    for order in plan.orders:
        exact = Decimal(order.face_units) * Decimal(str(order.dirty_price)) / 100
        assert order.cash_units == int(exact.to_integral_value(ROUND_HALF_UP))
        assert order.clean_price + order.accrued == order.dirty_price
        assert order.dirty_price == round(order.dirty_price, 6)


def test_bought_at_the_offer_sold_at_the_bid_never_at_mid(plan, sample):
    for order in plan.orders:
        i = sample.index(order.cusip)
        quote = sample.offer[i] if order.side == "buy" else sample.bid[i]
        assert order.dirty_price == quote.dirty_price
        assert order.quoted_clean_price == quote.quoted_clean_price
        assert order.dirty_price != sample.mid_dirty_price(i)
        assert order.cost_units > 0
        half = abs(order.dirty_price - sample.mid_dirty_price(i)) * order.face_units / 100
        assert abs(order.cost_units - half) <= 1
        assert (order.source, order.quote_date) == ("observed", sample.date)


def test_content_is_text_and_names_the_terms(plan):
    for order in plan.orders:
        content = order.content()
        assert all(isinstance(value, str) for value in content.values())
        assert content["terms_hash"] == "0x" + terms_hash(order.security).hex()


def test_half_a_unit_is_rounded_up():
    """One unit of face at 100.05 is 1.0005 units of cash, 1,000 units 1,000.5."""
    toy = toy_view([100.0], [0.04], [2.0], [2.0], half_spread=0.05)
    assert make_order(toy, 0, 1, "").cash_units == 1
    assert make_order(toy, 0, 1_000, "").cash_units == 1_001
    assert make_order(toy, 0, -1_000, "").cash_units == 1_000, "999.5 up"


def test_no_quote():
    toy = toy_view([100.0], [0.04], [2.0], [2.0], without_offer=[0])
    with pytest.raises(PlanError, match="no offer on 2026-03-24"):
        make_order(toy, 0, DOLLAR, "")
    assert make_order(toy, 0, -DOLLAR, "").side == "sell"


def test_require_cash():
    toy = toy_view([100.0, 100.0], [0.04, 0.04], [2.0, 2.0], [2.0, 3.0], half_spread=0.0)
    orders = [make_order(toy, 0, 100 * DOLLAR, ""), make_order(toy, 1, -40 * DOLLAR, "")]
    assert require_cash(orders, 60 * DOLLAR) == 0
    assert require_cash(orders, 61 * DOLLAR) == DOLLAR
    with pytest.raises(PlanError, match=r"\$59\.99 and sales of \$40\.00 do not pay .* \$0\.01 is missing"):
        require_cash(orders, 60 * DOLLAR - 10_000)
