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
    dates, start = flows.accrual_dates, flows.accrues_from(day)
    end = bisect_right(dates, day)
    previous = dates[end - 1]
    prior = dates[end - 2] if start < previous else None
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
        "next_coupon": dates[end],
    }


def exercise_units(security: Security, strike_e6: int, face_units: int, expiry: date) -> int:
    """Cash that exercises an option on a face: strike and accrued interest of the expiry date, as `OptionBook` has it.

    Accrued interest is rounded half up at 10^-6 per 100 face, the payment up to the base unit: the payer bears it.

    Parameters
    ----------
    strike_e6
        Clean, 10^-6 per 100 face.
    """
    accrued = security.resolve().accrued(expiry) * 10**6
    accrued_e6 = (2 * accrued.numerator + accrued.denominator) // (2 * accrued.denominator)
    return -(-face_units * (strike_e6 + accrued_e6) // 10**8)
