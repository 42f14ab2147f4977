"""Carry, pull to par and roll-down of a book: the single verbs, and parts that add up."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

import tbill_defi as td
from bench.universe import frn_index, universe
from tbill_defi.pricing.carry import forward_price_from_repo
from tbill_defi.pricing.repo import carry

DAY, HORIZON = date(2026, 3, 24), date(2026, 9, 24)
STREET = td.YieldConvention.STREET
CURVE = td.Curve.bootstrap(
    DAY, {"3 Mo": 0.0373, "6 Mo": 0.0371, "1 Yr": 0.0372, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494}
)
ODD = td.Note(
    cusip="91282CQX2",
    coupon=0.05,
    dated_date=date(2023, 8, 15),
    maturity_date=date(2027, 1, 31),
    penultimate_coupon_date=date(2026, 8, 15),
)
NOMINAL = [s for s in universe(200, DAY, seed=6) if s.maturity_date > HORIZON and s.kind != "tips"]
SECURITIES: list[Any] = [*NOMINAL, ODD]
AT: dict[str, Any] = {"settlement": DAY, "horizon": HORIZON, "repo_rate": 0.037, "convention": STREET}


def test_carry_is_the_single_verb() -> None:
    book = td.Book(SECURITIES)
    clean = book.dirty_prices(CURVE, DAY) - book.accrued(DAY) + np.linspace(-1.0, 1.0, len(book))
    found = book.carry_roll(CURVE, clean_prices=clean, **AT)
    for i, security in enumerate(SECURITIES):
        one = carry(security, float(clean[i]), settlement=DAY, horizon=HORIZON, repo_rate=0.037)
        assert found.carry[i] == pytest.approx(one.carry, abs=1e-11)
        assert found.interest_income[i] == pytest.approx(one.interest_income, abs=1e-11)
        assert found.financing_cost[i] == pytest.approx(one.financing_cost, abs=1e-11)
        assert found.forward_clean_price[i] == pytest.approx(one.forward_clean_price, abs=1e-11)


def test_the_parts_are_the_profit_on_a_curve_that_stands_still() -> None:
    book = td.Book(SECURITIES)
    clean = book.dirty_prices(CURVE, DAY) - book.accrued(DAY) + 0.7
    found = book.carry_roll(CURVE, clean_prices=clean, **AT)
    still = td.Curve.bootstrap(
        HORIZON, {"3 Mo": 0.0373, "6 Mo": 0.0371, "1 Yr": 0.0372, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494}
    )
    assert found.total == pytest.approx(found.rolled_clean_price - found.forward_clean_price, abs=1e-11)
    spreads = book.z_spreads(CURVE, clean, DAY)
    for i in range(0, len(SECURITIES), 7):
        security = SECURITIES[i]
        # an independent revaluation: the same zero rates by term, the security's own z-spread
        rolled = float(found.rolled_clean_price[i])
        spread = td.z_spread(security, rolled, still, settlement=HORIZON)
        assert spread == pytest.approx(spreads[i], abs=3e-5)  # nodes of the day fall on other days of the month
        own = td.yield_from_clean_price(security, float(clean[i]), settlement=DAY, convention=STREET)
        aged = td.clean_price_from_yield(security, own, settlement=HORIZON, convention=STREET)
        assert found.accretion[i] == pytest.approx(aged - clean[i], abs=1e-10)
        assert found.roll_down[i] == pytest.approx(rolled - aged, abs=1e-10)
        forward = float(found.forward_clean_price[i])
        ahead = td.yield_from_clean_price(security, forward, settlement=HORIZON, convention=STREET)
        assert found.carry_bp[i] == pytest.approx((ahead - own) * 1e4, abs=1e-7)


def test_nothing_rolls_on_a_flat_curve_and_a_rising_one_gives() -> None:
    flat = td.Curve.svensson(DAY, parameters=[0.04, 0.0, 0.0, 0.0, 1.0, 2.0])
    found = td.Book(NOMINAL).carry_roll(flat, **AT)
    notes = np.array([s.kind != "bill" and (s.maturity_date - HORIZON).days > 400 for s in NOMINAL])
    assert np.abs(found.roll_down_bp[notes]).max() < 1.0  # Act/365 against half-years of 181 to 184 days
    rising = td.Curve.svensson(DAY, parameters=[0.05, -0.02, 0.0, 0.0, 4.0, 4.0])
    assert (td.Book(NOMINAL).carry_roll(rising, **AT).roll_down_bp[notes] > 0.0).all()


def test_tips_need_the_growth_of_their_index() -> None:
    tips = [s for s in universe(300, DAY, seed=6) if s.kind == "tips" and s.maturity_date > HORIZON]
    assert len(tips) > 5
    book = td.Book(tips)
    with pytest.raises(td.ConventionError, match=r"inflation: securities\[0\] \(.*\) is a TIPS, whose carry"):
        book.carry_roll(CURVE, **AT)
    plain, growing = (book.carry_roll(CURVE, inflation=rate, **AT) for rate in (0.0, 0.03))
    growth = 1.03 ** (184 / 365)
    for i, security in enumerate(tips):
        dirty = CURVE.dirty_price(security, settlement=DAY)
        terms: dict[str, Any] = {"settlement": DAY, "forward_settlement": HORIZON, "repo_rate": 0.037}
        forward = forward_price_from_repo(security, dirty, **terms)
        accrued = td.accrued_interest(security, settlement=HORIZON)
        assert plain.forward_clean_price[i] == pytest.approx(forward - accrued, abs=1e-11)
        between = sum(
            float(c) * (1.03 ** ((d - DAY).days / 365) - 1.0) * 1.03 ** (-184 / 365)
            for d, c in zip(security.resolve().payment_dates, security.resolve().coupons, strict=True)
            if DAY < d <= HORIZON
        )
        expected = forward / growth - accrued - between
        assert growing.forward_clean_price[i] == pytest.approx(expected, abs=0.002)
    assert (growing.carry > plain.carry).all()


def test_floaters_keep_the_index() -> None:
    frns = [s for s in universe(400, DAY, seed=6, floating=0.2) if s.kind == "frn" and s.maturity_date > HORIZON]
    index = frn_index(DAY)
    book = td.Book(frns, frn_index=index)
    clean = np.full(len(frns), 100.0)
    found = book.carry_roll(CURVE, clean_prices=clean, **AT)
    rate = float(index.on(DAY, end=DAY))
    paid = np.array([100.0 * (rate + s.spread) * 184 / 360 for s in frns])
    assert found.interest_income == pytest.approx(paid, abs=0.02)  # what has accrued before is at earlier rates
    assert np.abs(found.accretion).max() < 0.05


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"horizon": DAY}, td.SettlementOutOfRange, "horizon: 2026-03-24 is not after settlement"),
        ({"horizon": "2026-09-24"}, td.ConventionError, "horizon: '2026-09-24' is not a datetime.date"),
        ({"horizon": date(2027, 2, 1)}, td.SettlementOutOfRange, r"maturity 2027-01-31 of securities\[0\] 91282CQX2"),
        ({"repo_rate": 3.7}, td.ConventionError, "repo_rate: 3.7 looks like percent"),
        ({"clean_prices": [float("inf")]}, td.ConventionError, r"clean_prices\[0\] \(91282CQX2\): inf is not a finite"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        td.Book([ODD]).carry_roll(CURVE, **{**AT, **change})


def test_frame_has_a_row_a_security() -> None:
    frame = td.Book([ODD]).carry_roll(CURVE, **AT).frame()
    assert frame.columns == [
        "cusip",
        "interest_income",
        "financing_cost",
        "carry",
        "accretion",
        "roll_down",
        "total",
        "forward_clean_price",
        "rolled_clean_price",
        "carry_bp",
        "roll_down_bp",
    ]
