"""Prices and risk as functions of the yield, for a whole book, and the yields of prices.

Every kernel takes u = log(1 + y/f). In it the logarithm of a price is convex, falls and has no pole, so that Halley's
method converges from any start, and its derivatives are moments of the times to payment, weighted with present value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Ints
from tbill_defi.pricing.book.series import growth

STEPS = 60
CLOSE = 1e-6
"""A price this near in proportion is met by one more step, and its risk goes with the step."""


class Moments(NamedTuple):
    """Dirty price per 100 face; mean, variance and third central moment of the times to payment in periods, each [n].

    They are the derivatives of the price's logarithm in u: -mean, variance, -skew. None where it was not asked for.
    """

    price: Floats
    mean: Floats
    variance: Floats
    skew: Floats | None


class Risk(NamedTuple):
    """Dirty price per 100 face, modified duration in years and convexity in years squared, each [n]."""

    price: Floats
    duration: Floats
    convexity: Floats


class Kernel(Protocol):
    """Prices of some securities of a book as functions of u."""

    @property
    def frequency(self) -> Floats:
        """[n] periods a year."""
        ...

    def start(self, dirty: Floats) -> Floats:
        """[n] u to begin the search for those of dirty prices with."""
        ...

    def at(self, u: Floats, *, skew: bool = True) -> Moments:
        """Prices and the moments of the times to payment; the third only if asked for."""
        ...

    def subset(self, rows: Ints) -> Kernel:
        """The kernel of some of the securities."""
        ...


def simple_first(part: Floats, u: Floats, found: Moments) -> Moments:
    """Moments with simple interest over a part of a period before the times begin (31 CFR 356 Appendix B)."""
    factor = 1.0 / (1.0 + part * np.expm1(u))
    share = part * np.exp(u) * factor
    rest = share * (1.0 - share)
    skew = None if found.skew is None else found.skew + rest * (1.0 - 2.0 * share)
    return Moments(found.price * factor, found.mean + share, found.variance - rest, skew)


def in_yield(kernel: Kernel, yields: Floats) -> Risk:
    """Prices and risk at yields."""
    return _risk(kernel, yields, kernel.at(np.log1p(yields / kernel.frequency), skew=False))


def _risk(kernel: Kernel, yields: Floats, found: Moments) -> Risk:
    scale = np.divide(1.0, kernel.frequency + yields)
    convexity = found.mean * found.mean
    convexity += found.mean
    convexity += found.variance
    duration = found.mean * scale
    convexity *= scale
    convexity *= scale
    return Risk(found.price, duration, convexity)


def yields_and_risk(kernel: Kernel, dirty: Floats, start: Floats) -> tuple[Floats, Risk]:
    """[n] yields of dirty prices, and the risk at them; `start` are [n] values of u to begin with."""
    u, found = solve(kernel, dirty, start)
    yields = growth(u)
    yields *= kernel.frequency
    return yields, _risk(kernel, yields, found)


def solve(kernel: Kernel, dirty: Floats, u: Floats, steps: int = STEPS) -> tuple[Floats, Moments]:
    """[n] u of dirty prices, and the moments at it; `u` is where to begin.

    Halley's method on the logarithm of the price; Newton's where the bend would more than double the step. The last
    step is taken where the price is `CLOSE`: what is left after it is its cube, and moments follow by their own
    derivatives. Securities that are close are left out of the next step.
    """
    found = kernel.at(u)
    assert found.skew is not None
    step = found.price / dirty
    step -= 1.0
    miss = np.abs(step)
    done = bool(miss.max(initial=0.0) <= CLOSE)
    if done:
        step = _last_step(step, found)
    else:
        step = np.log1p(step)
        step /= found.mean
        bend = step * found.variance
        bend /= found.mean
        bend *= -0.5
        bend += 1.0
        step /= np.maximum(bend, 0.5, out=bend)
    turn = found.skew * step
    bend = -0.5 * turn
    bend += found.variance
    bend *= step
    u, found = u + step, Moments(dirty, found.mean - bend, found.variance - turn, found.skew)
    if not done and steps:
        rows = np.flatnonzero(~(miss <= CLOSE))
        again = solve(kernel.subset(rows), dirty[rows], u[rows], steps - 1)
        u[rows], found.mean[rows], found.variance[rows] = again[0], again[1].mean, again[1].variance
    return u, found


def _last_step(miss: Floats, found: Moments) -> Floats:
    """[n] Halley's step in u from prices that are too high by small parts: to the third order in them."""
    newton = miss / found.mean
    bend = newton * found.variance
    bend /= found.mean
    bend -= miss
    bend *= 0.5
    bend *= newton
    newton += bend
    return newton


