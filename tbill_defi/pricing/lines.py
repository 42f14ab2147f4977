"""Many securities on many days in a few array operations: prices from curves, STREET yields, durations, carry.

A line is one security at one settlement date. Everything agrees with the verbs on single securities
(`measures_from_clean_price`, `Curve.dirty_price`, `carried_back_price`) to the last digits; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.schedules import days_in_year_from
from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.flows import CashFlows, accrued_fraction, day_numbers
from tbill_defi.instruments.flows_odd_last import OddLastFlows
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.pricing.history_bootstrap import Ints

Bools = NDArray[np.bool_]
EPOCH = date(1970, 1, 1)
BASE, SLOT = 20_000, 1 << 17
"""Days before 1970 are negative: the search key of all securities' dates adds BASE; SLOT is room for one security."""
STEPS = 60
LAST_STEP = 1e-9
"""Newton's method squares the error: after a step below this it is beyond the digits of a double."""
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
        cycle date at or before its dated date (a bill's issue date) to maturity.
    dates
        [n_dates] int64.
    amounts, coupons
        [n_dates] float64 per 100 face, paid on the date: interest and principal, interest; 0 where nothing is paid.
    carried
        [n_dates] interest accrued at a date on which a long first period pays nothing, else 0.
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
    amounts: Floats
    coupons: Floats
    carried: Floats
    half_rate: Floats
    accrual_start: Ints
    issue: Ints
    maturity: Ints
    kind: NDArray[np.str_]

    @classmethod
    def of(cls, securities: Sequence[AnySecurity]) -> FlowTable:
        """The table of these securities, in their order.

        Raises
        ------
        ConventionError
            If the last period of one is odd: its dates bound no quasi-coupon period.
        """
        flows = [security.resolve() for security in securities]
        for security, one in zip(securities, flows, strict=True):
            if isinstance(one, OddLastFlows):
                raise ConventionError(f"{security.cusip}: an odd last period is not priced over many days; use a Book")
        lengths = [len(f.quasi_dates) for f in flows]
        unpaid = [np.zeros(f.first_flow) for f in flows]
        return cls(
            securities=tuple(securities),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            dates=day_numbers([day for f in flows for day in f.quasi_dates]),
            amounts=_joined([part for u, f in zip(unpaid, flows, strict=True) for part in (u, f.amounts)]),
            coupons=_joined([part for u, f in zip(unpaid, flows, strict=True) for part in (u, f.coupons)]),
            carried=_joined([_carried(f) for f in flows]),
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
        left, right = self.dates[after - 1], self.dates[after]
        start = np.maximum(left, self.accrual_start[index])
        interest: Floats = self.carried[after - 1] + self.half_rate[index] * ((days - start) / (right - left))
        return interest


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _carried(flows: CashFlows) -> Floats:
    """Interest accrued at cycle dates before the first coupon of a long first period."""
    found = np.zeros(len(flows.quasi_dates))
    for place in range(1, flows.first_flow):
        part = accrued_fraction(flows.quasi_dates[: place + 1], flows.accrual_start, flows.quasi_dates[place])
        found[place] = float(flows.rate * part)
    return found


@dataclass(frozen=True)
class LineRisk:
    """Risk of lines at their yields: [n] modified duration in years, convexity in years squared."""

    modified_duration: Floats
    convexity: Floats


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
        after = table.next_dates(index, settlement)
        self._after = after
        counts = table.starts[index + 1] - after
        self._line = np.repeat(np.arange(len(index)), counts)
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        flow = np.arange(len(self._line)) - np.repeat(self._first - after, counts)
        self._dates, self._amounts = table.dates[flow], table.amounts[flow]
        fraction = (table.dates[after] - settlement) / (table.dates[after] - table.dates[after - 1])
        self._periods = (flow - after[self._line]) + fraction[self._line]
        self.accrued = table.accrued(index, settlement, after)
        bill: Bools = table.kind[index] == "bill"
        year_days = _year_days(settlement) if bill.any() else 365
        self._simple: Bools = bill | (counts == 1)
        self._years = np.where(bill, (table.maturity[index] - settlement) / year_days, fraction / 2.0)
        self._split: Bools = bill & (self._years > 0.5)
        self._final = np.add.reduceat(self._amounts, self._first) if len(index) else np.zeros(0)

    def _sums(self, values: Floats) -> Floats:
        sums: Floats = np.add.reduceat(values, self._first) if len(self.index) else np.zeros(0)
        return sums

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
        return self._sums(self._amounts * np.exp(at[self._line] - logs))

    def yields(self, dirty: Floats) -> Floats:
        """[n] STREET yields, decimal, of dirty prices per 100 face.

        Newton's method on the logarithm of the price, which is convex in log(1 + y/2): it converges from any start.
        The start meets mean and variance of the flows' times; once a step is below `LAST_STEP` the next is nothing.
        """
        ratio = self._final / dirty
        years, tail = self._years, np.where(self._split, self._years - 0.5, 0.0)
        simple = np.where(
            self._split,
            2.0 * (ratio - 1.0) / (tail + 0.5 + np.sqrt((tail + 0.5) ** 2 + 2.0 * tail * (ratio - 1.0))),
            (ratio - 1.0) / years,
        )
        rate = self._near(np.log(ratio))
        for _ in range(STEPS):
            values = self._amounts * np.exp(-self._periods * rate[self._line])
            price = self._sums(values)
            step = np.where(self._simple, 0.0, np.log(price / dirty) * price / self._sums(values * self._periods))
            rate = rate + step
            if not np.abs(step).max(initial=0.0) > LAST_STEP:
                break
        return np.where(self._simple, simple, 2.0 * np.expm1(rate))

    def _near(self, logs: Floats) -> Floats:
        """[n] log(1 + y/2) to second order, from log(sum of flows / price)."""
        moments = self._amounts * self._periods
        mean = self._sums(moments) / self._final
        variance = self._sums(moments * self._periods) / self._final - mean**2
        return 2.0 * logs / (mean + np.sqrt(np.maximum(mean**2 - 2.0 * variance * logs, 0.0)))

    def dirty_at(self, yields: Floats) -> Floats:
        """[n] dirty prices per 100 face at STREET yields."""
        compound = self._sums(self._amounts * np.exp(-self._periods * np.log1p(yields / 2.0)[self._line]))
        return np.where(self._simple, self._final * self._simple_factors(yields)[0], compound)

    def _simple_factors(self, yields: Floats) -> tuple[Floats, Floats, Floats]:
        """Factor and derivatives of simple interest; a bill of more than half a year compounds once."""
        parts = []
        for years in (np.where(self._split, self._years - 0.5, self._years), np.where(self._split, 0.5, 0.0)):
            value = 1.0 / (1.0 + years * yields)
            parts.append((value, -years * value**2, 2.0 * years**2 * value**3))
        (a, a1, a2), (b, b1, b2) = parts
        return a * b, a1 * b + a * b1, a2 * b + 2.0 * a1 * b1 + a * b2

    def risk(self, yields: Floats) -> LineRisk:
        """Modified duration and convexity at STREET yields."""
        base = 1.0 + yields / 2.0
        values = self._amounts * np.exp(-self._periods * np.log(base)[self._line])
        price = self._sums(values)
        slope = self._sums(values * self._periods) / price / 2.0 / base
        curvature = self._sums(values * self._periods * (self._periods + 1.0)) / price / 4.0 / base**2
        factor, first, second = self._simple_factors(yields)
        return LineRisk(
            np.where(self._simple, -first / factor, slope), np.where(self._simple, second / factor, curvature)
        )

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
