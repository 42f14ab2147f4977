"""What a mutant is, which of them a run takes, and what came of each."""

from __future__ import annotations

import hashlib
import json
import random
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = Path(__file__).with_name("answers.toml")
WORK = ROOT / ".mutation"
"""What a run leaves behind: woven contracts, and the log it goes on from."""


@dataclass(frozen=True)
class Mutant:
    """One change: bytes [start, end) of a file become `after`; `whole` is a statement, else an expression.

    Of assembly `before` may be more than these bytes, and `form` is how the change is woven in.
    """

    file: str
    scope: str
    operator: str
    start: int
    end: int
    before: str
    after: str
    whole: bool = False
    nth: int = 1
    form: str = ""

    @property
    def name(self) -> str:
        """Stays the same as long as what is changed does: no line numbers in it."""
        change = f"`{short(self.before)}` -> `{short(self.after)}`" if self.after else f"without `{short(self.before)}`"
        return f"{self.file} {self.scope}: {change}" + (f" ({self.nth})" if self.nth > 1 else "")


def short(text: str) -> str:
    """One line of a piece of source."""
    return " ".join(text.split())


def numbered(found: Iterable[Mutant]) -> Iterator[Mutant]:
    """Equal changes in one function are told apart by their order."""
    seen: Counter[str] = Counter()
    for mutant in found:
        seen[mutant.name] += 1
        yield Mutant(**{**mutant.__dict__, "nth": seen[mutant.name]})


def sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """`size` of them, each file by its share, in an order that depends on names and seed alone.

    A mutant's rank is a hash, so that a change of one function changes nothing of what is taken of another.
    """
    files: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        files[mutant.file].append(mutant)
    taken: list[Mutant] = []
    for _, ones in sorted(files.items()):
        share = max(1, round(size * len(ones) / len(mutants)))
        taken += sorted(ones, key=lambda one: hashlib.sha256(f"{seed} {one.name}".encode()).digest())[:share]
    random.Random(seed).shuffle(taken)
    return taken


def answers() -> dict[str, str]:
    """Mutant -> why no test can notice it."""
    return dict(tomllib.loads(ANSWERS.read_text())["equivalent"])


class Log:
    """One line of JSON a mutant that was run; a run goes on where it was ended."""

    def __init__(self, name: str) -> None:
        WORK.mkdir(exist_ok=True)
        self._path = WORK / f"{name}.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self.results: dict[str, dict[str, str]] = {one["name"]: one for one in map(json.loads, lines)}

    def add(self, mutant: Mutant, outcome: str, by: str) -> None:
        """Notes what came of a mutant; a later line of the same one stands."""
        line = {"name": mutant.name, "operator": mutant.operator, "outcome": outcome, "by": by}
        self.results[mutant.name] = line
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


@dataclass
class Score:
    """Of one file, or of all."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0

    @property
    def rate(self) -> float:
        """Killed of those that a test could notice."""
        return self.killed / max(1, self.killed + self.survived)


def scores(taken: list[Mutant], log: Log) -> dict[str, Score]:
    """By file, then of all under \"all\"."""
    known, found = answers(), defaultdict(Score)
    for mutant in taken:
        result = log.results.get(mutant.name)
        if result is None:
            continue
        for score in (found[mutant.file], found["all"]):
            if result["outcome"] != "survived":
                score.killed += 1
            elif mutant.name in known:
                score.equivalent += 1
            else:
                score.survived += 1
    return {name: found[name] for name in sorted(found, key=lambda one: (one == "all", one))}
