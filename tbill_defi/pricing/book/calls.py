"""Yields to the calls of a book's callable bonds: every call after settlement is one more line to solve.

To a call a bond pays its coupons, on the call date the interest accrued since the last one, and the call price. The
yield to worst is the lowest over these and maturity, the earliest date of equal ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import SettlementOutOfRange
from tbill_defi.pricing.book.columns import END_OF_MONTH, Ints, cycle_days, months_of
from tbill_defi.pricing.book.cycles import Placed
from tbill_defi.pricing.book.days import late_days
from tbill_defi.pricing.book.simple_first import SimpleFirst
from tbill_defi.pricing.book.yields import Kernel, Simple, Sums, yields_and_risk


class Calls:
    """The calls after a settlement date, each as flows of its bond to it.

    Parameters
    ----------
    placed
        The book at its settlement date.
    convention
        Of the yields.

    Attributes
    ----------
    rows
        [n_calls] places of the bonds in the book, ascending; those of a bond by date.
    days
        [n_calls] day numbers of the calls.

    Raises
    ------
    SettlementOutOfRange
        If no day is left to a call on 30/360.
    """

    def __init__(self, placed: Placed, convention: YieldConvention) -> None:
        self._placed, self._convention = placed, convention
        columns = placed.columns
        alive = columns.call_days > placed.day
        self.rows, self.days = columns.call_rows[alive], columns.call_days[alive]
        self._at = np.searchsorted(placed.rows, self.rows)
        self._step, self._rule = columns.months[self.rows], columns.rule[self.rows]
        self._of = placed.cycles.of[self._at]
        month = months_of(self.days)[0]
        month = month + (columns.maturity_month[self.rows] - month) % self._step
        self._end = np.where(cycle_days(month, self._rule) < self.days, month + self._step, month)
        self._last = (self._end - placed.following[self._of]) // self._step
        before = cycle_days(self._end - self._step, self._rule)
        on_cycle = cycle_days(self._end, self._rule) == self.days
        self._part = np.where(on_cycle, 1.0, columns.periods_30_360(self.rows, before, self.days))
        self._first = np.minimum(placed.first[self._at], self._last)
        self._fraction = placed.fraction[self._at] + np.where(self._last == 0, self._part - 1.0, 0.0)
        self._final = self._last == 0
        self._require_days()
        self._lay_out(columns.call_prices[alive], before)

    def _require_days(self) -> None:
        if (gone := np.flatnonzero(self._final & (self._fraction <= 0.0))).size:
            row, day = int(self.rows[gone[0]]), np.datetime64(int(self.days[gone[0]]), "D")
            raise SettlementOutOfRange(
                f"settlement: {self._placed.settlement} has no day left to the call on {day} of securities[{row}] "
                f"{self._placed.columns.cusips[row]} on 30/360; give an earlier date"
            )

    def _lay_out(self, prices: Floats, before: Ints) -> None:
        """Flows: owner, start of each owner's, amounts, periods from the next cycle date."""
        placed, columns = self._placed, self._placed.columns
        counts = self._last - self._first + 1
        self._owner = np.repeat(np.arange(len(self.rows)), counts)
        self._starts = np.cumsum(counts) - counts
        self._period = np.arange(len(self._owner)) - np.repeat(self._starts - self._first, counts)
        coupon, odd = placed.coupon[self._at], placed.odd[self._at]
        amounts = coupon[self._owner]
        amounts[self._starts] += odd
        dated = columns.dated[self.rows]
        in_first = (self._last <= placed.first[self._at]) & (columns.first_month[self.rows] >= self._end)
        whole = np.where(in_first & (dated != before), columns.periods_30_360(self.rows, dated, self.days), self._part)
        ends = self._starts + counts - 1
        amounts[ends] = coupon * whole + prices
        self._amounts = amounts
        self._periods = self._period.astype(np.float64)
        self._periods[ends] += np.where(self._final, 0.0, self._part - 1.0)

    def _lateness(self) -> Floats:
        """[n_flows] periods from each flow to the good day it is paid on."""
        owner = self._owner
        following = self._placed.following[self._of][owner]
        step, rule, call = self._step[owner], self._rule[owner], self.days[owner]
        month = following + self._period * step
        at_call = self._period == self._last[owner]
        days = np.where(at_call, call, cycle_days(month, rule))
        later = np.minimum(cycle_days(month + step, rule), call)
        number, day = months_of(call)
        ends_month = months_of(call + 1)[1] == 1
        after = cycle_days(number + step, np.where(ends_month, END_OF_MONTH, day))
        late: Floats = late_days(days) / (np.where(at_call, after, later) - days)
        return late

    def yields(self, dirty: Floats, start: Floats) -> Floats:
        """[n_calls] yields of [n] dirty prices of the book; `start` are [n] yields to begin with."""
        convention = self._convention
        late = self._lateness() if convention is YieldConvention.TRUE_YIELD else np.zeros(len(self._owner))
        frequency = 12.0 / self._step
        found = np.empty(len(self.rows))
        target, final, many = dirty[self.rows], self._final, ~self._final
        ends = self._starts[final]
        years = (self._fraction[final] + late[ends]) / frequency[final]
        if convention is YieldConvention.MONEY_MARKET:
            years = (self.days[final] - self._placed.day) / 360.0
        found[final], _ = Simple(self._amounts[ends], years, np.zeros(len(ends), dtype=bool)).yields(target[final])
        if many.any():
            simple = convention is YieldConvention.TREASURY
            times = self._periods + late + (0.0 if simple else self._fraction[self._owner])
            every = Sums(self._amounts, times, self._owner, self._starts, frequency)
            rows = np.flatnonzero(many)
            sums = every.subset(rows)
            kernel: Kernel = SimpleFirst(sums, self._fraction[rows]) if simple else sums
            begin = np.log1p(np.clip(start[self.rows[rows]], -0.05, 0.5) / frequency[rows])
            found[rows], _ = yields_and_risk(kernel, target[rows], begin)
        return found

    def worst(self, dirty: Floats, to_maturity: Floats) -> tuple[Floats, NDArray[np.datetime64]]:
        """[n] yields to worst of the whole book, and the dates they are to."""
        lowest, ends = to_maturity.copy(), self._placed.columns.maturity.copy()
        if len(self.rows):
            yields = self.yields(dirty, to_maturity)
            order = np.lexsort((self.days, yields, self.rows))
            first = order[np.unique(self.rows[order], return_index=True)[1]]
            rows = self.rows[first]
            called = yields[first] <= to_maturity[rows]
            lowest[rows[called]], ends[rows[called]] = yields[first][called], self.days[first][called]
        return lowest, ends.view("datetime64[D]")
