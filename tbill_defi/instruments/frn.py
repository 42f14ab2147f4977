"""Treasury floating rate notes: what the contract says."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, NoReturn, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import AfterValidator

from tbill_defi.conventions.schedules import quasi_coupon_dates
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.terms import Cusip, Terms, require_life

MONTHS_PER_PERIOD = 3
LONGEST_YEARS = 10
"""Stated limit; the Treasury issues them for two years."""
LARGEST_SPREAD = 0.05


def _checked_spread(value: float) -> float:
    if -LARGEST_SPREAD <= value <= LARGEST_SPREAD:
        return value
    cure = f"looks like percent; give a decimal such as {value / 100:g}" if abs(value) < 100 else "is no spread"
    raise ConventionError(f"spread: {value:g} {cure} (in [-0.05, 0.05])")


class Frn(Terms):
    """A Treasury floating rate note: interest of each day is index plus spread, at least 0, paid quarterly.

    Attributes
    ----------
    cusip
        Nine characters.
    spread
        Decimal annual rate over the index, in [-0.05, 0.05].
    dated_date
        Interest accrues from this date.
    maturity_date
        Last interest and principal; if it ends a month, every payment date does.
    issue_date
        First settlement; None: the dated date.
    """

    kind: Literal["frn"] = "frn"
    cusip: Cusip
    spread: Annotated[
        float,
        AfterValidator(_checked_spread),
        Field(json_schema_extra={"minimum": -LARGEST_SPREAD, "maximum": LARGEST_SPREAD}),
    ]
    dated_date: date
    maturity_date: date
    issue_date: date | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_life(self.dated_date, self.issue_date, self.maturity_date, LONGEST_YEARS)
        return self

    @property
    def payment_dates(self) -> tuple[date, ...]:
        """Unadjusted interest payment dates after the dated date, ascending; the last is the maturity."""
        return quasi_coupon_dates(self.dated_date, self.maturity_date, MONTHS_PER_PERIOD)[1:]

    def resolve(self) -> NoReturn:
        """Refused: what a floating rate note pays is not in its terms.

        Raises
        ------
        ConventionError
            Always; names the verbs that a floating rate note has.
        """
        raise ConventionError(
            f"{self.cusip} is a floating rate note: its payments follow the index, so it has no yield and no fixed "
            "flows; use price_from_discount_margin, discount_margin_from_price or floating_accrued_interest with an "
            "FrnIndex"
        )
