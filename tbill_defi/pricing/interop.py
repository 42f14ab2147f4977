"""The same securities as QuantLib objects: a second opinion, and the way on into QuantLib's own pricers."""

from __future__ import annotations

from datetime import date
from typing import Any

from tbill_defi.conventions.schedules import is_month_end
from tbill_defi.instruments.callable import CallableTerms
from tbill_defi.instruments.flows_30_360 import Flows30360
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.securities import CouponTerms


def quantlib_bond(security: AnySecurity) -> Any:
    """The security as a `QuantLib.FixedRateBond` or `QuantLib.ZeroCouponBond`, face 100, unadjusted dates.

    A note or bond counts ActualActual(Bond) on its own schedule, backward from maturity, end-of-month when the
    maturity is one; with a long first period the schedule names the first coupon date. A corporate or municipal bond
    counts Thirty360 (BondBasis; USA if it pays at month ends, where QuantLib's coupons to and from February are of
    178 and 182 days) and is a bullet.
    """
    import QuantLib

    ql = QuantLib

    def day(value: date) -> Any:
        return ql.Date(value.day, value.month, value.year)

    flows = security.resolve()
    issue, maturity = day(flows.first_settlement), day(flows.maturity)
    if not isinstance(security, CouponTerms | CallableTerms):
        return ql.ZeroCouponBond(0, ql.NullCalendar(), 100.0, maturity, ql.Unadjusted, 100.0, issue)
    first = day(flows.payment_dates[0]) if flows.first_flow > 1 else ql.Date()
    schedule = ql.Schedule(
        day(flows.accrual_start),
        maturity,
        ql.Period(12 // flows.periods_per_year, ql.Months),
        ql.NullCalendar(),
        ql.Unadjusted,
        ql.Unadjusted,
        ql.DateGeneration.Backward,
        is_month_end(flows.maturity),
        first,
    )
    if isinstance(flows, Flows30360):
        count = ql.Thirty360(ql.Thirty360.USA if flows.end_of_month else ql.Thirty360.BondBasis)
    else:
        count = ql.ActualActual(ql.ActualActual.Bond, schedule)
    return ql.FixedRateBond(0, 100.0, schedule, [security.coupon], count, ql.Unadjusted, 100.0, issue)
