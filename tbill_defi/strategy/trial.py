"""One plugin run in a process of its own: `python -m tbill_defi.strategy.trial REQUEST RESULT`.

The request names the plugin and the cases (a home and a date each); the result says what became of them. The process
is the plugin's cage: memory and time are bounded, files cannot be written, no network, no child processes. It is a
guard against accidents and a way to name them, not against an enemy: a plugin is code that the desk chose to run.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from tbill_defi.core.errors import Infeasible, PlanError, TbillError
from tbill_defi.core.hashing import json_hash
from tbill_defi.market.store import MarketStore
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.market_view import view
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.planner import build_plan
from tbill_defi.portfolio.view import ARRAYS, View
from tbill_defi.strategy.base import Strategy
from tbill_defi.strategy.discovery import find
from tbill_defi.strategy.planning import DEALER, decided

MEMORY = 2 * 2**30
"""Bytes a plugin may take beyond what the framework holds."""
OUTPUT = 16 * 2**20
"""Bytes a plugin may print before it is stopped."""
LATE = ".late"
"""Suffix of the file in which the watchdog writes."""
DOLLAR = 10**6
DENIED = {
    "socket.connect": "reaches for a network",
    "socket.getaddrinfo": "reaches for a network",
    "socket.bind": "reaches for a network",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.fork": "starts a process",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
    "os.mkdir": "makes a folder",
    "os.truncate": "changes a file",
    "shutil.rmtree": "removes a folder",
    "os.kill": "signals a process",
}
"""Audit events that end in a refusal while the plugin runs, and what they are called in the report."""


class Cage:
    """What the plugin did that it must not, seen through the interpreter's audit events."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}
        self._inside = False
        names = ("stdlib", "platstdlib", "purelib", "platlib")
        own = {*(sysconfig.get_path(name) for name in names), sys.prefix, sys.base_prefix}
        self._system = (*own, str(Path(__file__).resolve().parents[1]), "/dev/", "/proc/", "/sys/", "/usr/", "/etc/")
        sys.addaudithook(self._hook)

    def open(self) -> None:
        """Let everything pass again."""
        self._inside = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """While this lasts the plugin's code runs."""
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._inside:
            return
        if event in DENIED:
            self._refuse(f"{DENIED[event]} ({event})")
        if event == "open":
            name, mode, flags = arguments
            if isinstance(name, int) or name is None:
                return
            writes = any(c in (mode or "") for c in "wax+") or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))
            if writes:
                self._refuse(f"writes a file ({os.fsdecode(name)})")
            path = os.path.abspath(os.fsdecode(name))  # noqa: PTH100  resolving would itself be an event
            code = path.endswith((".py", ".pyc", ".so", ".pyd")) or "site-packages" in path or ".dist-info" in path
            if not code and not path.startswith(self._system):
                self.seen.setdefault(f"reads a file ({path})")

    def _refuse(self, what: str) -> None:
        self.seen.setdefault(what)
        raise PermissionError(f"a strategy must not: it {what}")


