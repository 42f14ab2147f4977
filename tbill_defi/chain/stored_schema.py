"""Whether a database is declared as the journal's, and what it says itself about its pages."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, create_engine

from tbill_defi.chain import schema
from tbill_defi.chain.findings import Findings, Kind
from tbill_defi.chain.stored import UNREADABLE, damage

_RELATIONS = """
SELECT CASE relkind WHEN 'r' THEN 'table' WHEN 'i' THEN 'index' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence'
       ELSE 'relation' END, relname, CASE relkind WHEN 'i' THEN pg_get_indexdef(oid) ELSE (
         SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ',' ORDER BY attnum)
         FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped) END
FROM pg_class WHERE relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'trigger', tgname, '' FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'rule', rulename, '' FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""

Declarations = Mapping[tuple[str, str], str | None]
"""Declaration by (kind, name)."""


def check_schema(connection: Connection, findings: Findings) -> bool:
    """Whether the database has the journal's tables; what else it has, such as a trigger, is noted."""
    postgres = connection.dialect.name == "postgresql"
    stored = _postgres(connection) if postgres else _sqlite(connection)
    expected = _expected_postgres() if postgres else _expected_sqlite()
    for kind, name in sorted(stored.keys() - expected.keys(), key=str):
        own_index = postgres and (kind in ("index", "sequence") and name.startswith(tuple(schema.metadata.tables)))
        if not own_index and not name.startswith("sqlite_stat"):  # ANALYZE's
            findings.add(Kind.SCHEMA, 0, name, f"a {kind} that is not the journal's")
    good = True
    for key, declaration in expected.items():
        if stored.get(key) != declaration:
            good = False
            what = "is declared otherwise" if key in stored else "is missing"
            findings.add(Kind.SCHEMA, 0, key[1], f"the {key[0]} {what}")
    return good


def page_faults(connection: Connection) -> list[str]:
    """What SQLite's own check of its pages says, if anything is wrong. PostgreSQL says it when a page is read."""
    if connection.dialect.name != "sqlite":
        return []
    try:
        lines = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)").all()]
    except UNREADABLE as error:
        lines = [damage(connection, error)]
    return [" ".join(line.split())[:300] for line in lines if line != "ok"]


def _sqlite(connection: Connection) -> Declarations:
    rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master ORDER BY name")
    return {(str(row[0]), str(row[1])): row[2] for row in rows}


def _expected_sqlite() -> Declarations:
    fresh = create_engine("sqlite://")
    with fresh.begin() as blank:
        schema.metadata.create_all(blank)
        expected = _sqlite(blank)
    fresh.dispose()
    return expected


def _postgres(connection: Connection) -> Declarations:
    return {(row[0], row[1]): row[2] for row in connection.exec_driver_sql(_RELATIONS)}


def _expected_postgres() -> Declarations:
    types = {int: "bigint", bytes: "bytea", str: "text"}
    return {
        ("table", table.name): ",".join(
            f"{column.name} {types[column.type.python_type]} true" for column in table.columns
        )
        for table in schema.metadata.tables.values()
    }
