"""Runs mutants of contracts: one build with all of them, then forge with one chosen at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from tests.mutation import solidity
from tests.mutation.mutants import WORK, Mutant

SUBJECTS = ["Settlement.sol", "SecurityToken.sol", "Cash*.sol", "Compliance.sol", "settlement/*.sol"]
SUBJECTS += ["token/*.sol", "compliance/*.sol", "life/*.sol", "repo/*.sol", "option/OptionBook.sol"]
NEAREST = {
    "Settlement.sol": "Settlement",
    "settlement/OwnEntries.sol": "Repo",
    "settlement/Trade*.sol": "TradeBook",
    "settlement/ClearingHouse.sol": "ClearingHouse",
    "settlement/PackedInstructions.sol": "{PackedInstructions,Settlement}",
    "settlement/LegWords.sol": "{LegWords,Settlement}",
    "settlement/*": "Settlement",
    "compliance/VolumeLog.sol": "{VolumeLog,Compliance}",
    "compliance/*": "Compliance",
    "Compliance.sol": "{Compliance,TokenRules}",
    "Cash*.sol": "{CashFactory,Settlement.t,TokenAttacks}",
    "token/Holds.sol": "{Holds,Recovery,SecurityToken,ProductsFollow}",
    "token/*": "{SecurityToken,TokenAttacks,Recovery}",
    "SecurityToken.sol": "{SecurityToken,TokenAttacks,Recovery}",
    "life/AuctionBook.sol": "{AuctionBook,LifeAttacks}",
    "life/EarlyRedemption.sol": "{EarlyRedemption,QueueFinality,LifeAttacks,SanctionedLife,StripQueue}",
    "life/Stripping.sol": "{Stripping,LifeAttacks,StripQueue}",
    "life/HolderVotes.sol": "{HolderVotes,VoteAttacks}",
    "life/*": "Life",
    "repo/*": "Repo",
    "option/*": "Option",
}
"""Which suites are asked first; who survives them meets all."""
FEW = {"FOUNDRY_FUZZ_RUNS": "24", "FOUNDRY_INVARIANT_RUNS": "6", "FOUNDRY_INVARIANT_DEPTH": "40"}
SECONDS = 900
_FAILED = re.compile(r"^\[FAIL.*?\] (\w+)\(|^ (invariant_\w+)\(", re.MULTILINE)
"""A test by the line that says so, an invariant by the one below the calls that broke it."""


class Forge:
    """Contracts with mutants woven in; those that do not compile where they stand are left out."""

    def __init__(self, taken: list[Mutant]) -> None:
        self.folder = WORK / "contracts"
        self._numbers = dict(enumerate(taken, 1))
        self.left_out: list[Mutant] = []
        (self._binary,) = solidity.CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge")

    def build(self) -> None:
        """Weaves and compiles, contracts and tests, until nothing is left of what does not compile where it stands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("test", "script"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            shutil.copytree(solidity.CONTRACTS / name, self.folder / name)
        _as_view(self.folder / "test")
        for name in ("foundry.toml", "package.json"):
            shutil.copy(solidity.CONTRACTS / name, self.folder / name)
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to((solidity.CONTRACTS / "node_modules").resolve())
        while wrong := self._refused():
            self.left_out += [self._numbers.pop(number) for number in sorted(wrong)]

    def _refused(self) -> set[int]:
        sources = self._sources()
        shutil.rmtree(self.folder / "src", ignore_errors=True)
        shutil.copytree(solidity.CONTRACTS / "src", self.folder / "src")
        _as_view(self.folder / "src")
        for name, text in sources.items():
            (self.folder / name).write_text(text)
        done = self._forge("build", timeout=None)
        if done.returncode == 0:
            return set()
        said = done.stdout + done.stderr
        places = re.findall(r"--> (src/[^:]+):(\d+):(\d+)", said[said.index("Error (") :])
        found = {solidity.number_at(sources[file], int(line), int(at)) for file, line, at in places if file in sources}
        if not found - {None}:
            raise SystemExit(said[-3000:])
        return {number for number in found if number is not None}

    def _sources(self) -> dict[str, str]:
        files: dict[str, list[tuple[int, Mutant]]] = {}
        for number, mutant in self._numbers.items():
            files.setdefault(mutant.file, []).append((number, mutant))
        made = {}
        for file, chosen in files.items():
            text = (solidity.CONTRACTS / "src" / file).read_bytes()
            made[f"src/{file}"] = solidity.as_view(solidity.woven(file, text, chosen))
        return {**made, "src/Mutated.sol": solidity.SWITCH}

    def mutants(self) -> list[Mutant]:
        """Those that are in the build."""
        return list(self._numbers.values())

    def check(self) -> None:
        """The tests have to pass with no mutant chosen."""
        outcome, by = self._suites(0, "*.t.sol")
        if outcome != "survived":
            raise SystemExit(f"no mutant is chosen, and yet {by} fails")

    def run(self, mutant: Mutant) -> tuple[str, str]:
        """(killed | timeout | survived, by which test)."""
        number = next(one for one, other in self._numbers.items() if other == mutant)
        nearest = next(tests for glob, tests in NEAREST.items() if fnmatch(mutant.file, glob))
        outcome, by = self._suites(number, f"{nearest}*.sol")
        return (outcome, by) if outcome != "survived" else self._suites(number, "*.t.sol")

    def _suites(self, number: int, glob: str) -> tuple[str, str]:
        chosen = ["--match-path", f"test/{glob}", "--fail-fast", "--block-prevrandao", f"0x{number:064x}"]
        try:
            done = self._forge("test", *chosen, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return "timeout", ""
        if done.returncode == 0:
            return "survived", ""
        failed = _FAILED.search(done.stdout)
        if failed is None:
            raise SystemExit(f"forge: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return "killed", failed[1] or failed[2]

    def _forge(self, *words: str, timeout: int | None) -> subprocess.CompletedProcess[str]:
        """A run of its own: what a fuzz run found against one mutant is not tried on the next."""
        with tempfile.TemporaryDirectory() as found:
            places = {f"FOUNDRY_{kind}_FAILURE_PERSIST_DIR": str(Path(found) / kind) for kind in ("FUZZ", "INVARIANT")}
            command = [str(self._binary), *words, "--offline", "--root", str(self.folder)]
            env = {**os.environ, **FEW, **places}
            return subprocess.run(
                command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=timeout, check=False
            )


def _as_view(folder: Path) -> None:
    for file in folder.rglob("*.sol"):
        file.write_text(solidity.as_view(file.read_text()))
