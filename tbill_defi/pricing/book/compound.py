"""Coupon securities in closed form, and a good place to begin the search for their yields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.series import DOUBLE, FAR, NEAR, SINGLE, anywhere, far, near
from tbill_defi.pricing.book.yields import Moments, simple_first

REFERENCE = 0.02
"""u at which every security is measured once: solving begins with the parabola of its logarithm there."""
LOWEST, HIGHEST = -0.05, 0.5
"""u between which solving begins."""


@dataclass(frozen=True, eq=False)
class Compound:
    """Coupon securities; `times` are periods from settlement to the first flow.

    Attributes
    ----------
    frequency, coupon
        [n] periods a year; interest of a regular period, per 100 face.
    odd
        [n] what the first flow pays beyond the coupon. Securities with such a first flow come first.
    counts
        [n] payments, at least 1.
    simple
        [n] part of a period with simple interest before the next cycle date (31 CFR 356), or None: compound (street).
    """

    frequency: Floats
    coupon: Floats
    odd: Floats
    counts: Floats
    times: Floats
    simple: Floats | None

    def price(self, u: Floats) -> Floats:
        """[n] dirty prices."""
        parts, odd = self._parts(u), slice(0, self._layout.odds)
        parts.value[odd] += self.odd[odd]
        factor = np.exp(self._layout.later * parts.half)
        factor *= parts.value
        if self.simple is not None:
            factor /= 1.0 + self.simple * np.expm1(u)
        return factor

    def _parts(self, u: Floats) -> _Parts:
        layout = self._layout
        careful = not np.abs(u).max(initial=0.0) <= layout.reach
        half = 0.5 * u
        z = half * u
        own = anywhere(u) if careful else near(z)
        gap = layout.quotient.over(layout.squares * z)
        gap *= layout.scaled  # m^2 q(m u)
        if careful:
            rows, remote = _beyond(self.counts * u)
            gap[rows] = layout.squares[rows] * remote[0]
        even = gap * z
        even += 1.0
        gap -= own
        side = self.counts * half
        psi, end = even + side, np.subtract(even, side, out=even)  # psi(m u), psi(-m u)
        if careful:
            psi[rows], end[rows] = remote[1:]
        even = own * z
        even += 1.0
        plus, minus = even + half, np.subtract(even, half, out=side)  # psi(u), psi(-u)
        if careful:
            rows, remote = _beyond(u)
            plus[rows], minus[rows] = remote[1:]
        end /= minus
        end *= 100.0
        end += layout.payments
        share = np.divide(layout.payments, end, out=minus)  # of the coupons in the value
        end *= plus
        end /= psi
        return _Parts(half, end, share, gap, even, plus)

    def at(self, u: Floats, *, skew: bool = True) -> Moments:
        """Prices, and the moments of the times to payment; without the third where `skew` is False."""
        parts = self._parts(u)
        return self._mixed(parts, *self._coupons(parts, skew))

    def _coupons(self, parts: _Parts, skew: bool) -> tuple[Floats, Floats, Floats | None]:
        """[n] mean, mean square and mean cube of the coupons' times, counted back from the last: see `series`."""
        layout = self._layout
        mean = parts.gap * parts.half
        mean += layout.centre
        second = mean * self.counts
        second -= parts.gap * parts.plus
        if not skew:
            return mean, second, None
        third = parts.gap * parts.even
        third -= layout.sixths
        third /= parts.half + 1e-9  # 0 / 0 at u = 0, where the term vanishes
        third -= self.counts * parts.gap
        third *= parts.plus
        third *= 1.5
        third += layout.squares * mean
        return mean, second, third

    def _mixed(self, parts: _Parts, mean: Floats, second: Floats, third: Floats | None) -> Moments:
        """Moments of coupons and principal together."""
        layout, half, value, share = self._layout, parts.half, parts.value, parts.share
        odd = slice(0, layout.odds)
        if layout.odds:
            paid = value[odd] + self.odd[odd]
            share[odd] *= value[odd] / paid
            value[odd] = paid
            extra = self.odd[odd] / paid * layout.last[odd]
        mean *= share
        second *= share
        if layout.odds:
            mean[odd] += extra
            second[odd] += extra * layout.last[odd]
        square = mean * mean
        if third is not None:
            third *= share
            if layout.odds:
                third[odd] += extra * layout.last[odd] ** 2
            third -= 3.0 * mean * second
            third += 2.0 * square * mean
            np.negative(third, out=third)
        second -= square
        np.subtract(layout.ends, mean, out=mean)
        np.multiply(layout.later, half, out=square)
        factor = np.exp(square, out=square)
        factor *= value
        found = Moments(factor, mean, second, third)
        return found if self.simple is None else simple_first(self.simple, 2.0 * half, found)

    def subset(self, rows: Ints) -> Compound:
        """The kernel of some of the securities, ascending."""
        columns = (self.frequency, self.coupon, self.odd, self.counts, self.times)
        frequency, coupon, odd, counts, times = (column[rows] for column in columns)
        return Compound(frequency, coupon, odd, counts, times, None if self.simple is None else self.simple[rows])

    @cached_property
    def _layout(self) -> _Layout:
        return _Layout(self)

    @cached_property
    def _rough(self) -> tuple[Compound, Floats, Floats, Floats]:
        """The same in single precision; logarithm of the price, mean and half variance / mean^2 at the reference."""
        found = self.at(np.full(len(self.counts), REFERENCE), skew=False)
        bend = 0.5 * found.variance / (found.mean * found.mean)
        return self._single(), *(_single(part) for part in (np.log(found.price), 1.0 / found.mean, bend))

    def _single(self) -> Compound:
        simple = None if self.simple is None else _single(self.simple)
        columns = (self.frequency, self.coupon, self.odd, self.counts, self.times)
        frequency, coupon, odd, counts, times = map(_single, columns)
        return Compound(frequency, coupon, odd, counts, times, simple)

    def start(self, dirty: Floats) -> Floats:
        """[n] u of dirty prices, to six digits or so in [0, 0.05]: a step from the reference, and one from there."""
        single, logs, inverse, bend = self._rough
        target = dirty.astype(np.float32)
        step = logs - np.log(target)
        over = np.minimum(bend * step, 0.5)
        np.subtract(1.0, over, out=over)
        step *= inverse
        step /= over
        step += np.float32(REFERENCE)
        u = np.fmax(np.fmin(step, HIGHEST), LOWEST)
        found = single.at(u, skew=False)
        step = np.divide(found.price, target, out=target)
        np.log(step, out=step)
        step /= found.mean
        over = step * found.variance
        over /= found.mean
        over *= -0.5
        over += 1.0
        step /= over
        step += u
        return np.fmax(np.fmin(step, HIGHEST), LOWEST).astype(np.float64)


