"""What a strategy's process may not do once the plugin is loaded: files, sockets, processes, threads, other memory.

Two layers. Python's audit events name the attempt, which is remembered even if the plugin swallows the error. Where
the operating system has limits on open files, the limit is zero, so that no library opens one either.
Installed packages may be imported at any time; the plugin's own modules run under the guard from their first line.
"""

from __future__ import annotations

import _thread
import importlib.abc
import importlib.machinery
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import CodeType, FrameType, ModuleType
from typing import Any

from tbill_defi.core.errors import LookAhead

REFUSED = (
    "open",
    "os.",
    "socket.",
    "subprocess.",
    "sqlite3.",
    "ctypes.",
    "gc.",
    "mmap.",
    "shutil.",
    "glob.",
    "urllib.",
    "resource.",
    "tempfile.",
    "pathlib.",
    "_thread.start",
    "signal.",
    "sys.addaudithook",
    "sys.setprofile",
    "sys.settrace",
    "sys._current_frames",
    "_winapi.",
    "winreg.",
)
"""Audit events, by their beginning, that are refused."""
WRITES = os.O_WRONLY | os.O_RDWR


WORDS = {
    "socket.": "reaches for a network",
    "urllib.": "reaches for a network",
    "subprocess.": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.fork": "starts a process",
    "_winapi.": "starts a process",
    "_thread.": "starts a thread",
    "gc.": "looks through memory",
    "ctypes.": "reaches past Python",
}
"""What an attempt is called, by the beginning of its event."""
SEES = "a strategy sees its view and its holdings, and nothing else"


class Guard:
    """The guard of one process; made once, it cannot be taken off but by `lifted`."""

    def __init__(self) -> None:
        self._active = False
        self._lifted = 0
        self.attempts: list[str] = []
        self.own_packages: set[str] = set()
        try:
            import resource
        except ImportError:
            self._limits: Any = None
            self._before = (0, 0)
        else:
            self._limits = resource
            self._before = resource.getrlimit(resource.RLIMIT_NOFILE)
        _announce_threads()
        sys.addaudithook(self._hook)
        sys.meta_path.insert(0, _Finder(self))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active or self._lifted or not event.startswith(REFUSED):
            return
        attempt = _named(event, arguments)
        self.attempts.append(attempt)
        raise LookAhead(f"{attempt}; {SEES}")

    def is_own(self, frame: FrameType) -> bool:
        """Whether a frame runs the plugin's own code."""
        return str(frame.f_globals.get("__name__", "")).partition(".")[0] in self.own_packages

    def _limit_files(self, count: int) -> None:
        if self._limits is not None:
            with suppress(ValueError, OSError):
                self._limits.setrlimit(self._limits.RLIMIT_NOFILE, (count, self._before[1]))

    def engage(self) -> None:
        """From now on, between decisions too."""
        self._limit_files(0)
        self._active = True

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Unguarded while inside: to load the code of a module."""
        self._lifted += 1
        if self._active:
            self._limit_files(self._before[0])
        try:
            yield
        finally:
            if self._active and self._lifted == 1:
                self._limit_files(0)
            self._lifted -= 1

    def is_trusted(self, name: str, origin: str | None) -> bool:
        """Whether a module is installed and not of the plugin's own package."""
        if name.partition(".")[0] in self.own_packages:
            return False
        if name.partition(".")[0] == __name__.partition(".")[0]:
            return True
        roots = (sys.prefix, sys.base_prefix)
        return origin is None or origin in ("built-in", "frozen") or _is_installed(origin, roots)


def _announce_threads() -> None:
    """Have a new thread tell Python's audit hooks, as it does by itself only from Python 3.12 on."""
    begin = _thread.start_new_thread

    def start_new_thread(*arguments: Any) -> int:
        sys.audit("_thread.start_new_thread", *arguments)
        return begin(*arguments)

    for module, name in ((_thread, "start_new_thread"), (_thread, "start_new"), (threading, "_start_new_thread")):
        if getattr(module, name, None) is begin:
            setattr(module, name, start_new_thread)


def _named(event: str, arguments: tuple[Any, ...]) -> str:
    """Such as "reads a file (par_yields.csv)"."""
    first = next((str(argument) for argument in arguments[:1] if argument is not None), "")
    if event == "open":
        mode, flags = (*arguments[1:], None, None)[:2]
        writes = any(letter in str(mode or "") for letter in "wax+") or bool((flags or 0) & WRITES)
        return f"{'writes' if writes else 'reads'} a file ({first})"
    words = next((said for beginning, said in WORDS.items() if event.startswith(beginning)), "")
    return f"{words} ({event})" if words else f"tried {event} {first}".strip()


def _is_installed(origin: str, roots: Sequence[str]) -> bool:
    return origin.startswith(tuple(roots)) or "site-packages" in origin


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules as Python does, and loads them with the guard lifted for their code alone."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's spec, its loader wrapped."""
        with self._guard.lifted():
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = GuardedLoader(self._guard, spec.loader, spec.origin)
        return spec


class GuardedLoader(importlib.abc.Loader):
    """Reads a module's code with the guard lifted, and runs the code of untrusted modules under it."""

    def __init__(self, guard: Guard, loader: Any, origin: str | None) -> None:
        self._guard, self._loader, self._origin = guard, loader, origin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the wrapped loader does."""
        with self._guard.lifted():
            made: ModuleType | None = self._loader.create_module(spec)
            return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        guard, name = self._guard, module.__name__
        if guard.is_trusted(name, self._origin) or not hasattr(self._loader, "get_code"):
            with guard.lifted():
                self._loader.exec_module(module)
            return
        with guard.lifted():
            code: CodeType | None = self._loader.get_code(name)
        if code is not None:
            exec(code, module.__dict__)  # noqa: S102 - what importing a module is
