"""Fails: what a seller owes for delivering late, by the Treasury Market Practices Group's charge.

A day's charge is proceeds x max(floor, ceiling - R) / 360, R being the lower bound of the target range of the federal
funds rate on the business day before that day; days are calendar days from the failed settlement date up to, not
including, the day of delivery. Days are summed exactly and rounded once, half up, to the unit of cash. Ceiling, floor
and the amount a month's claim must exceed are dated parameters, and so is R: history is data, none of it is built in.

Rates are integers in 10^-6, amounts base units of the currency; nothing here is a float.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import read_text
from tbill_defi.core.money import UNITS_PER_DOLLAR

T = TypeVar("T", "FailsRule", "TargetRate")
RATE_UNIT = 10**6
YEAR_DAYS = 360
COLUMNS = ("effective_date", "lower_bound")
BusinessDayBefore = Callable[[date], date]


@dataclass(frozen=True, slots=True)
class FailsRule:
    """The charge's parameters from a date on.

    Attributes
    ----------
    ceiling_e6, floor_e6
        Annual rates in 10^-6: the charge is at most the ceiling less R, and at least the floor.
    minimum_claim
        A claim is made where a month's charges between two parties exceed it, base units.
    """

    effective: date
    ceiling_e6: int
    floor_e6: int
    minimum_claim: int


TMPG = (
    FailsRule(date(2009, 5, 1), 30_000, 0, 500 * UNITS_PER_DOLLAR),
    FailsRule(date(2018, 7, 2), 30_000, 10_000, 500 * UNITS_PER_DOLLAR),
)
"""TMPG, U.S. Treasury securities fails charge: since 2009-05-01, 3% - R; then at least 1% a year."""


@dataclass(frozen=True, slots=True)
class TargetRate:
    """Lower bound of the target range from a date on, 10^-6 a year; of a single target, that."""

    effective: date
    lower_bound_e6: int


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a fail under one rate: from `first` up to, not including, `end`."""

    first: date
    end: date
    rate_e6: int

    @property
    def count(self) -> int:
        """Calendar days."""
        return (self.end - self.first).days


@dataclass(frozen=True, slots=True)
class Charge:
    """What a late delivery costs: base units of cash, and the days it is made of."""

    proceeds: int
    units: int
    days: tuple[Days, ...]


def read_rates(path: Path) -> tuple[TargetRate, ...]:
    """Target rates from a CSV file with the columns effective_date and lower_bound (decimal, 0.035 is 3.5%).

    Raises
    ------
    DataError
        With file, line and value, if a row is not a date and a decimal rate, or dates do not ascend.
    """
    try:
        text = read_text(path)
    except UnicodeDecodeError:
        raise DataError(f"{path.name}: is not UTF-8 text; expected CSV of {','.join(COLUMNS)}") from None
    rows = csv.DictReader(text.splitlines())
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise DataError(f"{path.name} line 1: columns are {rows.fieldnames}, expected {','.join(COLUMNS)}")
    found: list[TargetRate] = []
    for row in rows:
        found.append(_rate(path.name, rows.line_num, row[COLUMNS[0]], row[COLUMNS[1]]))
        if len(found) > 1 and found[-1].effective <= found[-2].effective:
            raise DataError(f"{path.name} line {rows.line_num}: {found[-1].effective} does not follow the one before")
    if not found:
        raise DataError(f"{path.name}: no rate in it")
    return tuple(found)


def _rate(name: str, line: int, day: str | None, rate: str | None) -> TargetRate:
    try:
        effective = date.fromisoformat(day or "")
    except ValueError:
        raise DataError(f"{name} line {line}: {day!r} is not a date such as 2026-03-24") from None
    try:
        scaled = Decimal(rate or "") * RATE_UNIT
    except InvalidOperation:
        raise DataError(f"{name} line {line}: {rate!r} is not a decimal rate such as 0.035") from None
    if not scaled.is_finite() or scaled != int(scaled) or not 0 <= scaled < RATE_UNIT:
        raise DataError(f"{name} line {line}: {rate!r} is not a decimal rate in [0, 1) of at most 6 decimals")
    return TargetRate(effective, int(scaled))


@dataclass(frozen=True, slots=True)
class FailsPractice:
    """The charge with its dated parameters, rates and calendar."""

    rates: Sequence[TargetRate]
    business_day_before: BusinessDayBefore
    rules: Sequence[FailsRule] = TMPG

    def rate_e6(self, day: date) -> int:
        """The charge's annual rate for one calendar day, 10^-6; 0 before the practice began.

        Raises
        ------
        DataError
            If no target rate is known for the business day before.
        """
        rule = _in_force(self.rules, day)
        if rule is None:
            return 0
        before = self.business_day_before(day)
        target = _in_force(self.rates, before)
        if target is None:
            raise DataError(f"fails: no target federal funds rate is given for {before}, the business day before {day}")
        return max(rule.floor_e6, rule.ceiling_e6 - target.lower_bound_e6)

    def charge(self, proceeds: int, failed: date, delivered: date) -> Charge:
        """What delivering `proceeds` worth on `delivered`, due on `failed`, costs; nothing if it is not late.

        UsageError if `proceeds` are negative.
        """
        if proceeds < 0:
            raise UsageError(f"fails: proceeds of {proceeds} base units are negative; give what was to be paid")
        days: list[Days] = []
        day = failed
        while day < delivered:
            rate, after = self.rate_e6(day), day + timedelta(days=1)
            if days and days[-1].rate_e6 == rate:
                days[-1] = Days(days[-1].first, after, rate)
            else:
                days.append(Days(day, after, rate))
            day = after
        exact = proceeds * sum(part.count * part.rate_e6 for part in days)
        return Charge(proceeds, _half_up(exact, YEAR_DAYS * RATE_UNIT), tuple(days))

    def claimable(self, charges: Iterable[int], month_end: date) -> int:
        """What of a month's charges between two parties is claimed: all if they exceed the minimum, else nothing."""
        rule, total = _in_force(self.rules, month_end), sum(charges)
        return total if rule is not None and total > rule.minimum_claim else 0


def _in_force(dated: Sequence[T], day: date) -> T | None:
    """The last one in force on a day; they ascend by date."""
    found = None
    for one in dated:
        if one.effective > day:
            break
        found = one
    return found


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
