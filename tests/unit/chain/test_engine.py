"""The driver's errors as the ledger's own."""

import sqlite3

import pytest

from tbill_defi.chain.engine import translated
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError


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
