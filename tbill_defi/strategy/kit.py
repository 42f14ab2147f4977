"""What every strategy must be, checked: `check("ideas.py")`.

The plugin runs in processes of its own, on the sample day and, where market data are imported, on some dates of the
home: twice in one process, once in another with another hash seed, and once in a world whose future is scrambled. It
can raise, loop, print, exit or eat memory there; that is named in a line and harms nothing here.

```
reference ─> purity (source read, not run)
          ─> trial 1: cases x books x 2 turns ─┐
          ─> trial 2: the same, other process ─┼─> outcomes compared byte by byte ─> Report
          ─> trial 3: the future scrambled ────┘
```
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from tbill_defi.core.errors import UsageError
from tbill_defi.market.data import MarketData
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.market.snapshot import trading_days
from tbill_defi.market.store import MarketStore
from tbill_defi.strategy.discovery import installed
from tbill_defi.strategy.purity import findings
from tbill_defi.strategy.scramble import scrambled
from tbill_defi.strategy.trial import LATE, OUTPUT

SECONDS = 10
"""Limit of one decision."""
START = 120
"""Seconds a trial may take beside its decisions: to start, to read market data and to make plans."""
DATES = 3
"""Dates of a home that are tried."""
Status = Literal["pass", "fail", "not reached"]
CHECKS = (
    "loads",
    "config",
    "answers",
    "time and memory",
    "pure",
    "deterministic",
    "no look-ahead",
    "lots and cash",
    "source hash",
)


@dataclass(frozen=True)
class Check:
    """One line of a report."""

    name: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Report:
    """What became of a strategy's checks.

    Attributes
    ----------
    reference
        As given.
    strategy
        Its name; "" if it does not load.
    cases
        Where it was tried: "sample 2026-03-24", then dates of the home.
    plans
        Case and book -> hash of the plan, or the strategy's own refusal.
    """

    reference: str
    strategy: str
    cases: tuple[str, ...]
    plans: Mapping[str, str]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks pass."""
        return all(check.status == "pass" for check in self.checks)

    def failures(self) -> list[str]:
        """A line for each check that fails."""
        return [f"{check.name}: {check.reason}" for check in self.checks if check.status == "fail"]

    def to_json(self) -> dict[str, Any]:
        """As docs/schemas/strategy-test.schema.json says."""
        return {
            "reference": self.reference,
            "strategy": self.strategy,
            "passed": self.passed,
            "cases": list(self.cases),
            "plans": dict(self.plans),
            "checks": [asdict(check) for check in self.checks],
        }


def check(
    reference: str,
    *,
    settings: Mapping[str, Any] | None = None,
    home: str | Path | None = None,
    seconds: int = SECONDS,
) -> Report:
    """Check a strategy.

    Parameters
    ----------
    reference
        As `find` takes it: a name, a file, package.module:Class.
    settings
        Fields of its config; None: the defaults.
    home
        Folder with imported market data, of which some dates are tried too; None: the sample day alone.
    seconds
        Limit of one decision.

    Raises
    ------
    UsageError
        If the file is not there, or the limit is not positive.
    """
    if seconds < 1:
        raise UsageError(f"seconds: {seconds} is not a whole number of seconds such as {SECONDS}")
    place, colon, name = reference.partition(":")
    if place.endswith(".py") and reference not in installed():
        if not Path(place).is_file():
            raise UsageError(f"strategy file {place} is not there")
        reference = f"{Path(place).resolve()}{colon}{name}"
    with tempfile.TemporaryDirectory(prefix="tbill-kit-") as folder:
        trials = _Trials(Path(folder), reference, dict(settings or {}), seconds, _cases(home))
        first = trials.run("true", turns=2, hash_seed=0)
        second = third = None
        if "failed" not in first:
            with ThreadPoolExecutor(2) as pool:
                again = pool.submit(trials.run, "true", turns=1, hash_seed=1)
                other = pool.submit(trials.run, "scrambled", turns=1, hash_seed=0)
                second, third = again.result(), other.result()
        return _judge(reference, trials, first, second, third)


def _cases(home: str | Path | None) -> list[tuple[str, date, MarketData]]:
    """The sample day, and dates of the home: its last, and others spread over the days since its first auction."""
    cases = [(f"sample {SAMPLE_DATE}", SAMPLE_DATE, sample_data())]
    if home is None:
        return cases
    data = MarketStore(home).load()
    days = list(trading_days(data))
    first = data.auctions["auctionDate"].min() if not data.auctions.is_empty() else None
    if isinstance(first, date):
        days = [day for day in days if day >= first]
    places = sorted({round(n * (len(days) - 1) / DATES) for n in range(1, DATES + 1)}) if days else []
    return cases + [(str(days[place]), days[place], data) for place in places]


