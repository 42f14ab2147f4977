"""Many securities on many days in a few array operations: prices from curves, STREET yields, durations, carry.

A line is one security at one settlement date, on a curve of its own day: where a `Book` places all securities on one
date. Yields and risk are the book's own arithmetic: `Compound`, `Simple`, and `Sums` of what has an odd last period.
Everything agrees with the verbs on single securities (`measures_from_clean_price`, `Curve.dirty_price`,
`carried_back_price`) to the last digits; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.schedules import days_in_year_from
from tbill_defi.conventions.yields import Floats
from tbill_defi.instruments.flows import CashFlows, accrued_fraction, day_numbers
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.book.compound import Compound
from tbill_defi.pricing.book.groups import Coupons, Part
from tbill_defi.pricing.book.yields import Risk, Simple, Sums
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.pricing.history_bootstrap import Ints

Bools = NDArray[np.bool_]
EPOCH = date(1970, 1, 1)
BASE, SLOT = 20_000, 1 << 17
"""Days before 1970 are negative: the search key of all securities' dates adds BASE; SLOT is room for one security."""
REPO_YEAR = 360.0


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def _year_days(days: Ints) -> Ints:
    """[n] `days_in_year_from` each day."""
    each, place = np.unique(days, return_inverse=True)
    lengths = [days_in_year_from(date.fromordinal(EPOCH.toordinal() + int(day))) for day in each]
    return np.array(lengths, dtype=np.int64)[place]


@dataclass(frozen=True, eq=False)
class FlowTable:
    """Flows of many securities, flattened; dates are days since 1970-01-01.

    Attributes
    ----------
    securities
        [n_securities] terms.
    starts
        [n_securities + 1] int64: `dates[starts[i]:starts[i + 1]]` are the quasi-coupon dates of security i, from the
        cycle date at or before its dated date (a bill's issue date) to maturity; a long last period has its own.
    dates
        [n_dates] int64.
    lengths
        [n_dates] int64 days of the quasi-coupon period that a date is in or ends: of an odd last one past maturity.
    periods
        [n_dates] regular periods from a security's first date.
    left
        [n_dates] coupon periods that end on the date or later; with one left interest is simple.
    amounts, coupons
        [n_dates] float64 per 100 face, paid on the date: interest and principal, interest; 0 where nothing is paid.
    carried
        [n_dates] interest accrued at a date within a long first or last period, which pays nothing, else 0.
    first
        [n_securities] place in `dates` of the first payment.
    odd_last
        [n_securities] whether the last period is none of the cycle.
    half_rate
        [n_securities] interest of half a year, per 100 face.
    accrual_start, issue, maturity
        [n_securities] int64.
    kind
        [n_securities] text: the kind.
    """

    securities: tuple[AnySecurity, ...]
    starts: Ints
    dates: Ints
    lengths: Ints
    periods: Floats
    left: Ints
    amounts: Floats
    coupons: Floats
    carried: Floats
    first: Ints
    odd_last: Bools
    half_rate: Floats
    accrual_start: Ints
    issue: Ints
    maturity: Ints
    kind: NDArray[np.str_]

    @classmethod
    def of(cls, securities: Sequence[AnySecurity]) -> FlowTable:
        """The table of these securities, in their order."""
        flows = [security.resolve() for security in securities]
        rows = [_rows(one) for one in flows]
        starts = np.cumsum([0, *(len(row.dates) for row in rows)]).astype(np.int64)
        return cls(
            securities=tuple(securities),
            starts=starts,
            dates=np.concatenate([np.zeros(0, np.int64), *(row.dates for row in rows)]),
            lengths=np.concatenate([np.zeros(0, np.int64), *(row.lengths for row in rows)]),
            periods=_joined([row.periods for row in rows]),
            left=np.concatenate([np.zeros(0, np.int64), *(row.left for row in rows)]),
            amounts=_joined([row.amounts for row in rows]),
            coupons=_joined([row.coupons for row in rows]),
            carried=_joined([row.carried for row in rows]),
            first=starts[:-1] + np.array([f.first_flow for f in flows], dtype=np.int64),
            odd_last=np.array([f.last_part != 1.0 for f in flows], dtype=bool),
            half_rate=np.array([float(f.rate) / 2.0 for f in flows]),
            accrual_start=day_numbers([f.accrual_start for f in flows]),
            issue=day_numbers([f.first_settlement for f in flows]),
            maturity=day_numbers([f.maturity for f in flows]),
            kind=np.array([security.kind for security in securities], dtype="U5"),
        )

    @cached_property
    def _keys(self) -> Ints:
        owner = np.repeat(np.arange(len(self.securities)), np.diff(self.starts))
        keys: Ints = owner * SLOT + BASE + self.dates
        return keys

    def next_dates(self, index: Ints, days: Ints) -> Ints:
        """[n] place in `dates` of the first date after each day, for days in [issue, maturity)."""
        places: Ints = np.searchsorted(self._keys, index * SLOT + BASE + days, side="right")
        return places

    def accrued(self, index: Ints, days: Ints, after: Ints | None = None) -> Floats:
        """[n] accrued interest per 100 face at days in [issue, maturity); 0 on a coupon date and for bills.

        Parameters
        ----------
        after
            `next_dates` of these, where it is known.
        """
        after = self.next_dates(index, days) if after is None else after
        start = np.maximum(self.dates[after - 1], self.accrual_start[index])
        interest: Floats = self.carried[after - 1] + self.half_rate[index] * ((days - start) / self.lengths[after])
        return interest


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


