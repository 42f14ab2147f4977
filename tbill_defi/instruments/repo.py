"""Terms of a repo: cash against a Treasury for a term, at a fixed rate, with a margin rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.functional_validators import AfterValidator

from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.terms import Cusip, Terms, require_order

REPO_YEAR_DAYS = 360
"""Repo interest is simple, Act/360."""
LONGEST_DAYS = 731
LARGEST_RATE = 1.0
LARGEST_RATIO = 10.0
E9 = 10**9
_PRICE_UNIT = 10**8
"""Face units x price (10^-6 per 100 face) over this are cash units."""


class MarginRule(Enum):
    """How collateral covers cash; named in the terms, never inferred from the number.

    A haircut h of 0.02 lends cash = market value x (1 - h); a margin ratio m of 1.02 lends market value / m. They are
    not the same: 2% and 1.02 differ by 4 bp of market value.
    """

    HAIRCUT = "haircut"
    MARGIN_RATIO = "margin_ratio"

    @property
    def code(self) -> int:
        """The contract's enum."""
        return list(MarginRule).index(self)

    def factor(self, margin: int | Fraction) -> Fraction:
        """Cash lent per unit of market value; `margin` in 10^-9."""
        share = Fraction(margin) / E9
        return 1 - share if self is MarginRule.HAIRCUT else 1 / share

    def lendable_units(self, face_units: int, price_e6: int, margin_e9: int) -> int:
        """Cash that can be lent on face at a dirty price (10^-6 per 100), rounded down: against the borrower."""
        return int(face_units * price_e6 * self.factor(margin_e9) / _PRICE_UNIT)

    def face_units(self, cash_units: int, price_e6: int, margin_e9: int) -> int:
        """Least face that covers cash at a dirty price (10^-6 per 100): rounded up, by the borrower."""
        needed = cash_units * _PRICE_UNIT / (price_e6 * self.factor(margin_e9))
        return -int(-needed // 1)


def _rate(value: float) -> float:
    if 0.0 <= value <= LARGEST_RATE:
        return value
    if value < 0.0:
        raise ConventionError(f"rate: {value:g} is negative; a repo here pays 0 or more")
    if not isfinite(value):
        raise ConventionError(f"rate: {value:g} is no rate; give a decimal such as 0.0365")
    raise ConventionError(f"rate: {value:g} looks like percent; give a decimal such as {value / 100:g}")


Rate = Annotated[float, AfterValidator(_rate)]
Units = Annotated[int, Field(gt=0, lt=2**88)]


class Repo(Terms):
    """A term repo: the borrower sells collateral and buys it back at the end for cash and interest.

    Attributes
    ----------
    cusip
        The collateral.
    face_units
        Its face, 10^-6 dollar.
    cash_units
        Purchase price, 10^-6 dollar.
    rate
        Decimal, simple, Act/360.
    start_date, end_date
        Purchase and repurchase.
    margin_rule, margin
        A haircut as a decimal in [0, 1), or a margin ratio in [1, 10].
    """

    kind: Literal["repo"] = "repo"
    cusip: Cusip
    face_units: Units
    cash_units: Units
    rate: Rate
    start_date: date
    end_date: date
    margin_rule: MarginRule = MarginRule.HAIRCUT
    margin: float

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_order("start_date", self.start_date, "end_date", self.end_date)
        if (self.end_date - self.start_date).days > LONGEST_DAYS:
            raise ConventionError(f"end_date: {self.end_date} is more than {LONGEST_DAYS} days after {self.start_date}")
        checked_margin(self.margin_rule, self.margin)
        exact_e9("rate", self.rate)
        return self

    @property
    def rate_e9(self) -> int:
        """The rate in 10^-9, exact."""
        return exact_e9("rate", self.rate)

    @property
    def margin_e9(self) -> int:
        """The margin in 10^-9, exact."""
        return exact_e9("margin", self.margin)

    def resolve(self) -> RepoFlows:
        """What is paid, and when."""
        days = (self.end_date - self.start_date).days
        interest = interest_units(((self.cash_units, days),), self.rate_e9)
        return RepoFlows(self.start_date, self.end_date, days, self.cash_units, interest)


@dataclass(frozen=True, slots=True)
class RepoFlows:
    """Cash of a repo, base units: `cash_units` at the start, the same and `interest_units` back at the end."""

    start_date: date
    end_date: date
    days: int
    cash_units: int
    interest_units: int

    @property
    def repurchase_units(self) -> int:
        """Paid at the end."""
        return self.cash_units + self.interest_units


def interest_units(intervals: tuple[tuple[int, int], ...], rate_e9: int) -> int:
    """Interest over (outstanding cash, actual days) intervals: their exact sum, rounded half up to a unit, once."""
    total = sum(cash * days for cash, days in intervals) * rate_e9
    year = REPO_YEAR_DAYS * E9
    return (total + year // 2) // year


def checked_margin(rule: MarginRule, margin: float, field: str = "margin") -> float:
    """`margin` if it is one of the rule's; `field` is what an error calls it.

    Raises
    ------
    ConventionError
        If it is not: a percent, or a number that belongs to the other rule.
    """
    if rule is MarginRule.HAIRCUT and not 0.0 <= margin < 1.0:
        percent = 1.0 < margin < 100.0
        cure = (
            f"a decimal such as {margin / 100 if percent else 0.02:g}" + f", or a margin_ratio of {margin:g}" * percent
        )
        raise ConventionError(f"{field}: {margin:g} is not a haircut in [0, 1); give {cure}")
    if rule is MarginRule.MARGIN_RATIO and not 1.0 <= margin <= LARGEST_RATIO:
        raise ConventionError(f"{field}: {margin:g} is not a margin ratio in [1, 10] such as 1.02")
    exact_e9(field, margin)
    return margin


def exact_e9(field: str, value: float) -> int:
    """A decimal in 10^-9, exact.

    Raises
    ------
    ConventionError
        If it is finer than 10^-9.
    """
    scaled = Decimal(repr(float(value))) * E9
    if scaled != scaled.to_integral_value():
        raise ConventionError(f"{field}: {value!r} is finer than 0.000000001")
    return int(scaled)
