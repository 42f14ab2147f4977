"""The discount curve of SOFR overnight index swaps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.bootstrap import Interpolation, bootstrapped
from tbill_defi.pricing.daily_curve import DailyCurve, average_forward, tenor_rates
from tbill_defi.pricing.interop import quantlib_date

OVERNIGHT = "ON"
_TENOR = re.compile(r"([1-9]\d*) (Wk|Mo|Yr)")
_DAYS = {"Wk": 7.0, "Mo": 365.25 / 12, "Yr": 365.25}
SETTLEMENT_DAYS = PAYMENT_LAG_DAYS = 2


@dataclass(frozen=True, eq=False)
class SofrCurve(DailyCurve):
    """Discount factors from swaps of SOFR, compounded daily, against a fixed rate.

    A swap starts two business days after the curve date; both legs pay once a year, two business days after a period
    ends, on Act/360, modified following. The swaps that this curve discounts on itself are worth nothing.

    Attributes
    ----------
    curve_date
        Its discount factor is 1.
    rates
        Tenor label -> decimal rate, ascending in tenor: "ON" is the overnight rate, simple, from the curve date.
    interpolation
        Of `Interpolation`.
    factors, tail_forward
        As of `DailyCurve`.
    """

    curve_date: date
    rates: Mapping[str, float]
    interpolation: Interpolation
    factors: Floats
    tail_forward: float

    @classmethod
    def of_swaps(
        cls,
        curve_date: date,
        rates: Mapping[str, float | None],
        interpolation: str | Interpolation = Interpolation.LOG_LINEAR,
    ) -> Self:
        """The curve through a day's swap rates.

        Parameters
        ----------
        curve_date
            A business day.
        rates
            "ON", "1 Wk", "1 Mo" ... "50 Yr" -> decimal rate; None or NaN where there is none.
        interpolation
            "log_linear" (a flat overnight forward between nodes, as swap desks have it) or "monotone_convex".

        Raises
        ------
        ConventionError
            If fewer than two tenors have a rate, two are the same, one looks like percent, a label or the interpolation
            is unknown, the date is no business day, or no curve passes through the rates.

        Notes
        -----
        QuantLib's `OISRateHelper` on its `Sofr` index.
        """
        method = Interpolation.of(interpolation)
        ordered = tenor_rates(f"rates of {curve_date}", rates, _length)
        ends: list[int] = []

        def helpers(ql: Any) -> list[Any]:
            index = ql.Sofr()
            if not index.fixingCalendar().isBusinessDay(quantlib_date(curve_date)):
                raise ConventionError(f"curve_date: {curve_date:%Y-%m-%d, a %A,} is not a business day")
            made = [_helper(ql, index, label, rate) for label, rate in ordered.items()]
            ends.extend(helper.latestRelevantDate() - quantlib_date(curve_date) for helper in made)
            return made

        factors = bootstrapped(curve_date, helpers, method, f"rates of {curve_date}")
        return cls(curve_date, ordered, method, factors, average_forward(factors, ends[-2]))


def _length(label: str) -> float:
    """Days of a tenor, nearly, to order by; of 12 months as of a year."""
    if label == OVERNIGHT:
        return 1.0
    match = _TENOR.fullmatch(label)
    if match is None:
        raise ConventionError(f"tenor: {label!r} is not 'ON' or a tenor such as '1 Wk', '3 Mo' or '10 Yr'")
    return int(match[1]) * _DAYS[match[2]]


def _helper(ql: Any, index: Any, label: str, rate: float) -> Any:
    if label == OVERNIGHT:
        return ql.DepositRateHelper(rate, index)
    count, unit = label.split()
    period = ql.Period(int(count), {"Wk": ql.Weeks, "Mo": ql.Months, "Yr": ql.Years}[unit])
    return ql.OISRateHelper(
        SETTLEMENT_DAYS,
        period,
        ql.QuoteHandle(ql.SimpleQuote(rate)),
        index,
        telescopicValueDates=True,
        paymentLag=PAYMENT_LAG_DAYS,
        paymentConvention=ql.ModifiedFollowing,
        paymentFrequency=ql.Annual,
        paymentCalendar=index.fixingCalendar(),
    )
