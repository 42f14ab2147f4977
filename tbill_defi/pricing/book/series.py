"""Geometric series: the value of a level coupon as a function of the yield, and its derivatives, in closed form.

With u = log(1 + y/f), a coupon paid m times at the ends of periods 0 to m - 1 is worth

    F(u) = sum of exp(-i u), i < m  =  (1 - exp(-m u)) / (1 - exp(-u))

    F'/F  = m h(m u) - h(u)                      h(x) = 1/(e^x - 1) - 1/x
    F''/F = m^2 h'(m u) - h'(u) + (F'/F)^2

h is analytic at 0 (-1/2 + x/12 - ...), so nothing cancels at yields near zero: this is why a book of any maturity
costs a few operations a security, and not a few a cash flow.
"""

from __future__ import annotations

import numpy as np

from tbill_defi.conventions.yields import Floats

SMALL = 0.25
"""Below it h is a power series; above it the formula loses a digit at most."""
_BERNOULLI = (1.0 / 12.0, -1.0 / 720.0, 1.0 / 30240.0, -1.0 / 1209600.0, 1.0 / 47900160.0, -691.0 / 1307674368000.0)
"""B_2k / (2k)!, the coefficients of x^(2k - 1) in h; the next term is under 1e-19."""
_DERIVED = tuple((2 * k + 1) * value for k, value in enumerate(_BERNOULLI))


def _polynomials(x: Floats) -> tuple[Floats, Floats]:
    """h(x) and h'(x) by their series."""
    square = x * x
    value, slope = np.full_like(x, _BERNOULLI[-1]), np.full_like(x, _DERIVED[-1])
    for a, b in zip(_BERNOULLI[-2::-1], _DERIVED[-2::-1], strict=True):
        value *= square
        value += a
        slope *= square
        slope += b
    value *= x
    value -= 0.5
    return value, slope


def log_slope(x: Floats, growth: Floats) -> tuple[Floats, Floats]:
    """h(x) and h'(x), each of the shape of `x`; `growth` is e^x - 1, and is written over."""
    small = np.abs(x) < SMALL
    if small.all():
        return _polynomials(x)
    near = np.flatnonzero(small)
    growth[near] = 1.0
    whole, inverse = 1.0 / growth, 1.0 / np.where(small, 1.0, x)
    h, slope = whole - inverse, inverse * inverse - whole * (1.0 + whole)
    if near.size:
        h[near], slope[near] = _polynomials(x[near])
    return h, slope


def level_coupon(u: Floats, growth: Floats, counts: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """A unit coupon paid `counts` times, and the factor of its last payment.

    Parameters
    ----------
    u
        [n] log(1 + y/f), above minus infinity.
    growth
        [n] e^u - 1 = y/f.
    counts
        [n] payments, at least 1.

    Returns
    -------
    F, F'/F, F''/F and exp(-(counts - 1) u), each [n].
    """
    x = counts * u
    lost = np.expm1(-x)
    kept = 1.0 + lost
    flat = growth == 0.0
    value = np.where(flat, counts, -lost * (1.0 + growth) / np.where(flat, 1.0, growth))
    far, far_slope = log_slope(x, -lost / kept)
    near, near_slope = log_slope(u, growth.copy())
    first = counts * far - near
    second = counts * counts * far_slope - near_slope + first * first
    return value, first, second, kept * (1.0 + growth)
