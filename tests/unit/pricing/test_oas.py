"""Option-adjusted spreads: against z-spreads without calls, and against Jamshidian's option with one call."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td

CURVE = td.Curve.nelson_siegel(date(2026, 3, 24), parameters=[0.045, -0.01, 0.005, 2.0])
DAY, CALL = date(2026, 8, 6), date(2029, 2, 6)
BULLET = td.CorporateBond(cusip="594918BZ6", coupon=0.045, dated_date=date(2024, 2, 6), maturity_date=date(2033, 2, 6))
BOND = BULLET.model_copy(update={"call_schedule": ((CALL, 101.0),)})
MODEL: dict[str, Any] = {"mean_reversion": 0.03, "sigma": 0.009}


@pytest.mark.parametrize("price", [85.0, 97.0, 108.0])
@pytest.mark.parametrize("settlement", [date(2026, 3, 31), DAY])
def test_without_calls_it_is_the_z_spread(price: float, settlement: date) -> None:
    before = ql.Settings.instance().evaluationDate
    found = td.option_adjusted_spread(BULLET, price, CURVE, settlement=settlement, **MODEL)
    assert found == pytest.approx(td.z_spread(BULLET, price, CURVE, settlement=settlement), abs=1e-9)
    assert ql.Settings.instance().evaluationDate == before


def test_a_bond_worth_its_bullet_less_jamshidians_call_has_none() -> None:
    bullet = CURVE.clean_price(BULLET, settlement=DAY)
    call = td.hull_white_option(
        BULLET, kind=td.OptionKind.CALL, strike=101.0, expiry=CALL, settlement=DAY, curve=CURVE, **MODEL
    )
    assert call.price > 0.5
    found = td.option_adjusted_spread(BOND, bullet - call.price, CURVE, settlement=DAY, **MODEL)
    assert found == pytest.approx(0.0, abs=1e-5)  # the tree's steps: 0.1 bp
    assert td.z_spread(BOND, bullet - call.price, CURVE, settlement=DAY) > 10e-4


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(td.ConventionError, match=r"sigma: 0\.9 is not in"):
        td.option_adjusted_spread(BOND, 99.0, CURVE, settlement=DAY, mean_reversion=0.03, sigma=0.9)
    with pytest.raises(td.ConventionError, match="mean_reversion: 0 is not above 0"):
        td.option_adjusted_spread(BOND, 99.0, CURVE, settlement=DAY, mean_reversion=0.0, sigma=0.009)
    with pytest.raises(td.SettlementOutOfRange, match="before the curve"):
        td.option_adjusted_spread(BOND, 99.0, CURVE, settlement=date(2026, 3, 23), **MODEL)
    with pytest.raises(td.ConventionError, match="clean_price: -5 must be positive"):
        td.option_adjusted_spread(BOND, -5.0, CURVE, settlement=DAY, **MODEL)


def test_quantlibs_published_callable_bond_has_none_at_its_price() -> None:
    """callablebonds.cpp, testCached: Hull-White with a = 0.1, sigma = 0.01 on 3.2% flat, a tree of 240 steps."""
    settlement = date(2004, 6, 8)
    flat = td.Curve.nelson_siegel(settlement, parameters=[0.032, 0.0, 0.0, 2.0])
    calls = tuple((date(2004 + years, 2, 24), 110.0) for years in (2, 4, 6, 8))
    bond = td.CorporateBond(
        cusip="594918BZ6",
        coupon=0.05,
        dated_date=date(2004, 2, 24),
        maturity_date=date(2014, 2, 24),
        call_schedule=calls,
    )
    found = td.option_adjusted_spread(bond, 110.60975477, flat, settlement=settlement, mean_reversion=0.1, sigma=0.01)
    assert found == pytest.approx(0.0, abs=3e-6)  # its schedule's good days, and our tree's steps
