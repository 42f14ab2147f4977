"""Geometric series in closed form: level coupons and principal as a function of the yield, without cancellation.

With u = log(1 + y/f), m coupons c at the ends of periods 0 to n = m - 1 and 100 at the last are worth c F(u) +
100 exp(-n u), where F(u) = (1 - exp(-m u)) / (1 - exp(-u)). Everything is written in the even function

    q(x) = (x coth(x/2) - 2) / x^2 = 1/6 - x^2/360 + x^4/15120 - ...

which Pade's approximants of e^x give as a quotient of two short polynomials. With psi(x) = 1 + q(x) x^2/2 + x/2, which
is x / (1 - e^-x),

    F = m psi(u) / psi(m u)        e^u = psi(u) / psi(-u)        exp(-m u) = psi(-m u) / psi(m u)

and the times of the coupons, counted back from the last and weighted with present value, have mean, mean square and
mean cube

    b1 = n/2 + d u/2                                        d = m^2 q(m u) - q(u)
    b2 = m b1 - d psi(u)
    b3 = m^2 b1 + 3 psi(u) ((d (1 + q(u) u^2/2) - (m^2 - 1)/6) / u - m d/2)

the last two by deriving (e^u - 1) X = c (e^(m u) - 1), where X is the sum of c e^(j u). But for one term of b3, of
which few digits are needed, nothing is divided by the yield: this is why a book of any maturity costs a few operations
a security, not a few a cash flow, and why yields at and about zero need no special care.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial
from typing import NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats

FAR = 4.0
"""Up to this |x| the quotient of polynomials has all digits; beyond it the formula itself loses none."""
NEAR = 0.1
"""Up to this |x| the series has the digits that `psi` needs."""
_SERIES = (1.0 / 6.0, -1.0 / 180.0, 1.0 / 3780.0)


class Quotient(NamedTuple):
    """q(x) as scale * (z^k + ...) / (z^l + ...), z = x^2/2: the coefficients below the highest, the constant first."""

    scale: float
    above: tuple[float, ...]
    below: tuple[float, ...]

    def over(self, z: Floats) -> Floats:
        """The quotient of the polynomials, without the scale."""
        above, below = z + self.above[-1], z + self.below[-1]
        for value in self.above[-2::-1]:
            above *= z
            above += value
        for value in self.below[-2::-1]:
            below *= z
            below += value
        above /= below
        return above


def _quotient(order: int) -> Quotient:
    """By Pade's approximant [order/order] of e^x: N(x)/N(-x), where N is even(x^2) + x odd(x^2)."""
    series = [Fraction(comb(order, j) * factorial(2 * order - j), factorial(2 * order)) for j in range(order + 1)]
    even, odd = [*series[0::2], Fraction(0)], [*series[1::2], Fraction(0), Fraction(0)]
    above = [2**i * (even[i + 1] - 2 * odd[i + 1]) for i in range(len(even) - 1)]
    below = [2**i * value for i, value in enumerate(odd)]
    while not above[-1]:
        above.pop()
    while not below[-1]:
        below.pop()
    return Quotient(
        float(above[-1] / below[-1]),
        tuple(float(value / above[-1]) for value in above[:-1]),
        tuple(float(value / below[-1]) for value in below[:-1]),
    )


QUOTIENT = _quotient(11)
"""Off by 4e-16 of q at `FAR`, and by far less before it."""


def near(z: Floats) -> Floats:
    """q(x) of small x, z = x^2/2."""
    value = z * _SERIES[2]
    value += _SERIES[1]
    value *= z
    value += _SERIES[0]
    return value


def anywhere(x: Floats) -> Floats:
    """q(x)."""
    q = QUOTIENT.over(0.5 * x * x)
    q *= QUOTIENT.scale
    if (rows := np.flatnonzero(~(np.abs(x) <= FAR))).size:
        q[rows] = far(x[rows])[0]
    return q


def far(x: Floats) -> tuple[Floats, Floats, Floats]:
    """q(x), psi(x) and psi(-x) beyond `FAR`."""
    q = (1.0 / np.tanh(0.5 * x) - 2.0 / x) / x
    return q, x / -np.expm1(-x), x / np.expm1(x)


def growth(u: Floats) -> Floats:
    """e^u - 1."""
    if not np.abs(u).max(initial=0.0) <= NEAR:
        return np.expm1(u)
    half = 0.5 * u
    z = half * u
    below = near(z)
    below *= z
    below += 1.0
    below -= half
    np.divide(u, below, out=below)
    return below


def exponential(x: Floats, largest: float) -> Floats:
    """e^x, |x| up to `largest`: if that is small, by Pade's approximant [4/4], which is off by 4e-17 at `NEAR`."""
    if not largest <= NEAR:
        return np.exp(x)
    z = x * x
    even = z + 180.0
    even *= z
    even += 1680.0
    z *= 20.0
    z += 840.0
    z *= x
    above = even + z
    even -= z
    above /= even
    return above
