"""Corporate bonds: what the contract says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tbill_defi.instruments.callable import CallableTerms


class CorporateBond(CallableTerms):
    """A corporate bond: a fixed coupon on 30/360 US, bullet or callable.

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
    issue_date
        First settlement; None: the dated date.
    call_schedule
        Pairs of date and price per 100 face, dates ascending, before maturity.
    frequency
        Coupons a year: 1, 2 or 4.
    rating
        As the agency writes it; None: unrated.
    recovery
        Part of face recovered in default, a decimal in [0, 1).
    """

    kind: Literal["corporate"] = "corporate"
    frequency: Literal[1, 2, 4] = 2
    rating: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    recovery: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.4

    @property
    def periods_per_year(self) -> int:
        """Coupons a year."""
        return self.frequency
