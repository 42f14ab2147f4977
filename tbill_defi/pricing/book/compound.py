"""Coupon securities in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.inverse import Inverse
from tbill_defi.pricing.book.series import FAR, NEAR, QUOTIENT, anywhere, exponential, far, near
from tbill_defi.pricing.book.yields import CLOSE, Moments, simple_first

CLEAR = 2e-4
"""Yields per period from which on a coupon over a yield loses no digit that a price shows."""


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

    def prices(self, rates: Floats) -> Floats:
        """[n] dirty prices at yields per period: c/r + (100 - c/r) (1 + r)^-m a period before the first coupon.

        Where c/r would lose digits, as `at` has them.
        """
        u, layout = np.log1p(rates), self._layout
        if not rates.min(initial=CLEAR) >= CLEAR:
            return self.at(u, skew=False).price
        end = u * layout.negated
        np.exp(end, out=end)
        level = self.coupon / rates
        value = np.subtract(100.0, level)
        value *= end
        value += level
        if layout.odds:
            odd = slice(0, layout.odds)
            value[odd] += self.odd[odd] / (1.0 + rates[odd])
        u *= layout.early
        value *= exponential(u, float(rates.max(initial=0.0)) * layout.longest)
        if self.simple is not None:
            value /= 1.0 + self.simple * rates
        return value

    def _parts(self, u: Floats) -> _Parts:
        layout = self._layout
        largest = float(np.abs(u).max(initial=0.0))
        careful = not largest <= layout.reach
        half = 0.5 * u
        z = half * u
        own = anywhere(u) if careful else near(z)
        gap = QUOTIENT.over(layout.squares * z)
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
        return _Parts(largest, half, end, share, gap, even, plus)

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
        factor = exponential(square, parts.largest * layout.longest)
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
    def _inverse(self) -> Inverse:
        def measure(u: float) -> tuple[Floats, Floats, Floats]:
            found = self.at(np.full(len(self.counts), u), skew=False)
            return found.price, found.mean, found.variance

        return Inverse(measure)

    def stepped(self, dirty: Floats, u: Floats) -> tuple[Floats, Floats] | None:
        """[n] u of dirty prices and the mean times to payment at it, by one step from a `u` that is close.

        None where that is not enough: yields that are not `CLEAR`, prices that are not `CLOSE`, simple interest.

        Notes
        -----
        With L = c/r and E = exp(-m u), a period before its first coupon a bond is worth L (1 - E) + 100 E, which is
        derived twice in u: half of the operations of `at`. The mean keeps ten digits.
        """
        if self.simple is not None or not u.min(initial=CLEAR) >= CLEAR:
            return None
        layout = self._layout
        turn = 1.0 / np.expm1(u)
        level = self.coupon * turn
        end = u * layout.negated
        np.exp(end, out=end)
        ended = level * end
        level -= ended
        paid = 100.0 * end
        value = level + paid
        paid -= ended
        paid *= layout.negated  # with L held: -m (100 - L) E
        ended *= layout.negated
        bend = turn + turn
        turn += 1.0
        ended *= turn
        level *= turn  # -L' (1 - E); L' = -L (1 + r)/r
        bend += 1.0
        bend *= level
        bend += ended
        bend += ended
        slope = paid - level
        paid *= layout.negated
        bend += paid
        if layout.odds:
            odd = slice(0, layout.odds)
            flow = self.odd[odd] * np.exp(-u[odd])
            value[odd] += flow
            slope[odd] -= flow
            bend[odd] += flow
        slope /= value
        bend /= value
        bend -= slope * slope
        np.multiply(u, layout.early, out=end)
        np.exp(end, out=end)
        value *= end
        value /= dirty
        value -= 1.0
        if not np.abs(value).max(initial=0.0) <= CLOSE:
            return None
        mean = layout.late - slope
        value -= 0.5 * value * value
        value /= mean
        bend *= value
        return u + value, mean - bend

    def start(self, dirty: Floats) -> Floats:
        """[n] u of dirty prices, to a millionth of the price where yields are usual."""
        return self._inverse(dirty)


class _Parts(NamedTuple):
    """What prices and moments are made of: see `series`.

    Attributes
    ----------
    largest
        |u|, of all.
    half
        [n] u/2.
    value, share
        [n] of coupons and principal when the first coupon is paid, and of the coupons in it.
    gap
        [n] m^2 q(m u) - q(u).
    even, plus
        [n] the even part of psi(u), and psi(u).
    """

    largest: float
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
        self.odds = int(np.count_nonzero(of.odd))
        self.reach = min(NEAR, FAR / float(counts.max(initial=1.0)))
        self.squares = counts * counts
        self.scaled = self.squares * QUOTIENT.scale
        self.negated, self.early, self.late = -counts, 1.0 - of.times, of.times - 1.0
        self.longest = float(of.times.max(initial=1.0))
        self.payments = of.coupon * counts
        self.last = counts - 1.0
        self.centre, self.sixths = 0.5 * self.last, (self.squares - 1.0) / 6.0
        self.later, self.ends = -2.0 * of.times, self.last + of.times


def _beyond(x: Floats) -> tuple[Ints, tuple[Floats, Floats, Floats]]:
    """Places of arguments beyond the quotient, and their q, psi(x) and psi(-x)."""
    rows = np.flatnonzero(~(np.abs(x) <= FAR))
    return rows, far(x[rows])
