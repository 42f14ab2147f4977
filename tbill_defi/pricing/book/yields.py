"""Prices and their derivatives as functions of the yield, for a whole book, and the yields of prices.

Every kernel takes u = log(1 + y/f), in which the logarithm of a price is convex, falls and has no pole, so that
Newton's method, and Halley's, converge from any start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.series import level_coupon

STEPS = 60
CLOSE = 1e-6
"""A step this small is the last: what is left after it is its cube."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Dirty price per 100 face and its first and second derivative, each [n]."""

    price: Floats
    slope: Floats
    curvature: Floats


class Kernel(Protocol):
    """Prices of some securities of a book as functions of u."""

    @property
    def frequency(self) -> Floats:
        """[n] periods a year."""
        ...

    def at(self, u: Floats) -> Sensitivity:
        """Prices and their derivatives in u."""
        ...

    def subset(self, rows: Ints) -> Kernel:
        """The kernel of some of the securities."""
        ...


def in_yield(kernel: Kernel, yields: Floats) -> Sensitivity:
    """Prices at yields and their derivatives in the yield."""
    growth = yields / kernel.frequency
    found = kernel.at(np.log1p(growth))
    scale = 1.0 / (kernel.frequency * (1.0 + growth))
    slope = found.slope * scale
    return Sensitivity(found.price, slope, (found.curvature - found.slope) * scale * scale)


def solve(kernel: Kernel, dirty: Floats, start: Floats) -> Floats:
    """[n] yields of dirty prices; `start` are yields to begin with.

    Halley's method on the logarithm of the price; Newton's where the bend would more than double the step. Securities
    that are done are left out of the next step.
    """
    every, frequency = np.log1p(start / kernel.frequency), kernel.frequency
    u, target, rows = every, np.log(dirty), np.arange(len(dirty))
    for _ in range(STEPS):
        found = kernel.at(u)
        rate = found.slope / found.price
        newton = (np.log(found.price) - target) / rate
        bend = 0.5 * newton * (found.curvature / found.price / rate - rate)
        step = newton / (1.0 - np.minimum(bend, 0.5))
        u = u - step
        every[rows] = u
        open_ = np.flatnonzero(~(np.abs(step) <= CLOSE))
        if not open_.size:
            break
        kernel, u, target, rows = kernel.subset(open_), u[open_], target[open_], rows[open_]
    return frequency * np.expm1(every)


@dataclass(frozen=True, eq=False)
class Compound:
    """Coupon securities; `times` are periods from settlement to the first flow.

    Attributes
    ----------
    simple
        [n] part of a period with simple interest before the next cycle date (31 CFR 356), or None: compound (street).
    """

    frequency: Floats
    coupon: Floats
    odd: Floats
    counts: Floats
    times: Floats
    simple: Floats | None

    def at(self, u: Floats) -> Sensitivity:
        """Prices and their derivatives in u."""
        growth = np.expm1(u)
        level, first, second, end = level_coupon(u, growth, self.counts)
        level *= self.coupon
        end *= 100.0
        rest = self.counts - 1.0
        value = self.odd + level + end
        slope = level * first - rest * end
        curvature = level * second + rest * rest * end
        factor = np.exp(-u * self.times)
        if self.simple is None:
            rate = -self.times
            bend = rate * rate
        else:
            base = 1.0 + self.simple * growth
            factor /= base
            share = self.simple * (1.0 + growth) / base
            rate = -self.times - share
            bend = rate * rate - share + share * share
        return Sensitivity(
            factor * value,
            factor * (slope + rate * value),
            factor * (curvature + 2.0 * rate * slope + bend * value),
        )

    def subset(self, rows: Ints) -> Compound:
        """The kernel of some of the securities."""
        return Compound(
            frequency=self.frequency[rows],
            coupon=self.coupon[rows],
            odd=self.odd[rows],
            counts=self.counts[rows],
            times=self.times[rows],
            simple=None if self.simple is None else self.simple[rows],
        )


@dataclass(frozen=True, eq=False)
class Simple:
    """Single flows: simple interest for up to half a year, one half-year's compounding beyond it.

    Attributes
    ----------
    amount
        [n] per 100 face.
    years
        [n] to the flow.
    """

    amount: Floats
    years: Floats
    compounds: bool

    def in_yield(self, yields: Floats) -> Sensitivity:
        """Prices at yields and their derivatives in the yield."""
        split = self.compounds & (self.years > 0.5)
        a, a1, a2 = _simple(np.where(split, self.years - 0.5, self.years), yields)
        b, b1, b2 = _simple(np.where(split, 0.5, 0.0), yields)
        return Sensitivity(
            self.amount * a * b,
            self.amount * (a1 * b + a * b1),
            self.amount * (a2 * b + 2.0 * a1 * b1 + a * b2),
        )

    def yields(self, dirty: Floats) -> Floats:
        """[n] yields of dirty prices: a line, or a parabola (31 CFR 356 Appendix B, VI.D)."""
        gain = self.amount / dirty - 1.0
        split = self.compounds & (self.years > 0.5)
        tail = np.where(split, self.years - 0.5, 0.0)
        root = np.sqrt((tail + 0.5) ** 2 + 2.0 * tail * gain)
        return np.where(split, 2.0 * gain / (tail + 0.5 + root), gain / self.years)


def _simple(years: Floats, yields: Floats) -> tuple[Floats, Floats, Floats]:
    value = 1.0 / (1.0 + years * yields)
    slope = -years * value * value
    return value, slope, -2.0 * years * slope * value


class Sums:
    """Sums of amounts x exp(-u t) over each security's own flows: where payment dates follow no cycle.

    Parameters
    ----------
    amounts, times
        [n_flows]; times in periods.
    owner, starts
        [n_flows] and [n] as of `cycles.Flows`.
    """

    def __init__(
        self, amounts: Floats, times: Floats, owner: np.ndarray, starts: np.ndarray, frequency: Floats
    ) -> None:
        self.amounts, self.times, self.owner, self.starts, self.frequency = amounts, times, owner, starts, frequency

    def at(self, u: Floats) -> Sensitivity:
        """Prices and their derivatives in u."""
        values = self.amounts * np.exp(-u[self.owner] * self.times)
        weighted = values * self.times
        add = np.add.reduceat
        return Sensitivity(
            add(values, self.starts), -add(weighted, self.starts), add(weighted * self.times, self.starts)
        )

    def subset(self, rows: Ints) -> Sums:
        """The kernel of some of the securities, ascending."""
        kept = np.zeros(len(self.starts), dtype=bool)
        kept[rows] = True
        flows = kept[self.owner]
        owner = (np.cumsum(kept) - 1)[self.owner[flows]]
        starts = np.searchsorted(owner, np.arange(len(rows)))
        return Sums(self.amounts[flows], self.times[flows], owner, starts, self.frequency[rows])


def require_positive(dirty: Floats, cusips: tuple[str, ...]) -> None:
    """Refuse a dirty price that no yield explains.

    Raises
    ------
    ConventionError
        Naming the first row and its CUSIP.
    """
    if (bad := np.flatnonzero(~(dirty > 0.0))).size:
        row = int(bad[0])
        raise ConventionError(
            f"clean_prices[{row}] ({cusips[row]}): the dirty price {dirty[row]:g} is not positive; "
            "no yield discounts flows to it"
        )
