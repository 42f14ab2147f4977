"""How the journal's database is opened: SQLite or PostgreSQL, by URL, under one schema."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from tbill_defi.chain import engine_postgres, engine_sqlite
from tbill_defi.chain.engine_modes import NOT_ITS_TYPE, Mode
from tbill_defi.chain.lock import WriterLock
from tbill_defi.core.errors import AuditFailure, LedgerError, UsageError
from tbill_defi.core.secrets import has_two_ats, without_password

__all__ = [
    "BLOCK_BELL",
    "INBOX_BELL",
    "NOT_ITS_TYPE",
    "Mode",
    "database_path",
    "in_memory",
    "is_damage",
    "is_postgres",
    "listen",
    "lock_writer",
    "open_engine",
    "require_served",
    "ring",
    "shown_url",
    "sync_directory",
    "translated",
]

BLOCK_BELL, INBOX_BELL = "tbill_block", "tbill_inbox"
"""What is rung where something was written, for those who wait for it."""

_ENGINES = {"sqlite": engine_sqlite, "postgresql": engine_postgres}
_EXAMPLES = "sqlite:///desk.db or postgresql://user@host/desk"


def is_postgres(url: str) -> bool:
    """Whether the ledger is on PostgreSQL, else on SQLite."""
    return _engine_of(url) is engine_postgres


def shown_url(url: str) -> str:
    """The URL without its password."""
    return without_password(url)


def database_path(url: str) -> Path | None:
    """File of a SQLite URL; None if it is in memory, or on a server.

    Raises
    ------
    UsageError
        If it is no URL, or of a database that is not served.
    """
    return None if is_postgres(url) else engine_sqlite.database_path(url)


def in_memory(url: str) -> bool:
    """Whether the ledger is gone with its process."""
    return not is_postgres(url) and engine_sqlite.database_path(url) is None


def lock_writer(url: str) -> WriterLock | None:
    """Become the ledger's one writer, where that is a lock on a file.

    A ledger in memory is its process's own; PostgreSQL's lock is its connection's (`engine_postgres`).

    Raises
    ------
    LedgerBusy
        If there is one already.
    """
    return None if is_postgres(url) else engine_sqlite.lock_writer(url)


def open_engine(url: str, mode: Mode) -> Engine:
    """An engine all of whose connections have the settings of its database's module.

    Raises
    ------
    LedgerError
        If there is no such database (code "NotFound").
    """
    engine: Engine = _engine_of(url).open_engine(url, mode)
    return engine


def sync_directory(url: str) -> None:
    """Make a new database's directory entry durable."""
    if not is_postgres(url):
        engine_sqlite.sync_directory(url)


def translated(url: str, error: BaseException) -> LedgerError | AuditFailure:
    """The ledger's own error for one of the database driver."""
    made: LedgerError | AuditFailure = _engine_of(url).translated(shown_url(url), error)
    return made


def is_damage(place: Connection | Engine, error: BaseException) -> bool:
    """Whether an error while reading tells of what is stored, and not of what kept from reading it."""
    found: bool = _ENGINES[place.dialect.name].is_damage(getattr(error, "orig", None) or error)
    return found


class Listener(Protocol):
    """Waits for a bell. That it was rung is a hint: who waits looks, whether it was or not."""

    def wait(self, milliseconds: int) -> None:
        """Return when it may be worth looking, after so long at the latest."""
        ...

    def close(self) -> None:
        """Listen no longer."""
        ...


def listen(url: str, bell: str) -> Listener:
    """Begin to listen."""
    made: Listener = _engine_of(url).Listener(url, bell)
    return made


def ring(connection: Connection, bell: str) -> None:
    """Wake those who listen, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        engine_postgres.ring(connection, bell)


def require_served(url: str) -> None:
    """Refuse a URL that is none, or of a database that is not served."""
    _engine_of(url)


def _engine_of(url: str) -> ModuleType:
    name = _parsed(url).get_backend_name()
    if name not in _ENGINES:
        raise UsageError(f"ledger: {name} is not served; give a URL such as {_EXAMPLES}")
    return _ENGINES[name]


def _parsed(url: str) -> URL:
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(f"ledger: {shown_url(url)!r} is not a URL such as {_EXAMPLES}") from None
    if has_two_ats(url):
        raise UsageError(f"ledger: {shown_url(url)!r} has two @; in a user or password one is %40")
    return found