class _Rows(NamedTuple):
    """The dates of one security; columns as of `FlowTable`."""

    dates: Ints
    lengths: Ints
    periods: Floats
    left: Ints
    amounts: Floats
    coupons: Floats
    carried: Floats


def _rows(flows: CashFlows) -> _Rows:
    ends = flows.accrual_dates
    dates = day_numbers([*ends[:-1], flows.maturity])
    lengths = np.diff(day_numbers(ends), prepend=0)
    periods = np.cumsum([0.0, *(np.diff(dates) / lengths[1:])])
    within = len(ends) - len(flows.quasi_dates)  # quasi-coupon dates of a long last period
    whole = len(flows.quasi_dates)
    left = np.concatenate([np.arange(whole, 1, -1), np.ones(within + 1, dtype=np.int64)])
    amounts, coupons = np.zeros(len(ends)), np.zeros(len(ends))
    paid = [*range(flows.first_flow, whole - 1), len(ends) - 1]
    amounts[paid], coupons[paid] = flows.amounts, flows.coupons
    carried = np.zeros(len(ends))
    for place in (*range(1, flows.first_flow), *range(whole - 1, len(ends) - 1)):
        start = flows.accrual_start if place < flows.first_flow else flows.quasi_dates[-2]
        carried[place] = float(flows.rate * accrued_fraction(ends[: place + 1], start, ends[place]))
    return _Rows(dates, lengths, periods, left, amounts, coupons, carried)


