"""The notes and bonds of a book whose last period is odd: a few, priced flow by flow.

Their cycle is counted back from the penultimate coupon date; the last period's interest and length are sums over its
quasi-coupon periods, counted forward from there. Within it interest is simple, as once only the final coupon remains
of any other.
"""

from __future__ import annotations

import numpy as np

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.pricing.book.columns import END_OF_MONTH, Columns, Ints, cycle_days, months_of
from tbill_defi.pricing.book.days import late_days
from tbill_defi.pricing.book.simple_first import SimpleFirst
from tbill_defi.pricing.book.yields import Kernel, Risk, Simple, Sums, in_yield, yields_and_risk


class OddLast:
    """Securities with an odd last period at a settlement date.

    Attributes
    ----------
    rows
        [n] places in the book.
    final
        [n] whether only the last flow remains.
    accrued
        [n] per 100 face.
    owner, starts, days, amounts
        [n_flows] and [n]: place among `rows`, place of each one's first flow, day number, amount per 100 face.
    """

    def __init__(self, columns: Columns, day: int) -> None:
        self.rows = rows = np.flatnonzero(columns.odd_last)
        self._day = day
        self._step, self._rule = columns.months[rows], columns.rule[rows]
        self._anchor, self._maturity = columns.maturity_month[rows], columns.maturity[rows]
        month = months_of(np.array([day]))[0][0]
        month = month + (self._anchor - month) % self._step
        month = np.where(cycle_days(month, self._rule) <= day, month + self._step, month)
        right, left = cycle_days(month, self._rule), cycle_days(month - self._step, self._rule)
        regular = np.maximum((self._anchor - month) // self._step + 1, 0)
        self._month, self.final = month, regular == 0
        part, elapsed = self._parts(self._maturity), self._parts(np.full(len(rows), day))
        self._fraction = np.where(self.final, part - elapsed, (right - day) / (right - left))
        pending = (columns.first_month[rows] >= month) & ~self.final
        first = np.where(pending, (columns.first_month[rows] - month) // self._step, 0)
        coupon = columns.coupon[rows]
        share = np.where(self.final, elapsed, (day - left) / (right - left))
        share[pending] = columns.periods_between(rows[pending], month[pending], np.full(int(pending.sum()), day))
        self.accrued = coupon * share
        counts = regular - first + 1
        self.owner = np.repeat(np.arange(len(rows)), counts)
        self.starts = np.cumsum(counts) - counts
        self._ends = self.starts + counts - 1
        self._period = np.arange(len(self.owner)) - np.repeat(self.starts - first, counts)
        self.amounts = coupon[self.owner]
        self.amounts[self.starts[pending]] = columns.first_coupon[rows[pending]]
        self.amounts[self._ends] = coupon * part + 100.0
        self._periods = self._period.astype(np.float64)
        self._periods[self._ends] = np.where(self.final, 0.0, regular - 1 + part)
        self.days = cycle_days(self._month[self.owner] + self._period * self._step[self.owner], self._rule[self.owner])
        self.days[self._ends] = self._maturity

    def _parts(self, until: Ints) -> Floats:
        """[n] regular periods from the penultimate coupon date to days in the last period."""
        edges = [cycle_days(self._anchor + k * self._step, self._rule) for k in range(3)]
        total = np.zeros(len(until))
        for left, right in ((edges[0], edges[1]), (edges[1], edges[2])):
            total += np.clip(until - left, 0, right - left) / (right - left)
        return total

    def _lateness(self) -> Floats:
        """[n_flows] periods from each flow to the good day it is paid on."""
        month, day = months_of(self._maturity)
        ends_month = months_of(self._maturity + 1)[1] == 1
        after = cycle_days(
            self._month[self.owner] + (self._period + 1) * self._step[self.owner], self._rule[self.owner]
        )
        after[self._ends] = cycle_days(month + self._step, np.where(ends_month, END_OF_MONTH, day))
        late: Floats = late_days(self.days) / (after - self.days)
        return late

    def under(self, convention: YieldConvention) -> OddLastYields:
        """Their arithmetic under a convention."""
        late = self._lateness() if convention is YieldConvention.TRUE_YIELD else np.zeros(len(self.owner))
        frequency, ends = 12.0 / self._step, self._ends[self.final]
        years = (self._fraction[self.final] + late[ends]) / frequency[self.final]
        if convention is YieldConvention.MONEY_MARKET:
            years = (self._maturity[self.final] - self._day) / 360.0
        simple = convention is YieldConvention.TREASURY
        times = self._periods + late + (0.0 if simple else self._fraction[self.owner])
        rows = np.flatnonzero(~self.final)
        sums = Sums(self.amounts, times, self.owner, self.starts, frequency).subset(rows)
        kernel: Kernel = SimpleFirst(sums, self._fraction[rows]) if simple else sums
        return OddLastYields(
            np.flatnonzero(self.final), Simple(self.amounts[ends], years, np.zeros(len(ends), dtype=bool)), rows, kernel
        )


class OddLastYields:
    """Prices and yields of securities with an odd last period: a line in the last period, sums before it."""

    def __init__(self, finals: Ints, simple: Simple, others: Ints, sums: Kernel) -> None:
        self._finals, self._simple, self._others, self._sums = finals, simple, others, sums

    def in_yield(self, yields: Floats) -> Risk:
        """Prices and risk at [n] yields."""
        table = np.empty((3, len(yields)))
        table[:, self._finals] = self._simple.in_yield(yields[self._finals])
        if len(self._others):
            table[:, self._others] = in_yield(self._sums, yields[self._others])
        return Risk(*table)

    def prices(self, yields: Floats) -> Floats:
        """[n] dirty prices at yields."""
        return self.in_yield(yields).price

    def yields(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n] yields of positive dirty prices, and the risk at them."""
        found = np.empty(len(dirty))
        found[self._finals], _ = self._simple.yields(dirty[self._finals])
        if len(self._others):
            target = dirty[self._others]
            found[self._others], _ = yields_and_risk(self._sums, target, self._sums.start(target))
        return found, self.in_yield(found)
