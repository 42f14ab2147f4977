"""The terms of many securities as columns: what a book knows before it knows a day.

Days are counted from 1970-01-01, months from January 1970. Built with array arithmetic straight from the terms; no
security is resolved by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from tbill_defi.conventions.schedules import SHORTEST_MONTH
from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import DataError
from tbill_defi.instruments import AnySecurity
from tbill_defi.instruments.strips import LONGEST_YEARS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EPOCH = date(1970, 1, 1).toordinal()
END_OF_MONTH = 31
"""Day rule of a cycle whose dates all end their months; any other rule is a day of the month."""
UNKNOWN = -(1 << 40)

_COMMON = ("cusip", "maturity_date", "issue_date")
_COUPON = (*_COMMON, "dated_date", "first_coupon_date", "coupon")
_TREASURY = (*_COUPON, "penultimate_coupon_date")
FIELDS: dict[str, tuple[str, ...]] = {
    "bill": _COMMON,
    "note": _TREASURY,
    "bond": _TREASURY,
    "tips": _TREASURY,
    "strip": ("cusip", "maturity_date"),
    "frn": (*_COMMON, "dated_date", "spread"),
    "corporate": (*_COUPON, "periods_per_year"),
    "municipal": (*_COUPON, "periods_per_year"),
}
"""Kind -> the fields that a book reads. TIPS are in real terms: unadjusted prices, real yields."""
PERIODS_PER_YEAR = {"bill": 0, "note": 2, "bond": 2, "tips": 2, "strip": 2, "frn": 4}
"""Kind -> coupons a year where the terms do not name them; 0: a single flow and no cycle."""


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH


_BEFORE = 12 * 1970
"""Months from the first of `_FIRST_DAYS` to January 1970."""
_FIRST_DAYS: Ints = (
    np.arange(-_BEFORE, 12 * 10_001 - _BEFORE).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
)
"""Day numbers of the first days of all months that dates have, and of a year more on each side."""
_MEAN_MONTH, _STRAY = 146_097 / 4_800, 3.0
"""Days of a month over the 400 years of the calendar; no month starts so many days from its multiple of them."""


def months_of(days: Ints) -> tuple[Ints, Ints]:
    """Month number and day of the month (1 to 31) of day numbers."""
    months = np.floor((days - _STRAY) / _MEAN_MONTH).astype(np.int64)  # the month, or the one before it
    months += _FIRST_DAYS.take(months + (_BEFORE + 1)) <= days
    return months, days - _FIRST_DAYS.take(months + _BEFORE) + 1


def cycle_days(months: Ints, rule: Ints) -> Ints:
    """Day numbers of cycle dates: the rule's day of each month, or the month's last if it has no such day."""
    days = _FIRST_DAYS.take(months + _BEFORE)
    days += rule
    np.minimum(days, _FIRST_DAYS.take(months + (_BEFORE + 1)), out=days)
    days -= 1
    return days


@dataclass(frozen=True, eq=False)
class Columns:
    """Terms by column.

    Attributes
    ----------
    securities, cusips
        [n] as given.
    kind
        [n] text.
    single
        [n] whether there is one flow and no coupon cycle: bills.
    floating
        [n] whether interest follows the index: floating rate notes.
    thirty
        [n] whether days count 30/360: bonds of other issuers.
    odd_last
        [n] whether the last period is none of the cycle.
    months
        [n] months between cycle dates; 0 where `single`.
    rule
        [n] day of the month of the cycle, `END_OF_MONTH` for month ends.
    maturity, issue, dated
        [n] day numbers; `issue` is the first settlement, `dated` where interest starts.
    maturity_month, first_month
        [n] month numbers of the last payment date on the cycle and of the first.
    coupon
        [n] interest of a regular period, per 100 face.
    first_coupon
        [n] interest of the first period, per 100 face.
    spread
        [n] decimal, over the index; 0 of a fixed coupon.
    call_rows, call_days, call_prices
        [n_calls] places of callable bonds, ascending, day numbers and prices of their calls.
    """

    securities: tuple[AnySecurity, ...]
    cusips: tuple[str, ...]
    kind: NDArray[np.str_]
    single: Bools
    floating: Bools
    thirty: Bools
    odd_last: Bools
    months: Ints
    rule: Ints
    maturity: Ints
    issue: Ints
    dated: Ints
    maturity_month: Ints
    first_month: Ints
    coupon: Floats
    first_coupon: Floats
    spread: Floats
    call_rows: Ints
    call_days: Ints
    call_prices: Floats

    @classmethod
    def of(cls, securities: Sequence[AnySecurity]) -> Columns:
        """The columns of these securities, in their order.

        Raises
        ------
        DataError
            If they are no list, there are none, or one is no security.
        """
        if isinstance(securities, BaseModel) or not isinstance(securities, Iterable):
            raise DataError(f"securities: {type(securities).__name__} is not a list of securities")
        securities = tuple(securities)
        raw = _read(securities)
        kind = raw["kind"]
        per_year = raw["periods_per_year"]
        single = per_year == 0
        months = np.where(single, 0, 12 // np.maximum(per_year, 1))
        maturity, issue, dated = raw["maturity_date"], raw["issue_date"], raw["dated_date"]
        odd_last = raw["penultimate_coupon_date"] != UNKNOWN
        anchor = np.where(odd_last, raw["penultimate_coupon_date"], maturity)
        maturity_month, day = months_of(anchor)
        rule = np.where(cycle_days(maturity_month, np.full_like(day, END_OF_MONTH)) == anchor, END_OF_MONTH, day)
        if (strips := np.flatnonzero(kind == "strip")).size:  # a coupon of 0, the only flow at maturity
            oldest = cycle_days(maturity_month[strips] - 12 * LONGEST_YEARS, rule[strips])
            issue[strips] = dated[strips] = oldest
            raw["first_coupon_date"][strips] = maturity[strips]
        dated = np.where(single, issue, dated)
        coupon = np.where(single, 0.0, raw["coupon"] * 100.0 * months / 12.0)
        first_month = _first_months(raw["first_coupon_date"], dated, months, rule, maturity_month)
        columns = cls(
            securities=securities,
            cusips=tuple(raw["cusip"]),
            kind=kind,
            single=single,
            floating=kind == "frn",
            thirty=(kind == "corporate") | (kind == "municipal"),
            odd_last=odd_last,
            months=months,
            rule=rule,
            maturity=maturity,
            issue=np.where(issue == UNKNOWN, dated, issue),
            dated=dated,
            maturity_month=maturity_month,
            first_month=first_month,
            coupon=coupon,
            first_coupon=coupon.copy(),
            spread=raw["spread"],
            **_calls(securities, kind),
        )
        columns._set_odd_first_coupons()
        return columns

    def __len__(self) -> int:
        return len(self.cusips)

    @property
    def level(self) -> Ints:
        """Places of the securities with a level coupon on a cycle."""
        return np.flatnonzero(~(self.single | self.floating | self.odd_last))

    def _set_odd_first_coupons(self) -> None:
        """First coupons that are not of a regular period, by their fraction of one."""
        before = cycle_days(self.first_month - self.months, self.rule)
        odd = np.flatnonzero(~self.single & (self.dated != before))
        paid = cycle_days(self.first_month[odd], self.rule[odd])
        self.first_coupon[odd] = self.coupon[odd] * self.periods_between(odd, self.first_month[odd], paid)
        odd = odd[self.thirty[odd]]
        paid = cycle_days(self.first_month[odd], self.rule[odd])
        self.first_coupon[odd] = self.coupon[odd] * self.periods_30_360(odd, self.dated[odd], paid)

    def periods_between(self, rows: Ints, month: Ints, end: Ints) -> Floats:
        """[n_rows] interest periods from the dated date to `end`, a day in the period that ends in cycle month `month`.

        Whole quasi-coupon periods count 1, a part of one its actual days over the period's days (31 CFR 356
        Appendix B, I.B).
        """
        dated, step, rule = self.dated[rows], self.months[rows], self.rule[rows]
        total = np.zeros(len(rows))
        right = cycle_days(month, rule)
        while (open_ := dated < right).any():
            month = month - step
            left = cycle_days(month, rule)
            days = np.minimum(end, right) - np.maximum(dated, left)
            total += np.where(open_, np.maximum(days, 0) / (right - left), 0.0)
            right = left
        return total

    def periods_30_360(self, rows: Ints, start: Ints, end: Ints) -> Floats:
        """[n_rows] coupon periods from `start` to `end` by days on 30/360."""
        of_ends = self.rule[rows] > SHORTEST_MONTH
        parts: Floats = thirty_360(start, end, of_ends) / (30.0 * self.months[rows])
        return parts


def thirty_360(start: Ints, end: Ints, of_month_ends: Bools) -> Ints:
    """[n] days on 30/360 US between day numbers; see `conventions.day_counts.thirty_360`."""
    (left, first), (right, last) = months_of(start), months_of(end)
    february = of_month_ends & (left % 12 == 1) & (months_of(start + 1)[1] == 1)
    both = february & (right % 12 == 1) & (months_of(end + 1)[1] == 1)
    first = np.where(february, 30, np.minimum(first, 30))
    last = np.where(both | ((last == 31) & (first == 30)), 30, last)
    days: Ints = 30 * (right - left) + last - first
    return days


def _first_months(given: Ints, dated: Ints, months: Ints, rule: Ints, maturity_month: Ints) -> Ints:
    """Month numbers of first payment dates: those given, else of the first cycle date after the dated date."""
    step = np.maximum(months, 1)
    month, _ = months_of(dated)
    month = month + (maturity_month - month) % step
    month = np.where(cycle_days(month, rule) <= dated, month + step, month)
    chosen = months_of(np.where(given == UNKNOWN, 0, given))[0]
    return np.where(months == 0, maturity_month, np.where(given == UNKNOWN, month, chosen))


def _read(securities: Sequence[AnySecurity]) -> dict[str, Any]:
    """Field -> values in the order of the securities; day numbers, `UNKNOWN` where a date is absent."""
    count = len(securities)
    if not count:
        raise DataError("securities: none given; a book needs at least one")
    kinds = [getattr(security, "kind", None) for security in securities]
    if not FIELDS.keys() >= set(kinds):
        raise DataError(_unpriced(securities, next(i for i, kind in enumerate(kinds) if kind not in FIELDS)))
    kind = np.array(kinds)
    found: dict[str, Any] = {"kind": kind, "cusip": np.empty(count, dtype=object)}
    found |= {"coupon": np.zeros(count), "spread": np.zeros(count), "periods_per_year": np.zeros(count, dtype=np.int64)}
    for field in ("maturity_date", "issue_date", "dated_date", "first_coupon_date", "penultimate_coupon_date"):
        found[field] = np.full(count, UNKNOWN, dtype=np.int64)
    for name in dict.fromkeys(kinds):
        rows = np.flatnonzero(kind == name)
        found["periods_per_year"][rows] = PERIODS_PER_YEAR.get(str(name), 0)
        fields = FIELDS[str(name)]
        get: Callable[[Any], tuple[Any, ...]] = attrgetter(*fields)
        values = list(chain.from_iterable(map(get, (securities[i] for i in rows.tolist()))))
        for place, field in enumerate(fields):
            column = values[place :: len(fields)]
            found[field][rows] = _days(column) if field.endswith("_date") else column
    return found


def _calls(securities: Sequence[Any], kind: NDArray[np.str_]) -> dict[str, Any]:
    """The calls of bonds of other issuers, by bond and date."""
    bonds = np.flatnonzero((kind == "corporate") | (kind == "municipal")).tolist()
    calls = [(row, day_number(day), price) for row in bonds for day, price in securities[row].call_schedule]
    rows, days, prices = zip(*calls, strict=True) if calls else ((), (), ())
    return {
        "call_rows": np.array(rows, dtype=np.int64),
        "call_days": np.array(days, dtype=np.int64),
        "call_prices": np.array(prices, dtype=np.float64),
    }


def _days(column: list[date | None]) -> list[int]:
    return [UNKNOWN if day is None else day.toordinal() - EPOCH for day in column]


def _unpriced(securities: Sequence[Any], row: int) -> str:
    return (
        f"securities[{row}]: {type(securities[row]).__name__} is not a security that a book prices "
        f"({', '.join(FIELDS)})"
    )