class Lines:
    """Securities of a table, each at a settlement date in [issue, maturity).

    Parameters
    ----------
    index
        [n] int64, places in the table.
    settlement
        [n] int64, days since 1970-01-01.
    """

    def __init__(self, table: FlowTable, index: Ints, settlement: Ints) -> None:
        self.table, self.index, self.settlement = table, index, settlement
        self._after = after = table.next_dates(index, settlement)
        counts = table.starts[index + 1] - after
        self._line = np.repeat(np.arange(len(index)), counts)
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        flow = np.arange(len(self._line)) - np.repeat(self._first - after, counts)
        self._dates, self._amounts = table.dates[flow], table.amounts[flow]
        self._fraction = (table.dates[after] - settlement) / table.lengths[after]
        self._flow = flow
        self.accrued = table.accrued(index, settlement, after)

    @cached_property
    def _parts(self) -> list[tuple[Ints, Part]]:
        """Places of the lines of one arithmetic, and it."""
        table, after = self.table, self._after
        bill = table.kind[self.index] == "bill"
        simple, odd = bill | (table.left[after] == 1), table.odd_last[self.index]
        level, loose = np.flatnonzero(~simple & ~odd), np.flatnonzero(~simple & odd)
        parts: list[tuple[Ints, Part]] = [(np.flatnonzero(simple), self._single(np.flatnonzero(simple), bill))]
        if level.size:
            first = np.maximum(after, table.first[self.index])
            extra = table.coupons[first] - table.half_rate[self.index]
            level = level[np.argsort(extra[level] == 0.0, kind="stable")]
            parts.append((level, Coupons(self._level(level, first[level], extra[level]))))
        if loose.size:
            half_yearly = np.full(len(self.index), 2.0)
            times = (table.periods[self._flow] - table.periods[after][self._line]) + self._fraction[self._line]
            every = Sums(self._amounts, times, self._line, self._first, half_yearly)
            parts.append((loose, Coupons(every.subset(loose))))
        return parts

    def _single(self, rows: Ints, bill: Bools) -> Simple:
        """Lines of one payment: simple interest, a bill's of more than half a year compounded once."""
        table, index, settlement = self.table, self.index[rows], self.settlement[rows]
        ends = table.starts[index + 1] - 1
        periods = (table.periods[ends] - table.periods[self._after[rows]]) + self._fraction[rows]
        year_days = _year_days(settlement) if bill.any() else 365
        years = np.where(bill[rows], (table.maturity[index] - settlement) / year_days, periods / 2.0)
        return Simple(table.amounts[ends], years, bill[rows])

    def _level(self, rows: Ints, first: Ints, extra: Floats) -> Compound:
        """Lines of level coupons, from the places of their next payments and what these pay beyond a coupon."""
        return Compound(
            frequency=np.full(len(rows), 2.0),
            coupon=self.table.half_rate[self.index[rows]],
            odd=extra,
            counts=(self.table.starts[self.index[rows] + 1] - first).astype(np.float64),
            times=(first - self._after[rows]) + self._fraction[rows],
            simple=None,
        )

    def dirty_on(self, grid: CurveHistory, rows: Ints, origin: Ints | None = None) -> Floats:
        """[n] dirty prices per 100 face by the curves of `rows`: sum of flows x D(date) / D(settlement).

        Parameters
        ----------
        rows
            [n] which day's curve.
        origin
            [n] day from which the curve's time is counted; None: its own. A later day gives the price on a curve that
            stood still: yields by time to maturity are unchanged.
        """
        start = grid.days[rows] if origin is None else origin
        at = grid.logarithms(rows, self.settlement - start)
        logs = grid.logarithms(rows[self._line], self._dates - start[self._line])
        values = self._amounts * np.exp(at[self._line] - logs)
        prices: Floats = np.add.reduceat(values, self._first) if len(self.index) else values
        return prices

    def solved(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n] STREET yields, decimal, of positive dirty prices per 100 face, and the risk at them."""
        table = np.empty((3, len(dirty)))
        for rows, part in self._parts:
            yields, risk = part.yields(dirty[rows])
            table[:, rows] = yields, risk.duration, risk.convexity
        return table[0], Risk(dirty, table[1], table[2])

    def at(self, yields: Floats) -> Risk:
        """Dirty prices per 100 face and risk at [n] STREET yields."""
        table = np.empty((3, len(yields)))
        for rows, part in self._parts:
            table[:, rows] = part.in_yield(yields[rows])
        return Risk(*table)

    def coupon_after(self, day: Ints) -> tuple[Floats, Ints]:
        """[n] coupon per 100 face with day < date <= settlement, and its date (the settlement where there is none)."""
        place = self._after - 1
        dates = self.table.dates[place]
        paid = dates > day
        return np.where(paid, self.table.coupons[place], 0.0), np.where(paid, dates, self.settlement)

    def carried_back(self, dirty: Floats, day: Ints, repo_rate: Floats) -> Floats:
        """[n] dirty prices carried back from settlement to `day` at repo rates (decimal, simple, Act/360)."""
        coupon, paid = self.coupon_after(day)
        price: Floats = dirty / (1.0 + repo_rate * (self.settlement - day) / REPO_YEAR)
        price += coupon / (1.0 + repo_rate * (paid - day) / REPO_YEAR)
        return price
