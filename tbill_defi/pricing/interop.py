"""The same securities as QuantLib objects: a second opinion, and the way on into QuantLib's own pricers."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.schedules import is_month_end
from tbill_defi.instruments.callable import CallableTerms
from tbill_defi.instruments.flows import CashFlows
from tbill_defi.instruments.flows_30_360 import Flows30360
from tbill_defi.instruments.flows_odd_last import OddLastFlows
from tbill_defi.instruments.frn import Frn
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
    cycle_end = flows.last_dates[0] if isinstance(flows, OddLastFlows) else flows.maturity
    schedule = ql.Schedule(
        quantlib_date(flows.accrual_start),
        quantlib_date(flows.maturity),
        ql.Period(12 // flows.periods_per_year, ql.Months),
        ql.NullCalendar(),
        ql.Unadjusted,
        ql.Unadjusted,
        ql.DateGeneration.Backward,
        is_month_end(cycle_end),
        quantlib_date(flows.payment_dates[0]) if flows.first_flow > 1 else ql.Date(),
        quantlib_date(flows.last_dates[0]) if isinstance(flows, OddLastFlows) else ql.Date(),
    )
    if isinstance(flows, Flows30360):
        return schedule, ql.Thirty360(ql.Thirty360.USA if flows.end_of_month else ql.Thirty360.BondBasis)
    return schedule, ql.ActualActual(ql.ActualActual.Bond, schedule)


def quantlib_bond(security: AnySecurity) -> Any:
    """The security as a `QuantLib.FixedRateBond` or `QuantLib.ZeroCouponBond`, face 100, unadjusted dates.

    A note or bond counts ActualActual(Bond) on its own schedule, backward from maturity, end-of-month when the
    maturity is one; with a long first period the schedule names the first coupon date, with an odd last one the date
    before it. A corporate or municipal bond
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


def quantlib_frn(frn: Frn, *, settlement: date, index: FrnIndex, curve: Any = None) -> Any:
    """The payments of a floating rate note after settlement as a `QuantLib.Bond`, face 100, without accrued interest.

    Parameters
    ----------
    index
        Rates up to the settlement.
    curve
        A `QuantLib.YieldTermStructureHandle`: payments are its forwards plus spread. None: the index stays, and the
        bond's price at Act/360, `Simple`, which QuantLib discounts period by period, is the dirty price of the yield
        index + discount margin.

    Raises
    ------
    SettlementOutOfRange, DataError
        As of `floating_accrued_interest`.
    """
    import QuantLib

    from tbill_defi.pricing.frn import floating_accrued_interest

    ql = QuantLib
    accrued = floating_accrued_interest(frn, settlement=settlement, index=index)
    dates = [quantlib_date(day) for day in (settlement, *frn.payment_dates) if day >= settlement]
    dates = sorted(set(dates))
    count = ql.Actual360()
    paid = [ql.SimpleCashFlow(accrued, dates[1])]
    if curve is None:
        rate = max(0.0, float(index.on(settlement, end=settlement)) + frn.spread)
        amounts = [100.0 * rate * count.yearFraction(*edge) for edge in pairwise(dates)]
        amounts[0] += accrued
        paid = [ql.SimpleCashFlow(amount, day) for amount, day in zip(amounts, dates[1:], strict=True)]
    else:
        bills = ql.IborIndex(
            "13-week",
            ql.Period(3, ql.Months),
            0,
            ql.USDCurrency(),
            ql.NullCalendar(),
            ql.Unadjusted,
            False,
            count,
            curve,
        )
        paid += [
            ql.IborCoupon(end, 100.0, start, end, 0, bills, 1.0, frn.spread, start, end, count)
            for start, end in pairwise(dates)
        ]
        for coupon in paid[1:]:
            ql.as_floating_rate_coupon(coupon).setPricer(ql.BlackIborCouponPricer())
    flows = [*paid, ql.Redemption(100.0, dates[-1])]
    return ql.Bond(0, ql.NullCalendar(), 100.0, dates[-1], dates[0], flows)
