"""Runs halmos on the `check_` functions of test/*Proofs.t.sol: each holds for every input.

    python proofs.py             in contracts/, with forge's node packages, halmos and bitwuzla installed

Prints each proof; fails if one finds an input that breaks it, or finds no answer in its time. The solver is Bitwuzla;
its wheel has the library alone, so halmos asks this script, which asks that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = ("Proofs.t.sol", "TokenProofs.t.sol", "MoneyProofs.t.sol", "VoteProofs.t.sol")
TESTS += ("base/Vm.sol", "doubles/OpenRules.sol", "doubles/TwoHolders.sol")
SECONDS = 600


def prove() -> int:
    """Halmos' exit code."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("src", "node_modules", "script", "package.json"):
            (work / name).symlink_to(HERE / name)
        for name in TESTS:
            (work / "test" / name).parent.mkdir(parents=True, exist_ok=True)
            (work / "test" / name).symlink_to(HERE / "test" / name)
        (work / "foundry.toml").write_text((HERE / "foundry.toml").read_text().replace("ast = false", "ast = true"))
        (forge,) = HERE.glob("node_modules/@foundry-rs/forge-*/bin/forge")
        path = {**os.environ, "PATH": f"{forge.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
        words = ["--match-contract", "Proofs$", "--function", "check_", "--no-status"]
        solver = ["--solver-command", f"{sys.executable} {Path(__file__).resolve()}"]
        limits = ["--solver-timeout-branching", "50ms", "--solver-timeout-assertion", str(SECONDS * 1000)]
        return subprocess.run(["halmos", *words, *solver, *limits], cwd=work, env=path, check=False).returncode


def solve(question: str) -> None:
    """Answers an SMT-LIB file on standard output."""
    import bitwuzla

    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    bitwuzla.Parser(bitwuzla.TermManager(), options, base=10).parse(question, False, True)


if __name__ == "__main__":
    if sys.argv[1:]:
        solve(sys.argv[1])
    else:
        sys.exit(prove())
