"""Runs halmos on the `check_` functions of test/Proofs.t.sol: each holds for every input.

    python proofs.py             in contracts/, with forge's node packages and halmos installed

Prints each proof; fails if one finds an input that breaks it, or finds no answer in its time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTRACT = "Proofs"
SECONDS = 600


def main() -> int:
    """Halmos' exit code."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("src", "node_modules", "script", "package.json"):
            (work / name).symlink_to(HERE / name)
        (work / "test" / "base").mkdir(parents=True)
        for name in (f"{CONTRACT}.t.sol", "base/Vm.sol"):
            (work / "test" / name).symlink_to(HERE / "test" / name)
        (work / "foundry.toml").write_text((HERE / "foundry.toml").read_text().replace("ast = false", "ast = true"))
        (forge,) = HERE.glob("node_modules/@foundry-rs/forge-*/bin/forge")
        path = {**os.environ, "PATH": f"{forge.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
        words = ["--contract", CONTRACT, "--function", "check_", "--no-status"]
        limit = ["--solver-timeout-assertion", str(SECONDS * 1000)]
        return subprocess.run(["halmos", *words, *limit], cwd=work, env=path, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
