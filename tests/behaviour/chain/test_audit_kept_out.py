"""What keeps an audit from reading is said, and is no word on the evidence."""

import sqlite3
from pathlib import Path

import pytest

from tbill_defi.chain.evidence import verify
from tests.behaviour.chain.support import decode_count, make_ledger, refused, url_of


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "desk.db"
    make_ledger(made, blocks=2)
    return made


def code_of_audit(url, **options):
    return refused(lambda: verify(url, decoder=decode_count, **options))[0]


def test_no_right_to_read(url, postgres):
    postgres.execute("CREATE ROLE auditor LOGIN")
    try:
        code, message = refused(lambda: verify(url.replace("tbill@", "auditor@"), decoder=decode_count))
        assert code == "Database"
        assert "permission denied" in message
    finally:
        postgres.execute("DROP ROLE auditor")


def test_a_session_that_is_ended_half_way(postgres):
    url = postgres.database()
    make_ledger(url, blocks=30)

    def end(_done, _all):
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tbill audit'"
        )

    assert code_of_audit(url, progress=end) == "Unreachable"
    postgres.drop(url)


def test_locked_by_another_program(path):
    other = sqlite3.connect(path)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("CREATE TABLE other (id)")
    assert code_of_audit(url_of(path)) == "Busy"
    other.close()


def test_too_many_open_files(path):
    resource = pytest.importorskip("resource", reason="limits of files are of POSIX")
    assert verify(url_of(path), decoder=decode_count).ok
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) - 1, before[1]))
    try:
        code = code_of_audit(url_of(path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert code == "Unreachable"
