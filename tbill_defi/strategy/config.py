"""A strategy's settings, and one line for what is wrong with them: field, value, what is allowed."""

from __future__ import annotations

from datetime import date
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tbill_defi.core.errors import ConventionError

NOUNS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    date: "a date such as 2026-03-24",
}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
MOST_SHOWN = 80
"""Characters of a value that an error repeats."""


class StrategyConfig(BaseModel):
    """Base of configurations: frozen, no unknown fields; its JSON schema makes the command's flags.

    Raises
    ------
    ConventionError
        In one line, if a value is not allowed: field, value, and what is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:  # for those who read types, the fields are the parameters

        def __init__(self, /, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise ConventionError(_said(type(self), error.errors(include_url=False)[0])) from None


def _said(kind: type[StrategyConfig], error: ErrorDetails) -> str:
    place, fields = error["loc"], kind.model_fields
    name = ".".join(str(part) for part in place) or "config"
    if error["type"] == "extra_forbidden" and len(place) == 1:
        return f"{name}: there is no such setting; its settings are {', '.join(fields) or 'none'}"
    reason = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if error["type"] in ("value_error", "assertion_error") and not place:
        return f"{name}: {reason}"
    shown = repr(error["input"])
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."
    allowed = _allowed(fields[str(place[0])]) if len(place) == 1 and place[0] in fields else ""
    if error["type"] == "missing":
        return f"{name}: is missing; expected {allowed or 'a value'}"
    if error["type"] in ("value_error", "assertion_error") or not allowed:
        return f"{name}: {shown}: {reason.replace('Input should be', 'expected')}"
    return f"{name}: {shown} is not allowed; expected {allowed}"


def _allowed(field: FieldInfo) -> str:
    """Such as "a whole number, at least 1, at most 60"; "" for what is not a plain value."""
    kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else (field.annotation,)
    words = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            words.append(f"one of {', '.join(str(choice) for choice in get_args(kind))}")
        elif kind is not NoneType:
            words.append(NOUNS.get(kind, ""))
    if not all(words):
        return ""
    bounds = [
        f"{word} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, word in BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([" or ".join(words), *bounds, *(["or nothing"] if NoneType in kinds else [])])
