"""The same securities as QuantLib objects: a second opinion, and the way on into QuantLib's own pricers."""

from __future__ import annotations

from datetime import date
from typing import Any

from tbill_defi.conventions.schedules import is_month_end
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.securities import CouponTerms


def quantlib_bond(security: AnySecurity) -> Any:
    """The security as a `QuantLib.FixedRateBond` or `QuantLib.ZeroCouponBond`, face 100, unadjusted dates.

    A note or bond counts ActualActual(Bond) on its own schedule, backward from maturity, end-of-month when the
    maturity is one; with a long first period the schedule names the first coupon date.
    """
    import QuantLib

    ql = QuantLib

    def day(value: date) -> Any:
        return ql.Date(value.day, value.month, value.year)

    flows = security.resolve()
    issue, maturity = day(flows.first_settlement), day(flows.maturity)
    if not isinstance(security, CouponTerms):
        return ql.ZeroCouponBond(0, ql.NullCalendar(), 100.0, maturity, ql.Unadjusted, 100.0, issue)
    first = day(flows.payment_dates[0]) if flows.first_flow > 1 else ql.Date()
    schedule = ql.Schedule(
        day(flows.accrual_start),
        maturity,
        ql.Period(6, ql.Months),
        ql.NullCalendar(),
        ql.Unadjusted,
        ql.Unadjusted,
        ql.DateGeneration.Backward,
        is_month_end(flows.maturity),
        first,
    )
    count = ql.ActualActual(ql.ActualActual.Bond, schedule)
    return ql.FixedRateBond(0, 100.0, schedule, [security.coupon], count, ql.Unadjusted, 100.0, issue)
