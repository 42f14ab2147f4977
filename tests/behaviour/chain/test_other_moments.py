"""A SQLite ledger's file and its log, each from another moment, cut off, swapped or removed: never half a ledger.

Whatever the two come to is refused, or is the ledger as it was at one moment; and who has kept a later head is told.
"""

import sqlite3
from contextlib import closing
from itertools import product

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import verify
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.support import ALICE, BOB, OPERATOR, START, Desk, decode_count, extend, url_of
from tests.behaviour.chain.test_fuzz import opens, values

BLOCKS = 6
FRAME = 24 + 4_096
"""https://www.sqlite.org/fileformat.html, 4.1: of a log, after 32 bytes of header."""


def log_of(path):
    return path.with_name(path.name + "-wal")


def moments(path, party):
    """File and log after each block, the log begun anew at some of them; and the last head."""
    options = {"operator": OPERATOR, "clock": SimulatedClock(0), "simulated_start": START, "decoder": decode_count}
    with EmbeddedChain.create(url_of(path), chain_id=4_242, **options) as chain:
        desk = Desk(chain)
        found = [(path.read_bytes(), log_of(path).read_bytes())]
        while chain.height < BLOCKS:
            if chain.height % 2:
                with closing(sqlite3.connect(path)) as other:
                    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if chain.height:
                extend(desk, 1)
            else:
                desk.deploy(party)
            found.append((path.read_bytes(), log_of(path).read_bytes()))
        return found, chain.head()


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Moments of a ledger, what each of them holds, and its last head."""
    folder = tmp_path_factory.mktemp("moments")
    found, head = moments(folder / "desk.db", ALICE)
    return found, [held(folder / "copy.db", *one) for one in found], head


@pytest.fixture
def path(tmp_path):
    return tmp_path / "copy.db"


def held(path, file, log):
    lay(path, file, log)
    return values(path)


def lay(path, file, log):
    for suffix in ("-wal", "-shm", "-journal", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(file)
    if log is not None:
        log_of(path).write_bytes(log)


def judged(path, known, file, log):
    """Whether the audit holds: alone, and with the last head."""
    _, rights, head = known
    found = held(path, file, log)
    lay(path, file, log)
    alone = verify(url_of(path), decoder=decode_count)
    lay(path, file, log)
    with_head = verify(url_of(path), decoder=decode_count, head=head)
    assert not alone.ok or found in rights
    assert with_head.ok == (alone.ok and found == rights[-1])
    lay(path, file, log)
    opens(path)
    return alone.ok, with_head.ok


def test_each_with_each(known, path):
    found, rights, _ = known
    seen = {}
    for (n, (file, _)), (m, (_, log)) in product(enumerate(found), [*enumerate(found), (None, (b"", None))]):
        seen[n, m] = judged(path, known, file, log)
    assert all(seen[n, n][0] for n in range(BLOCKS + 1))
    assert [n for n in range(BLOCKS + 1) if seen[n, n][1]] == [BLOCKS]
    assert len({str(right) for right in rights}) == BLOCKS + 1


def test_cut_off_at_every_frame_and_between(known, path):
    found, _, _ = known
    file, log = found[-1]
    whole = [
        judged(path, known, file, log[:length])
        for start in range(0, len(log) - 32, FRAME)
        for length in (start, start + 32, start + 33, start + FRAME // 2)
    ]
    assert not any(with_head for _, with_head in whole)
    assert any(alone for alone, _ in whole)


def test_of_another_ledger(known, path, tmp_path):
    (found, rights, head), (others, _) = known, moments(tmp_path / "other.db", BOB)
    either = [*(held(path, *one) for one in others), *rights]
    alone = []
    for (file, log), (other_file, other_log) in product(found, others):
        for one in ((file, other_log), (other_file, log)):
            alone.append(judged(path, (found, either, head), *one)[0])
    assert {*alone} == {False, True}


def test_every_byte_of_the_log(known, path):
    """Damage to the last frames drops what they held, or is found."""
    file, log = known[0][-1]
    with_head = []
    for place in range(0, len(log), 97):
        damaged = bytearray(log)
        damaged[place] ^= 1 << place % 8
        with_head.append(judged(path, known, file, bytes(damaged))[1])
    assert not all(with_head)
