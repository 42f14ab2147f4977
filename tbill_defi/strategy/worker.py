"""The process a strategy runs in when it is isolated: it is told the strategy, its settings, then view after view.

Messages are pickles framed by their length on private pipes; what the plugin prints is kept apart. The answers are
restricted to plain targets, so that nothing of the plugin runs in the process that keeps the books.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import json
import os
import pickle
import signal
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from tbill_defi.core.errors import LookAhead, StrategyError, TbillError
from tbill_defi.instruments import Security
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.target import CoveredCall, Optimize, Overlay, ResolvedLimits, Target, Weights
from tbill_defi.portfolio.view import ARRAYS, View
from tbill_defi.strategy.answers import PLAIN
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.config import StrategyConfig
from tbill_defi.strategy.discovery import loaded, located
from tbill_defi.strategy.guard import SEES, Guard
from tbill_defi.strategy.planning import decided
from tbill_defi.strategy.watch import watched

LENGTH = struct.Struct(">Q")
FILES_EXHAUSTED = os.strerror(errno.EMFILE)
"""What a library says that opens files past Python, when there may be none."""
MEMORY = 2 * 2**30
"""Bytes a plugin may take beyond what the framework holds."""
OUTPUT = 16 * 2**20
"""Bytes a plugin may print before it is stopped."""
GRACE = 5.0
"""Seconds beyond the limit after which the process ends by itself: whoever would stop it is gone."""


def framed(message: Any) -> bytes:
    """One message as it is sent: its length, then its pickle."""
    body = pickle.dumps(message, protocol=5)
    return LENGTH.pack(len(body)) + body


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message."""
    pipe.write(framed(message))
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read one message; EOFError at the end."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return pickle.loads(pipe.read(LENGTH.unpack(head)[0]))  # noqa: S301 - the parent's own messages


