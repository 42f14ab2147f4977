"""What bonds of other issuers share: a fixed coupon that counts 30/360, and a call schedule."""

from __future__ import annotations

from abc import abstractmethod
from datetime import date
from itertools import pairwise
from typing import Self

from pydantic import model_validator

from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.flows_30_360 import Flows30360, flows_30_360
from tbill_defi.instruments.terms import AnnualRate, Cusip, Terms, require_first_coupon, require_life

LONGEST_YEARS = 100
HIGHEST_CALL_PRICE = 200.0


class CallableTerms(Terms):
    """A fixed coupon on 30/360 US, principal at maturity or at a call.

    The issuer may call on the dates of the schedule, each at its price; a bond that can be called on any day from a
    date on is one of the dates on which its price steps down.
    """

    cusip: Cusip
    coupon: AnnualRate
    dated_date: date
    maturity_date: date
    first_coupon_date: date | None = None
    issue_date: date | None = None
    call_schedule: tuple[tuple[date, float], ...] = ()

    @property
    @abstractmethod
    def periods_per_year(self) -> int:
        """Coupons a year."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_life(self.dated_date, self.issue_date, self.maturity_date, LONGEST_YEARS)
        if self.first_coupon_date is not None:
            months = 12 // self.periods_per_year
            require_first_coupon(self.first_coupon_date, self.dated_date, self.maturity_date, months)
        self._check_calls()
        return self

    def _check_calls(self) -> None:
        for day, price in self.call_schedule:
            if not (self.issue_date or self.dated_date) < day < self.maturity_date:
                raise ConventionError(
                    f"call_schedule: {day} is not between the issue on {self.issue_date or self.dated_date} and "
                    f"maturity {self.maturity_date}; leave maturity itself out"
                )
            if not 0.0 < price <= HIGHEST_CALL_PRICE:
                raise ConventionError(
                    f"call_schedule: {price:g} on {day} is not a price per 100 face in (0, 200] such as 102.5"
                )
        for (day, _), (later, _) in pairwise(self.call_schedule):
            if day >= later:
                raise ConventionError(f"call_schedule: {later} after {day} is not ascending; sort the dates, each once")

    def resolve(self) -> Flows30360:
        """Dated, unadjusted cash flows to maturity."""
        return self._flows(None)

    def resolve_to_call(self, call_date: date) -> Flows30360:
        """Cash flows if the bond is called on a date of its schedule: the call price, and interest to that day.

        Raises
        ------
        ConventionError
            If the schedule does not have the date; names those that it has.
        """
        prices = dict(self.call_schedule)
        if call_date not in prices:
            dates = ", ".join(map(str, prices)) or "none: it is not callable"
            raise ConventionError(f"call_date: {call_date} is not a call date of {self.cusip}; it has {dates}")
        return self._flows((call_date, prices[call_date]))

    def _flows(self, call: tuple[date, float] | None) -> Flows30360:
        return flows_30_360(
            self.coupon,
            self.dated_date,
            self.maturity_date,
            self.first_coupon_date,
            self.issue_date or self.dated_date,
            self.periods_per_year,
            call,
        )
