"""A book at a settlement date: where its flows lie.

Coupon securities share few cycles (months between coupons, month, day of the month), so dates are made for a cycle,
not for a security: `dates[k]` are the k-th payment dates of all cycles, and a security is its cycle and the places of
its first and last flow in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.schedules import days_in_year_from
from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import SettlementOutOfRange
from tbill_defi.pricing.book.columns import EPOCH, Bools, Columns, Ints, cycle_days, months_of
from tbill_defi.pricing.book.floating import Floating
from tbill_defi.pricing.book.loose import Loose
from tbill_defi.pricing.book.odd_last import OddLast


@dataclass(frozen=True, eq=False)
class Cycles:
    """The distinct coupon cycles of a book, and each security's.

    Attributes
    ----------
    months, phase, rule
        [n_cycles] months between dates, month number modulo that, day rule.
    of
        [n_coupon_securities] place of each one's cycle.
    """

    months: Ints
    phase: Ints
    rule: Ints
    of: Ints

    @classmethod
    def among(cls, months: Ints, maturity_month: Ints, rule: Ints) -> Cycles:
        """The cycles of coupon securities."""
        phase = maturity_month % np.maximum(months, 1)
        keys, first, of = np.unique((months * 16 + phase) * 32 + rule, return_index=True, return_inverse=True)
        del keys
        return cls(months[first], phase[first], rule[first], of.reshape(-1))


class Placed:
    """The securities of a book at one settlement date.

    Coupon securities ("rows" below) come first in thought only: `rows` and `singles` are places in the book.

    Attributes
    ----------
    rows, singles
        Places of level coupons and of single flows.
    floating, odd_last
        Floating rate notes and securities with an odd last period; None without any.
    loose
        The flows of both.
    dates
        [n_periods, n_cycles] day numbers of the cycles' dates after settlement.
    fraction
        [n_rows] part of the current quasi-coupon period that is left, in (0, 1].
    first, last
        [n_rows] periods from the next cycle date to the first and last flow.
    coupon, odd
        [n_rows] regular interest per 100 face, and what the first flow pays beyond it.
    accrued
        [n] accrued interest per 100 face of all securities.
    days, year_days
        [n_singles] days to the single flow; 365 or 366.
    """

    def __init__(self, columns: Columns, cycles: Cycles, settlement: date, frn_index: FrnIndex | None = None) -> None:
        self.settlement, self.day = settlement, settlement.toordinal() - EPOCH
        self.columns, self.cycles = columns, cycles
        self._require_alive()
        self.rows, self.singles = columns.level, np.flatnonzero(columns.single)
        self.floating = Floating(columns, self.day, frn_index) if frn_index and columns.floating.any() else None
        self.odd_last = OddLast(columns, self.day) if columns.odd_last.any() else None
        self.loose = Loose.of(self.floating, self.odd_last, self.day)
        self.days = columns.maturity[self.singles] - self.day
        self.year_days = days_in_year_from(settlement)
        self._place()

    def _require_alive(self) -> None:
        columns, day = self.columns, self.day
        if (early := np.flatnonzero(columns.issue > day)).size:
            first = date.fromordinal(int(columns.issue[early[0]]) + EPOCH)
            raise SettlementOutOfRange(
                f"settlement: {self.settlement} is before the issue on {first} of securities[{early[0]}] "
                f"{columns.cusips[early[0]]}"
            )
        if (late := np.flatnonzero(columns.maturity <= day)).size:
            end = date.fromordinal(int(columns.maturity[late[0]]) + EPOCH)
            raise SettlementOutOfRange(
                f"settlement: {self.settlement} is not before the maturity {end} of securities[{late[0]}] "
                f"{columns.cusips[late[0]]}"
            )

    def _place(self) -> None:
        columns, cycles, rows = self.columns, self.cycles, self.rows
        month, _ = months_of(np.array([self.day]))
        following = month[0] + (cycles.phase - month[0]) % np.maximum(cycles.months, 1)
        following = np.where(cycle_days(following, cycles.rule) <= self.day, following + cycles.months, following)
        right, left = cycle_days(following, cycles.rule), cycle_days(following - cycles.months, cycles.rule)
        self.following = following
        of, step = cycles.of, np.maximum(columns.months[rows], 1)
        self.last = (columns.maturity_month[rows] - following[of]) // step
        self.first = np.maximum((columns.first_month[rows] - following[of]) // step, 0)
        self.fraction = ((right - self.day) / (right - left))[of]
        self.coupon = columns.coupon[rows]
        pending = columns.first_month[rows] >= following[of]
        self.odd = np.where(pending, columns.first_coupon[rows] - self.coupon, 0.0)
        accrued = self.coupon * (((self.day - left) / (right - left))[of])
        unusual = np.flatnonzero(pending & ((self.odd != 0.0) | (columns.dated[rows] > left[of])))
        if unusual.size:
            places = rows[unusual]
            until = np.full(len(places), self.day)
            share = columns.periods_between(places, following[of[unusual]], until)
            accrued[unusual] = self.coupon[unusual] * share
        self.accrued = np.zeros(len(columns))
        self.accrued[rows] = accrued
        if columns.thirty.any():
            self._count_30_360(left[of], pending)
        for part in (self.floating, self.odd_last):
            if part is not None:
                self.accrued[part.rows] = part.accrued

    def _count_30_360(self, left: Ints, pending: Bools) -> None:
        """What is left of the period, and accrued interest, of the securities whose days count 30/360."""
        columns = self.columns
        at = np.flatnonzero(columns.thirty[self.rows])
        places, now = self.rows[at], np.full(len(at), self.day)
        self.fraction[at] = 1.0 - columns.periods_30_360(places, left[at], now)
        if (ended := (self.last[at] == 0) & (self.fraction[at] <= 0.0)).any():
            row = int(places[ended][0])
            raise SettlementOutOfRange(
                f"settlement: {self.settlement} has no day left to the maturity of securities[{row}] "
                f"{columns.cusips[row]} on 30/360; give an earlier date"
            )
        start = np.where(pending[at], columns.dated[places], left[at])
        self.accrued[places] = self.coupon[at] * columns.periods_30_360(places, start, now)

    @cached_property
    def dates(self) -> Ints:
        """[n_periods, n_cycles] day numbers of the dates after settlement."""
        cycles = self.cycles
        count = int(self.last.max(initial=-1)) + 1
        months = self.following + np.arange(count)[:, None] * cycles.months
        return cycle_days(months, np.broadcast_to(cycles.rule, months.shape))

    @cached_property
    def flows(self) -> Flows:
        """Every remaining flow by itself: for what is no geometric series."""
        counts = self.last - self.first + 1
        owner = np.repeat(np.arange(len(self.rows)), counts)
        starts = np.cumsum(counts) - counts
        period = np.arange(len(owner)) - np.repeat(starts - self.first, counts)
        amounts = self.coupon[owner]
        amounts[starts] += self.odd
        amounts[starts + counts - 1] += 100.0
        place = period * len(self.cycles.months) + self.cycles.of[owner]
        return Flows(owner, starts, period, place, self.dates.ravel()[place], amounts)

    @cached_property
    def grid(self) -> Grid:
        """The dates of the book's flows, and where each security's lie among them."""
        width, cut = len(self.cycles.months), self.dates.size
        singles = self.columns.maturity[self.singles]
        distinct, place = np.unique(np.concatenate([singles, self.loose.days]), return_inverse=True)
        place = cut + place.reshape(-1)
        last, coupon = np.zeros(len(self.columns), dtype=np.int64), np.zeros(len(self.columns))
        end = self.last * width + self.cycles.of
        last[self.rows], last[self.singles] = end, place[: len(singles)]
        coupon[self.rows] = self.coupon
        late, odd = np.flatnonzero(self.first > 0), np.flatnonzero(self.odd != 0.0)
        return Grid(
            days=np.concatenate([self.dates.ravel(), distinct, [self.day]]),
            width=width,
            cut=cut,
            last=last,
            coupon=coupon,
            late=self.rows[late],
            before=end[late] - (self.last[late] - self.first[late] + 1) * width,
            odd=self.rows[odd],
            first=end[odd] - (self.last[odd] - self.first[odd]) * width,
            extra=self.odd[odd],
            loose=place[len(singles) :],
        )


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows of coupon securities, flattened: owner, period after the next cycle date, day number, amount per 100.

    Attributes
    ----------
    starts
        [n_rows] place of each security's first flow.
    place
        [n_flows] of their dates in `Grid.days`.
    """

    owner: Ints
    starts: Ints
    period: Ints
    place: Ints
    days: Ints
    amounts: Floats


@dataclass(frozen=True, eq=False)
class Grid:
    """Where a book's flows lie among their distinct dates: all that a curve is asked for.

    Attributes
    ----------
    days
        [n_dates + 1] day numbers: the dates of the cycles, period by period, then those of single and of loose flows,
        then settlement.
    width, cut
        Cycles, and how many of the dates are theirs.
    last, coupon
        [n] place of each security's last date; regular interest per 100 face, 0 of a single flow.
    late, before
        [n_late] securities that pay no coupon at the next date of their cycle; place of the last date without one.
    odd, first, extra
        [n_odd] securities whose first flow is another than the regular; its place, and what it pays beyond.
    loose
        [n_loose_flows] places of the loose flows.
    """

    days: Ints
    width: int
    cut: int
    last: Ints
    coupon: Floats
    late: Ints
    before: Ints
    odd: Ints
    first: Ints
    extra: Floats
    loose: Ints
