"""A copy of a journal while its writer goes on: one snapshot, whole, and checked at its head."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tbill_defi.chain.engine import is_postgres, translated
from tbill_defi.chain.engine_modes import Mode
from tbill_defi.chain.engine_sqlite import connect, database_path
from tbill_defi.chain.heads import SignedHead
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.reading import checked_head
from tbill_defi.core.errors import LedgerError, UsageError

_PAGES = 1_024


def copy_journal(url: str, target: Path, progress: Callable[[int, int], None]) -> SignedHead:
    """Copy a SQLite journal to a file that is not there yet, and give the copy's head.

    Parameters
    ----------
    progress
        Called with (pages done, pages in all).

    Raises
    ------
    LedgerError
        If there is no journal (code "NotFound").
    UsageError
        If it is in memory, or on PostgreSQL, which has tools of its own.
    AuditFailure
        If it is damaged, or the copy is not a ledger whose head holds.
    """
    if is_postgres(url):
        raise UsageError("backup: the ledger is on PostgreSQL; take it with pg_dump, whose dump is one snapshot too")
    source = database_path(url)
    if source is None:
        raise UsageError("backup: a ledger in memory has no file")
    if not source.is_file():
        raise LedgerError(f"ledger: there is none at {source}; make one with `tbill init`", "NotFound")
    try:
        with (
            closing(connect(source, Mode.READ)) as reader,
            closing(sqlite3.connect(target)) as copy,
        ):
            reader.isolation_level = None
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM sqlite_schema").fetchall()  # the snapshot: later blocks are not in it
            reader.backup(copy, pages=_PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_WRITE"):
            raise LedgerError(f"backup: {target.parent} cannot be written: {error}", code="Database") from None
        raise translated(url, error) from None
    journal = Journal.open(f"sqlite:///{target}", writer=False)
    try:
        return checked_head(journal, journal.genesis())[0]
    finally:
        journal.close()
