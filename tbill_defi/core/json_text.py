"""JSON of others, parsed within a stated depth."""

from __future__ import annotations

import json
import sys
from typing import Any

DEEPEST = 2_000
"""Interpreter frames while parsing: some libraries raise the limit so far that deep nesting would end the process."""


def parse_json(text: str, **hooks: Any) -> Any:
    """`json.loads`, whatever the interpreter's recursion limit is.

    Raises
    ------
    ValueError
        If the text is not JSON (`json.JSONDecodeError`), or is nested too deeply.
    """
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(min(limit, DEEPEST))
        return json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    finally:
        sys.setrecursionlimit(limit)
