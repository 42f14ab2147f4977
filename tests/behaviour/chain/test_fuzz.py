"""Random damage to the database file: whatever changes a value is reported, and nothing makes the audit fall over."""

import contextlib
import random
import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise, product

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.core.errors import TbillError
from tests.behaviour.chain.support import COUNTER_ADDRESS, OPERATOR, decode_count, edit, make_ledger, reopen, url_of

TABLES = ("genesis", "blocks", "transactions", "events", "head")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("ledger") / "original.db"
    make_ledger(path, blocks=12)
    return path


def values(path):
    """Every value as plain SQLite reads it; None if it cannot."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2**26)
    try:
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]
    except (sqlite3.Error, MemoryError, OverflowError, UnicodeError):
        return None
    finally:
        connection.close()


def damage(content: bytes, chance: random.Random) -> bytes:
    """One byte, a few, a run of zeros, or a page in another's place."""
    damaged = bytearray(content)
    kind = chance.random()
    if kind < 0.8:
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    elif kind < 0.9:
        for _ in range(chance.randrange(2, 9)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    elif kind < 0.95:
        start = chance.randrange(len(damaged))
        length = chance.choice((16, 512, 4096))
        damaged[start : start + length] = bytes(len(damaged[start : start + length]))
    else:
        pages = len(damaged) // 4096
        one, other = chance.randrange(pages) * 4096, chance.randrange(pages) * 4096
        damaged[one : one + 4096] = content[other : other + 4096]
    return bytes(damaged)


def check(original, path, seed: int, times: int) -> int:
    """Damage a copy, audit it, open it; how often a value had changed."""
    content, right = original.read_bytes(), values(original)
    chance = random.Random(seed)
    told = 0
    for n in range(times):
        damaged = damage(content, chance)
        path.write_bytes(damaged)
        report = verify(url_of(path), decoder=decode_count)
        found = values(path)
        if found != right:
            told += 1
            assert not report.ok, (seed, n)
            assert report.findings[0].describe()
        if n % 10 == 0:
            opens(path)
        for suffix in ("-wal", "-shm", ".lock"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return told


def opens(path):
    """Opening damaged evidence either works or is one of our errors."""
    for operator in (OPERATOR, None):
        with contextlib.suppress(TbillError), reopen(path, operator) as chain:
            list(chain.events())
            chain.call(COUNTER_ADDRESS, b"")


@pytest.mark.parametrize("seed", range(4))
def test_random_damage(original, tmp_path, seed):
    assert check(original, tmp_path / "copy.db", seed, 150) > 50


@pytest.mark.slow
def test_much_random_damage(original, tmp_path):
    assert check(original, tmp_path / "copy.db", 99, 4_000) > 1_000


@pytest.mark.slow
def test_every_bit_of_the_files_header(original, tmp_path):
    """Of its 100 bytes: found, or nothing that is stored reads otherwise."""
    content, right = original.read_bytes(), values(original)
    path = tmp_path / "copy.db"
    for place, bit in product(range(100), range(8)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        report = verify(url_of(path), decoder=decode_count)
        assert not report.ok or values(path) == right, (place, bit)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("table", TABLES)
def test_every_row(original, tmp_path, table):
    """Deleted, with all after it or alone; there twice; with the content of the next one, or in its place."""
    with closing(sqlite3.connect(original)) as connection:
        key, *others = (column[1] for column in connection.execute(f"PRAGMA table_info({table})"))
        keys = [row[0] for row in connection.execute(f"SELECT {key} FROM {table} ORDER BY {key}")]
    columns = ", ".join(others)
    twice = f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE {key} = ?"
    content = f"UPDATE {table} SET ({columns}) = (SELECT {columns} FROM {table} WHERE {key} = ?) WHERE {key} = ?"
    changes = [[(f"DELETE FROM {table} WHERE {key} >= ?", (one,))] for one in keys]
    changes += [[(f"DELETE FROM {table} WHERE {key} = ?", (one,))] for one in keys]
    changes += [[(twice, (keys[-1] + 1, one))] for one in keys]
    changes += [[(content, (other, one))] for one, other in pairwise(keys)]
    for one, other in pairwise(keys):  # each in the other's place
        moved = [
            (f"UPDATE {table} SET {key} = ? WHERE {key} = ?", pair) for pair in ((-1, one), (one, other), (other, -1))
        ]
        changes.append(moved)
    for n, statements in enumerate(changes):
        path = shutil.copy(original, tmp_path / f"{n}.db")
        edit(path, *statements)
        assert not verify(url_of(path), decoder=decode_count).ok, statements


@pytest.mark.parametrize(("place", "value"), [(47, 9), (21, 0)])
def test_a_header_that_sqlite_does_not_know(original, tmp_path, place, value):
    """Schema format number, maximum payload fraction: https://www.sqlite.org/fileformat.html, 1.3."""
    content = bytearray(original.read_bytes())
    content[place] = value
    path = tmp_path / "copy.db"
    path.write_bytes(content)
    report = verify(url_of(path), decoder=decode_count)
    assert not report.ok
    assert "database" in report.findings[0].describe()
    opens(path)


def test_a_schema_that_names_what_is_not_there(original, tmp_path):
    content = original.read_bytes()
    assert content.count(b" ON inbox (") == 1
    path = tmp_path / "copy.db"
    path.write_bytes(content.replace(b" ON inbox (", b" ON inbux ("))
    report = verify(url_of(path), decoder=decode_count)
    assert not report.ok
    assert report.findings[0].kind == "pages"
    opens(path)


def test_truncation_at_every_page(original, tmp_path):
    content = original.read_bytes()
    path = tmp_path / "copy.db"
    for length in range(0, len(content), 4096):
        path.write_bytes(content[:length])
        assert not verify(url_of(path), decoder=decode_count).ok
