"""Run by test_killed.py: a command killed with SIGKILL before one of the changes that it makes on the disk, then again.

Usage: killed.py HOME WORK POINTS COMMAND...   prints one JSON line a point; OUT in the command is what it writes
"""

import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
import sys
from pathlib import Path

from tbill_defi.cli.main import run
from tests.unit.automation.killed import Reaper, forked, places


def said(words, die_at=None):
    """Exit code, what it said, and how many changes it made on the disk (if `die_at` is not None)."""
    text = io.StringIO()
    reaper = None if die_at is None else Reaper(die_at)
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = run(words)
    return {"code": code, "text": text.getvalue(), "changes": reaper.seen.total() if reaper else 0}


def digest(path):
    """Of a file, or of a folder's files by their names; None if there is nothing; drafts beside it are not it."""
    if not path.exists():
        return None
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    found = [(one.relative_to(path).as_posix(), hashlib.sha256(one.read_bytes()).hexdigest()) for one in files]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def warm(words):
    """Import here what the command imports: forks share it. Nothing is run here, for threads do not survive a fork."""

    def loaded():
        said(words)
        return [name for name in sys.modules if name.startswith(("tbill", "QuantLib", "sqlalchemy"))]

    for name in forked(loaded):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main(home, work, points, words):
    os.environ["TBILL_HOME"] = str(home)
    out = work / words[-1].replace("OUT", "out")

    def words_for(place):
        return [word if "OUT" not in word else str(place) for word in words]

    warm(words_for(work / f"warm{out.suffix}"))
    whole = forked(lambda: said(words_for(work / f"whole{out.suffix}"), 0))
    expected = digest(work / f"whole{out.suffix}")
    for die_at in places(whole["changes"], points):
        killed = forked(lambda die_at=die_at: said(words_for(out), die_at)) is None
        left = digest(out)
        again = forked(lambda: said(words_for(out)))
        print(
            json.dumps(
                {
                    "changes": whole["changes"],
                    "killed": killed,
                    "left": left is not None,
                    "whole": left in (None, expected) and digest(out) == expected,
                    "again": again,
                    "drafts": [one.name for one in work.iterdir() if one.name.startswith(f".{out.name}")],
                }
            )
        )
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