class _Parts(NamedTuple):
    """What prices and moments are made of: see `series`.

    Attributes
    ----------
    half
        [n] u/2.
    value, share
        [n] of coupons and principal when the first coupon is paid, and of the coupons in it.
    gap
        [n] m^2 q(m u) - q(u).
    even, plus
        [n] the even part of psi(u), and psi(u).
    """

    half: Floats
    value: Floats
    share: Floats
    gap: Floats
    even: Floats
    plus: Floats


class _Layout:
    """What of the terms enters every valuation."""

    def __init__(self, of: Compound) -> None:
        counts = of.counts
        single = counts.dtype == np.float32
        self.quotient = SINGLE if single else DOUBLE
        self.odds = int(np.count_nonzero(of.odd))
        self.reach = NEAR if single else min(NEAR, FAR / float(counts.max(initial=1.0)))
        self.squares = counts * counts
        self.scaled = self.squares * self.quotient.scale
        self.payments = of.coupon * counts
        self.last = counts - 1.0
        self.centre, self.sixths = 0.5 * self.last, (self.squares - 1.0) / 6.0
        self.later, self.ends = -2.0 * of.times, self.last + of.times


def _beyond(x: Floats) -> tuple[Ints, tuple[Floats, Floats, Floats]]:
    """Places of arguments beyond the quotient, and their q, psi(x) and psi(-x)."""
    rows = np.flatnonzero(~(np.abs(x) <= FAR))
    return rows, far(x[rows])


def _single(values: Floats) -> Any:
    return values.astype(np.float32)
