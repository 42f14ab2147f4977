"""Discount factors through market quotes, bootstrapped by QuantLib.

QuantLib's evaluation date is global: it is set for one bootstrap and restored, and what leaves this module is an
array, not an object that would follow a later change of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import Enum
from threading import Lock
from typing import Any

import numpy as np

from tbill_defi.conventions.schedules import add_months
from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.interop import quantlib_date

ACCURACY = 1e-14
"""Of a node's rate in the bootstrap; par yields are reproduced within 1e-12."""

_TENOR = re.compile(r"(\d+)(\.5)? (Mo|Month|Yr)s?")
_LOCK = Lock()


class Interpolation(Enum):
    """What is interpolated between the nodes of a curve.

    MONOTONE_CONVEX
        Hagan and West's monotone convex interpolation of forward rates (QuantLib `PiecewiseConvexMonotoneForward`,
        negative forwards allowed: the par yields of about fifty days since 2011 imply them). The Treasury's own
        method since December 2021.
    LOG_LINEAR
        Discount factors log-linear: forwards constant between nodes (QuantLib `PiecewiseLogLinearDiscount`).
    MONOTONE_CONVEX_ZERO
        The same construction applied to zero yields as if they were forwards (QuantLib
        `PiecewiseConvexMonotoneZero`). For comparison: on 2026-03-24 it misses market yields by up to 45 bp between
        nodes, and it finds no curve on more than a quarter of the days since September 2008.
    """

    MONOTONE_CONVEX = "monotone_convex"
    LOG_LINEAR = "log_linear"
    MONOTONE_CONVEX_ZERO = "monotone_convex_zero"

    @classmethod
    def of(cls, name: str | Interpolation) -> Interpolation:
        """The member of a name.

        Raises
        ------
        ConventionError
            If there is none; lists the names.
        """
        try:
            return cls(name)
        except ValueError:
            names = ", ".join(member.value for member in cls)
            raise ConventionError(f"interpolation: {name!r} is not one of {names}") from None


def tenor_months(label: str) -> float:
    """Months of a Treasury tenor label: "1 Mo", "1.5 Mo", "10 Yr".

    Raises
    ------
    ConventionError
        If the label is not one.
    """
    match = _TENOR.fullmatch(label)
    if match is None or (match[3] == "Yr" and match[2]) or match[1] == "0":
        raise ConventionError(f"tenor: {label!r} is not a tenor such as '3 Mo' or '10 Yr'")
    return float(match[1] + (match[2] or "")) * (12 if match[3] == "Yr" else 1)


def node_date(curve_date: date, months: float) -> date:
    """Maturity of a tenor: whole months from the curve date, unadjusted; half a month is 15 days."""
    whole = int(months)
    return add_months(curve_date, whole) + timedelta(days=15 if months > whole else 0)


def _helper(ql: Any, curve_date: date, months: float, rate: float) -> Any:
    """A zero-coupon instrument under a year, a par bond from one year."""
    start = quantlib_date(curve_date)
    end = quantlib_date(node_date(curve_date, months))
    if months < 12:
        return ql.DepositRateHelper(
            ql.QuoteHandle(ql.SimpleQuote(rate)),
            ql.Period(end - start, ql.Days),
            0,
            ql.NullCalendar(),
            ql.Unadjusted,
            False,
            ql.Actual365Fixed(),
        )
    half_year = ql.Period(6, ql.Months)
    schedule = ql.Schedule(
        start, end, half_year, ql.NullCalendar(), ql.Unadjusted, ql.Unadjusted, ql.DateGeneration.Forward, False
    )
    par = ql.QuoteHandle(ql.SimpleQuote(100.0))
    count = ql.ActualActual(ql.ActualActual.Bond)
    return ql.FixedRateBondHelper(par, 0, 100.0, schedule, [rate], count, ql.Unadjusted, 100.0, start)


def daily_factors(curve_date: date, nodes: Sequence[tuple[float, float]], interpolation: Interpolation) -> Floats:
    """Discount factors of every day from the curve date to the last node of par yields.

    Parameters
    ----------
    nodes
        (tenor in months, decimal par yield), ascending, at least two.

    Returns and errors as of `bootstrapped`.
    """
    return bootstrapped(
        curve_date,
        lambda ql: [_helper(ql, curve_date, months, rate) for months, rate in nodes],
        interpolation,
        f"par yields of {curve_date}",
    )


def bootstrapped(
    curve_date: date, helpers: Callable[[Any], list[Any]], interpolation: Interpolation, quotes: str
) -> Floats:
    """Discount factors of every day from the curve date to the last node of instruments.

    Parameters
    ----------
    helpers
        Makes QuantLib's rate helpers; called while the evaluation date is the curve date.
    quotes
        What the instruments are, for errors.

    Returns
    -------
    [n_days + 1] float64, read-only; element i discounts from i days after the curve date.

    Raises
    ------
    ConventionError
        If QuantLib finds no curve through them.
    """
    import QuantLib

    ql = QuantLib
    day_count = ql.Actual365Fixed()
    accuracy = ql.IterativeBootstrap(ACCURACY)
    with _LOCK, ql.SavedSettings():
        ql.Settings.instance().evaluationDate = quantlib_date(curve_date)
        start = quantlib_date(curve_date)
        try:
            made = helpers(ql)
            if interpolation is Interpolation.LOG_LINEAR:
                curve = ql.PiecewiseLogLinearDiscount(start, made, day_count, accuracy)
            elif interpolation is Interpolation.MONOTONE_CONVEX:
                spline = ql.ConvexMonotone(0.3, 0.7, False)
                curve = ql.PiecewiseConvexMonotoneForward(start, made, day_count, accuracy, spline)
            else:
                curve = ql.PiecewiseConvexMonotoneZero(start, made, day_count, accuracy)
            discount, days = curve.discount, curve.maxDate() - start
            factors = np.array([discount(day / 365.0) for day in range(days + 1)])
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ConventionError(
                f"{quotes}: no {interpolation.value} curve passes through them ({reason}); "
                "check the row, or name another interpolation"
            ) from None
    factors.flags.writeable = False
    return factors
