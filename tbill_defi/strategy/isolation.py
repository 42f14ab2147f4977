"""A strategy in a process of its own, which is shown one view after the other and can reach nothing else.

The one way in which a plugin's code is run apart: by a backtest, and by the kit that checks it.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tbill_defi.core import errors
from tbill_defi.core.errors import StrategyError, TbillError
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.target import Target
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.source import PLUGIN, digest, files_of
from tbill_defi.strategy.worker import LENGTH, PLAIN, send

if sys.platform == "linux":
    import fcntl

PIPE_BYTES = 1 << 20
START_SECONDS = 120.0
"""Longest time until the process is there."""
DECIDE_SECONDS = 60.0
"""Longest time for one decision, and for loading."""
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
        raise StrategyError(f"answered a {module}.{name}; expected Weights.of(...), maximize(...) or Overlay.of(...)")


@dataclass(frozen=True)
class About:
    """What a strategy's class says of itself: name, question, module and file, what a backtest reads, config fields."""

    name: str
    question: str
    module: str
    file: str
    schedule: str
    universe: str
    over: str
    fields: list[str]

    def source_hash(self) -> bytes:
        """Keccak-256 of its source (`source.digest`), read now."""
        return digest(files_of(self.module, Path(self.file).resolve()))


class IsolatedStrategy:
    """Stands for a strategy where `decide`, `name` and `identity` are wanted; its code runs elsewhere.

    Parameters
    ----------
    strategy
        A reference as `discovery.find` takes it: then nothing of the plugin runs in this process. Or a strategy that
        was made here: its class must come from a file.
    settings
        Fields of its config, with a reference.
    seconds
        Longest time for one decision, and for loading.
    hash_seed
        Of the process's `PYTHONHASHSEED`.

    Attributes
    ----------
    meanwhile
        Called with the date of each view once it is sent, before the answer is waited for.
    printed
        What it printed while it made its last answer.
    """

    meanwhile: Callable[[date], None]

    def __init__(
        self,
        strategy: Strategy[Any] | str,
        settings: Mapping[str, Any] | None = None,
        *,
        seconds: float = DECIDE_SECONDS,
        hash_seed: int = 0,
    ) -> None:
        made = None if isinstance(strategy, str) else strategy
        self._identity: StrategyIdentity | None = made.identity() if made else None
        self.reference = strategy if isinstance(strategy, str) else _reference(type(strategy))
        self.settings = dict(self._identity.config if self._identity else settings or {})
        self._seconds, self._hash_seed = seconds, hash_seed
        self.meanwhile = lambda day: None
        self.printed = b""
        self._known: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._configured = False

    @cached_property
    def about(self) -> About:
        """What it says of itself, once it is loaded. Raises what `decide` raises."""
        self.start()
        self._answer(START_SECONDS)
        return About(**self._answer())

    def configure(self) -> str:
        """Make it of its settings; says what is wrong with its config as JSON, "" if nothing.

        Raises what `decide` raises.
        """
        about = self.about
        self._tell({"do": "configure", "settings": self.settings})
        answer = self._answer()
        if self._identity is None:
            self._identity = StrategyIdentity(about.name, about.source_hash(), answer["config"])
        self._configured = True
        return str(answer["wrong"])

    def ready(self) -> None:
        """Wait until it is loaded and configured. Raises what `decide` raises."""
        if not self._configured:
            self.configure()

    def identity(self) -> StrategyIdentity:
        """As of the strategy."""
        if self._identity is None:
            self.ready()
        assert self._identity is not None
        return self._identity

    def name(self) -> str:
        """As of the strategy; its reference until it is loaded."""
        about = self.__dict__.get("about")
        return about.name if about else self._identity.name if self._identity else self.reference

    def start(self) -> None:
        """Start the process, and have it load the strategy; nobody waits for it yet."""
        if self._process is not None:
            return
        code = "import sys; sys.path[:] = eval(sys.argv[1]); from tbill_defi.strategy.worker import main; main()"
        path = [str(Path(entry).resolve()) if entry else str(Path.cwd()) for entry in sys.path]
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "TMPDIR") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, repr(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**kept, "PYTHONHASHSEED": str(self._hash_seed), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"},
        )
        _widen(self._process)
        self._tell({"do": "load", "reference": self.reference})

    def decide(self, view: View, book: Holdings, *, home: str | None = None) -> Target:
        """The strategy's target.

        Parameters
        ----------
        home
            Not None: a trial. The folder is its current one and its TBILL_HOME, it is an error to alter the view or
            the holdings, and what it prints is kept in `printed`; else this goes to stderr.

        Raises
        ------
        LookAhead
            If it reached for anything but the view and the holdings.
        StrategyError
            If its code fails, exits, takes too long or too much memory, or answers something else.
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
                "do": "decide",
                "new": new,
                "cusips": view.cusips,
                "view": {name: getattr(view, name) for name in names},
                "book": {f.name: getattr(book, f.name) for f in fields(Holdings)},
                "home": home,
            }
        )
        self.meanwhile(view.date)
        target: Target = self._answer()
        if self.printed and home is None:
            sys.stderr.write(self.printed.decode(errors="replace"))
        return target

    def _tell(self, message: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            raise self._ended() from None

    def _answer(self, seconds: float | None = None) -> Any:
        limit = self._seconds if seconds is None else seconds
        body = self._read(LENGTH.unpack(self._read(LENGTH.size, limit))[0], limit)
        try:
            kind, value, self.printed = _Answers(io.BytesIO(body)).load()
        except StrategyError as foreign:
            raise StrategyError(f"strategy {self.name()} {foreign}") from None
        if kind == "answer":
            return value
        name, text, relaxation = value
        message = text if text.startswith("strategy ") else f"strategy {self.name()}: {text}"
        error: type[TbillError] = getattr(errors, name, StrategyError)
        raise error(message, relaxation) if relaxation is not None else error(message)

    def _read(self, count: int, seconds: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, parts = self._process.stdout.fileno(), b""
        while len(parts) < count:
            if sys.platform != "win32" and not select.select([pipe], [], [], seconds)[0]:
                name = self.name()
                self.close()
                raise StrategyError(f"strategy {name}: no answer within {seconds:g} s; it was stopped")
            part = os.read(pipe, min(count - len(parts), 1 << 20))
            if not part:
                raise self._ended()
            parts += part
        return parts

    def _ended(self) -> StrategyError:
        name, status = self.name(), self._process.wait() if self._process else 0
        self.close()
        return StrategyError(f"strategy {name}: its process ended by itself (status {status})")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            self._process.wait()
            self._process, self._configured = None, False
            self._known.clear()
            self.__dict__.pop("about", None)

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


def _reference(kind: type[Strategy[Any]]) -> str:
    """Module and class if importing the module gives the class's file, else file and class."""
    file = str(Path(inspect.getfile(kind)).resolve())
    try:
        spec = importlib.util.find_spec(kind.__module__)
    except (ImportError, ValueError, AttributeError):
        spec = None
    same = spec is not None and spec.origin is not None and str(Path(spec.origin).resolve()) == file
    importable = same and not kind.__module__.startswith(PLUGIN) and kind.__module__ != "__main__"
    return f"{kind.__module__ if importable else file}:{kind.__qualname__}"
