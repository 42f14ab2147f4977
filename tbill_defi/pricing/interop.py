"""The same securities as QuantLib objects: a second opinion, and the way on into QuantLib's own pricers."""

from __future__ import annotations

from datetime import date
from typing import Any

from tbill_defi.conventions.schedules import is_month_end
from tbill_defi.instruments.callable import CallableTerms
from tbill_defi.instruments.flows import CashFlows
from tbill_defi.instruments.flows_30_360 import Flows30360
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.securities import CouponTerms


def quantlib_date(day: date) -> Any:
    """The day as a `QuantLib.Date`."""
    from QuantLib import Date

    return Date(day.day, day.month, day.year)


def quantlib_schedule(flows: CashFlows) -> tuple[Any, Any]:
    """Schedule and day counter of coupon flows, as `quantlib_bond` has them."""
    import QuantLib

    ql = QuantLib
    schedule = ql.Schedule(
        quantlib_date(flows.accrual_start),
        quantlib_date(flows.maturity),
        ql.Period(12 // flows.periods_per_year, ql.Months),
        ql.NullCalendar(),
        ql.Unadjusted,
        ql.Unadjusted,
        ql.DateGeneration.Backward,
        is_month_end(flows.maturity),
        quantlib_date(flows.payment_dates[0]) if flows.first_flow > 1 else ql.Date(),
    )
    if isinstance(flows, Flows30360):
        return schedule, ql.Thirty360(ql.Thirty360.USA if flows.end_of_month else ql.Thirty360.BondBasis)
    return schedule, ql.ActualActual(ql.ActualActual.Bond, schedule)


def quantlib_bond(security: AnySecurity) -> Any:
    """The security as a `QuantLib.FixedRateBond` or `QuantLib.ZeroCouponBond`, face 100, unadjusted dates.

    A note or bond counts ActualActual(Bond) on its own schedule, backward from maturity, end-of-month when the
    maturity is one; with a long first period the schedule names the first coupon date. A corporate or municipal bond
    counts Thirty360 (BondBasis; USA if it pays at month ends, where QuantLib's coupons at the end of February are of
    178 or 179 days) and is a bullet.
    """
    import QuantLib

    ql = QuantLib
    flows = security.resolve()
    issue = quantlib_date(flows.first_settlement)
    if not isinstance(security, CouponTerms | CallableTerms):
        maturity = quantlib_date(flows.maturity)
        return ql.ZeroCouponBond(0, ql.NullCalendar(), 100.0, maturity, ql.Unadjusted, 100.0, issue)
    schedule, count = quantlib_schedule(flows)
    return ql.FixedRateBond(0, 100.0, schedule, [security.coupon], count, ql.Unadjusted, 100.0, issue)
