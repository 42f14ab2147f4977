"""The process a strategy runs in when it is isolated: it is told the strategy once, then view after view.

Messages are pickles framed by their length on private pipes; what the plugin prints goes to stderr. The answers are
restricted to plain targets, so that nothing of the plugin runs in the process that keeps the books.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import pickle
import struct
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from tbill_defi.core.errors import LookAhead, TbillError, UsageError
from tbill_defi.instruments import Security
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.target import CoveredCall, Optimize, Overlay, ResolvedLimits, Target, Weights
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.guard import Guard, GuardedLoader

LENGTH = struct.Struct(">Q")
FILES_EXHAUSTED = os.strerror(errno.EMFILE)
"""What a library says that opens files past Python, when there may be none."""
MOST_SAID = 1 << 20
PLAIN = "tbill_defi.portfolio.target"
"""Classes of this module are sent as they are; other constraints are resolved here, against the view."""


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message."""
    body = pickle.dumps(message, protocol=5)
    pipe.write(LENGTH.pack(len(body)) + body)
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
    said = _Said()
    guard = Guard()
    securities: dict[str, Security] = {}
    strategy: Strategy[Any] | None = None
    while True:
        try:
            message = receive(questions)
        except EOFError:
            return
        try:
            if strategy is None:
                strategy = _load(message, guard)
                answer: Any = "ready"
            else:
                answer = _decide(strategy, message, securities, guard)
            said.pass_on()
            send(answers, ("answer", answer))
        except TbillError as error:
            said.forget()
            send(answers, ("error", (type(error).__name__, str(error), getattr(error, "relaxation", None))))


class _Said:
    """What the plugin prints, kept back: passed on after a decision, forgotten after an error, which says enough."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._out = os.dup(2)
        for stream in (1, 2):
            os.dup2(self._file.fileno(), stream)

    def pass_on(self) -> None:
        """To stderr."""
        text = self.forget()
        if text:
            os.write(self._out, text)

    def forget(self) -> bytes:
        """Empty it, and return what was in it."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._file.seek(0)
        text = self._file.read(MOST_SAID)
        self._file.seek(0)
        self._file.truncate()
        return text


def _guarded(guard: Guard, work: Any, *arguments: Any) -> Any:
    """A call under the guard; what was attempted is told even if the plugin hid it."""
    failure: BaseException | None = None
    result = None
    with guard.on():
        try:
            result = work(*arguments)
        except BaseException as error:
            failure = error
    if guard.attempts:
        attempt = guard.attempts[0]
        guard.attempts.clear()
        raise LookAhead(f"tried {attempt}; a strategy sees its view and its holdings, and nothing else")
    if isinstance(failure, TbillError):
        raise failure
    if failure is not None and FILES_EXHAUSTED in str(failure):
        raise LookAhead("tried to open a file; a strategy sees its view and its holdings, and nothing else")
    if failure is not None:
        raise UsageError(f"failed: {type(failure).__name__}: {failure}")
    return result


def _load(message: dict[str, Any], guard: Guard) -> Strategy[Any]:
    """The strategy by module name or file, its code run under the guard."""
    module = _guarded(guard, _module, message["module"], message["file"], guard)
    found: Any = module
    for part in message["class"].split("."):
        found = getattr(found, part)
    made: Strategy[Any] = _guarded(guard, lambda: found(found.make_config(message["config"])))
    return made


def _module(name: str | None, file: str, guard: Guard) -> ModuleType:
    if name is not None:
        package = name.partition(".")[0]
        guard.own_packages.add(package)
        return importlib.import_module(name)
    place = Path(file)
    with guard.lifted():
        spec = importlib.util.spec_from_file_location("tbill_defi_isolated_plugin", place)
        if spec is None or spec.loader is None:
            raise UsageError(f"strategy file {file} is not Python")
        guard.own_packages.add(spec.name)
        spec.loader = GuardedLoader(guard, spec.loader, spec.origin)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _decide(strategy: Strategy[Any], message: dict[str, Any], securities: dict[str, Security], guard: Guard) -> Any:
    securities.update({security.cusip: security for security in message["new"]})
    fields = dict(message["view"])
    fields["securities"] = tuple(securities[cusip] for cusip in message["cusips"])
    view, book = View(**fields), Holdings(**message["book"])
    target = _guarded(guard, lambda: _plain(strategy.decide(view, book), view))
    if target is None:
        raise UsageError("answered something else than Weights.of(...), maximize(...) or Overlay.of(...)")
    return target


def _plain(target: Any, view: View) -> Target | None:
    """The target in classes that the parent reads."""
    if isinstance(target, Weights):
        weights = {str(cusip): float(weight) for cusip, weight in target.weights.items()}
        return Weights.of(weights, lots=target.lots, reasons={str(k): str(v) for k, v in target.reasons.items()})
    if isinstance(target, Optimize):
        constraints = tuple(
            found if type(found).__module__ == PLAIN else ResolvedLimits(tuple(found.limits(view)))
            for found in target.constraints
        )
        return Optimize(target.objective, constraints, target.lots, target.turnover)
    if isinstance(target, Overlay):
        writes = [
            CoveredCall(
                str(call.cusip), int(call.face_units), float(call.strike_clean), call.expiry, float(call.volatility)
            )
            for call in target.writes
        ]
        reasons = {str(k): str(v) for k, v in target.reasons.items()}
        return Overlay.of(writes, lots=target.lots, reasons=reasons)
    return None


if __name__ == "__main__":
    main()
