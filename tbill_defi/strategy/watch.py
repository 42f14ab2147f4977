"""What a plugin calls that no audit event tells of: clocks, callers, the environment, by whatever name it has for them.

A trial's instrument: Python's profiler sees each call that the plugin's own code makes, also by an alias or `getattr`.
It makes the plugin slower, so the time limit is another trial's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from tbill_defi.strategy.guard import Guard

WORDS = {
    **dict.fromkeys(
        (
            *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"),
            *("time.perf_counter_ns", "time.process_time", "time.localtime", "time.gmtime", "time.ctime"),
            *("date.today", "datetime.today", "datetime.now", "datetime.utcnow", "posix.times"),
        ),
        "reads the clock",
    ),
    "sys._getframe": "looks through its callers",
}
"""What a call is called, by the function's name."""
ENVIRONMENT: frozenset[CodeType] = frozenset(
    getattr(type(os.environ), name).__code__ for name in ("__getitem__", "__iter__", "__len__")
)
DEPTH = 3
"""Frames of the standard library between the plugin's and the environment's own."""


@contextmanager
def watched(guard: Guard) -> Iterator[None]:
    """Adds to the guard's attempts what the plugin's own code calls while inside."""
    attempts = guard.attempts

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            if guard.is_own(frame) and (name := _name(argument)) in WORDS:
                attempts.append(f"{WORDS[name]} ({name})")
        elif event == "call" and frame.f_code in ENVIRONMENT:
            caller = frame.f_back
            for _ in range(DEPTH):
                if caller is None or guard.is_own(caller):
                    break
                caller = caller.f_back
            if caller is not None and guard.is_own(caller):
                attempts.append("reads the environment")

    with guard.lifted():
        sys.setprofile(look)
    try:
        yield
    finally:
        with guard.lifted():
            sys.setprofile(None)


def _name(function: Any) -> str:
    """Such as "time.time", or "date.today" of a class's method."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return f"{next((k.__name__ for k in owner.__mro__ if k.__module__ == 'datetime'), '')}.{function.__name__}"
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
