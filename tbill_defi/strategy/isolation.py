"""A strategy in a process of its own, which is shown one view after the other and can reach nothing else.

The one way in which a plugin's code is run: by a desk, a keeper, a backtest, and the kit that checks it.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tbill_defi.core.errors import StrategyError
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.target import Target
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.answers import LARGEST, error_of, read, target_of
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.source import PLUGIN, digest, files_of
from tbill_defi.strategy.worker import LENGTH, framed

if sys.platform == "linux":
    import fcntl

PIPE_BYTES = 1 << 20
START_SECONDS = 120.0
"""Longest time until the process is there."""
DECIDE_SECONDS = 60.0
"""Longest time for one decision, and for loading."""
SHOWN = 64 * 2**10
"""Bytes of what a plugin prints that are passed on."""
END_SECONDS = 1.0
"""Longest time until a process whose pipes are closed has ended."""


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


class _Limit:
    """Seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - time.monotonic())


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
        told = self._answer()
        if not isinstance(told, dict) or set(told) != {field.name for field in fields(About)}:
            raise self._stopped("says nothing of itself")
        return About(**told)

    def configure(self) -> str:
        """Make it of its settings; says how its config falls short of a good one, "" if it does not.

        Raises what `decide` raises; of a config that does not pass through JSON, since a plan's hash covers it.
        """
        about = self.about
        self._tell({"do": "configure", "settings": self.settings})
        answer = self._answer()
        if not isinstance(answer, dict) or not isinstance(answer.get("config"), dict):
            raise self._stopped("says nothing of its config")
        if self._identity is None:
            self._identity = StrategyIdentity(about.name, about.source_hash(), answer["config"])
        self._configured = True
        return str(answer.get("wrong", ""))

    def require(self, settings: Mapping[str, Any]) -> None:
        """That it can be made of other settings. Raises what `decide` raises."""
        self.about  # noqa: B018 - loaded first
        self._tell({"do": "configure", "settings": dict(settings)})
        self._configured = False
        self._answer()

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

    def decide(self, view: View, book: Holdings, *, home: str | None = None, watch: bool = False) -> Target:
        """The strategy's target.

        Parameters
        ----------
        home
            Not None: a trial. The folder is its current one and its TBILL_HOME, it is an error to alter the view or
            the holdings, and what it prints is kept in `printed`; else this goes to stderr.
        watch
            Look for clocks and the environment too (`watch`), which makes it slower.

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
                "watch": watch,
            }
        )
        self.meanwhile(view.date)
        target = target_of(self._answer(), self.name())
        if self.printed and home is None:
            sys.stderr.write(_shown(self.printed))
        return target

    def _tell(self, message: dict[str, Any]) -> None:
        """Send one message, within the limit: who does not read it is stopped."""
        assert self._process is not None
        assert self._process.stdin is not None
        body, pipe = memoryview(framed(message | {"seconds": self._seconds})), self._process.stdin.fileno()
        limit = _Limit(max(self._seconds, START_SECONDS))
        while body:
            self._await(pipe, limit, writes=True)
            try:
                body = body[os.write(pipe, body) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._ended() from None

    def _answer(self, seconds: float | None = None) -> Any:
        limit = _Limit(self._seconds if seconds is None else seconds)
        (size,) = LENGTH.unpack(self._read(LENGTH.size, limit))
        if size > LARGEST:
            raise self._stopped(f"an answer of {size:,} bytes; {LARGEST:,} are allowed")
        kind, value, self.printed = read(self._read(size, limit), self.name())
        if kind == "error":
            raise error_of(value, self.name())
        return value

    def _read(self, count: int, limit: _Limit) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, parts = self._process.stdout.fileno(), bytearray()
        while len(parts) < count:
            self._await(pipe, limit)
            part = os.read(pipe, min(count - len(parts), PIPE_BYTES))
            if not part:
                raise self._ended()
            parts += part
        return bytes(parts)

    def _await(self, pipe: int, limit: _Limit, *, writes: bool = False) -> None:
        """Until the pipe is ready; Windows cannot tell, there it blocks."""
        if sys.platform == "win32":
            return
        if not any(select.select([] if writes else [pipe], [pipe] if writes else [], [], limit.left())):
            raise self._stopped(f"no answer within {limit.seconds:g} s")

    def _stopped(self, why: str) -> StrategyError:
        name = self.name()
        self.close()
        return StrategyError(f"strategy {name}: {why}; it was stopped")

    def _ended(self) -> StrategyError:
        name, status = self.name(), 0
        if self._process is not None:
            try:
                status = self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                return self._stopped("it closed its pipes")
        self.close()
        return StrategyError(f"strategy {name}: its process ended by itself (status {status})")

    def close(self) -> None:
        """End the process, and what it may have started in its session."""
        if self._process is not None:
            if os.name == "posix":
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
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


def _shown(printed: bytes) -> str:
    """The beginning of what a plugin printed, without what would steer a terminal."""
    text = printed[:SHOWN].decode(errors="replace")
    kept = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    left = len(printed) - SHOWN
    return f"{kept}\n... {left:,} bytes more\n" if left > 0 else kept


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Room for a whole view in the pipe, where the system can (Linux): whoever tells need not wait for the reader."""
    assert process.stdin is not None
    if sys.platform != "win32":
        os.set_blocking(process.stdin.fileno(), False)
    if sys.platform == "linux":
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
