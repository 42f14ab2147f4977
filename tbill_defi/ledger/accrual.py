"""Where a coupon accrues on a date, as the contracts' `Accrual` takes it."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from typing import Any

from tbill_defi.core.errors import PlanError
from tbill_defi.instruments import Security


def accrual_period(security: Security, day: date) -> dict[str, Any] | None:
    """Coupon and quasi-coupon dates of the contract's accrual at `day`: fields of `OracleQuote` and `OptionTerms`.

    Empty for a bill; None in the third half-year of a long first coupon period, which the contract does not know.
    """
    flows = security.resolve()
    if not flows.rate:
        return {}
    end = bisect_right(flows.quasi_dates, day)
    previous = flows.quasi_dates[end - 1]
    start = previous if end > flows.first_flow else flows.accrual_start
    prior = flows.quasi_dates[end - 2] if start < previous else None
    if prior is not None and start < prior:
        return None
    coupon = flows.rate * 10**7  # percent of face to 10^-9
    if coupon.denominator != 1:
        raise PlanError(f"{security.cusip}: coupon {flows.rate}% is finer than the oracle's 10^-9")
    return {
        "coupon_e9": int(coupon),
        "accrual_start": start,
        "prior_coupon": prior,
        "previous_coupon": previous,
        "next_coupon": flows.quasi_dates[end],
    }
