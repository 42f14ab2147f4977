"""Checks of single values that people and plugins give: numbers, texts, kinds; one line for what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from tbill_defi.core.errors import ConventionError


def require_number(what: str, value: Any, *, infinite: bool = False, nan: bool = False) -> None:
    """A real number, finite unless said otherwise; numpy's numbers are, texts and truth values are not.

    Raises
    ------
    ConventionError
        Naming `what` and the value.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or (math.isnan(value) and not nan):
        raise ConventionError(f"{what}: {value!r} is not a number")
    if math.isinf(value) and not infinite:
        raise ConventionError(f"{what}: {value!r} is not a finite number")


def require_band(
    what: str, lower: Any, upper: Any, expected: str, *, least: float = -math.inf, most: float = math.inf
) -> None:
    """Numbers, infinite ones too, with least <= lower <= upper <= most. Raises as `require_number` does."""
    for value in (lower, upper):
        require_number(what, value, infinite=True)
    if not least <= lower <= upper <= most:
        raise ConventionError(f"{what}: {lower} to {upper} is not {expected}")


def require_whole(what: str, value: Any) -> None:
    """An integer, numpy's too; 3.0 is none. Raises as `require_number` does."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ConventionError(f"{what}: {value!r} is not a whole number")


def require_kind(what: str, value: Any, kind: type | tuple[type, ...], expected: str) -> None:
    """An instance of `kind`. Raises as `require_number` does, with what is expected."""
    if not isinstance(value, kind):
        raise ConventionError(f"{what}: a {type(value).__name__} is given; expected {expected}")


def require_texts(what: str, values: Any, *, longest: int) -> None:
    """A mapping of texts to texts of so many characters at most. Raises as `require_number` does."""
    require_kind(what, values, Mapping, "texts by name")
    for name, value in values.items():
        require_kind(what, name, str, "names that are texts")
        require_kind(f"{what} of {name}", value, str, "a text")
        if len(value) > longest:
            raise ConventionError(f"{what} of {name}: {len(value):,} characters; at most {longest}")
