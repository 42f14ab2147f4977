"""Where books are kept: SQLite or PostgreSQL, one transaction a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    and_,
    bindparam,
    create_engine,
    event,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError
from sqlalchemy.pool import StaticPool

from tbill_defi.core.errors import LedgerBusy, LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.home import home_path
from tbill_defi.core.secrets import has_two_ats, without_password
from tbill_defi.ledger.index import schema

BUSY_SECONDS = 5
_SPECIMEN = "sqlite:///books.db or postgresql://user@host/books"


def books_url(home: str | Path | None = None) -> str:
    """URL of a home's own books."""
    return f"sqlite:///{home_path(home) / 'books' / 'books.db'}"


class Store:
    """An open database of books, for one thread."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self._engine = engine
        self._open: Connection | None = None

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Store:
        """Open books; with `create`, make the tables if there are none.

        Raises
        ------
        UsageError
            If the URL is not one of SQLite or PostgreSQL.
        LedgerError
            If there are none (code "NotFound"), or they are of another version ("OtherVersion").
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise UsageError(f"books: {without_password(url)!r} is not a URL such as {_SPECIMEN}") from None
        if has_two_ats(url):
            raise UsageError(f"books: {without_password(url)!r} has two @; in a user or password one is %40")
        backend = parsed.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise UsageError(f"books: {backend} is not served; give a URL such as {_SPECIMEN}")
        engine = _sqlite(parsed.database, create) if backend == "sqlite" else _postgresql(parsed)
        store = cls(without_password(url), engine)
        try:
            store._require_tables(create)
        except BaseException:
            engine.dispose()
            raise
        return store

    def _require_tables(self, create: bool) -> None:
        with self.reading() as connection:
            there = set(inspect(connection).get_table_names())
        if schema.state.name not in there:
            if not create:
                raise LedgerError(f"books: {self.url} holds none; make them with `tbill books index`", "NotFound")
            with self.writing() as connection:
                schema.metadata.create_all(connection)
            return
        row = self.one(select(schema.state))
        if row is not None and row["version"] != schema.VERSION:
            raise LedgerError(
                f"books: {self.url} is of version {row['version']}, this is {schema.VERSION}; delete it or name "
                "another with --books, index anew, and tell again what its trades cost: they have other numbers",
                "OtherVersion",
            )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the books; within it, the same one again."""
        if self._open is not None:
            yield self._open
            return
        with _errors(self.url), self._engine.connect() as connection:
            self._open = connection
            try:
                yield connection
            finally:
                self._open = None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is kept when it is left, or nothing."""
        fresh = self._engine.connect
        with _errors(self.url), fresh().execution_options(writing=True) as connection, connection.begin():
            yield connection

    def rows(self, query: Any, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows of a query by column name."""
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query, parameters or {}).mappings()]

    def one(self, query: Any) -> dict[str, Any] | None:
        """The first row of a query; None if there is none."""
        found = self.rows(query)
        return found[0] if found else None

    def damaged(self, what: str) -> LedgerError:
        """The error that says what of the books cannot be so, and what to do."""
        return _damaged(self.url, what)

    def clear(self) -> None:
        """Empty what is made of events; what was declared and identified is kept, and terms that have their hash."""
        good = self._good_terms()
        with self.writing() as connection:
            for table in schema.metadata.sorted_tables:
                if table not in schema.OF_THE_READER or table is schema.state:
                    connection.execute(table.delete())
            connection.execute(schema.terms.delete().where(schema.terms.c.asset.not_in(good)))

    def _good_terms(self) -> list[str]:
        """Securities whose terms are those that their token was made with; none where that cannot be read."""
        try:
            made = {row["asset"]: row["terms_hash"] for row in self.rows(select(schema.assets))}
            kept = self.rows(select(schema.terms))
        except LedgerError:
            return []
        return [r["asset"] for r in kept if "0x" + keccak256(r["terms"].encode()).hex() == made.get(r["asset"])]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows given in column order; by position, which both databases take, and which costs least."""
    if rows:
        connection.exec_driver_sql(_insert(connection, table), list(rows))


def replace_rows(connection: Connection, table: Table, rows: Mapping[Any, tuple[Any, ...]]) -> None:
    """Put rows in the place of those of the same primary key."""
    if rows:
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        rest = [column.name for column in table.columns if not column.primary_key]
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
        action = f"DO UPDATE SET {changes}" if rest else "DO NOTHING"
        connection.exec_driver_sql(f"{_insert(connection, table)} ON CONFLICT ({keys}) {action}", list(rows.values()))


def _insert(connection: Connection, table: Table) -> str:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join(mark for _ in table.columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608


def delete_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Delete the rows of the same primary keys, which are the first columns."""
    if rows:
        keys = list(table.primary_key.columns)
        gone = table.delete().where(and_(*(column == bindparam(f"old_{column.name}") for column in keys)))
        connection.execute(gone, [{f"old_{c.name}": row[n] for n, c in enumerate(keys)} for row in rows])


def _postgresql(url: URL) -> Engine:
    """Through psycopg, whichever driver the URL leaves open."""
    try:
        return create_engine(url.set(drivername="postgresql+psycopg"))
    except ImportError:
        raise UsageError("books: PostgreSQL needs psycopg: pip install 'tbill-defi[postgres]'") from None


def _sqlite(database: str | None, create: bool) -> Engine:
    if database in (None, "", ":memory:"):
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(":memory:", check_same_thread=False), poolclass=StaticPool
        )
    else:
        path = Path(str(database))
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise LedgerError(f"books: {path} does not exist; `tbill books index` makes it", "NotFound")
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # books are made of the journal: a lost batch is read again
        connection.execute("PRAGMA cache_size = -65536")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _damaged(url: str, what: str) -> LedgerError:
    return LedgerError(
        f"books: {url} is damaged: {what}; make them anew with `tbill books index --rebuild`", "BooksDamaged"
    )


@contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except OverflowError:
        raise LedgerError(
            f"books: an amount is beyond {schema.LARGEST_AMOUNT:,} base units, the most that books in SQL keep",
            "AmountTooLarge",
        ) from None
    except schema.Mistyped:
        raise _damaged(url, "a value is not of its column's type") from None
    except IntegrityError:
        raise LedgerBusy(
            f"books: another process moved {url} first; nothing was changed. Run it again", "Busy"
        ) from None
    except DatabaseError as error:
        reason = " ".join(str(error.orig or error).split())[:300]
        if "locked" in reason:
            raise LedgerBusy(f"books: {url} is being written by another process; nothing was changed", "Busy") from None
        raise LedgerError(f"books: {url}: {reason}", "BooksDamaged") from None
