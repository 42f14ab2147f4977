"""Whatever is in the place of a home's files, a command says in one or two lines which file is wrong, and ends."""

import json
import os
import shutil
import signal
from contextlib import contextmanager, suppress

import pytest

from tbill_defi.automation.state import State
from tests.unit.cli.support import NOTE, POSITIONS, refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices, links and alarms are of POSIX")

SECONDS = 10
"""No command here takes a tenth of it."""
DEEP = 100_000
CONTENTS = {
    "directory": lambda path: path.mkdir(),
    "zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path.name),
    "terabyte": lambda path: (path.touch(), os.truncate(path, 2**40)),
    "empty": lambda path: path.touch(),
    "NUL": lambda path: path.write_bytes(b"a = 1\0\n"),
    "NULs": lambda path: path.write_bytes(bytes(5_000)),
    "byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbf"),
    "UTF-16": lambda path: path.write_text('{"a": 1}', encoding="utf-16"),
    "Latin-1": lambda path: path.write_bytes(b'"\xe4\xf6\xfc"'),
    "long line": lambda path: path.write_bytes(b"x" * 10_000_000),
    "deep JSON": lambda path: path.write_text("[" * DEEP + "]" * DEEP),
    "deep objects": lambda path: path.write_text('{"a":' * DEEP + "1" + "}" * DEEP),
    "deep TOML": lambda path: path.write_text("a = " + "[" * DEEP + "]" * DEEP),
    "dotted TOML": lambda path: path.write_text("a" + ".a" * 20_000 + " = 1"),
    "same key": lambda path: path.write_text("home = 1\nhome = 2\n"),
    "huge number": lambda path: path.write_text("9" * 5_000),
    "huge TOML number": lambda path: path.write_text("format = " + "9" * 5_000),
    "not a number": lambda path: path.write_text("NaN"),
    "infinity": lambda path: path.write_text('{"format": 1e999, "version": 1e999, "height": 1e999, "time": 1e999}'),
    "null": lambda path: path.write_text("null"),
    "list": lambda path: path.write_text("[1, 2]"),
    "object": lambda path: path.write_text("{}"),
    "surrogate": lambda path: path.write_text('{"version": "\\ud800", "format": "\\ud800"}'),
    "other types": lambda path: path.write_text(
        json.dumps({name: [{}] for name in ("version", "format", "firings", "feeds", "time", "height", "crypto")})
    ),
}
FILES = {
    "settings": ("../work/tbill.toml", ("config",)),
    "keeper": ("keeper.toml", ("keeper", "run", "--once", "--dry-run")),
    "keystore": ("keys/operator.json", ("audit", "checkpoint")),
    "passphrase": ("keys/passphrase", ("audit", "checkpoint")),
    "curves": ("market/par_yields.parquet", ("curve",)),
    "auctions": ("market/auctions.parquet", ("price", NOTE)),
    "sightings": ("market/sightings.parquet", ("market", "log")),
    "address": ("ledger/database.url", ("wallet", "desk")),
    "node": ("ledger/chain.toml", ("wallet", "desk")),
    "journal": ("ledger/ledger.db", ("wallet", "desk")),
    "audited journal": ("ledger/ledger.db", ("audit", "verify")),
    "books": ("books/books.db", ("books", "positions", "desk")),
    "announcement": (f"auctions/{NOTE}/announcement.json", ("auction", "award", NOTE)),
    "record of audits": ("audit.json", ("status",)),
    "lock": ("ledger/ledger.db.lock", ("holdings", "import", "positions.csv", "--add")),
}
NOT_NEEDED = {"record of audits", "lock", "passphrase"}
"""Without what is in them a command goes on: their content is a note, or anything."""
NO_SETTINGS = ("settings", "empty"), ("settings", "byte order mark")
"""An empty table of settings is one."""
NAMED = {"audited journal": ""}
"""What is said where it is not the file's name: an audit names the block and the column."""


@contextmanager
def replaced(path):
    """A place that is empty, and is as it was afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.with_name("kept")
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    if path.exists():
        path.rename(kept)
    for one in beside:
        one.unlink(missing_ok=True)
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for one in beside:
            one.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(path)


def too_long(*_):
    raise AssertionError(f"it has not ended after {SECONDS} s")


@pytest.mark.parametrize("file", FILES)
def test_what_is_in_the_place_of_a_file(tbill, tmp_path, file):
    (tmp_path / "work" / "positions.csv").write_text(POSITIONS)
    name, words = FILES[file]
    place = tbill.home / name
    failures = []
    for content in list(CONTENTS)[: 5 if "lock" in file else None]:  # what is in a lock is nothing to anyone
        make = CONTENTS[content]
        with replaced(place):
            make(place)
            if place.is_file() and name.startswith("keys/"):
                place.chmod(0o600)
            before = signal.signal(signal.SIGALRM, too_long)
            signal.alarm(SECONDS)
            try:
                ran = tbill(*words)
            except BaseException as error:  # named below with what it was
                failures.append((content, repr(error)[:300]))
                continue
            finally:
                signal.alarm(0)
                signal.signal(signal.SIGALRM, before)
        if ran.code == 0 and (file in NOT_NEEDED or (file, content) in NO_SETTINGS):
            continue
        try:
            assert ran.code > 1
            refused(ran, ran.code, NAMED.get(file, place.name))
        except AssertionError:
            failures.append((content, ran.code, ran.err[:400]))
    assert not failures, "\n".join(map(str, failures))


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_in_the_place_of_the_keepers_memory(tmp_path, content):
    """It goes by the ledger alone, and says so."""
    CONTENTS[content](tmp_path / "state.json")
    found = State.load(tmp_path / "state.json")
    assert found.firings == {}
    assert "state.json cannot be used" in found.note
