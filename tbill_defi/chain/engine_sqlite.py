"""SQLite under the journal: WAL, synchronous=FULL, so that `COMMIT` returns after the log is on the disk.

Every setting is read back on every connection, since SQLite ignores a PRAGMA it does not like. The one writer holds a
lock of the operating system on a file beside the database.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from tbill_defi.chain.engine_modes import BUSY_MILLISECONDS, NOT_ITS_TYPE, Mode, pause
from tbill_defi.chain.lock import WriterLock
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError, UsageError

LONGEST_VALUE = 2**26
"""Bytes an audit reads as one value: a damaged length must not make it allocate a gigabyte."""

POLL_MILLISECONDS = 10

_SETTINGS: dict[str, Any] = {
    "busy_timeout": BUSY_MILLISECONDS,
    "synchronous": 2,
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
    "cell_size_check": 1,
    "trusted_schema": 0,
}
"""`fullfsync` matters on macOS, where fsync alone does not reach the disk; 2 is FULL."""


def database_path(url: str) -> Path | None:
    """File of a SQLite URL; None if it is in memory."""
    database = make_url(url).database
    return None if database in (None, "", ":memory:") else Path(str(database))


def lock_writer(url: str) -> WriterLock | None:
    """Become the ledger's one writer. A ledger in memory is its process's own and has no lock.

    Raises
    ------
    LedgerBusy
        If there is one already.
    """
    path = database_path(url)
    if path is None:
        return None
    if not path.parent.is_dir():
        raise UsageError(f"ledger: the folder {path.parent} does not exist")
    try:
        return WriterLock(path.with_name(path.name + ".lock"))
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise _not_writable(path) from None


def open_engine(url: str, mode: Mode) -> Engine:
    """An engine whose connections have the settings above.

    Raises
    ------
    LedgerError
        If the file is missing (code "NotFound"), or is to be written and cannot be ("NotWritable").
    """
    path = database_path(url)
    if path is None:
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(":memory:", check_same_thread=False), poolclass=StaticPool
        )
    else:
        _require_place(path, mode)
        pool = NullPool if mode.reads_only and not _writable(path.parent) else QueuePool
        engine = create_engine("sqlite://", creator=lambda: connect(path, mode), poolclass=pool)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        try:
            _apply(connection, durable=path is not None, writable=not mode.reads_only)
            if mode is Mode.AUDIT:
                connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        except (sqlite3.Error, UnicodeError) as error:
            raise translated(url, error) from None

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    if path is not None:
        _keep_to_the_file(engine, path)
    return engine


def _keep_to_the_file(engine: Engine, path: Path) -> None:
    """Connect again where the file was removed or replaced: what is written to one that has no name is lost."""

    @event.listens_for(engine, "connect")
    def _on_connect(_connection: object, record: Any) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _on_checkout(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)


def _not_writable(path: Path) -> LedgerError:
    return LedgerError(f"ledger: {path} cannot be written; it can be read and audited", code="NotWritable")


def sync_directory(url: str) -> None:
    """Make the database's directory entry durable: SQLite does this for its logs, not for a new database file."""
    path = database_path(url)
    if path is None or os.name != "posix":
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


DAMAGES = ("malformed", "not a database", "unsupported file format")
"""What SQLite says of a file that it cannot read."""


def is_damage(error: BaseException) -> bool:
    """Whether an error of SQLite's while reading tells of what is stored, and not of what kept from reading it."""
    name = getattr(error, "sqlite_errorname", "")
    return not name.startswith(
        ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR_SHM")
    )


def translated(url: str, error: BaseException) -> LedgerError | AuditFailure:
    """The ledger's own error for one of the database driver."""
    text = str(error)
    if isinstance(error, NOT_ITS_TYPE):
        return AuditFailure(f"ledger: {url} is damaged: a value is not of its column's type; run `tbill audit verify`")
    if "no such table" in text:
        return LedgerError(f"ledger: {url} holds no ledger", code="NotALedger")
    if "locked" in text or "busy" in text:
        return LedgerBusy(f"ledger: {url} is locked by another writer; nothing was executed", code="Busy")
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR_SHM"):
        why = "the disk is full, or a limit of the system is reached"
        return LedgerError(f"ledger: {url} cannot be read: {why} ({text})", code="Unreachable")
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_CANTOPEN"):
        why = "too many files are open, or there is no right to it"
        return LedgerError(f"ledger: {url} cannot be opened: {why} ({text})", code="Unreachable")
    if "readonly database" in text:
        cure = "a reader cannot finish what a crash interrupted; open or make it again as its operator"
        return LedgerError(f"ledger: {url}: {cure}", code="NeedsRecovery")
    if any(damage in text for damage in DAMAGES):
        return AuditFailure(f"ledger: {url} is damaged ({text}); run `tbill audit verify`")
    return LedgerError(f"ledger: {url}: {text}", code="Database")


class Listener:
    """SQLite rings no bell: whoever waits looks again soon."""

    def __init__(self, url: str, bell: str) -> None:
        pass

    def wait(self, milliseconds: int) -> None:
        """Sleep a moment."""
        pause(min(milliseconds, POLL_MILLISECONDS))

    def close(self) -> None:
        """There is nothing to let go of."""


def _require_place(path: Path, mode: Mode) -> None:
    if mode is not Mode.CREATE and not path.is_file():
        raise LedgerError(f"ledger: {path} does not exist; `tbill init` makes one", code="NotFound")
    if not mode.reads_only and mode is not Mode.CREATE and not _writable(path):
        raise _not_writable(path)


def connect(path: Path, mode: Mode) -> sqlite3.Connection:
    """A connection to the file, as SQLite opens it.

    Raises
    ------
    LedgerError
        As `open_engine`; or if its log cannot be read where it is (code "NeedsRecovery").
    """
    options = "mode=rwc" if mode is Mode.CREATE else "mode=ro" if mode.reads_only else "mode=rw"
    _require_place(path, mode)
    log, memory = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if mode.reads_only and not _writable(path.parent):
        if not log.exists():
            options += "&immutable=1"  # a read-only medium: SQLite could not make its shared memory file beside it
        elif not memory.exists():
            cure = f"copy it, with {log.name}, to where can be written"
            raise LedgerError(f"ledger: {path} has a log that cannot be read there; {cure}", code="NeedsRecovery")
    return sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, check_same_thread=False)


def _apply(connection: sqlite3.Connection, *, durable: bool, writable: bool) -> None:
    settings = dict(_SETTINGS)
    if durable and writable:
        settings["journal_mode"] = "wal"
    if not writable:
        settings["query_only"] = 1
    for name, value in settings.items():
        connection.execute(f"PRAGMA {name}={value}").close()
        found = connection.execute(f"PRAGMA {name}").fetchone()
        if found is None or found[0] != value:
            raise LedgerError(f"ledger: SQLite did not take PRAGMA {name}={value}", code="NotDurable")
