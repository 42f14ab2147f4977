"""What every terms model shares: frozen, closed, and one clear error."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator

from tbill_defi.conventions.schedules import add_months, quasi_coupon_dates
from tbill_defi.core.errors import ConventionError
from tbill_defi.core.identifiers import cusip as checked_cusip
from tbill_defi.core.json_text import parse_json

LARGEST_COUPON = 0.20
"""No Treasury has ever paid more than 16.25%."""

_CURES = {
    "missing": "is missing",
    "date": "a date such as 2026-08-15",
    "float": "a decimal number such as 0.04125",
    "string": "text",
}


def checked_coupon(value: float) -> float:
    """`value` if it is a decimal annual rate in [0, 0.20].

    Raises
    ------
    ConventionError
        If it is not: a percent, a negative rate, or not finite.
    """
    if 0.0 <= value <= LARGEST_COUPON:
        return value
    if value > LARGEST_COUPON:
        cure = f"looks like percent; give a decimal such as {value / 100:g}"
        raise ConventionError(f"coupon: {value:g} {cure}" if value <= 100 else f"coupon: {value:g} is above 0.20")
    raise ConventionError(f"coupon: {value:g} is not a rate; give a decimal in [0, 0.20] such as 0.04125")


def _coupon_type(value: Any) -> Any:
    if isinstance(value, bool):
        raise ConventionError(f"coupon: {value!r} is not a decimal number such as 0.04125")
    return value


Cusip = Annotated[str, AfterValidator(checked_cusip), Field(json_schema_extra={"pattern": "^[0-9A-Z*@#]{9}$"})]
"""Nine characters; the check digit is not enforced."""

AnnualRate = Annotated[
    float,
    BeforeValidator(_coupon_type),
    AfterValidator(checked_coupon),
    Field(json_schema_extra={"minimum": 0.0, "maximum": LARGEST_COUPON}),
]
"""Decimal annual rate in [0, 0.20]."""


def named(message: str, data: Any) -> str:
    """An error's message with the CUSIP of the terms it is about, if they have a right one and it is not named yet."""
    try:
        fields = parse_json(data) if isinstance(data, str | bytes) else data
        cusip = checked_cusip(str(fields["cusip"]))
    except (ConventionError, ValueError, KeyError, TypeError):
        cusip = ""
    return f"{message} ({cusip})" if cusip and cusip not in message else message


def one_line(model: str, fields: Iterable[str], error: ValidationError) -> str:
    """The first error of pydantic as one line that names field, value and what would be right."""
    known = ", ".join(field for field in fields if field != "kind")
    first = error.errors()[0]
    location = list(first["loc"])
    indices = ""
    while len(location) > 1 and isinstance(location[-1], int):
        indices = f"[{location.pop()}]{indices}"
    name = f"{location[-1]}{indices}" if location else model
    kind, value = first["type"], first.get("input")
    if kind == "missing":
        return f"{model}: {name} is missing; the fields are {known}"
    if kind == "extra_forbidden":
        return f"{model}: {name} is not a field; the fields are {known}"
    for prefix, cure in _CURES.items():
        if kind.startswith(prefix):
            return f"{name}: {value!r} is not {cure}"
    return f"{name}: {value!r}: {first['msg']}"


class Terms(BaseModel):
    """Base of the terms models: frozen, no unknown fields, errors are `ConventionError`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:

        def __init__(self, **data: Any) -> None:
            try:
                super().__init__(**data)
            except ValidationError as error:
                line = one_line(type(self).__name__, type(self).model_fields, error)
                raise ConventionError(named(line, data)) from None
            except ConventionError as error:
                raise ConventionError(named(str(error), data)) from None


def require_order(earlier: str, first: date, later: str, second: date, *, equal: bool = False) -> None:
    """Demand that two dates are in order.

    Raises
    ------
    ConventionError
        If `first` is not before `second` (or equal to it, where that is allowed).
    """
    if first > second or (first == second and not equal):
        relation = "on or before" if equal else "before"
        raise ConventionError(f"{earlier}: {first} must be {relation} {later} {second}")


def require_life(dated: date, issue: date | None, maturity: date, longest_years: int) -> None:
    """Demand that interest starts, the issue settles and the principal is paid in this order, within a stated limit.

    Raises
    ------
    ConventionError
        Names the field that is out of order, or the maturity that is too late.
    """
    require_order("dated_date", dated, "maturity_date", maturity)
    if maturity > add_months(dated, 12 * longest_years):
        raise ConventionError(f"maturity_date: {maturity} is more than {longest_years} years after {dated}")
    if issue is not None:
        require_order("dated_date", dated, "issue_date", issue, equal=True)
        require_order("issue_date", issue, "maturity_date", maturity)


def require_first_coupon(first: date, dated: date, maturity: date, months: int) -> None:
    """Demand that a first coupon date is one of the first three cycle dates after the dated date.

    Raises
    ------
    ConventionError
        Names the dates that are allowed.
    """
    allowed = quasi_coupon_dates(dated, maturity, months)[1:4]
    if first not in allowed:
        raise ConventionError(
            f"first_coupon_date: {first} is not one of {', '.join(map(str, allowed))}: "
            f"the first cycle dates of maturity {maturity} after dated_date {dated}"
        )


def require_penultimate(penultimate: date, dated: date, maturity: date) -> None:
    """Demand that a coupon date can stand before an odd last period, of at most a year.

    Raises
    ------
    ConventionError
        If it is out of order, too early, or on the cycle of the maturity: then the last period is regular.
    """
    require_order("dated_date", dated, "penultimate_coupon_date", penultimate)
    require_order("penultimate_coupon_date", penultimate, "maturity_date", maturity)
    if maturity > add_months(penultimate, 12):
        raise ConventionError(
            f"penultimate_coupon_date: {penultimate} is more than a year before maturity {maturity}; "
            "an odd last period is at most two regular ones"
        )
    if quasi_coupon_dates(penultimate, maturity)[0] == penultimate:
        raise ConventionError(
            f"penultimate_coupon_date: {penultimate} is on the cycle of maturity {maturity}; leave it out"
        )
