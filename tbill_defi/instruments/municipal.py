"""Municipal bonds: what the contract says."""

from __future__ import annotations

from typing import Literal

from tbill_defi.instruments.callable import CallableTerms


class MunicipalBond(CallableTerms):
    """A municipal bond: fixed semiannual coupons on 30/360 (MSRB Rule G-33), bullet or callable.

    Attributes
    ----------
    cusip, coupon, dated_date, maturity_date, first_coupon_date, issue_date, call_schedule
        As of `CorporateBond`.
    """

    kind: Literal["municipal"] = "municipal"

    @property
    def periods_per_year(self) -> int:
        """Coupons a year: 2."""
        return 2
