from __future__ import annotations

import numpy as np
import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.conventions.yields import BillTimes, CouponTimes, Factors, Times
from tbill_defi.core.errors import ConventionError

SEVERAL = CouponTimes(0.3, np.array([0.0, 1.0, 2.0]), np.array([0.01, 0.0, 0.0]), 420)
LAST = CouponTimes(0.3, np.array([0.0]), np.array([0.01]), 55)
SHORT_BILL = BillTimes(91, 365, 1)
LONG_BILL = BillTimes(364, 365, 0)


def factors(convention: YieldConvention, times: Times, rate: float) -> Factors:
    return convention.arithmetic.factors(times, rate)


CASES = [
    (convention, times)
    for convention in YieldConvention
    for times in (SEVERAL, LAST, SHORT_BILL, LONG_BILL)
    if not (convention is YieldConvention.MONEY_MARKET and times is SEVERAL)
]


def test_treasury_is_simple_in_the_fraction_and_compound_after_it() -> None:
    value = factors(YieldConvention.TREASURY, SEVERAL, 0.04).value
    assert value == pytest.approx([1 / 1.006, 1 / (1.006 * 1.02), 1 / (1.006 * 1.02**2)], rel=1e-15)


def test_street_is_compound_and_simple_at_the_end() -> None:
    assert factors(YieldConvention.STREET, SEVERAL, 0.04).value == pytest.approx(1.02 ** -np.array([0.3, 1.3, 2.3]))
    assert factors(YieldConvention.STREET, LAST, 0.04).value == pytest.approx([1 / 1.006], rel=1e-15)


def test_true_yield_waits_for_payment() -> None:
    value = factors(YieldConvention.TRUE_YIELD, SEVERAL, 0.04).value
    assert value == pytest.approx(1.02 ** -np.array([0.31, 1.3, 2.3]), rel=1e-15)
    assert factors(YieldConvention.TRUE_YIELD, LAST, 0.04).value == pytest.approx([1 / (1 + 0.31 * 0.02)], rel=1e-15)
    assert factors(YieldConvention.TRUE_YIELD, SHORT_BILL, 0.04).value == pytest.approx([1 / (1 + 0.04 * 92 / 365)])


def test_money_market_is_simple_on_360() -> None:
    assert factors(YieldConvention.MONEY_MARKET, LAST, 0.04).value == pytest.approx([1 / (1 + 0.04 * 55 / 360)])
    with pytest.raises(ConventionError, match="only the final payment remains"):
        factors(YieldConvention.MONEY_MARKET, SEVERAL, 0.04)


def test_bills_compound_once_beyond_half_a_year() -> None:
    # 31 CFR 356 Appendix B, VI.D: P (1 + (r - y/2)(i/y)) (1 + i/2) = 100
    value = factors(YieldConvention.STREET, LONG_BILL, 0.04).value[0]
    assert value * (1 + (364 - 365 / 2) * 0.04 / 365) * 1.02 == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("days", [182, 183])
def test_half_a_year_is_the_border(days: int) -> None:
    value = factors(YieldConvention.STREET, BillTimes(days, 365, 0), 0.04).value[0]
    simple = 1 / (1 + 0.04 * days / 365)
    assert bool(value == simple) is (days == 182)


@pytest.mark.parametrize(("convention", "times"), CASES)
@pytest.mark.parametrize("rate", [-0.01, 0.0, 0.04, 0.15])
def test_derivatives_are_those_of_the_factors(convention: YieldConvention, times: Times, rate: float) -> None:
    step = 1e-5
    up, here, down = (factors(convention, times, rate + shift) for shift in (step, 0.0, -step))
    assert here.slope == pytest.approx((up.value - down.value) / (2 * step), rel=1e-8)
    assert here.curvature == pytest.approx((up.slope - down.slope) / (2 * step), rel=1e-8)


@pytest.mark.parametrize(("convention", "times"), CASES)
def test_factors_explode_at_the_lowest_yield_and_not_above(convention: YieldConvention, times: Times) -> None:
    lowest = convention.arithmetic.lowest_yield(times)
    near = factors(convention, times, lowest + 1e-9).value
    assert near.max() > 20.0
    assert np.isfinite(near).all()
    assert (near > 0).all()
