"""JSON of others, parsed within a stated depth."""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import Any

DEEPEST = 2_000
"""Interpreter frames while parsing: some libraries raise the limit so far that deep nesting would end the process."""


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """`json.loads`, whatever the interpreter's recursion limit is; infinities and NaN are not JSON.

    Raises
    ------
    ValueError
        If the text is not JSON (`json.JSONDecodeError`), or is nested too deeply.
    """
    limit = sys.getrecursionlimit()
    hooks = {"parse_float": _finite, "parse_constant": _finite} | hooks
    try:
        sys.setrecursionlimit(min(limit, DEEPEST))
        return json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    finally:
        sys.setrecursionlimit(limit)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is no number of JSON")
    return value
