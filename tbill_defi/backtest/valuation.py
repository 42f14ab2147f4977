"""What the book was worth each day, and where the change came from.

From one day T0 to the next T1, with the positions held between, per 100 face and carried to the day like any price::

    A  price on T0                                   yield y0 on the curve of T0
    B  price on T1 at yield y0                       carry      = B + coupon - A
    C  price on T1 on T0's curve, standing still     roll-down  = C - B
    D  price on T1 on T1's curve                     curve      = D - C

A curve stands still when its yields by time to maturity do. B and C are carried at T0's repo rate, so what a change of
the repo rate does to the price is in `curve`. `cost` is what the day's trades gave up against mid. `options` is what
calls brought in, premiums and what an exercise pays above the mid of what it takes, less the change of what the open
ones are worth. The residual is the change of NAV less these five: rounding of prices to 10^-6 and of values to base
units, and nothing else.

NAV is net of the open calls; duration and DV01 are less by their delta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl

from tbill_defi.backtest.calls import OpenCall
from tbill_defi.core.money import cash_from_price, decimal_price
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
    "options_units": pl.Int64(),
    "securities": pl.Int64(),
    "yield": pl.Float64(),
    "duration": pl.Float64(),
    "wam_years": pl.Float64(),
    "dv01": pl.Float64(),
    "carry": pl.Float64(),
    "roll_down": pl.Float64(),
    "curve": pl.Float64(),
    "cost": pl.Float64(),
    "options": pl.Float64(),
    "residual": pl.Float64(),
    "traded_face_units": pl.Int64(),
}
"""Of the daily table: units are 10^-6 dollar, yields decimal, years, P&L in dollars. `options_units` are owed."""


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
    calls
        Those that are open at the end of the day.
    options
        Base units that calls brought in on the day: premiums, and what exercises paid less what they took, at mid.
    """

    row: int
    positions: Mapping[str, int]
    cash: int
    receivable: int = 0
    matured: int = 0
    coupons: Mapping[str, int] = field(default_factory=dict)
    cost: int = 0
    traded: int = 0
    calls: tuple[OpenCall, ...] = ()
    options: int = 0


def value_units(face: int, bid_micro: int, offer_micro: int) -> int:
    """Value at mid, base units, half up."""
    return (2 * face * (bid_micro + offer_micro) + VALUE_DIVISOR) // (2 * VALUE_DIVISOR)


def mid_values(
    market: HistoricalMarket, day: date, securities: Mapping[str, Security], calls: Sequence[OpenCall]
) -> list[int]:
    """What the face of each call is worth at mid on a day, base units."""
    if not calls:
        return []
    table, number = market.table_of(securities)
    index = np.array([number[call.cusip] for call in calls], dtype=np.int64)
    marks = market.marks(table, index, np.full(len(calls), market.row(day), np.int64))
    faces = [call.face_units for call in calls]
    return list(map(value_units, faces, marks.bid_micro.tolist(), marks.offer_micro.tolist()))


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
    owed = _owed(market, table, number, records, priced)
    nav = np.array(_navs(records, held, priced.marks, places, owed.units, start_units), dtype=np.int64)
    carry, roll, curve = _attribute(market, table, records, held, priced, places, live)
    cost = np.array([-record.cost for record in records[1:]], dtype=np.float64) / UNITS
    options = (np.array([record.options for record in records[1:]]) - np.diff(owed.units)) / UNITS
    found = {
        "date": [market.days[record.row] for record in records[1:]],
        "nav_units": nav[1:],
        "cash_units": [record.cash for record in records[1:]],
        "receivable_units": [record.receivable + record.matured for record in records[1:]],
        "options_units": owed.units[1:],
        "securities": np.diff(held.starts)[1:],
        **{name: values[1:] for name, values in _figures(market, table, held, priced.marks, places, nav, owed).items()},
        "carry": carry,
        "roll_down": roll,
        "curve": curve,
        "cost": cost,
        "options": options,
        "residual": np.diff(nav) / UNITS - carry - roll - curve - cost - options,
        "traded_face_units": [record.traded for record in records[1:]],
    }
    return pl.DataFrame(found, schema=SCHEMA)


@dataclass(frozen=True)
class _Owed:
    """Open calls of each record: what they are worth, [n_records] base units, and the value x duration they take away.

    `duration` is in dollars x years: delta x face at mid x modified duration of the security.
    """

    units: list[int]
    duration: Floats


def _owed(
    market: HistoricalMarket, table: FlowTable, number: Mapping[str, int], records: Sequence[DayRecord], priced: _Priced
) -> _Owed:
    marks = priced.marks
    found, duration = [0] * len(records), np.zeros(len(records))
    for i, record in enumerate(records):
        day = market.days[record.row]
        for call in record.calls:
            if call.expiry <= day:  # it has lapsed
                continue
            (place,) = priced.places(np.array([number[call.cusip]]), np.array([record.row])).tolist()
            bid, offer = int(marks.bid_micro[place]), int(marks.offer_micro[place])
            security, rate = table.securities[number[call.cusip]], float(market.repo_rates[record.row])
            value = call.value(security, day, bid, offer, float(marks.accrued[place]), rate)
            found[i] += cash_from_price(call.face_units, decimal_price(value.price))
            worth = value_units(call.face_units, bid, offer) / UNITS
            duration[i] += value.delta * worth * float(marks.risk.duration[place])
    return _Owed(found, duration)


def _navs(
    records: Sequence[DayRecord],
    held: _Held,
    marks: Marks,
    places: Ints,
    owed: Sequence[int],
    start_units: int | None,
) -> list[int]:
    """NAV of each record, base units, exact."""
    bid, offer = marks.bid_micro[places].tolist(), marks.offer_micro[places].tolist()
    values = list(map(value_units, held.faces, bid, offer))
    bounds = pairwise(held.starts.tolist())
    navs = [
        record.cash + record.receivable + record.matured + sum(values[start:end]) - calls
        for record, (start, end), calls in zip(records, bounds, owed, strict=True)
    ]
    return navs if start_units is None else [start_units, *navs[1:]]


def _figures(
    market: HistoricalMarket, table: FlowTable, held: _Held, marks: Marks, places: Ints, nav: Ints, owed: _Owed
) -> dict[str, Floats]:
    """Market-value weighted yield, duration and maturity, [n_records] each; cash counts with 0."""
    values = np.array(held.faces, dtype=np.float64) * (marks.bid_micro + marks.offer_micro)[places] / VALUE_DIVISOR
    weights = values / np.where(nav == 0, 1, nav)[held.record]
    years = (table.maturity[held.security] - market.grid.days[held.row]) / DAYS_PER_YEAR
    durations = marks.risk.duration[places]

    def total(amounts: Floats) -> Floats:
        return np.bincount(held.record, weights=amounts, minlength=len(nav)).astype(np.float64)

    return {
        "yield": total(weights * marks.yields[places]),
        "duration": total(weights * durations) - owed.duration * UNITS / np.where(nav == 0, 1, nav),
        "wam_years": total(weights * years),
        "dv01": (total(values * durations) / UNITS - owed.duration) / 1e4,
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
    same_yield[live] = lines.carried_back(lines.at(marks.yields[old[live]]).price, day, rates)
    still[live] = lines.carried_back(lines.dirty_on(market.grid, first_row[live], origin=day), day, rates)
    actual[live] = marks.mid[new]

    def total(amounts: Floats) -> Floats:
        return np.bincount(step, weights=amounts, minlength=len(records) - 1).astype(np.float64)

    return (
        total(scale * (same_yield - start) + coupon),
        total(scale * (still - same_yield)),
        total(scale * (actual - still)),
    )
