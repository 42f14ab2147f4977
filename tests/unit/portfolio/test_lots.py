"""Weights become whole lots that cash pays for, to the base unit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi import Holdings, Lots, Weights
from tbill_defi.core.errors import PlanError, UnknownSecurity
from tbill_defi.core.money import cash_from_price
from tbill_defi.portfolio.lots import lots_from_weights
from tests.unit.portfolio.support import DOLLAR, toy_cusip, toy_view

TOY = toy_view([98.0, 100.0, 105.0], [0.03, 0.04, 0.05], [0.5, 2.0, 7.0], [0.5, 2.0, 8.0])
ONE, TWO, THREE = (toy_cusip(i) for i in range(3))


def lots(weights, book, view=TOY, face=1_000):
    return lots_from_weights(Weights.of(weights, lots=Lots(face)), view, book).tolist()


def spent(view, trade, lot):
    """Cash paid, base units, by the orders' own rounding."""
    total = 0
    for i, count in enumerate(trade):
        quote = view.offer[i] if count > 0 else view.bid[i]
        total += (1 if count > 0 else -1) * (cash_from_price(abs(count) * lot, quote.dirty_price) if count else 0)
    return total


def test_nearest_lots():
    """NAV $1m: 40% at 98 is 408.16 lots, 30% at 105 is 285.71."""
    book = Holdings("desk", {}, 1_000_000 * DOLLAR)
    assert lots({ONE: 0.4, THREE: 0.3}, book) == [408, 0, 286]


def test_what_is_not_wanted_is_sold():
    book = Holdings("desk", {TWO: 500_000 * DOLLAR}, 0)
    assert lots({ONE: 0.5}, book) == [255, -500, 0]


def test_an_odd_rest_stays():
    book = Holdings("desk", {TWO: 500_500 * DOLLAR}, 0)
    assert lots({ONE: 0.5}, book)[1] == -500
    assert lots({TWO: 1.0}, book) == [0, 0, 0], "short of half a lot either way"


def test_what_is_frozen_stays():
    book = Holdings("desk", {TWO: 500_000 * DOLLAR}, 0, {TWO: 200_001 * DOLLAR})
    assert lots({}, book) == [0, -299, 0]


def test_cash_is_never_overdrawn_by_rounding_up():
    """100% of NAV at the offer costs more than NAV: purchases are cut."""
    book = Holdings("desk", {}, 1_000_000 * DOLLAR)
    trade = lots({TWO: 1.0}, book)
    assert trade == [0, 999, 0]
    assert 0 <= book.cash_units - spent(TOY, trade, 1_000 * DOLLAR) < 1_001 * DOLLAR


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.lists(st.integers(0, 3_000_000), min_size=3, max_size=3),
    st.integers(0, 2_000_000),
    st.sampled_from([1, 1_000, 25_000]),
)
def test_whole_and_paid_for(weights, faces, cash, face):
    total = max(1.0, sum(weights))
    target = {toy_cusip(i): w / total * 0.999999 for i, w in enumerate(weights)}
    book = Holdings("desk", {toy_cusip(i): f * DOLLAR for i, f in enumerate(faces) if f}, cash * DOLLAR)
    try:
        trade = lots(target, book, face=face)
    except PlanError as refused:
        assert "below a lot" in str(refused)  # noqa: PT017
        return
    assert book.cash_units - spent(TOY, trade, face * DOLLAR) >= 0
    for i, count in enumerate(trade):
        assert faces[i] + count * face >= 0


def test_refusals():
    book = Holdings("desk", {}, 10 * DOLLAR)
    with pytest.raises(PlanError, match=r"every order is below a lot of \$1,000 face: NAV is \$10\.00"):
        lots({ONE: 0.5, TWO: 0.5}, book)
    with pytest.raises(UnknownSecurity):
        lots({"91282CPZ8": 0.5}, book)
    view = replace(TOY, offer=(None, *TOY.offer[1:]), offer_dirty=np.array([np.nan, *TOY.offer_dirty[1:]]))
    with pytest.raises(PlanError, match=f"{ONE}: no offer on 2026-03-24; it cannot be bought"):
        lots({ONE: 0.5}, Holdings("desk", {}, 10**12), view)


def test_no_offer_is_no_obstacle_to_holding_or_selling():
    view = replace(TOY, offer=(None, *TOY.offer[1:]), offer_dirty=np.array([np.nan, *TOY.offer_dirty[1:]]))
    book = Holdings("desk", {ONE: 100_000 * DOLLAR}, 0)
    assert lots({}, book, view) == [-100, 0, 0]
    assert lots({ONE: 1.0}, book, view) == [0, 0, 0]
