"""The closed forms have all their digits, on both sides of where they change over, against 40 digits of mpmath."""

import mpmath
import numpy as np
import pytest

from tbill_defi.pricing.book.compound import Compound
from tbill_defi.pricing.book.inverse import HIGHEST, LOWEST, RANGE
from tbill_defi.pricing.book.series import FAR, NEAR, QUOTIENT, anywhere, exponential, far, growth, near
from tbill_defi.pricing.book.yields import CLOSE, solve

ARGUMENTS = [0.0, 1e-9, 1e-3, 0.1, NEAR, -NEAR, 0.5, 1.0, 2.0, 3.0, FAR, -FAR, 4.001, -5.0, 20.0]


def share(x):
    """q(x) in 40 digits."""
    with mpmath.workdps(40):
        return float((x * mpmath.coth(mpmath.mpf(x) / 2) - 2) / mpmath.mpf(x) ** 2) if x else 1 / 6


def test_quotients_and_series_have_all_digits():
    x = np.array(ARGUMENTS)
    exact = np.array([share(value) for value in ARGUMENTS])
    assert anywhere(x) == pytest.approx(exact, rel=1e-15)
    inside = np.abs(x) <= FAR
    assert QUOTIENT.scale * QUOTIENT.over(x[inside] ** 2 / 2) == pytest.approx(exact[inside], rel=1e-15)
    small = np.abs(x) <= NEAR
    assert near(x[small] ** 2 / 2) == pytest.approx(exact[small], rel=2e-11)
    assert growth(x[small]) == pytest.approx(np.expm1(x[small]), rel=1e-14, abs=0)
    assert exponential(x[small], NEAR) == pytest.approx(np.exp(x[small]), rel=1e-15, abs=0)
    assert (exponential(x, 20.0) == np.exp(x)).all()
    q, psi, back = far(x[~inside])
    assert q == pytest.approx(exact[~inside], rel=1e-15)
    assert psi - back == pytest.approx(x[~inside], rel=1e-14)


def kernel(counts, coupons, odd=0.0, simple=None):
    size = len(counts)
    extra = np.zeros(size)
    extra[: size // 3] = odd
    part = None if simple is None else np.full(size, simple)
    return Compound(np.full(size, 2.0), coupons, extra, counts, np.full(size, 0.37), part)


def flow_by_flow(kernel, u):
    """Price, mean, variance and skew by sums over flows in 40 digits."""
    found = []
    for i in range(len(u)):
        with mpmath.workdps(40):
            times = [mpmath.mpf(kernel.times[i]) + k for k in range(int(kernel.counts[i]))]
            amounts = [mpmath.mpf(kernel.coupon[i]) + kernel.odd[i] * (k == 0) for k in range(len(times))]
            amounts[-1] += 100
            worth = [a * mpmath.exp(-mpmath.mpf(u[i]) * t) for a, t in zip(amounts, times, strict=True)]
            price = mpmath.fsum(worth)
            mean = mpmath.fsum(w * t for w, t in zip(worth, times, strict=True)) / price
            powers = [
                mpmath.fsum(w * (t - mean) ** n for w, t in zip(worth, times, strict=True)) / price for n in (2, 3)
            ]
            found.append([float(value) for value in (price, mean, *powers)])
    return np.array(found).T


@pytest.mark.parametrize("rate", [0.0, 1e-8, -1e-6, 1e-3, 0.02, 0.06, -0.03, 0.12, 0.4, 2.0])
@pytest.mark.parametrize("odd", [0.0, -0.8])
def test_moments_are_sums_over_flows(rate, odd):
    counts = np.array([2.0, 3.0, 7.0, 20.0, 60.0, 60.0])
    bonds = kernel(counts, np.array([1.5, 0.0, 2.0, 3.0, 0.5, 4.0]), odd)
    u = np.full(len(counts), rate)
    price, mean, variance, skew = flow_by_flow(bonds, u)
    found = bonds.at(u)
    assert found.price == pytest.approx(price, rel=2e-14)
    assert found.mean == pytest.approx(mean, rel=1e-14)
    assert found.variance == pytest.approx(variance, rel=1e-13, abs=2e-12)
    assert found.skew == pytest.approx(skew, rel=1e-6, abs=1e-4)
    again = bonds.at(u, skew=False)
    assert again.skew is None
    assert np.array_equal(again.variance, found.variance)


@pytest.mark.parametrize("simple", [None, 0.6])
def test_a_step_takes_the_moments_along(simple):
    """Where solving begins within `CLOSE` of the price, moments are as if measured at its end."""
    counts = np.arange(2.0, 62.0)
    bonds = kernel(counts, np.linspace(0.0, 4.0, 60), 0.3, simple)
    at = np.linspace(0.001, 0.05, 60)
    exact = bonds.at(at)
    begin = at + 0.9 * CLOSE / exact.mean
    u, found = solve(bonds, exact.price, begin)
    assert u == pytest.approx(at, abs=1e-15, rel=0)
    assert found.mean == pytest.approx(exact.mean, rel=1e-13)
    assert found.variance == pytest.approx(exact.variance, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("simple", [None, 0.6])
@pytest.mark.parametrize("lowest", [2.5e-4, 0.0])
def test_prices_are_those_of_the_moments(simple, lowest):
    """The direct formula serves where every yield is clear of zero, and the series where one is not."""
    counts = np.tile(np.arange(2.0, 62.0), 30)
    bonds = kernel(counts, np.resize([0.0, 0.5, 1.5, 4.0, 7.5], len(counts)), 0.3, simple)
    signs = np.resize([1.0, 1.0 if lowest else -1.0], len(counts))
    rates = np.random.default_rng(4).uniform(lowest, 0.05, len(counts)) * signs
    rates[0] = lowest
    assert bonds.prices(rates) == pytest.approx(bonds.at(np.log1p(rates)).price, abs=5e-12, rel=0)


@pytest.mark.parametrize("simple", [None, 0.6])
def test_solving_begins_within_a_millionth_of_the_price(simple):
    counts = np.tile(np.arange(2.0, 62.0), 50)
    bonds = kernel(counts, np.resize([0.0, 0.5, 1.5, 3.0], len(counts)), 0.3, simple)
    u = np.random.default_rng(5).uniform(*RANGE, len(counts))
    prices = bonds.at(u).price
    assert np.abs(bonds.at(bonds.start(prices)).price / prices - 1.0).max() < CLOSE
    for far_off in (1e-30, 1e-3, 1e5, 1e300):  # beyond all polynomials: somewhere between the bounds
        begin = bonds.start(np.full(len(counts), far_off))
        assert (np.abs(begin - 0.5 * (LOWEST + HIGHEST)) <= 0.5 * (HIGHEST - LOWEST) + 1e-8).all()


@pytest.mark.parametrize("simple", [None, 0.6])
def test_solving_meets_any_price(simple):
    counts = np.tile(np.arange(2.0, 62.0), 3)
    bonds = kernel(counts, np.resize([0.0, 0.5, 1.5, 4.0, 7.5], len(counts)), 0.3, simple)
    u = np.random.default_rng(3).choice([-0.04, -1e-5, 0.0, 1e-5, 0.01, 0.04, 0.1, 0.4, 1.5], len(counts))
    prices = bonds.at(u).price
    solved, _ = solve(bonds, prices, bonds.start(prices))
    assert solved == pytest.approx(u, abs=2e-15, rel=1e-13)
    assert bonds.at(solved).price == pytest.approx(prices, rel=1e-13)
