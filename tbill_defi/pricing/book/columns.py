"""The terms of many securities as columns: what a book knows before it knows a day.

Days are counted from 1970-01-01, months from January 1970. Built with array arithmetic straight from the terms; no
security is resolved by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
FIELDS: dict[str, tuple[str, ...]] = {
    "bill": _COMMON,
    "note": _COUPON,
    "bond": _COUPON,
    "tips": _COUPON,
    "strip": ("cusip", "maturity_date"),
}
"""Kind -> the fields that a book reads. TIPS are in real terms: unadjusted prices, real yields."""
MONTHS_PER_PERIOD = {"note": 6, "bond": 6, "tips": 6, "strip": 6}
"""Kind -> months between coupons; a kind without an entry has a single flow and no cycle."""


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH


def months_of(days: Ints) -> tuple[Ints, Ints]:
    """Month number and day of the month (1 to 31) of day numbers."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    return months.astype(np.int64), days - first + 1


def cycle_days(months: Ints, rule: Ints) -> Ints:
    """Day numbers of cycle dates: the rule's day of each month, or the month's last if it has no such day."""
    start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    end = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days: Ints = np.minimum(start + rule, end) - 1
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
    months
        [n] months between cycle dates; 0 where `single`.
    rule
        [n] day of the month of the cycle, `END_OF_MONTH` for month ends.
    maturity, issue, dated
        [n] day numbers; `issue` is the first settlement, `dated` where interest starts.
    maturity_month, first_month
        [n] month numbers of the last and of the first payment date.
    coupon
        [n] interest of a regular period, per 100 face.
    first_coupon
        [n] interest of the first period, per 100 face.
    """

    securities: tuple[AnySecurity, ...]
    cusips: tuple[str, ...]
    kind: NDArray[np.str_]
    single: Bools
    months: Ints
    rule: Ints
    maturity: Ints
    issue: Ints
    dated: Ints
    maturity_month: Ints
    first_month: Ints
    coupon: Floats
    first_coupon: Floats

    @classmethod
    def of(cls, securities: Sequence[AnySecurity]) -> Columns:
        """The columns of these securities, in their order.

        Raises
        ------
        DataError
            If there are none, or one is no security.
        """
        raw = _read(securities)
        kind = raw["kind"]
        names, member = np.unique(kind, return_inverse=True)
        months = np.array([MONTHS_PER_PERIOD.get(str(name), 0) for name in names])[member]
        single = months == 0
        maturity, issue, dated = raw["maturity_date"], raw["issue_date"], raw["dated_date"]
        maturity_month, day = months_of(maturity)
        rule = np.where(cycle_days(maturity_month, np.full_like(day, END_OF_MONTH)) == maturity, END_OF_MONTH, day)
        if (strips := np.flatnonzero(kind == "strip")).size:  # a coupon of 0, the only flow at maturity
            oldest = cycle_days(maturity_month[strips] - 12 * LONGEST_YEARS, rule[strips])
            issue[strips] = dated[strips] = oldest
            raw["first_coupon_date"][strips] = maturity[strips]
        dated = np.where(single, issue, dated)
        coupon = np.where(single, 0.0, raw["coupon"] * 100.0 * months / 12.0)
        first_month = _first_months(raw["first_coupon_date"], dated, months, rule, maturity_month)
        columns = cls(
            securities=tuple(securities),
            cusips=tuple(raw["cusip"]),
            kind=kind,
            single=single,
            months=months,
            rule=rule,
            maturity=maturity,
            issue=np.where(issue == UNKNOWN, dated, issue),
            dated=dated,
            maturity_month=maturity_month,
            first_month=first_month,
            coupon=coupon,
            first_coupon=coupon.copy(),
        )
        columns._set_odd_first_coupons()
        return columns

    def __len__(self) -> int:
        return len(self.cusips)

    def _set_odd_first_coupons(self) -> None:
        """First coupons that are not of a regular period, by their fraction of one."""
        before = cycle_days(self.first_month - self.months, self.rule)
        odd = np.flatnonzero(~self.single & (self.dated != before))
        paid = cycle_days(self.first_month[odd], self.rule[odd])
        self.first_coupon[odd] = self.coupon[odd] * self.periods_between(odd, self.first_month[odd], paid)

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
    if strange := next((i for i, kind in enumerate(kinds) if kind not in FIELDS), None):
        raise DataError(_unpriced(securities, strange))
    if kinds[0] not in FIELDS:
        raise DataError(_unpriced(securities, 0))
    kind = np.array(kinds)
    found: dict[str, Any] = {"kind": kind, "cusip": np.empty(count, dtype=object), "coupon": np.zeros(count)}
    for field in ("maturity_date", "issue_date", "dated_date", "first_coupon_date"):
        found[field] = np.full(count, UNKNOWN, dtype=np.int64)
    for name in dict.fromkeys(kinds):
        rows = np.flatnonzero(kind == name)
        get: Callable[[Any], tuple[Any, ...]] = attrgetter(*FIELDS[str(name)])
        values = zip(*map(get, (securities[i] for i in rows.tolist())), strict=True)
        for field, column in zip(FIELDS[str(name)], values, strict=True):
            found[field][rows] = _days(column) if field.endswith("_date") else column
    return found


def _days(column: tuple[date | None, ...]) -> list[int]:
    return [UNKNOWN if day is None else day.toordinal() - EPOCH for day in column]


def _unpriced(securities: Sequence[Any], row: int) -> str:
    return (
        f"securities[{row}]: {type(securities[row]).__name__} is not a security that a book prices "
        f"({', '.join(FIELDS)})"
    )