class _Trials:
    """The worlds of a check, and processes in them."""

    def __init__(
        self,
        folder: Path,
        reference: str,
        settings: dict[str, Any],
        seconds: int,
        cases: Sequence[tuple[str, date, MarketData]],
    ) -> None:
        self.folder, self.reference, self.settings, self.seconds = folder, reference, settings, seconds
        self.names = tuple(name for name, _, _ in cases)
        self.first_case = self.names[0]
        self._cases: dict[str, list[tuple[str, str, str]]] = {"true": [], "scrambled": []}
        self._count = 0
        for number, (name, day, data) in enumerate(cases):
            for world, seen in (("true", data), ("scrambled", scrambled(data, day))):
                home = folder / world / str(number)
                MarketStore(home).replace(seen)
                self._cases[world].append((name, str(home), day.isoformat()))

    def run(self, world: str, *, turns: int, hash_seed: int) -> dict[str, Any]:
        """One process over all cases of a world; what it wrote, with "printed" and "failed" where it did."""
        stem = self.folder / f"{world}-{hash_seed}"
        request, result, said = (stem.with_suffix(suffix) for suffix in (".request", ".result", ".said"))
        asked = {"reference": self.reference, "settings": self.settings, "seconds": self.seconds, "turns": turns}
        request.write_text(json.dumps(asked | {"cases": self._cases[world]}))
        limit = START + self.seconds * (turns * 2 * len(self.names) + 1)
        with said.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tbill_defi.strategy.trial", str(request), str(result)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONWARNINGS": "default"},
                start_new_session=True,
            )
            try:
                process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return self._read(result, said, process.returncode)

    def _read(self, result: Path, said: Path, code: int) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(result.read_text())
        except (OSError, ValueError):
            late = result.with_suffix(LATE)
            timed_out = late.exists() and "Timeout" in late.read_text(errors="replace")
            told = {"cases": {}, "seen": []}
            told["failed"] = (
                f"does not answer within {self.seconds} s" if timed_out else f"ends the process (exit code {code})"
            )
        with said.open("rb") as file:
            printed = file.read(OUTPUT).decode(errors="replace").strip().splitlines()
        if printed:
            told["printed"] = printed[0][:120]
        return told


def _judge(
    reference: str,
    trials: _Trials,
    first: dict[str, Any],
    second: dict[str, Any] | None,
    third: dict[str, Any] | None,
) -> Report:
    failed = next((told["failed"] for told in (first, second, third) if told and "failed" in told), None)
    reasons: dict[str, str | None] = {
        "loads": None if "loaded" in first else failed,
        "config": first.get("config") or None,
        "answers": _answers(first, trials.first_case) or failed,
        "time and memory": failed if failed and ("within" in failed or "memory" in failed) else None,
        "pure": _impurity(reference, first),
        "deterministic": _differences(first["cases"], second["cases"]) if second else None,
        "no look-ahead": _foresight(first["cases"], third["cases"]) if third else None,
        "lots and cash": _broken(first["cases"]),
        "source hash": _hashes([told for told in (first, second, third) if told]),
    }
    reached = {
        "config": "config" in first,
        "answers": "name" in first,
        "deterministic": bool(second),
        "no look-ahead": bool(third),
        "lots and cash": bool(third),
        "source hash": bool(third),
    }
    if reasons["time and memory"] and reasons["answers"] == failed:
        reasons["answers"] = None
        reached["answers"] = False
    if reasons["loads"] is None and "name" not in first and failed:
        reasons["config"], reached["config"] = failed, True
    checks = []
    for name in CHECKS:
        reason = reasons[name]
        status: Status = "fail" if reason else "pass" if reached.get(name, True) else "not reached"
        checks.append(Check(name, status, reason or ""))
    plans = {
        where: turns[0].get("plan") or turns[0].get("refused") or turns[0].get("failed", "")
        for where, turns in first["cases"].items()
    }
    return Report(reference, first.get("name", ""), trials.names, plans, tuple(checks))


def _answers(told: dict[str, Any], sample: str) -> str | None:
    """On the sample day a strategy makes a plan of each book; elsewhere it may refuse with a reason."""
    for where, turns in told["cases"].items():
        if "refused" in turns[0] and where.startswith(sample):
            return f"{where}: makes no plan: {turns[0]['refused']}"
    return None


def _impurity(reference: str, told: dict[str, Any]) -> str | None:
    if told.get("seen"):
        return str(told["seen"][0])
    if "printed" in told:
        return f"prints: {told['printed']}"
    if "changes the view" in told.get("failed", ""):
        return str(told["failed"])
    path = told.get("source") or reference.partition(":")[0]
    found = findings(Path(path)) if path.endswith(".py") else []
    return "; ".join(found[:3]) or None


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = ("plan", "bytes", "refused", "failed")
    return all(one.get(key) == other.get(key) for key in keys)


def _differences(first: dict[str, Any], second: dict[str, Any]) -> str | None:
    for where, turns in first.items():
        if not _same(turns[0], turns[-1]):
            return f"{where}: two runs in one process differ"
        if where not in second or not _same(turns[0], second[where][0]):
            return f"{where}: two processes differ"
    return None


def _foresight(first: dict[str, Any], third: dict[str, Any]) -> str | None:
    for where, turns in first.items():
        if where not in third or not _same(turns[0], third[where][0]):
            return f"{where}: the plan changes when only the future does"
    return None


def _broken(cases: dict[str, Any]) -> str | None:
    return next(
        (f"{where}: {turn['broken']}" for where, turns in cases.items() for turn in turns if "broken" in turn), None
    )


def _hashes(told: Sequence[dict[str, Any]]) -> str | None:
    hashes = {one[key] for one in told for key in ("source_hash", "source_hash_after") if key in one}
    return "the source file changes while it runs" if len(hashes) > 1 else None
