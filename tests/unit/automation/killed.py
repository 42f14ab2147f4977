"""Run by test_kill.py: `tbill keeper run` killed with SIGKILL before one of the changes that it makes on the disk.

Usage: killed.py many TEMPLATE WORK POINTS PART PARTS   forks from one warm process; prints one JSON line a point
       killed.py one DIE_AT HOME                        a process of its own, as a desk starts it
"""

import contextlib
import functools
import importlib
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from tbill_defi.cli.main import run

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.link")
"""Audit events of Python (PEP 578) that come before a change in the file system; os.replace is an os.rename."""


class Reaper:
    """Counts what is about to change on the disk, and kills this process before change number `die_at`.

    Nothing of the product is replaced: Python's audit events tell of files opened for writing, folders made, files
    renamed and removed; os.fsync and the commits of sqlite3 have no such event and are counted on their way in.
    """

    def __init__(self, die_at):
        self.die_at, self.seen = die_at, Counter()
        sys.addaudithook(self._heard)
        self._fsync, os.fsync = os.fsync, self._fsynced
        reaper = self

        class Counted(sqlite3.Connection):
            def commit(self):
                reaper.tick("commit")
                super().commit()

        sqlite3.connect = functools.partial(sqlite3.connect, factory=Counted)

    def tick(self, what):
        self.seen[what] += 1
        if self.seen.total() == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event, arguments):
        written = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if written or event in CHANGES:
            self.tick(event)

    def _fsynced(self, descriptor):
        self.tick("fsync")
        self._fsync(descriptor)


def keeper(home, die_at=None):
    """`tbill keeper run --once --json`: exit code, what became of the firings, changes on the disk (if not None)."""
    said = io.StringIO()
    reaper = None if die_at is None else Reaper(die_at)
    with contextlib.redirect_stdout(said):
        code = run(["keeper", "run", "--once", "--json", "--home", str(home)])
    outcomes = json.loads(said.getvalue())["outcomes"]
    statuses = [(o["rule"], o["status"]) for o in outcomes]
    return {"code": code, "statuses": statuses, "changes": reaper.seen if reaper else {}}


def places(changes, points):
    """So many different numbers from 1 to `changes`, spread evenly, both ends among them."""
    return sorted({1 + i * (changes - 1) // (points - 1) for i in range(points)})


def forked(work):
    """Result of `work()` in a fork, as JSON through a pipe; None if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert bool(said) != os.WIFSIGNALED(status), (said, status)
    return json.loads(said) if said else None


PAYMENTS = (
    *("CouponPaid", "CouponPassed", "Redeemed", "Settled"),
    *("MarginCalled", "MarginDelivered", "MarginCallMet"),
)


def picture(home):
    """All that counts: wallets, supply, repos, what settled by its legs, every payment and call, files left."""
    import tbill_defi as td
    from tbill_defi.ledger.limits import standings
    from tbill_defi.ledger.repo import Repos

    with td.open_ledger(home=home, read_only=True) as ledger:
        books = ledger.books()
        events = Counter(event.name for event in ledger.chain.events(names=PAYMENTS))
        tape = [(entry.plan_hash, [(leg.asset, leg.amount) for leg in entry.legs]) for entry in ledger.tape()]
        wallets = {who: (books.wallet(who).cash, books.wallet(who).positions) for who in books.parties()}
        repos = [
            (repo.repo_id.hex(), repo.status, repo.face_units, repo.principal_units, repo.call_deadline, repo.acts)
            for repo in Repos(ledger).all()
        ]
        supply = sorted(books.supply())
        caps = {who: standing.holding_cap for who, standing in standings(ledger, books.parties()).items()}
    plans = sorted(path.name for path in (home / "plans").glob("0x*.json") if ".quote." not in path.name)
    left = sorted(path.name for path in (home / "keeper" / "drafts").glob("*"))
    found = {"events": events, "caps": caps, "tape": tape, "wallets": wallets, "supply": supply, "repos": repos}
    return found | {"plans": plans, "drafts": left}


def recovered(home):
    """The keeper again, and again; what that left, and what the auditor says of it."""
    first, again = keeper(home), keeper(home)
    with contextlib.redirect_stdout(io.StringIO()):
        audit = run(["audit", "verify", "--home", str(home)])
    return {"codes": (first["code"], again["code"], audit), "again": again["statuses"], "picture": picture(home)}


def warm(template):
    """Import here what a pass imports: forks share it. Nothing is run here, for threads do not survive a fork."""

    def loaded():
        with contextlib.redirect_stdout(io.StringIO()):
            run(["keeper", "run", "--dry-run", "--json", "--home", str(template)])
            run(["audit", "verify", "--home", str(template)])
        return [n for n in sys.modules if n.startswith(("tbill", "QuantLib", "polars.", "sqlalchemy", "highspy"))]

    for name in forked(loaded):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def many(template, work, points, part, parts):
    warm(template)
    whole = work / "whole"
    shutil.copytree(template, whole)
    done = forked(lambda: keeper(whole, 0))
    print(json.dumps(done | {"picture": forked(lambda: picture(whole))}), flush=True)
    for die_at in places(sum(done["changes"].values()), points)[part::parts]:
        home = work / f"point{die_at}"
        shutil.copytree(template, home)
        killed = forked(lambda home=home, die_at=die_at: keeper(home, die_at)) is None
        print(json.dumps({"point": die_at, "killed": killed, **forked(lambda home=home: recovered(home))}), flush=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    if sys.argv[1] == "many":
        many(Path(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
    else:
        print(json.dumps(keeper(Path(sys.argv[3]), int(sys.argv[2]))))
