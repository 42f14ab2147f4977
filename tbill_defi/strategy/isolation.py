"""A strategy in a process of its own, which is shown one view after the other and can reach nothing else."""

from __future__ import annotations

import importlib.util
import inspect
import io
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tbill_defi.core import errors
from tbill_defi.core.errors import TbillError, UsageError
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.target import Target
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.worker import LENGTH, PLAIN, send

if sys.platform == "linux":
    import fcntl

PIPE_BYTES = 1 << 20
DECIDE_SECONDS = 60.0
"""Longest time for one decision."""
_VALUES = {
    ("datetime", "date"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _Answers(pickle.Unpickler):
    """Reads targets and errors; anything else that a plugin might send is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if module == PLAIN or (module, name) in _VALUES:
            return super().find_class(module, name)
        raise UsageError(f"answered a {module}.{name}; expected Weights.of(...), maximize(...) or Overlay.of(...)")


class IsolatedStrategy:
    """Stands for a strategy where `decide`, `name` and `identity` are wanted; its code runs elsewhere.

    Parameters
    ----------
    strategy
        The strategy: its class must come from a file.
    seconds
        Longest time for one decision.

    Attributes
    ----------
    meanwhile
        Called with the date of each view once it is sent, before the answer is waited for.
    """

    meanwhile: Callable[[date], None]

    def __init__(self, strategy: Strategy[Any], *, seconds: float = DECIDE_SECONDS) -> None:
        self._strategy, self._seconds = strategy, seconds
        self.meanwhile = lambda day: None
        self._known: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._loading = False

    @cached_property
    def _identity(self) -> StrategyIdentity:
        return self._strategy.identity()

    def identity(self) -> StrategyIdentity:
        """As of the strategy."""
        return self._identity

    def name(self) -> str:
        """As of the strategy."""
        return self._strategy.name()

    def start(self) -> None:
        """Start the process; the strategy's code runs in it for the first time. `ready` waits until it is loaded."""
        identity = self.identity()
        kind = type(self._strategy)
        file = str(Path(inspect.getfile(kind)).resolve())
        code = "import sys; sys.path[:] = eval(sys.argv[1]); from tbill_defi.strategy.worker import main; main()"
        path = [str(Path(entry).resolve()) if entry else str(Path.cwd()) for entry in sys.path]
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "TMPDIR") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, repr(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**kept, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
        )
        _widen(self._process)
        self._tell(
            {
                "module": _importable(kind.__module__, file),
                "file": file,
                "class": kind.__qualname__,
                "config": dict(identity.config),
            }
        )
        self._loading = True

    def ready(self) -> None:
        """Wait until the strategy is loaded. Raises what `decide` raises."""
        if self._process is None:
            self.start()
        if self._loading:
            self._loading = False
            self._answer()

    def decide(self, view: View, book: Holdings) -> Target:
        """The strategy's target.

        Raises
        ------
        LookAhead
            If it reached for anything but the view and the holdings.
        UsageError
            If its code fails, takes too long or answers something else.
        TbillError
            What the strategy raises of these.
        """
        self.ready()
        pairs = zip(view.cusips, view.securities, strict=True)
        new = [security for cusip, security in pairs if cusip not in self._known]
        self._known.update(view.cusips)
        names = [f.name for f in fields(View) if f.name != "securities"]
        self._tell(
            {
                "new": new,
                "cusips": view.cusips,
                "view": {name: getattr(view, name) for name in names},
                "book": {f.name: getattr(book, f.name) for f in fields(Holdings)},
            }
        )
        self.meanwhile(view.date)
        target: Target = self._answer()
        return target

    def _tell(self, message: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            raise self._ended() from None

    def _answer(self) -> Any:
        head = self._read(LENGTH.size)
        kind, value = _Answers(io.BytesIO(self._read(LENGTH.unpack(head)[0]))).load()
        if kind == "answer":
            return value
        name, text, relaxation = value
        message = f"strategy {self.name()}: {text}"
        error: type[TbillError] = getattr(errors, name, UsageError)
        raise error(message, relaxation) if relaxation is not None else error(message)

    def _read(self, count: int) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, parts = self._process.stdout.fileno(), b""
        while len(parts) < count:
            if sys.platform != "win32" and not select.select([pipe], [], [], self._seconds)[0]:
                self.close()
                raise UsageError(f"strategy {self.name()}: no decision within {self._seconds:g} s; it was stopped")
            part = os.read(pipe, min(count - len(parts), 1 << 20))
            if not part:
                raise self._ended()
            parts += part
        return parts

    def _ended(self) -> UsageError:
        status = self._process.wait() if self._process else 0
        self.close()
        return UsageError(f"strategy {self.name()}: its process ended by itself (status {status})")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            self._process.wait()
            self._process = None
            self._known.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Room for a whole view in the pipe, where the system can (Linux): whoever tells need not wait for the reader."""
    if sys.platform == "linux" and process.stdin is not None:
        with suppress(OSError):
            fcntl.fcntl(process.stdin.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _importable(module: str, file: str) -> str | None:
    """The module's name if importing it gives this file, else None: it is loaded by its path."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    same = spec is not None and spec.origin is not None and str(Path(spec.origin).resolve()) == file
    return module if same and not module.startswith("tbill_defi_plugin_") and module != "__main__" else None
