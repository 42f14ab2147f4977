"""Option-adjusted spreads of callable bonds, on QuantLib's Hull-White lattice.

QuantLib's evaluation date is global: it is set for one solution and restored.
"""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.reading import CallableBond
from tbill_defi.pricing.credit import checked_bond
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.interop import quantlib_date, quantlib_schedule
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement

STEPS_PER_YEAR = 25
HIGHEST_SIGMA = 0.5
_LOCK = threading.Lock()


def _curve(ql: Any, curve: Curve, bond: CallableBond, settlement: date) -> Any:
    """Discount factors from settlement: of every flow and call, and of each month."""
    months = range(30, (bond.maturity_date - settlement).days + 60, 30)
    days = {settlement + timedelta(days=step) for step in months}
    days |= {day for day in bond.resolve().payment_dates if day > settlement}
    days |= {day for day, _ in bond.call_schedule if day > settlement}
    ordered, start = [settlement, *sorted(days)], curve.discount(settlement)
    factors = [curve.discount(day) / start for day in ordered]
    found = ql.DiscountCurve([quantlib_date(day) for day in ordered], factors, ql.Actual365Fixed())
    found.enableExtrapolation()
    return ql.YieldTermStructureHandle(found)


def _bond(ql: Any, bond: CallableBond, settlement: date) -> Any:
    calls = ql.CallabilitySchedule()
    for day, price in bond.call_schedule:
        if day > settlement:
            calls.append(
                ql.Callability(ql.BondPrice(price, ql.BondPrice.Clean), ql.Callability.Call, quantlib_date(day))
            )
    schedule, count = quantlib_schedule(bond.resolve())
    issue = quantlib_date(bond.resolve().first_settlement)
    return ql.CallableFixedRateBond(0, 100.0, schedule, [bond.coupon], count, ql.Unadjusted, 100.0, issue, calls)


def option_adjusted_spread(
    bond: CallableBond, clean_price: float, curve: Curve, *, settlement: date, mean_reversion: float, sigma: float
) -> float:
    """Spread over a curve that explains a clean price when the issuer calls at its best: decimal, continuous, Act/365.

    The short rate follows Hull-White, dr = (theta(t) - a r) dt + sigma dW, on a trinomial tree with `STEPS_PER_YEAR`
    steps a year; the issuer calls on a date of the schedule if the bond is worth more than the call price. Without
    calls ahead it is the z-spread but for the tree's steps.

    Parameters
    ----------
    mean_reversion, sigma
        a and sigma: decimal a year (0.03), absolute decimal a year (0.009).

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is before the curve date or the issue, or not before maturity.
    ConventionError
        If a parameter is out of its range, or QuantLib finds no spread that gives the price.
    """
    import QuantLib

    ql = QuantLib
    checked_bond(bond)
    checked_settlement(bond, bond.resolve(), settlement)
    if settlement < curve.curve_date:
        raise SettlementOutOfRange(
            f"settlement: {settlement} is before the curve of {curve.curve_date}; give a later date"
        )
    price = checked_price("clean_price", clean_price, bond.cusip)
    if price <= 0.0:
        raise ConventionError(f"clean_price: {price:g} must be positive ({bond.cusip})")
    if not 0.0 < sigma <= HIGHEST_SIGMA:
        raise ConventionError(f"sigma: {sigma:g} is not in (0, {HIGHEST_SIGMA:g}]; give a decimal such as 0.009")
    if checked_rate("mean_reversion", mean_reversion) <= 0.0:
        raise ConventionError(f"mean_reversion: {mean_reversion:g} is not above 0; give a decimal such as 0.03")
    steps = max(round(STEPS_PER_YEAR * (bond.maturity_date - settlement).days / 365), STEPS_PER_YEAR)
    with _LOCK, ql.SavedSettings():
        ql.Settings.instance().evaluationDate = quantlib_date(settlement)
        rates = _curve(ql, curve, bond, settlement)
        tree = _bond(ql, bond, settlement)
        model = ql.HullWhite(rates, mean_reversion, sigma)
        tree.setPricingEngine(ql.TreeCallableFixedRateBondEngine(model, steps))
        try:
            return float(
                tree.OAS(price, rates, ql.Actual365Fixed(), ql.Continuous, ql.Annual, quantlib_date(settlement), 1e-12)
            )
        except RuntimeError as error:
            raise ConventionError(
                f"clean_price: {price:g} has no option-adjusted spread ({bond.cusip}): {error}"
            ) from None