def main() -> None:
    """Serve until the parent closes the pipe."""
    answers, questions = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    sys.dont_write_bytecode = True
    worker, said = _Worker(), _Said()
    _limit()
    send(answers, ("answer", "here", b""))
    while True:
        try:
            message = receive(questions)
        except EOFError:
            os._exit(0)  # what the plugin wants done at the exit is not
        with _alarm(message["seconds"]):
            try:
                answer = getattr(worker, message["do"])(message)
                send(answers, ("answer", answer, said.taken()))
            except TbillError as error:
                said.taken()
                send(answers, ("error", (_kind(error), str(error), getattr(error, "relaxation", None)), b""))


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """The process ends if it is not done by then, where the system can."""
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _kind(error: TbillError) -> str:
    """Name of the error's class in `core.errors`, a plugin's own subclass being what it derives from."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == TbillError.__module__)


class _Said:
    """What the plugin prints, kept back until its parent asks."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        for stream in (1, 2):
            os.dup2(self._file.fileno(), stream)

    def taken(self) -> bytes:
        """What was printed since it was last asked."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        self._file.seek(0)
        text = self._file.read(OUTPUT)
        self._file.seek(0)
        self._file.truncate()
        return text


def _limit() -> None:
    """Bound memory, on top of what the process holds now, and output; where the system can."""
    status = Path("/proc/self/statm")
    if sys.platform == "win32" or not status.exists():
        return
    import resource

    held = int(status.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Worker:
    """What it is told, by the name of the method."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.securities: dict[str, Security] = {}
        self.kind: type[Strategy[Any]] | None = None
        self.strategy: Strategy[Any] | None = None
        self.name = ""

    def load(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run the plugin's code for the first time; says what it is."""
        self.name = reference = message["reference"]
        module, class_name = located(reference)
        self.guard.own_packages.add(module.partition(".")[0])
        self.guard.engage()
        kind: type[Strategy[Any]] = self.guarded(loaded, module, class_name, reference)
        self.kind, self.name = kind, Strategy.name.__func__(kind)  # type: ignore[attr-defined]
        return {
            "name": self.name,
            "question": str(Strategy.question.__func__(kind)),  # type: ignore[attr-defined]
            "module": str(kind.__module__),
            "file": str(inspect.getsourcefile(kind) or ""),
            "schedule": str(kind.schedule),
            "universe": str(kind.universe),
            "over": str(kind.over),
            "fields": [str(name) for name in kind.config_type.model_fields],
        }

    def configure(self, message: dict[str, Any]) -> dict[str, Any]:
        """Make the strategy of its settings; says its config, and what is wrong with it as JSON ("" if nothing)."""
        kind = self.kind
        if kind is None:
            raise StrategyError(f"strategy {self.name}: is not loaded")

        def made() -> tuple[str, str]:
            self.strategy = kind(kind.make_config(message["settings"]))
            return _as_json(self.strategy.config), _shortcoming(type(self.strategy.config))

        text, wrong = self.guarded(made)
        return {"config": json.loads(text), "wrong": wrong}

    def decide(self, message: dict[str, Any]) -> Target:
        """The strategy's target; where asked, with the home of the day, and strict about the view."""
        strategy = self.strategy
        if strategy is None:
            raise StrategyError(f"strategy {self.name}: is not configured")
        self.securities.update({security.cusip: security for security in message["new"]})
        fields = dict(message["view"])
        fields["securities"] = tuple(self.securities[cusip] for cusip in message["cusips"])
        view, book = View(**fields), Holdings(**message["book"])
        home = message["home"]
        if home is not None:
            with self.guard.lifted():
                os.environ["TBILL_HOME"] = home
                os.chdir(home)
        before = _digest(view, book) if home is not None else b""
        with watched(self.guard) if message["watch"] else nullcontext():
            target: Target = self.guarded(lambda: _plain(decided(strategy, view, book), view))
        if home is not None and _digest(view, book) != before:
            raise StrategyError(f"strategy {self.name} changes the view or the holdings it is given")
        return target

    def guarded(self, work: Any, *arguments: Any) -> Any:
        """A call of the plugin; what was attempted is told even if the plugin hid it."""
        failure: BaseException | None = None
        result = None
        try:
            result = work(*arguments)
        except BaseException as error:
            failure = error
        attempts = self.guard.attempts
        if failure is not None and FILES_EXHAUSTED in str(failure):
            attempts.append("reads a file")
        if attempts:
            attempt = attempts[0]
            attempts.clear()
            raise LookAhead(f"strategy {self.name}: {attempt}; {SEES}")
        if failure is None:
            return result
        cause = failure.__cause__ or failure
        if isinstance(cause, MemoryError):
            raise StrategyError(f"strategy {self.name} takes more than {MEMORY // 2**30} GiB of memory")
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            raise StrategyError(f"strategy {self.name} prints more than {OUTPUT // 2**20} MiB")
        if isinstance(failure, TbillError):
            raise failure
        if isinstance(failure, SystemExit):
            raise StrategyError(f"strategy {self.name} calls sys.exit({failure.code!r}); it is to answer")
        raise StrategyError(f"strategy {self.name} failed: {type(failure).__name__}: {failure}")


def _as_json(config: StrategyConfig) -> str:
    """The config as JSON text. Raises `StrategyError` if it does not come back from it as it was."""
    try:
        text = json.dumps(config.model_dump(mode="json"), allow_nan=False)
        if type(config).model_validate_json(text) == config:
            json.dumps(type(config).model_json_schema(), allow_nan=False)
            return text
        wrong = "is not the same after a trip through JSON"
    except Exception as error:
        lines = str(error).splitlines() or [""]
        wrong = f"does not pass through JSON: {type(error).__name__}: {lines[0]}"
    raise StrategyError(f"config: {wrong}")


def _shortcoming(kind: type[StrategyConfig]) -> str:
    """How a config's class falls short of a good one; "" if it does not."""
    if not kind.model_config.get("frozen") or kind.model_config.get("extra") != "forbid":
        return "is not frozen, or takes unknown fields"
    bare = [name for name, field in kind.model_fields.items() if not field.description]
    return f"field {bare[0]} has no description" if bare else ""


def _digest(view: View, book: Holdings) -> bytes:
    """Of everything the plugin is given."""
    figures = b"".join(getattr(view, name).tobytes() for name in ARRAYS)
    plain = [view.cusips, view.bid, view.offer, view.date, view.curve, view.repo_rate, view.excluded, view.market_hash]
    return hashlib.sha256(
        figures + repr([*plain, book.content()]).encode()
    ).digest()  # of Python's own, under the guard


def _plain(target: Target, view: View) -> Target:
    """The target in classes that the parent reads."""
    if isinstance(target, Weights):
        weights = {str(cusip): float(weight) for cusip, weight in target.weights.items()}
        return Weights.of(weights, lots=target.lots, reasons={str(k): str(v) for k, v in target.reasons.items()})
    if isinstance(target, Overlay):
        reasons = {str(k): str(v) for k, v in target.reasons.items()}
        writes = [
            CoveredCall(
                str(call.cusip), int(call.face_units), float(call.strike_clean), call.expiry, float(call.volatility)
            )
            for call in target.writes
        ]
        return Overlay.of(writes, lots=target.lots, reasons=reasons)
    constraints = tuple(
        found if type(found).__module__ == PLAIN else ResolvedLimits(tuple(found.limits(view)))
        for found in target.constraints
    )
    return Optimize(target.objective, constraints, target.lots, target.turnover)


if __name__ == "__main__":
    main()
