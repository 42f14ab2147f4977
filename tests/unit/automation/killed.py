"""Run by test_kill.py: a keeper killed with SIGKILL after so many calls and returns of the pipeline's functions.

Usage: killed.py TEMPLATE WORK POINTS. Forks from one warm process; prints one JSON line a point.
"""

import base64
import contextlib
import importlib
import json
import os
import pickle
import shutil
import signal
import sys
from pathlib import Path

import tests.unit.automation.support as support
from tbill_defi.automation import scene
from tests.unit.automation.test_keeper import BUSY_DAY, CROWD

WATCHED = tuple(
    f"/tbill_defi/{part}"
    for part in ("automation/", "ledger/", "chain/", "portfolio/execution.py", "portfolio/plan_file.py")
)


DURABLE = ("fsync", "rename", "replace", "unlink", "commit")
"""Calls of the system or of SQLite after which something is there that was not, wherever they are made."""


def count_calls(die_at):
    """Counts calls and returns of the watched modules and durable calls; kills at `die_at`.

    Answers the count and the places of durable calls, both of which grow.
    """
    seen, marks, watched = [0], [], {}

    def probe(frame, event, argument):
        durable = event[:2] == "c_" and getattr(argument, "__name__", "") in DURABLE
        file = frame.f_code.co_filename
        if file not in watched:
            watched[file] = any(part in file for part in WATCHED)
        if durable or watched[file]:
            seen[0] += 1
            if durable:
                marks.append(seen[0])
            if seen[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(probe)
    return seen, marks


def one_pass(home, die_at):
    seen, marks = count_calls(die_at)
    try:
        done = support.once(home, BUSY_DAY)
    finally:
        sys.setprofile(None)
    return seen[0], marks, support.statuses(done)


def places(total, marks, points):
    """Half of them just before or after something becomes durable, half spread evenly; ascending."""
    half = points // 2
    near = [marks[i * (len(marks) - 1) // (half - 1)] for i in range(half)]
    even = [1 + i * total // (points - half) for i in range(points - half)]
    return sorted([*near, *even])


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


def picture(home):
    """All that counts: wallets, supply, what settled by its legs, coupons and redemptions paid, files left."""
    import tbill_defi as td

    with td.open_ledger(home=home, read_only=True) as ledger:
        books = ledger.books()
        events = [e.name for e in ledger.chain.events(names=("Settled", "CouponPaid", "Redeemed"))]
        tape = [(entry.plan_hash, [(leg.asset, leg.amount) for leg in entry.legs]) for entry in ledger.tape()]
        wallets = {who: (books.wallet(who).cash, books.wallet(who).positions) for who in ("desk", "dealer")}
        plans = sorted(path.name for path in (home / "plans").glob("0x*.json") if ".quote." not in path.name)
        left = sorted(path.name for path in (home / "keeper" / "drafts").glob("*"))
    return {"events": sorted(events), "tape": tape, "wallets": wallets, "plans": plans, "drafts": left}


def warm(template):
    """Import here what a pass imports, and make the day's view once: forks share both."""
    loaded, made = forked(lambda: _first(template))
    for name in loaded:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    day = pickle.loads(base64.b64decode(made))
    scene.view = lambda *given, **more: day


def _first(template):
    support.once(template, BUSY_DAY, dry_run=True)
    day = scene.view(BUSY_DAY[:10], home=template)
    loaded = [
        name for name in sys.modules if name.startswith(("tbill", "QuantLib", "polars.", "sqlalchemy", "highspy"))
    ]
    return loaded, base64.b64encode(pickle.dumps(day)).decode()


def recovered(home):
    """The keeper again, and again; what that left."""
    support.once(home, BUSY_DAY)
    again = support.statuses(support.once(home, BUSY_DAY))
    return again, picture(home)


def main():
    template, work, points = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    (template / "keeper.toml").write_text("\n".join(CROWD))
    warm(template)
    whole = work / "whole"
    shutil.copytree(template, whole)
    total, marks, statuses = forked(lambda: one_pass(whole, 0))
    expected = forked(lambda: picture(whole))
    print(json.dumps({"total": total, "durable": len(marks), "statuses": statuses, "picture": expected}), flush=True)
    for point, die_at in enumerate(places(total, marks, points)):
        home = work / f"point{point}"
        shutil.copytree(template, home)
        killed = forked(lambda home=home, die_at=die_at: one_pass(home, die_at)) is None
        again, found = forked(lambda home=home: recovered(home))
        print(json.dumps({"point": point, "killed": killed, "again": again, "picture": found}), flush=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
