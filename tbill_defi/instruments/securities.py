"""Bills, notes and bonds: what the contract says, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from tbill_defi.conventions.schedules import MONTHS_PER_PERIOD, add_months
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.flows import CashFlows, coupon_flows, discount_flow
from tbill_defi.instruments.flows_odd_last import odd_last_flows
from tbill_defi.instruments.terms import (
    AnnualRate,
    Cusip,
    Terms,
    require_first_coupon,
    require_life,
    require_order,
    require_penultimate,
)

LONGEST_YEARS = 50
"""Stated limit of a maturity; the Treasury issues up to 30 years."""


class Bill(Terms):
    """A Treasury bill: sold at a discount, 100 at maturity, at most a year.

    Attributes
    ----------
    cusip
        Nine characters.
    issue_date
        First settlement.
    maturity_date
        At most one year after the issue date (31 U.S.C. 3104).
    """

    kind: Literal["bill"] = "bill"
    cusip: Cusip
    issue_date: date
    maturity_date: date

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_order("issue_date", self.issue_date, "maturity_date", self.maturity_date)
        latest = add_months(self.issue_date, 12)
        if self.maturity_date > latest:
            raise ConventionError(
                f"maturity_date: {self.maturity_date} is more than a year after issue_date {self.issue_date}; "
                "a bill runs at most a year (longer ones are notes or bonds)"
            )
        return self

    def resolve(self) -> CashFlows:
        """The single flow of 100 at maturity."""
        return discount_flow(self.issue_date, self.maturity_date)


class CouponTerms(Terms):
    """A fixed semiannual coupon with principal at maturity."""

    cusip: Cusip
    coupon: AnnualRate
    dated_date: date
    maturity_date: date
    first_coupon_date: date | None = None
    penultimate_coupon_date: date | None = None
    issue_date: date | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_life(self.dated_date, self.issue_date, self.maturity_date, LONGEST_YEARS)
        if self.penultimate_coupon_date is not None:
            require_penultimate(self.penultimate_coupon_date, self.dated_date, self.maturity_date)
        if self.first_coupon_date is not None:
            anchor = self.penultimate_coupon_date or self.maturity_date
            require_first_coupon(self.first_coupon_date, self.dated_date, anchor, MONTHS_PER_PERIOD)
        return self

    def resolve(self) -> CashFlows:
        """Dated, unadjusted cash flows; odd periods as in 31 CFR 356 Appendix B, I.B."""
        terms = (
            self.coupon,
            self.dated_date,
            self.maturity_date,
            self.first_coupon_date,
            self.issue_date or self.dated_date,
        )
        if self.penultimate_coupon_date is None:
            return coupon_flows(*terms)
        return odd_last_flows(*terms, self.penultimate_coupon_date)


class Note(CouponTerms):
    """A Treasury note: fixed semiannual coupons, 2 to 10 years at issue.

    Attributes
    ----------
    cusip
        Nine characters.
    coupon
        Decimal annual rate in [0, 0.20].
    dated_date
        Interest accrues from this date.
    maturity_date
        Last coupon and principal; if it ends a month, every coupon date does.
    first_coupon_date
        On the coupon cycle; None: the first cycle date after the dated date.
    penultimate_coupon_date
        Before an odd last period, short or long: the coupon cycle is counted back from it, the quasi-coupon dates of
        the last period forward. None: maturity is on the cycle.
    issue_date
        First settlement; None: the dated date.
    """

    kind: Literal["note"] = "note"


class Bond(CouponTerms):
    """A Treasury bond: fixed semiannual coupons, more than 10 years at issue. Attributes as of `Note`."""

    kind: Literal["bond"] = "bond"


Security = Annotated[Bill | Note | Bond, Field(discriminator="kind")]
"""Securities whose nominal flows the terms alone fix: what books, portfolios and ledgers hold."""

SECURITY: TypeAdapter[Bill | Note | Bond] = TypeAdapter(Security)
"""Reads and writes a `Security`, told apart by `kind`."""
