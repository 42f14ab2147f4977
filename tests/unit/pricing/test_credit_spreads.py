"""Spreads that made prices are found in them again, rating by rating."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

import tbill_defi as td

DAY = date(2026, 3, 24)
BASE = td.Curve.svensson(DAY, parameters=(0.045, -0.01, -0.015, 0.02, 1.5, 9.0))
YEARS = (2.0, 5.0, 10.0)
SPREADS = {"A": (0.006, 0.009, 0.012), "BB+": (0.018, 0.025, 0.031)}


def bond(place, rating, years, coupon=0.05, **more):
    return td.CorporateBond(
        cusip=f"{place:06d}AA{place % 10}",
        coupon=coupon,
        dated_date=date(2025, 9, 15),
        maturity_date=date(2026 + years, 9, 15),
        rating=rating,
        **more,
    )


BONDS = [bond(i, ("A", "BB+")[i % 2], 1 + i // 2, 0.03 + 0.002 * (i % 9)) for i in range(24)]
KNOWN = td.CreditSpreads.of(YEARS, SPREADS)
PRICES = [KNOWN.curve(b.rating, BASE).clean_price(b, settlement=DAY) for b in BONDS]


def test_a_spread_curve_adds_to_zero_rates():
    curve = KNOWN.curve("A", BASE)
    for years, spread in ((1.0, 0.006), (2.0, 0.006), (4.0, 0.008), (10.0, 0.012), (25.0, 0.012)):
        day = DAY + timedelta(days=round(years * 365))
        assert curve.zero_rate(day) - BASE.zero_rate(day) == pytest.approx(spread, abs=1e-15)
        assert KNOWN.spread("A", years) == pytest.approx(spread)


def test_spreads_are_found_in_prices():
    found = td.CreditSpreads.fit(BONDS, PRICES, BASE, years=YEARS)
    for rating, spreads in SPREADS.items():
        assert found.spreads[rating] == pytest.approx(np.array(spreads), abs=1e-11)


def test_a_flat_spread_is_the_bonds_own():
    one = [BONDS[8]]
    found = td.CreditSpreads.fit(one, [97.0], BASE)
    own = td.z_spread(BONDS[8], 97.0, BASE, settlement=DAY)
    assert found.curve("A", BASE).clean_price(BONDS[8], settlement=DAY) == pytest.approx(97.0, abs=1e-10)
    assert found.spread("A", 30.0) == pytest.approx(own, abs=1e-12)  # no bond reaches it: the average
    assert found.spreads["A"] == pytest.approx(own, abs=2e-3)


def test_prices_that_no_curve_explains_leave_the_least_error():
    """Two bonds alike at two prices: the spread lies between theirs, and a move of it either way is worse."""
    alike = [bond(1, "A", 5), bond(2, "A", 5)]
    found = td.CreditSpreads.fit(alike, [98.0, 99.0], BASE, years=(5.0,))
    low, high = (td.z_spread(alike[0], price, BASE, settlement=DAY) for price in (99.0, 98.0))
    spread = found.spreads["A"][0]
    assert low < spread < high

    def error(value):
        curve = td.CreditSpreads.of((5.0,), {"A": (value,)}).curve("A", BASE)
        return sum((curve.clean_price(alike[0], settlement=DAY) - price) ** 2 for price in (98.0, 99.0))

    assert error(spread) < min(error(spread - 1e-4), error(spread + 1e-4))


def test_default_probability_is_the_credit_triangle():
    assert td.default_probability(0.03, 1.0, recovery=0.4) == pytest.approx(1 - math.exp(-0.05))
    assert td.default_probability(0.03, 0.0) == 0.0
    assert td.default_probability(0.0, 10.0) == 0.0


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: td.CreditSpreads.of((5.0, 2.0), {"A": (0.01, 0.01)}), "are not ascending years"),
        (lambda: td.CreditSpreads.of((0.0, 2.0), {"A": (0.01, 0.01)}), "are not ascending years"),
        (lambda: td.CreditSpreads.of((), {}), "are not ascending years"),
        (lambda: td.CreditSpreads.of((2.0,), {}), "no rating"),
        (lambda: td.CreditSpreads.of((2.0,), {"A": (0.01, 0.01)}), "spreads of A: 2 given for 1 nodes"),
        (lambda: td.CreditSpreads.of((2.0,), {"A": (1.25,)}), "not decimals such as 0.0125"),
        (lambda: td.CreditSpreads.of((2.0,), {"A": (math.nan,)}), "not decimals"),
        (lambda: KNOWN.curve("AAA", BASE), "'AAA' has no spreads; there are those of A, BB"),
        (lambda: KNOWN.spread("AAA", 2.0), "'AAA' has no spreads"),
        (lambda: td.CreditSpreads.fit([], [], BASE), "for 0 bonds"),
        (lambda: td.CreditSpreads.fit(BONDS, PRICES[1:], BASE), r"shape \(23,\) for 24 bonds"),
        (lambda: td.CreditSpreads.fit([bond(3, None, 5)], [99.0], BASE), "row 0, 000003AA3: has no rating"),
        (lambda: td.CreditSpreads.fit(BONDS[:2], [99.0, math.nan], BASE), "row 1, 000001AA1: clean_price"),
        (lambda: td.default_probability(0.03, 1.0, recovery=1.0), "recovery: 1.0 is not in"),
        (lambda: td.default_probability(3.0, 1.0), "spread: 3.0 is not a decimal"),
        (lambda: td.default_probability(0.03, math.inf), "years: inf"),
    ],
)
def test_bad_input_is_named(act, words):
    with pytest.raises(td.ConventionError, match=words):
        act()