@dataclass(frozen=True, eq=False)
class Simple:
    """Single flows: simple interest for up to half a year, one half-year's compounding beyond it.

    Attributes
    ----------
    amount
        [n] per 100 face.
    years
        [n] to the flow.
    compounds
        [n] whether years beyond a half compound.
    """

    amount: Floats
    years: Floats
    compounds: NDArray[np.bool_]

    @cached_property
    def _tail(self) -> Floats:
        """[n] years beyond the compounding half; 0 where there is none."""
        return np.where(self.compounds & (self.years > 0.5), self.years - 0.5, 0.0)

    def prices(self, yields: Floats) -> Floats:
        """[n] dirty prices at yields: the amount over 1 + years y + (tail/2) y^2."""
        return self.amount / (yields * (0.5 * self._tail * yields + self.years) + 1.0)

    def in_yield(self, yields: Floats) -> Risk:
        """Prices and risk at yields."""
        bend = self._tail * yields
        slope = bend + self.years
        base = yields * (0.5 * bend + self.years) + 1.0
        duration = slope / base
        return Risk(self.amount / base, duration, 2.0 * duration * duration - self._tail / base)

    def yields(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n] yields of positive dirty prices, and the risk at them."""
        root, base, found = self._root(dirty)
        duration = root / base
        convexity = duration * duration
        convexity += convexity
        convexity -= self._tail / base
        return found, Risk(dirty, duration, convexity)

    def durations(self, dirty: Floats) -> tuple[Floats, Floats]:
        """[n] yields of positive dirty prices, and the modified durations at them."""
        root, base, found = self._root(dirty)
        return found, root / base

    def _root(self, dirty: Floats) -> tuple[Floats, Floats, Floats]:
        """[n] years + tail y, amounts over prices, and yields: on a line, or a parabola (31 CFR 356 App. B, VI.D)."""
        base = self.amount / dirty
        gain = base - 1.0
        gain += gain
        root = np.sqrt(self.years * self.years + self._tail * gain)
        return root, base, gain / (self.years + root)


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

    def start(self, dirty: Floats) -> Floats:
        """[n] u to begin with."""
        return np.zeros(len(dirty))

    def at(self, u: Floats, *, skew: bool = True) -> Moments:
        """Prices and the moments of the times to payment."""
        values = self.amounts * np.exp(-u[self.owner] * self.times)
        price = np.add.reduceat(values, self.starts)
        values /= price[self.owner]
        mean = np.add.reduceat(values * self.times, self.starts)
        away = self.times - mean[self.owner]
        values *= away * away
        variance = np.add.reduceat(values, self.starts)
        return Moments(price, mean, variance, np.add.reduceat(values * away, self.starts) if skew else None)

    def subset(self, rows: Ints) -> Sums:
        """The kernel of some of the securities, ascending."""
        kept = np.zeros(len(self.starts), dtype=bool)
        kept[rows] = True
        flows = kept[self.owner]
        owner = (np.cumsum(kept) - 1)[self.owner[flows]]
        starts = np.searchsorted(owner, np.arange(len(rows)))
        return Sums(self.amounts[flows], self.times[flows], owner, starts, self.frequency[rows])
