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
from tbill_defi.strategy.trial import Case, Trial, run

SECONDS = 10
MOST_SECONDS = 86_400
"""Limit of one decision."""
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
        If the file is not there, or the limit is not in [1, `MOST_SECONDS`].
    """
    if not 1 <= seconds <= MOST_SECONDS:
        raise UsageError(f"seconds: {seconds} is not a number of seconds from 1 to {MOST_SECONDS}, such as {SECONDS}")
    place, colon, name = reference.partition(":")
    if place.endswith(".py") and reference not in installed():
        if not Path(place).is_file():
            raise UsageError(f"strategy file {place} is not there")
        reference = f"{Path(place).resolve()}{colon}{name}"
    with tempfile.TemporaryDirectory(prefix="tbill-kit-") as folder:
        worlds = _worlds(Path(folder), _cases(home))

        def trial(world: str, **how: Any) -> Trial:
            return run(reference, dict(settings or {}), worlds[world], seconds=seconds, **how)

        first = trial("true", turns=2)
        second = third = None
        if not first.failed:
            with ThreadPoolExecutor(2) as pool:
                again, other = pool.submit(trial, "true", hash_seed=1, watch=True), pool.submit(trial, "scrambled")
                second, third = again.result(), other.result()
        return _judge(reference, [case.name for case in worlds["true"]], first, second, third)


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


def _worlds(folder: Path, cases: Sequence[tuple[str, date, MarketData]]) -> dict[str, list[Case]]:
    """The cases as they are, and with another future, each a home with its market data."""
    worlds: dict[str, list[Case]] = {"true": [], "scrambled": []}
    for number, (name, day, data) in enumerate(cases):
        for world, seen in (("true", data), ("scrambled", scrambled(data, day))):
            home = folder / world / str(number)
            MarketStore(home).replace(seen)
            worlds[world].append(Case(name, str(home), day))
    return worlds


def _judge(reference: str, names: Sequence[str], first: Trial, second: Trial | None, third: Trial | None) -> Report:
    trials = [told for told in (first, second, third) if told is not None]
    failed = next((told.failed for told in trials if told.failed), "")
    limits = failed if "no answer within" in failed or "of memory" in failed else ""
    impure = first.attempt or ("changes the view" in first.failed and first.failed)
    watched = second.attempt if second else ""
    elsewhere = limits or impure or watched
    reasons: dict[str, str | None] = {
        "loads": None if first.loaded or first.attempt or limits else failed,
        "config": first.config or (failed if first.loaded and not first.configured else None),
        "answers": _answers(first, names[0]) or (failed if first.configured and not elsewhere else None),
        "time and memory": limits,
        "pure": impure or _impurity(reference, first) or watched,
        "deterministic": _differences(first, second) if second and not watched else None,
        "no look-ahead": _foresight(first, third) if third else None,
        "lots and cash": _broken(first),
        "source hash": _hashes(trials),
    }
    reached = {
        "loads": first.loaded or bool(reasons["loads"]),
        "config": first.configured or bool(reasons["config"]),
        "answers": first.configured and not (limits or impure),
        "deterministic": bool(second and not watched),
        "no look-ahead": bool(third),
        "lots and cash": bool(third),
        "source hash": bool(third),
    }
    checks = []
    for name in CHECKS:
        reason = reasons[name]
        status: Status = "fail" if reason else "pass" if reached.get(name, True) else "not reached"
        checks.append(Check(name, status, reason or ""))
    plans = {
        where: turns[0].get("plan") or turns[0].get("refused") or turns[0].get("failed", "")
        for where, turns in first.outcomes.items()
    }
    return Report(reference, first.name, tuple(names), plans, tuple(checks))


def _answers(told: Trial, sample: str) -> str | None:
    """On the sample day a strategy makes a plan of each book; elsewhere it may refuse with a reason."""
    for where, turns in told.outcomes.items():
        if "refused" in turns[0] and where.startswith(sample):
            return f"{where}: makes no plan: {turns[0]['refused']}"
    return None


def _impurity(reference: str, told: Trial) -> str | None:
    if told.printed:
        return f"prints: {told.printed}"
    path = told.source or reference.partition(":")[0]
    found = findings(Path(path)) if path.endswith(".py") else []
    return "; ".join(found[:3]) or None


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    keys = ("plan", "bytes", "refused", "failed")
    return all(one.get(key) == other.get(key) for key in keys)


def _differences(first: Trial, second: Trial) -> str | None:
    for where, turns in first.outcomes.items():
        if not _same(turns[0], turns[-1]):
            return f"{where}: two runs in one process differ"
        if where not in second.outcomes or not _same(turns[0], second.outcomes[where][0]):
            return f"{where}: two processes differ"
    return None


def _foresight(first: Trial, third: Trial) -> str | None:
    for where, turns in first.outcomes.items():
        if where not in third.outcomes or not _same(turns[0], third.outcomes[where][0]):
            return f"{where}: the plan changes when only the future does"
    return None


def _broken(told: Trial) -> str | None:
    return next(
        (f"{where}: {turn['broken']}" for where, turns in told.outcomes.items() for turn in turns if "broken" in turn),
        None,
    )


def _hashes(trials: Sequence[Trial]) -> str | None:
    changed = len(set().union(*(told.source_hashes for told in trials))) > 1
    return "the source changes while it runs" if changed else None
