"""Cash flows whose last period is none of the coupon cycle: shorter or longer than the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from tbill_defi.conventions.schedules import MONTHS_PER_PERIOD, add_months, is_month_end
from tbill_defi.instruments.flows import CashFlows, accrued_fraction, coupon_flows, frozen, frozen_dates


@dataclass(frozen=True, eq=False)
class OddLastFlows(CashFlows):
    """What a note or bond with an odd last period pays; attributes as of `CashFlows`, and these.

    Attributes
    ----------
    last_dates
        Quasi-coupon dates of the last period, counted forward from the penultimate coupon date to at or after maturity:
        interest of the last period is the sum over its parts, as that of a long first one is.
    """

    last_dates: tuple[date, ...] = ()

    @property
    def accrual_dates(self) -> tuple[date, ...]:
        """Dates that bound the quasi-coupon periods in which interest accrues; the last may be after maturity."""
        return (*self.quasi_dates[:-1], *self.last_dates[1:])

    def part_left(self, day: date) -> float:
        """Regular periods from `day` to the end of the current one; in the last period, to maturity."""
        if day < self.last_dates[0]:
            return super().part_left(day)
        return float(2 * accrued_fraction(self.last_dates, day, self.maturity))


def last_quasi_dates(penultimate: date, maturity: date) -> tuple[date, ...]:
    """Cycle dates from the penultimate coupon date on to the first at or after maturity."""
    month_end, dates = is_month_end(penultimate), [penultimate]
    while dates[-1] < maturity:
        dates.append(add_months(penultimate, MONTHS_PER_PERIOD * len(dates), end_of_month=month_end))
    return tuple(dates)


@lru_cache(maxsize=4096)
def odd_last_flows(
    coupon: float,
    dated_date: date,
    maturity: date,
    first_coupon_date: date | None,
    issue_date: date,
    penultimate: date,
) -> OddLastFlows:
    """Flows of a fixed semiannual coupon that is regular until the penultimate one; a function of the terms alone."""
    regular = coupon_flows(coupon, dated_date, penultimate, first_coupon_date, issue_date)
    last_dates = last_quasi_dates(penultimate, maturity)
    fraction = accrued_fraction(last_dates, penultimate, maturity)
    interest = float(regular.rate * fraction)
    paid = (*regular.payment_dates, maturity)
    coupons = [*regular.coupons.tolist(), interest]
    return OddLastFlows(
        dates=frozen_dates(paid),
        amounts=frozen([*coupons[:-1], float(regular.rate * fraction + 100)]),
        coupons=frozen(coupons),
        fractions=(*regular.fractions, fraction),
        accrual_start=dated_date,
        first_settlement=issue_date,
        quasi_dates=(*regular.quasi_dates, maturity),
        first_flow=regular.first_flow,
        rate=regular.rate,
        last_part=float(2 * fraction),
        last_dates=last_dates,
    )
