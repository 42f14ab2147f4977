"""The driver's errors as the ledger's own."""

import sqlite3

import pytest

from tbill_defi.chain.engine import database_path, is_postgres, shown_url, translated
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError, UsageError


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (sqlite3.OperationalError("database is locked"), LedgerBusy, "Busy"),
        (sqlite3.OperationalError("no such table: genesis"), LedgerError, "NotALedger"),
        (sqlite3.OperationalError("attempt to write a readonly database"), LedgerError, "NeedsRecovery"),
        (sqlite3.OperationalError("database or disk is full"), LedgerError, "Database"),
        (sqlite3.DatabaseError("database disk image is malformed"), AuditFailure, None),
        (sqlite3.DatabaseError("file is not a database"), AuditFailure, None),
        (TypeError("string argument without an encoding"), AuditFailure, None),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), AuditFailure, None),
    ],
)
def test_translated(error, kind, code):
    made = translated("sqlite:///desk.db", error)
    assert type(made) is kind
    assert "sqlite:///desk.db" in str(made)
    assert getattr(made, "code", None) == code


class Told(Exception):
    """As psycopg's errors: with an SQLSTATE, or None where the server said nothing."""

    def __init__(self, sqlstate, text="some\nlines"):
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Told("42P01"), LedgerError, "NotALedger"),
        (Told("55P03"), LedgerBusy, "Busy"),
        (Told("40001"), LedgerBusy, "Busy"),
        (Told("57P05"), LedgerError, "Unreachable"),
        (Told("08006"), LedgerError, "Unreachable"),
        (Told(None, "connection refused"), LedgerError, "Unreachable"),
        (Told(None, 'database "x" does not exist'), LedgerError, "NotFound"),
        (Told("53100", "No space left on device"), LedgerError, "Database"),
        (Told("XX001"), AuditFailure, None),
        (TypeError("no bytes"), AuditFailure, None),
    ],
)
def test_translated_from_postgresql(error, kind, code):
    made = translated("postgresql://desk:secret@host/desk", error)
    assert type(made) is kind
    assert "postgresql://desk:***@host/desk" in str(made)
    assert "secret" not in str(made)
    assert "\n" not in str(made)
    assert getattr(made, "code", None) == code


def test_urls():
    assert database_path("postgresql://x@host/desk") is None
    assert is_postgres("postgresql://x@host/desk")
    assert not is_postgres("sqlite:///a.db")
    assert shown_url("sqlite:///a.db") == "sqlite:///a.db"
    assert "secret" not in shown_url("postgresql://host/desk?password=secret&user=x")
    for url in ("mysql://x/y", "desk.db", ""):
        with pytest.raises(UsageError, match="postgresql://"):
            database_path(url)
