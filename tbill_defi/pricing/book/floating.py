"""The floating rate notes of a book: a matrix of a few payments, all of them at once.

The yield of a floating rate note is index + discount margin: its interest is projected at the index of the settlement,
and each period discounted by 1 + yield x days/360 (31 CFR 356 Appendix B, II.I), so the discount margin is the yield
less the index. Payments stay as projected when the yield moves: duration and DV01 are of the margin, a spread risk.

On a curve the index is the curve's own forward rate of each period, in place of the last one: payments of
D(start)/D(end) - 1, and the spread. These are worth 100 at settlement and the spread's annuity, so a note's value is
linear in discount factors too, and hardly moves with them. The floor of daily interest at zero is counted in what is
projected at the index, not on a curve.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.book.columns import Columns, Ints, cycle_days, months_of
from tbill_defi.pricing.book.yields import Risk

YEAR = 360.0
STEPS = 60
CLOSE = 1e-6
"""A step this small is the last: what is left after it is its cube, and of the risk its square."""


class Floating:
    """Floating rate notes at a settlement date.

    Parameters
    ----------
    columns
        Of the book.
    day
        Day number of the settlement.
    index
        Rates up to the settlement.

    Attributes
    ----------
    rows
        [n_notes] places in the book.
    index
        The rate at which interest is projected, decimal.
    days
        [n_periods, n_notes] day numbers of payments; after a note's last one they go on along its cycle.
    counts
        [n_notes] payments that are left.
    years
        [n_periods, n_notes] lengths of the periods between settlement and the payments, Act/360; 0 after the last.
    amounts
        [n_periods, n_notes] projected payments per 100 face; 0 after the last.
    accrued
        [n_notes] per 100 face.
    """

    def __init__(self, columns: Columns, day: int, index: FrnIndex) -> None:
        self.rows = np.flatnonzero(columns.floating)
        step, rule = columns.months[self.rows], columns.rule[self.rows]
        ends, dated = columns.maturity_month[self.rows], columns.dated[self.rows]
        month = months_of(np.array([day]))[0][0]
        month = month + (ends - month) % step
        month = np.where(cycle_days(month, rule) <= day, month + step, month)
        self.counts = (ends - month) // step + 1
        periods = np.arange(int(self.counts.max()))[:, None]
        self.days = cycle_days(month + periods * step, np.broadcast_to(rule, (len(periods), len(rule))))
        self._paid = periods < self.counts
        lengths = np.diff(self.days, axis=0, prepend=np.full((1, len(rule)), day))
        self.years = np.where(self._paid, lengths / YEAR, 0.0)
        self._spread = columns.spread[self.rows]
        self.accrued = self._accrued(np.maximum(dated, cycle_days(month - step, rule)), day, index)
        settlement = np.datetime64(day, "D").item()
        self.index = float(index.on(settlement, end=settlement))
        self.amounts = 100.0 * np.maximum(self.index + self._spread, 0.0) * self.years
        self.amounts[0] += self.accrued
        self.amounts[self.counts - 1, np.arange(len(self.rows))] += 100.0
        self._until, self._pole = np.tri(len(periods)), -1.0 / self.years.max(axis=0)
        self._at_index = self._derived(self.index + self._spread)

    def _accrued(self, starts: Ints, day: int, index: FrnIndex) -> Floats:
        """Each day's max(0, index + spread)/360 from the periods' starts to the settlement."""
        first = int(starts.min())
        from_, settlement = (np.datetime64(number, "D").item() for number in (first, day))
        stretches = index.between(from_, settlement, end=settlement)
        edges = np.array(list(accumulate((days for days, _ in stretches), initial=first)), dtype=np.int64)
        rates = np.array([float(rate) for _, rate in stretches])
        counted = np.diff(np.maximum(edges, starts[:, None]), axis=1)
        daily = np.maximum(rates + self._spread[:, None], 0.0)
        interest: Floats = (counted * daily).sum(axis=1) * 100.0 / YEAR
        return interest

    def prices(self, yields: Floats) -> Floats:
        """[n_notes] dirty prices at yields, index + margin."""
        values = self.amounts / np.cumprod(1.0 + yields * self.years, axis=0)
        return np.asarray(values.sum(axis=0))

    def in_yield(self, yields: Floats) -> Risk:
        """Prices and risk at yields, index + margin."""
        return Risk(*self._derived(yields)[:3])

    def _derived(self, yields: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """[n_notes] prices P, and -P'/P, P''/P and -P'''/P in the yield.

        The logarithm of a payment's factor is a sum of -log(1 + y t) over its periods, so its derivatives are sums of
        powers of t/(1 + y t).
        """
        part = 1.0 / (1.0 + yields * self.years)
        values = np.cumprod(part, axis=0)
        values *= self.amounts
        price = values.sum(axis=0)
        values /= price
        part *= self.years
        powers = np.empty((3, *part.shape))
        powers[0] = part
        np.multiply(part, part, out=powers[1])
        np.multiply(powers[1], part, out=powers[2])
        sums = self._until @ powers
        rate, bend, turn = sums  # of each payment; to become the three derivatives
        turn += bend * rate
        turn += turn
        bend += rate * rate
        turn += bend * rate
        sums *= values
        duration, convexity, third = np.add.reduce(sums, axis=1)
        return price, duration, convexity, third

    def yields(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n_notes] yields of positive dirty prices, and the risk at them.

        Halley's method on the logarithm of the price, above the pole, from the yield at which it pays the index. What
        the last step leaves is its cube, and the risk goes with it by its own derivatives.
        """
        yields, (price, duration, convexity, third) = self.index + self._spread, self._at_index
        for _ in range(STEPS):
            step = np.log(price / dirty) / duration
            bend = 0.5 * step * (convexity / duration - duration)
            step /= 1.0 - np.minimum(bend, 0.5)
            after = np.maximum(yields + step, 0.5 * (yields + self._pole))
            step, yields = after - yields, after
            if np.abs(step).max() <= CLOSE:
                break
            price, duration, convexity, third = self._derived(yields)
        moved = convexity + step * (convexity * duration - third)
        return yields, Risk(dirty, duration + step * (duration * duration - convexity), moved)

    def flows(self, day: int) -> tuple[Ints, Ints, Floats]:
        """(owner, day number, amount) of what a curve discounts: 100 at settlement, spreads, what has accrued.

        Owners are places among the notes, ascending, each with its flow at settlement first.
        """
        spreads = 100.0 * self._spread * self.years
        spreads[0] += self.accrued
        held = np.vstack([np.ones((1, len(self.rows)), dtype=bool), self._paid]).T
        days = np.vstack([np.full((1, len(self.rows)), day), self.days]).T
        amounts = np.vstack([np.full((1, len(self.rows)), 100.0), spreads]).T
        return np.nonzero(held)[0], days[held], amounts[held]