def books(seen: View) -> dict[str, Holdings]:
    """Two books to plan with: cash alone, and odd lots of which some are frozen."""
    able = [i for i in range(len(seen.cusips)) if seen.bid[i] is not None][:8]
    faces = {seen.cusips[i]: (1_000_000 + 137_500 * n) * DOLLAR + 7 for n, i in enumerate(able)}
    frozen = {cusip: face // 3 for cusip, face in list(faces.items())[::3]}
    return {
        "cash": Holdings("desk", {}, 10_000_000 * DOLLAR),
        "book": Holdings("desk", faces, 2_500_000 * DOLLAR + 1, frozen),
    }


def _digest(seen: View, book: Holdings) -> bytes:
    """Of everything the plugin is given."""
    figures = b"".join(getattr(seen, name).tobytes() for name in ARRAYS)
    plain = [seen.cusips, seen.bid, seen.offer, seen.date, seen.curve, seen.repo_rate, seen.excluded, seen.market_hash]
    return json_hash([figures.hex(), repr(plain), book.content()])


def _told(error: BaseException) -> str:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return f"takes more than {MEMORY // 2**30} GiB of memory"
    if isinstance(error, SystemExit):
        return f"calls sys.exit({error.code!r})"
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__


def run_once(strategy: Strategy[Any], seen: View, book: Holdings, cage: Cage) -> dict[str, Any]:
    """One decision and its plan: {"plan", "bytes"}, or {"refused"} with a business reason, or {"failed"}."""
    before = _digest(seen, book)
    try:
        with cage.inside():
            target = decided(strategy, seen, book)
    except (Infeasible, PlanError) as error:
        return {"refused": _told(error)}
    except BaseException as error:
        return {"failed": _told(error)}
    if _digest(seen, book) != before:
        return {"failed": "changes the view or the holdings it is given"}
    try:
        made = build_plan(target, seen, book, strategy=strategy.identity(), counterparty=DEALER)
    except TbillError as error:
        return {"refused": _told(error)}
    except Exception as error:
        return {"failed": f"its target makes no plan: {type(error).__name__}: {_told(error)}"}
    wrong = _broken(made, book)
    return {"plan": made.hash, "bytes": "0x" + json_hash(made.to_json()).hex()} | ({"broken": wrong} if wrong else {})


def _broken(made: RebalancePlan, book: Holdings) -> str:
    """Which of lots, cash and availability a plan breaks, from its orders alone."""
    cash = book.cash_units
    for order in made.orders:
        if order.face_units % made.lot_units or order.face_units <= 0:
            return f"{order.cusip}: {order.face_units} is no whole lot of {made.lot_units}"
        if order.side == "sell" and order.face_units > book.available(order.cusip):
            return f"{order.cusip}: sells more than is available"
        cash += order.cash_units if order.side == "sell" else -order.cash_units
    covered: Counter[str] = Counter()
    for write in made.writes:
        covered[write.cusip] += write.face_units
        if write.face_units % made.lot_units or covered[write.cusip] > book.available(write.cusip):
            return f"{write.cusip}: a call is naked or not on whole lots"
    return f"cash is overdrawn by {-cash} base units" if cash < 0 else ""


def _config(kind: type[Strategy[Any]], settings: dict[str, Any]) -> tuple[Strategy[Any], str]:
    """The strategy, and what is wrong with its config as JSON ("" if nothing)."""
    strategy = kind(kind.make_config(settings))
    config = strategy.config
    try:
        text = json.dumps(config.model_dump(mode="json"), allow_nan=False)
        if type(config).model_validate_json(text) != config:
            return strategy, "is not the same after a trip through JSON"
        json.dumps(type(config).model_json_schema(), allow_nan=False)
    except Exception as error:
        return strategy, f"does not pass through JSON: {type(error).__name__}: {_told(error)}"
    rules = type(config).model_config
    if not rules.get("frozen") or rules.get("extra") != "forbid":
        return strategy, "is not frozen, or takes unknown fields"
    bare = [name for name, field in type(config).model_fields.items() if not field.description]
    return strategy, f"field {bare[0]} has no description" if bare else ""


def _limit_memory() -> None:
    """Bound what comes on top of what the process holds now; where the system can."""
    status = Path("/proc/self/statm")
    if sys.platform == "win32" or not status.exists():
        return
    import resource

    held = int(status.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def trial(request: dict[str, Any], write: Callable[[dict[str, Any]], None], late: TextIO) -> None:
    """Run the cases of a request; `write` takes the result, once.

    A decision that is late is ended by a timer, and where the plugin keeps the interpreter to itself by the
    interpreter's own watchdog, which leaves its trace in `late`.
    """
    result: dict[str, Any] = {"cases": {}}
    done = threading.Lock()

    def finish() -> None:
        cage.open()
        if done.acquire(blocking=False):
            write(result)

    def give_up() -> None:
        result["failed"] = f"does not answer within {request['seconds']} s"
        finish()
        os._exit(3)

    cage = Cage()
    cases = []
    for name, home, day in request["cases"]:
        seen = view(date.fromisoformat(day), data=MarketStore(home).load())
        cases.append((name, home, seen, books(seen)))
    _limit_memory()
    watch: threading.Timer | None = None

    @contextmanager
    def timed() -> Iterator[None]:
        nonlocal watch
        watch = threading.Timer(request["seconds"], give_up)
        watch.daemon = True
        watch.start()
        faulthandler.dump_traceback_later(request["seconds"] + 1, exit=True, file=late)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            watch.cancel()

    try:
        os.environ["TBILL_HOME"] = cases[0][1]
        os.chdir(cases[0][1])
        with timed(), cage.inside():
            kind = find(request["reference"])
            result["loaded"] = True
            strategy, result["config"] = _config(kind, request["settings"])
        result["source"] = str(inspect.getsourcefile(kind) or "")
        result |= {"name": kind.name(), "question": kind.question(), "source_hash": "0x" + kind.source_hash().hex()}
        for name, home, seen, chosen in cases:
            os.environ["TBILL_HOME"] = home
            os.chdir(home)
            for label, book in chosen.items():
                for turn in range(request["turns"]):
                    with timed():
                        outcome = run_once(strategy, seen, book, cage)
                    result["cases"].setdefault(f"{name}, {label}", []).append(outcome)
                    if "failed" in outcome and not turn:
                        result["failed"] = outcome["failed"]
                        return
        result["source_hash_after"] = "0x" + kind.source_hash().hex()
    except BaseException as error:
        result["failed"] = _told(error)
    finally:
        result["seen"] = list(cage.seen)
        finish()


def main() -> None:
    """Read the request, write the result whole."""
    request, target = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    sys.dont_write_bytecode = True

    def write(result: dict[str, Any]) -> None:
        target.write_text(json.dumps(result))

    with target.with_suffix(LATE).open("w") as late:
        trial(request, write, late)


if __name__ == "__main__":
    main()
