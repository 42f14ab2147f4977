"""PostgreSQL under the journal, through psycopg 3.

The one writer's connection holds an advisory lock: whoever has no such connection has no lock, a connection that is
lost loses it, and one that is closed gives it back first. The server ends the writer's session when it has been silent
for `LEASE_SECONDS`, be it stopped, cut off or gone, and so lets another in; no clock but the server's counts. Between
the messages of one command it does not look (a long one has many), so whoever asks for the lock ends a session that
has been silent there: the next to ask gets it. A submitter's transaction has the same limit, and nobody but an audit
waits for an answer for ever (`postgres_line`). Every transaction sees one snapshot, by REPEATABLE READ.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

from tbill_defi.chain.engine_modes import BUSY_MILLISECONDS, NOT_ITS_TYPE, Mode, pause
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError, UsageError

LEASE_SECONDS = 30
"""Silence after which the server takes a writer for gone; executing one block must not take as long."""

POLL_MILLISECONDS = 250

OLDEST_SERVER = 14
"""`idle_session_timeout` is of this version."""

_CONNECT_SECONDS = 10
_ALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 5, "tcp_user_timeout": 15_000}
"""A peer that no longer acknowledges is noticed within seconds; by the server too, through settings of its own."""
_ALIVE_THERE = {"tcp_keepalives_idle": 5, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 5}

_LOCK_CLASS = 0x7462696C  # "tbil": first half of the lock's number, the second is the schema's
_TRY_LOCK = (
    f"SELECT pg_try_advisory_lock({_LOCK_CLASS}, oid::int8::bit(32)::int4) "  # noqa: S608 - a number of ours
    "FROM pg_namespace WHERE nspname = current_schema()"
)
_END_SILENT = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity AS session USING (pid)
WHERE locktype = 'advisory' AND granted AND database = session.datid AND datname = current_database()
AND classid = {_LOCK_CLASS} AND objid = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
AND objsubid = 2 AND state = 'active' AND wait_event = 'ClientRead'
AND greatest(query_start, state_change) < clock_timestamp() - make_interval(secs => %s)
"""  # noqa: S608 - a number of ours; 2 is a lock of two numbers
_DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
}

_BUSY = {"55P03", "40001", "40P01"}
_UNREACHABLE = {"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300"}
_DAMAGED = {"XX001", "XX002", "22021"}
_NO_TABLE = {"42P01", "3F000"}
_NO_DAMAGE = {*_BUSY, *_UNREACHABLE, "42501", "57014"}
"""Locked, no way to it, no right to read it, or given up by a limit of its administrator's."""


def open_engine(url: str, mode: Mode) -> Engine:
    """An engine whose connections are set up for the mode; the writer's has one, which holds the lock.

    Raises
    ------
    UsageError
        If psycopg is not installed.
    """
    target = make_url(url).set(drivername="postgresql+psycopg")
    pool: dict[str, Any] = {"poolclass": NullPool}
    if mode.writes_blocks:
        pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    elif mode in (Mode.READ, Mode.SUBMIT):
        pool = {"poolclass": QueuePool, "pool_pre_ping": True}
    try:
        engine = create_engine(
            target,
            isolation_level="REPEATABLE READ",
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": f"tbill {mode.value}", **_ALIVE},
            **pool,
        )
    except ModuleNotFoundError:
        raise UsageError("ledger: PostgreSQL needs psycopg; pip install 'tbill-defi[postgres]'") from None

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        try:
            with connection.cursor() as cursor:
                _set_up(cursor, mode)
            connection.commit()
        except BaseException:
            connection.close()
            raise

    if mode is not Mode.AUDIT:  # which sorts whole tables before the first row comes
        event.listen(engine, "do_connect", _connect)
    if mode.writes_blocks:
        event.listen(engine, "close", _leave_lock)
    return engine


def _connect(_dialect: object, _record: object, words: Any, options: Any) -> Any:
    from tbill_defi.chain.postgres_line import Line

    return Line.connect(*words, **options)


