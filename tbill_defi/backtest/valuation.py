"""What the book was worth each day, and where the change came from.

From one day T0 to the next T1, with the positions held between, per 100 face and carried to the day like any price::

    A  price on T0                                   yield y0 on the curve of T0
    B  price on T1 at yield y0                       carry      = B + coupon - A
    C  price on T1 on T0's curve, standing still     roll-down  = C - B
    D  price on T1 on T1's curve                     curve      = D - C

A curve stands still when its yields by time to maturity do. B and C are carried at T0's repo rate, so what a change of
the repo rate does to the price is in `curve`. `cost` is what the day's trades gave up against mid. The residual is
the change of NAV less these four: rounding of prices to 10^-6 and of values to base units, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl

from tbill_defi.instruments import Security
from tbill_defi.portfolio.history import HistoricalMarket, Marks
from tbill_defi.portfolio.market_view import DAYS_PER_YEAR
from tbill_defi.portfolio.view import Floats
from tbill_defi.pricing.history_bootstrap import Ints
from tbill_defi.pricing.lines import Bools, FlowTable, Lines

VALUE_DIVISOR = 2 * 100 * 1_000_000
"""Face units x (bid + offer in 10^-6 per 100) over this is value in base units at mid."""
UNITS = 1e6
SCHEMA: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "nav_units": pl.Int64(),
    "cash_units": pl.Int64(),
    "receivable_units": pl.Int64(),
    "securities": pl.Int64(),
    "yield": pl.Float64(),
    "duration": pl.Float64(),
    "wam_years": pl.Float64(),
    "dv01": pl.Float64(),
    "carry": pl.Float64(),
    "roll_down": pl.Float64(),
    "curve": pl.Float64(),
    "cost": pl.Float64(),
    "residual": pl.Float64(),
    "traded_face_units": pl.Int64(),
}
"""Of the daily table: units are 10^-6 dollar, yields decimal, years, P&L in dollars."""


@dataclass(frozen=True, slots=True)
class DayRecord:
    """The state at the end of a day, and what happened on it.

    Attributes
    ----------
    row
        Place of the day among the curves.
    positions
        CUSIP -> face units, not matured.
    cash, receivable, matured
        Base units; matured is principal due and unpaid.
    coupons
        CUSIP -> base units the desk became entitled to on the day.
    cost
        Base units given up against mid by the day's trades.
    traded
        Face units bought and sold.
    """

    row: int
    positions: Mapping[str, int]
    cash: int
    receivable: int = 0
    matured: int = 0
    coupons: Mapping[str, int] = field(default_factory=dict)
    cost: int = 0
    traded: int = 0


def value_units(face: int, bid_micro: int, offer_micro: int) -> int:
    """Value at mid, base units, half up."""
    return (2 * face * (bid_micro + offer_micro) + VALUE_DIVISOR) // (2 * VALUE_DIVISOR)


@dataclass(frozen=True)
class _Held:
    """What each record holds, flattened: entries `starts[i]:starts[i + 1]` are of record i.

    Attributes
    ----------
    record, security
        [n] place of the record, and of the security in the table.
    row
        [n] place of the record's day among the curves.
    faces
        n face units, exact.
    """

    starts: Ints
    record: Ints
    security: Ints
    row: Ints
    faces: list[int]

    @classmethod
    def of(cls, records: Sequence[DayRecord], number: Mapping[str, int]) -> _Held:
        """The entries of the records, in the order of their positions."""
        counts = [len(record.positions) for record in records]
        each = np.repeat(np.arange(len(records)), counts)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            each,
            np.array([number[cusip] for record in records for cusip in record.positions], dtype=np.int64),
            np.array([record.row for record in records], dtype=np.int64)[each],
            [face for record in records for face in record.positions.values()],
        )


class _Priced:
    """Marks of (security, row) pairs, found by pair."""

    def __init__(self, market: HistoricalMarket, table: FlowTable, security: Ints, row: Ints) -> None:
        self._keys = np.unique(security * len(market.days) + row)
        self._days = len(market.days)
        self.marks: Marks = market.marks(table, self._keys // self._days, self._keys % self._days)

    def places(self, security: Ints, row: Ints) -> Ints:
        """[n] place in the marks."""
        found: Ints = np.searchsorted(self._keys, security * self._days + row)
        return found


def daily_rows(
    market: HistoricalMarket, securities: Mapping[str, Security], records: Sequence[DayRecord], start_units: int | None
) -> pl.DataFrame:
    """The daily table of the records but the first, which is the day before.

    Parameters
    ----------
    securities
        Terms of everything in the records.
    start_units
        Not None: the first record is no day of the table but the capital before the first day, with this NAV.
    """
    table, number = market.table_of(securities)
    held = _Held.of(records, number)
    rows = np.array([record.row for record in records], dtype=np.int64)
    last = held.starts[-2]
    later = rows[held.record[:last] + 1]
    live: Bools = table.maturity[held.security[:last]] > market.grid.days[later]
    priced = _Priced(
        market,
        table,
        np.concatenate([held.security, held.security[:last][live]]),
        np.concatenate([held.row, later[live]]),
    )
    places = priced.places(held.security, held.row)
    nav = np.array(_navs(records, held, priced.marks, places, start_units), dtype=np.int64)
    carry, roll, curve = _attribute(market, table, records, held, priced, places, live)
    cost = np.array([-record.cost for record in records[1:]], dtype=np.float64) / UNITS
    found = {
        "date": [market.days[record.row] for record in records[1:]],
        "nav_units": nav[1:],
        "cash_units": [record.cash for record in records[1:]],
        "receivable_units": [record.receivable + record.matured for record in records[1:]],
        "securities": np.diff(held.starts)[1:],
        **{name: values[1:] for name, values in _figures(market, table, held, priced.marks, places, nav).items()},
        "carry": carry,
        "roll_down": roll,
        "curve": curve,
        "cost": cost,
        "residual": np.diff(nav) / UNITS - carry - roll - curve - cost,
        "traded_face_units": [record.traded for record in records[1:]],
    }
    return pl.DataFrame(found, schema=SCHEMA)


def _navs(records: Sequence[DayRecord], held: _Held, marks: Marks, places: Ints, start_units: int | None) -> list[int]:
    """NAV of each record, base units, exact."""
    bid, offer = marks.bid_micro[places].tolist(), marks.offer_micro[places].tolist()
    values = list(map(value_units, held.faces, bid, offer))
    bounds = pairwise(held.starts.tolist())
    navs = [
        record.cash + record.receivable + record.matured + sum(values[start:end])
        for record, (start, end) in zip(records, bounds, strict=True)
    ]
    return navs if start_units is None else [start_units, *navs[1:]]


def _figures(
    market: HistoricalMarket, table: FlowTable, held: _Held, marks: Marks, places: Ints, nav: Ints
) -> dict[str, Floats]:
    """Market-value weighted yield, duration and maturity, [n_records] each; cash counts with 0."""
    values = np.array(held.faces, dtype=np.float64) * (marks.bid_micro + marks.offer_micro)[places] / VALUE_DIVISOR
    weights = values / np.where(nav == 0, 1, nav)[held.record]
    years = (table.maturity[held.security] - market.grid.days[held.row]) / DAYS_PER_YEAR
    durations = marks.risk.modified_duration[places]

    def total(amounts: Floats) -> Floats:
        return np.bincount(held.record, weights=amounts, minlength=len(nav)).astype(np.float64)

    return {
        "yield": total(weights * marks.yields[places]),
        "duration": total(weights * durations),
        "wam_years": total(weights * years),
        "dv01": total(values * durations) / UNITS / 1e4,
    }


def _attribute(
    market: HistoricalMarket,
    table: FlowTable,
    records: Sequence[DayRecord],
    held: _Held,
    priced: _Priced,
    places: Ints,
    live: Bools,
) -> tuple[Floats, Floats, Floats]:
    """Carry, roll-down and curve of each step from one record to the next, dollars, [n_records - 1].

    Parameters
    ----------
    places
        [n] marks of what is held.
    live
        Whether an entry that is held before a step has not matured after it.
    """
    count, marks = len(live), priced.marks
    step, security, first_row = held.record[:count], held.security[:count], held.row[:count]
    second_row = np.array([record.row for record in records], dtype=np.int64)[step + 1]
    old, new = places[:count], priced.places(security[live], second_row[live])
    scale, coupon = np.array(held.faces[:count], dtype=np.float64) / UNITS / 100.0, np.zeros(count)
    for place, (first, second) in enumerate(pairwise(records)):
        for cusip, cash in second.coupons.items():
            coupon[held.starts[place] + list(first.positions).index(cusip)] = cash / UNITS
    start = marks.mid[old]
    same_yield: Floats = np.full(count, 100.0)
    still, actual = same_yield.copy(), same_yield.copy()
    lines = Lines(table, marks.lines.index[new], marks.lines.settlement[new])
    day = market.grid.days[second_row[live]]
    rates = market.repo_rates[first_row[live]]
    same_yield[live] = lines.carried_back(lines.dirty_at(marks.yields[old[live]]), day, rates)
    still[live] = lines.carried_back(lines.dirty_on(market.grid, first_row[live], origin=day), day, rates)
    actual[live] = marks.mid[new]

    def total(amounts: Floats) -> Floats:
        return np.bincount(step, weights=amounts, minlength=len(records) - 1).astype(np.float64)

    return (
        total(scale * (same_yield - start) + coupon),
        total(scale * (still - same_yield)),
        total(scale * (actual - still)),
    )
