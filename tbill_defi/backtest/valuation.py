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
from typing import Any

import numpy as np
import polars as pl

from tbill_defi.instruments import Security
from tbill_defi.portfolio.history import HistoricalMarket, Marks
from tbill_defi.portfolio.market_view import DAYS_PER_YEAR
from tbill_defi.portfolio.view import Floats
from tbill_defi.pricing.curve_grid import Ints
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
class _Priced:
    """Marks of (security, row) pairs by pair."""

    marks: Marks
    place: Mapping[tuple[int, int], int]


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
    names = sorted({cusip for record in records for cusip in record.positions})
    table = FlowTable.of([securities[name] for name in names])
    number = {name: place for place, name in enumerate(names)}
    pairs = sorted(
        {
            (number[cusip], row)
            for earlier, record in zip([records[0], *records], records, strict=False)
            for row in (record.row,)
            for cusip in {*earlier.positions, *record.positions}
            if securities[cusip].maturity_date > market.days[row]
        }
    )
    index, rows = _columns(pairs)
    priced = _Priced(market.marks(table, index, rows), {pair: place for place, pair in enumerate(pairs)})
    nav = [_nav(record, priced, number) for record in records]
    if start_units is not None:
        nav[0] = start_units
    parts = _attribute(market, table, number, records, priced)
    out = []
    for place in range(1, len(records)):
        record = records[place]
        carry, roll, curve = (float(part[place - 1]) for part in parts)
        cost = -record.cost / UNITS
        change = (nav[place] - nav[place - 1]) / UNITS
        out.append(
            {
                "date": market.days[record.row],
                "nav_units": nav[place],
                "cash_units": record.cash,
                "receivable_units": record.receivable + record.matured,
                "securities": len(record.positions),
                **_figures(market, record, nav[place], priced, number, table),
                "carry": carry,
                "roll_down": roll,
                "curve": curve,
                "cost": cost,
                "residual": change - carry - roll - curve - cost,
                "traded_face_units": record.traded,
            }
        )
    return pl.DataFrame(out, schema=SCHEMA)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0].copy(), columns[:, 1].copy()


def _nav(record: DayRecord, priced: _Priced, number: Mapping[str, int]) -> int:
    total = record.cash + record.receivable + record.matured
    bid, offer = priced.marks.bid_micro, priced.marks.offer_micro
    for cusip, face in record.positions.items():
        place = priced.place[number[cusip], record.row]
        total += value_units(face, int(bid[place]), int(offer[place]))
    return total


def _figures(
    market: HistoricalMarket,
    record: DayRecord,
    nav: int,
    priced: _Priced,
    number: Mapping[str, int],
    table: FlowTable,
) -> dict[str, Any]:
    """Market-value weighted yield, duration and maturity; cash counts with 0."""
    places = np.array([priced.place[number[cusip], record.row] for cusip in record.positions], dtype=np.int64)
    marks = priced.marks
    face = np.array(list(record.positions.values()), dtype=np.float64)
    values = face * (marks.bid_micro[places] + marks.offer_micro[places]) / VALUE_DIVISOR
    weights = values / nav if nav else values
    years = (table.maturity[marks.lines.index[places]] - market.grid.days[record.row]) / DAYS_PER_YEAR
    durations = marks.risk.modified_duration[places]
    return {
        "yield": float(weights @ marks.yields[places]),
        "duration": float(weights @ durations),
        "wam_years": float(weights @ years),
        "dv01": float(values @ durations) / UNITS / 1e4,
    }


def _attribute(
    market: HistoricalMarket,
    table: FlowTable,
    number: Mapping[str, int],
    records: Sequence[DayRecord],
    priced: _Priced,
) -> tuple[Floats, Floats, Floats]:
    """Carry, roll-down and curve of each step from one record to the next, dollars, [n_records - 1]."""
    steps, before, after, faces, coupons, alive = [], [], [], [], [], []
    for number_of, (first, second) in enumerate(pairwise(records)):
        for cusip, face in first.positions.items():
            place = number[cusip]
            steps.append(number_of)
            before.append(priced.place[place, first.row])
            after.append(priced.place.get((place, second.row), -1))
            alive.append(after[-1] >= 0)
            faces.append(face / UNITS)
            coupons.append(second.coupons.get(cusip, 0) / UNITS)
    count = len(records) - 1
    if not steps:
        return np.zeros(count), np.zeros(count), np.zeros(count)
    marks = priced.marks
    live: Bools = np.array(alive, dtype=np.bool_)
    old: Ints = np.array(before, dtype=np.int64)
    new: Ints = np.array(after, dtype=np.int64)[live]
    scale, coupon = np.array(faces) / 100.0, np.array(coupons)
    step: Ints = np.array(steps, dtype=np.int64)
    start = marks.mid[old]
    same_yield: Floats = np.full(len(old), 100.0)
    still, actual = same_yield.copy(), same_yield.copy()
    first_row, second_row = _rows_of(records, step)
    lines = Lines(table, marks.lines.index[new], marks.lines.settlement[new])
    day = market.grid.days[second_row[live]]
    rates = market.repo_rates[first_row[live]]
    same_yield[live] = lines.carried_back(lines.dirty_at(marks.yields[old[live]]), day, rates)
    still[live] = lines.carried_back(lines.dirty_on(market.grid, first_row[live], origin=day), day, rates)
    actual[live] = marks.mid[new]

    def total(amounts: Floats) -> Floats:
        return np.bincount(step, weights=amounts, minlength=count).astype(np.float64)

    return (
        total(scale * (same_yield - start) + coupon),
        total(scale * (still - same_yield)),
        total(scale * (actual - still)),
    )


def _rows_of(records: Sequence[DayRecord], step: Ints) -> tuple[Ints, Ints]:
    """Rows of the day before and after of each line."""
    rows = np.array([record.row for record in records], dtype=np.int64)
    return rows[step], rows[step + 1]