def _set_up(cursor: Any, mode: Mode) -> None:
    cursor.execute("SHOW server_version_num")
    version = int(cursor.fetchone()[0]) // 10_000
    if version < OLDEST_SERVER:
        raise UsageError(f"ledger: the server is PostgreSQL {version}; at least {OLDEST_SERVER} is needed")
    settings: dict[str, Any] = {"lock_timeout": BUSY_MILLISECONDS, "client_encoding": "UTF8", **_ALIVE_THERE}
    if mode.reads_only:
        settings["default_transaction_read_only"] = "on"
    if mode is Mode.AUDIT:  # tables as they are, whatever an index says
        settings |= {f"enable_{kind}scan": "off" for kind in ("index", "indexonly", "bitmap")}
    if not mode.reads_only:
        settings["idle_in_transaction_session_timeout"] = LEASE_SECONDS * 1_000
    if mode.writes_blocks:
        settings["idle_session_timeout"] = LEASE_SECONDS * 1_000
    cursor.execute("SELECT current_setting('synchronous_commit')")
    if cursor.fetchone()[0] == "off":
        settings["synchronous_commit"] = "on"
    for name, value in settings.items():
        cursor.execute(f"SET {name} = {value}")
    if mode.reads_only:
        return
    for name, right in _DURABLE.items():
        cursor.execute(f"SHOW {name}")
        found = cursor.fetchone()[0]
        if found not in right:
            raise LedgerError(f"ledger: the server has {name} = {found}; a ledger needs {right[0]}", code="NotDurable")
    if mode.writes_blocks:
        _take_lock(cursor)


def _take_lock(cursor: Any) -> None:
    cursor.execute(_TRY_LOCK)
    row = cursor.fetchone()
    if row is None:
        raise LedgerError("ledger: the database has no schema on its search path to make tables in", code="NotFound")
    if not row[0]:
        with suppress(cursor.connection.ProgrammingError):  # another role's session, which this one may not end
            cursor.execute(_END_SILENT, [LEASE_SECONDS])
        raise LedgerBusy("another writer holds the ledger's lock; nothing was executed", code="Busy")


def _leave_lock(connection: Any, _record: object) -> None:
    """Give the lock back before the session ends, which the server does in its own time."""
    with suppress(Exception):  # a session that is lost has no lock
        connection.rollback()
        connection.execute("SELECT pg_advisory_unlock_all()")
        connection.commit()


class Listener:
    """Notifications on a connection of its own; where that is lost, time alone."""

    def __init__(self, url: str, bell: str) -> None:
        self._url, self._bell = url, bell
        self._connection: Any = None

    def wait(self, milliseconds: int) -> None:
        """Return at the next notification, or after so long."""
        try:
            if self._connection is None:
                self._connection = self._listening()
            patience = timedelta(milliseconds=milliseconds).total_seconds()
            for _ in self._connection.notifies(timeout=patience, stop_after=1):
                return
        except Exception:  # the database's absence is told by whoever looks next
            self.close()
            pause(min(milliseconds, POLL_MILLISECONDS))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listening(self) -> Any:
        from tbill_defi.chain.postgres_line import Line

        plain = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "tbill listen", **_ALIVE}
        connection = Line.connect(plain, autocommit=True, **options)
        connection.execute(f"LISTEN {self._bell}".encode())
        return connection


def ring(connection: Connection, bell: str) -> None:
    """Notify, when the transaction is committed."""
    connection.exec_driver_sql(f"NOTIFY {bell}")


def is_damage(error: BaseException) -> bool:
    """Whether an error of psycopg's while reading tells of what is stored, and not of what kept from reading it."""
    from psycopg import OperationalError

    state = getattr(error, "sqlstate", None)
    if state is None:
        return not isinstance(error, OperationalError)
    return state not in _NO_DAMAGE and state[:2] not in ("08", "53")


def translated(url: str, error: BaseException) -> LedgerError | AuditFailure:
    """The ledger's own error for one of psycopg's, by SQLSTATE."""
    if isinstance(error, NOT_ITS_TYPE):
        return AuditFailure(f"ledger: {url} is damaged: a value is not of its column's type; run `tbill audit verify`")
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split())[:300] or type(error).__name__
    if state in _NO_TABLE:
        return LedgerError(f"ledger: {url} holds no ledger", code="NotALedger")
    if state in _BUSY:
        return LedgerBusy(f"ledger: {url} is locked by another writer; nothing was executed", code="Busy")
    if state in _DAMAGED:
        return AuditFailure(f"ledger: {url} is damaged ({text}); run `tbill audit verify`")
    if state == "3D000" or (state is None and "does not exist" in text and "database" in text):
        return LedgerError(f"ledger: {url}: there is no such database; `createdb` makes one", code="NotFound")
    if state is None or state[:2] == "08" or state in _UNREACHABLE:
        return LedgerError(f"ledger: {url} cannot be reached, or the connection was lost: {text}", code="Unreachable")
    return LedgerError(f"ledger: {url}: {text}", code="Database")
