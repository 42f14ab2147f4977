"""Treasury inflation-protected securities: what the contract says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import AfterValidator

from tbill_defi.conventions.reference_cpi import HIGHEST, LOWEST, checked_cpi
from tbill_defi.instruments.securities import CouponTerms


def _checked(value: float) -> float:
    return checked_cpi("dated_reference_cpi", value)


class Tips(CouponTerms):
    """A Treasury inflation-protected security: a fixed real coupon on a principal that follows the CPI.

    `resolve()` gives the real flows per 100 of original face: what is paid is each of them times the index ratio of
    its date, the principal at least 100. Prices and yields of a TIPS are real: unadjusted, before the index ratio. A
    unit of face, on the ledger too, is original face.

    Attributes
    ----------
    cusip
        Nine characters.
    coupon
        Decimal annual real rate in [0, 0.20].
    dated_date
        Real interest accrues from this date.
    maturity_date
        Last coupon and principal.
    dated_reference_cpi
        Reference CPI of the dated date of the original issue, 5 decimals: the denominator of the index ratio.
    first_coupon_date, issue_date
        As of `Note`.
    """

    kind: Literal["tips"] = "tips"
    dated_reference_cpi: Annotated[
        float,
        AfterValidator(_checked),
        Field(json_schema_extra={"minimum": LOWEST, "maximum": HIGHEST}),
    ]
