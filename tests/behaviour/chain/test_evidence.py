"""Damage and fraud, each told for what it is, on SQLite and on PostgreSQL."""

import contextlib
import sqlite3

import pytest

from tbill_defi.chain import schema
from tbill_defi.chain.digests import digest_column, digest_fields, hash_digests
from tbill_defi.chain.evidence import Kind, SignedHead, verify
from tbill_defi.chain.evidence_copy import export_evidence
from tbill_defi.chain.heads import BLOCK_DOMAIN, Genesis
from tbill_defi.core.errors import AuditFailure, DataError, LedgerError, UsageError
from tests.behaviour.chain.conftest import places
from tests.behaviour.chain.forge import genesis_of, rewrite
from tests.behaviour.chain.support import (
    ALICE,
    OPERATOR,
    Desk,
    decode_count,
    edit,
    extend,
    make_ledger,
    opened,
    reopen,
    url_of,
)

BLOCKS = 5
TABLES = [schema.genesis, schema.blocks, schema.transactions, schema.events, schema.head]


@pytest.fixture(scope="module")
def original(database, request, tmp_path_factory):
    place = places(database, request, tmp_path_factory.mktemp("ledger"))()
    make_ledger(place, blocks=BLOCKS)
    return place


@pytest.fixture
def copy(original, copied):
    return copied(original)


@pytest.fixture(scope="module")
def head(original):
    with reopen(original, None) as chain:
        return chain.head()


def audit(path, **options):
    return verify(url_of(path), decoder=decode_count, **options)


def kinds(report):
    return {(finding.kind, finding.block, finding.column) for finding in report.findings}


def rows(place, table):
    """Name of the key; of each row the key, and its columns."""
    key = next(iter(table.primary_key.columns)).name
    with opened(place) as database:
        return key, database.execute(f"SELECT {key}, {table.name}.* FROM {table.name} ORDER BY {key}")


@contextlib.contextmanager
def damaged(place, table, stored, *statements):
    """A ledger as it is after some statements; the table's rows are put back."""
    edit(place, *statements)
    yield
    marks = ",".join("?" * len(table.columns))
    back = [(f"INSERT INTO {table.name} VALUES ({marks})", row[1:]) for row in stored]
    edit(place, f"DELETE FROM {table.name}", *back)


def changed(value):
    """Another value of the same type: one bit of a byte string, one character of a text, another number."""
    if isinstance(value, bytes):
        return bytes((value[0] ^ 1,)) + value[1:] if value else b"\0"
    if isinstance(value, str):
        return value[:-1] + "~"
    return value + 1_000


def block_of(table, row):
    names = ["key", *(column.name for column in table.columns)]
    if table is schema.genesis:
        return 0
    return BLOCKS if table is schema.head else row[names.index("height")]


def transactions_of(reader):
    return list(reader.transactions(reader.height))


def receipts_of(reader, height):
    return reader._reader.receipts(reader.head(), height)


class TestIntact:
    def test_without_a_head_says_what_cannot_be_excluded(self, original):
        report = audit(original)
        assert report.ok
        assert report.verdict.endswith(
            "a dropped tail or an older copy cannot be excluded without a head kept elsewhere"
        )
        assert (report.height, report.replayed) == (BLOCKS, BLOCKS)
        assert report.head is not None
        assert report.head.holds()

    @pytest.mark.invariant("I14")
    def test_with_a_head_says_that_it_contains_it(self, original, head):
        report = audit(original, head=head)
        assert report.ok
        assert report.verdict.endswith("and it contains the given head")

    def test_an_earlier_head_is_contained(self, copy, head):
        with reopen(copy) as chain:
            extend(Desk(chain), 2)
        report = audit(copy, head=head)
        assert report.ok
        assert report.height == BLOCKS + 2

    def test_genesis_alone(self, place):
        make_ledger(place, blocks=1)
        edit(place, "DELETE FROM blocks")
        assert (Kind.DROPPED_TAIL, 1, "blocks") in kinds(audit(place))

    def test_counts_rows_and_reports_progress(self, original):
        seen = []
        report = audit(original, progress=lambda done, total: seen.append((done, total)))
        assert seen == [(n, BLOCKS) for n in range(1, BLOCKS + 1)]
        assert report.transactions == len(rows(original, schema.transactions)[1])
        assert report.events == len(rows(original, schema.events)[1])

    def test_py_evm_comes_to_the_same(self, original, head):
        assert audit(original, head=head, executor="py-evm").ok

    def test_leaves_the_evidence_as_it_is(self, tmp_path):
        path = tmp_path / "a.db"
        make_ledger(path)
        before = path.read_bytes()
        audit(path)
        assert path.read_bytes() == before
        assert sum(path.stat().st_size for path in tmp_path.glob("*-wal")) == 0

    def test_while_the_writer_writes(self, copy):
        with reopen(copy) as chain:
            extend(Desk(chain), 1)
            assert audit(copy).ok

    def test_nothing_to_audit(self, tmp_path):
        with pytest.raises(LedgerError, match="does not exist"):
            audit(tmp_path / "none.db")
        with pytest.raises(UsageError, match="in memory"):
            verify("sqlite://")

    def test_no_server(self, copied, postgres):
        """Whatever cannot be reached is not for that damaged."""
        for url, code in (("postgresql://x@127.0.0.1:9/desk", "Unreachable"), (postgres.url("none"), "NotFound")):
            with pytest.raises(LedgerError) as caught:
                verify(url)
            assert caught.value.code == code


class TestReaders:
    """A wallet reads events and opens no EVM, but does not read them on trust."""

    def test_no_changed_event_or_header_is_read(self, copy):
        unread = {"transactions.sender", "transactions.nonce", "transactions.recipient", "transactions.raw"}
        unread |= {f"transactions.{name}" for name in ("height", "position", "status", "output")}
        for table in TABLES:
            key, stored = rows(copy, table)
            for row in stored:
                for n, column in enumerate(table.columns):
                    place = f"{table.name}.{column.name}"
                    if place in unread | {"head.id"}:
                        continue
                    if place.startswith("transactions.") and block_of(table, row) == 1:
                        continue  # the first block has no event whose transaction is named
                    statement = f"UPDATE {table.name} SET {column.name} = ? WHERE {key} = ?"
                    with (
                        damaged(copy, table, stored, (statement, (changed(row[n + 1]), row[0]))),
                        pytest.raises(AuditFailure),
                        reopen(copy, None) as reader,
                    ):
                        list(reader.events())

    @pytest.mark.parametrize("statement", ["DELETE FROM events WHERE sequence = 4", "UPDATE events SET name = x'41'"])
    def test_missing_and_mistyped_events(self, copy, database, statement):
        if database == "postgresql" and statement.startswith("UPDATE"):
            statement = "UPDATE events SET name = 'A'"  # a column of PostgreSQL has one type
        edit(copy, statement)
        with pytest.raises(AuditFailure, match="events"), reopen(copy, None) as reader:
            list(reader.events())

    def test_no_changed_transaction_is_read(self, copy):
        """Nor one of another type, where the database takes it: 1.5 is not 1, though it is cut to it as text."""
        table = schema.transactions
        key, stored = rows(copy, table)
        for row in (stored[0], stored[-1]):
            height = block_of(table, row)
            for n, column in enumerate(table.columns):
                values = [changed(row[n + 1])]
                if not isinstance(copy, str) and column.name != key:
                    values += [row[n + 1] + 0.5, "A"] if isinstance(row[n + 1], int) else [7, "A"]
                for value in values:
                    statement = f"UPDATE transactions SET {column.name} = ? WHERE {key} = ?"
                    with damaged(copy, table, stored, (statement, (value, row[0]))):
                        for read in (transactions_of, lambda reader, height=height: receipts_of(reader, height)):
                            with pytest.raises(AuditFailure, match="transactions"), reopen(copy, None) as reader:
                                read(reader)

    def test_an_event_outside_every_block_is_not_read(self, copy):
        edit(
            copy,
            "INSERT INTO events SELECT 99, height, position, 9, address, topics, data, name, arguments FROM events"
            " WHERE sequence = 1",
        )
        with reopen(copy, None) as reader:
            assert len(list(reader.events())) == len(rows(copy, schema.events)[1]) - 1

    def test_opens_no_evm(self, original):
        with reopen(original, None) as reader:
            assert list(reader.events(names=["Counted"]))
            assert reader._machine is None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
class TestEveryColumn:
    def test_changed_value(self, copy, table):
        """Every column of every row, one at a time."""
        key, stored = rows(copy, table)
        for row in stored:
            for n, column in enumerate(table.columns):
                statement = f"UPDATE {table.name} SET {column.name} = ? WHERE {key} = ?"
                with damaged(copy, table, stored, (statement, (changed(row[n + 1]), row[0]))):
                    found = {(finding.block, finding.column) for finding in audit(copy).findings}
                assert (block_of(table, row), f"{table.name}.{column.name}") in found, (row, column.name)
        assert audit(copy).ok

    def test_null(self, copy, database, table):
        """The constraint is lifted for the write, and put back."""
        key, stored = rows(copy, table)
        for column in table.columns:
            if column.primary_key:
                continue
            statement = (f"UPDATE {table.name} SET {column.name} = NULL WHERE {key} = ?", (stored[-1][0],))
            with damaged(copy, table, stored):
                (null_postgres if database == "postgresql" else null_sqlite)(copy, table, column, statement)
                found = {(finding.kind, finding.column) for finding in audit(copy).findings}
            assert (Kind.TYPE, f"{table.name}.{column.name}") in found, column.name

    def test_missing_row(self, copy, table):
        key, stored = rows(copy, table)
        for row in stored:
            with damaged(copy, table, stored, (f"DELETE FROM {table.name} WHERE {key} = ?", (row[0],))):
                found = {(finding.kind, finding.block) for finding in audit(copy).findings}
            expected = {(Kind.MISSING, block_of(table, row)), (Kind.DROPPED_TAIL, block_of(table, row))}
            assert found & expected, row

    def test_extra_row(self, copy, table):
        row = rows(copy, table)[1][0]
        marks = ",".join("?" * (len(row) - 1))
        edit(copy, (f"INSERT INTO {table.name} VALUES ({marks})", (row[0] + 1_000, *row[2:])))
        assert Kind.EXTRA in {finding.kind for finding in audit(copy).findings}
        if table in (schema.genesis, schema.blocks, schema.head):
            with pytest.raises(AuditFailure):
                reopen(copy, None)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_changed_type(tmp_path, table):
    """Of SQLite only: a column of PostgreSQL has one type."""
    path = tmp_path / "a.db"
    make_ledger(path)
    key, stored = rows(path, table)
    row = stored[-1]
    for n, column in enumerate(table.columns):
        if column.primary_key:
            continue  # SQLite itself keeps integer keys integers
        other = "text" if isinstance(row[n + 1], (bytes, int)) else b"bytes"
        with damaged(
            path, table, stored, (f"UPDATE {table.name} SET {column.name} = ? WHERE {key} = ?", (other, row[0]))
        ):
            found = {(finding.kind, finding.column) for finding in audit(path).findings}
        assert (Kind.TYPE, f"{table.name}.{column.name}") in found, column.name


def null_sqlite(path, table, column, statement):
    """Each change of the schema on a connection of its own."""
    declared = "UPDATE sqlite_master SET sql = ? WHERE name = ?"
    with opened(path) as database:
        ((sql,),) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table.name,))
    for step in (
        (declared, (sql.replace(" NOT NULL", "         "), table.name)),
        statement,
        (declared, (sql, table.name)),
    ):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(*step)
        connection.close()


def null_postgres(url, table, column, statement):
    edit(
        url,
        f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL",
        statement,
        (
            "UPDATE pg_attribute SET attnotnull = true WHERE attname = ? AND attrelid = ?::regclass",
            (column.name, table.name),
        ),
    )


class TestFraud:
    def test_swapped_blocks(self, copy):
        edit(
            copy,
            "UPDATE blocks SET height = 99 WHERE height = 2",
            "UPDATE blocks SET height = 2 WHERE height = 4",
            "UPDATE blocks SET height = 4 WHERE height = 99",
        )
        assert kinds(audit(copy)) == {(Kind.SWAPPED, 2, "blocks.height"), (Kind.SWAPPED, 4, "blocks.height")}

    def test_swapped_contents(self, copy):
        """Everything of two blocks but their heights changes place."""
        columns = [column.name for column in schema.blocks.columns if column.name != "height"]
        take = ", ".join(f"{name} = (SELECT {name} FROM old WHERE old.height = 6 - blocks.height)" for name in columns)
        edit(
            copy,
            "CREATE TEMP TABLE old AS SELECT * FROM blocks",
            f"UPDATE blocks SET {take} WHERE height IN (2, 4)",
        )
        assert kinds(audit(copy)) == {(Kind.SWAPPED, 2, "blocks.height"), (Kind.SWAPPED, 4, "blocks.height")}

    def test_dropped_tail(self, copy, head):
        drop = [f"DELETE FROM {table} WHERE height = {BLOCKS}" for table in ("blocks", "transactions", "events")]
        edit(copy, *drop)
        assert kinds(audit(copy)) == {(Kind.DROPPED_TAIL, BLOCKS, "blocks")}
        assert kinds(audit(copy, head=head)) == {(Kind.DROPPED_TAIL, BLOCKS, "blocks")}
        for operator in (OPERATOR, None):
            with pytest.raises(AuditFailure, match="missing"):
                reopen(copy, operator)

    @pytest.mark.invariant("I14")
    def test_rolled_back_to_an_older_valid_copy(self, place, head):
        older = place
        make_ledger(older, blocks=BLOCKS - 2)  # the ledger is the same to the byte: chain id, keys and clock are given
        assert audit(older).ok
        report = audit(older, head=head)
        assert kinds(report) == {(Kind.ROLLED_BACK, BLOCKS - 1, "blocks")}
        assert "rolled back" in report.verdict

    def test_a_tail_dropped_with_its_head_put_back(self, copy, head):
        with reopen(copy) as chain:
            extend(Desk(chain), 2)
            later = chain.head()
        edit(
            copy,
            *(f"DELETE FROM {table} WHERE height > {BLOCKS}" for table in ("blocks", "transactions", "events")),
            ("UPDATE head SET height = ?, hash = ?, signature = ?", (BLOCKS, head.block_hash, head.signature)),
        )
        report = audit(copy)
        assert report.ok
        assert "older copy cannot be excluded" in report.verdict
        assert kinds(audit(copy, head=later)) == {(Kind.ROLLED_BACK, BLOCKS + 1, "blocks")}

    def test_fork(self, copy, head):
        """The operator himself signs another history."""
        edit(copy, *(f"DELETE FROM {table} WHERE height = {BLOCKS}" for table in ("blocks", "transactions", "events")))
        with opened(copy) as database:
            ((block_hash,),) = database.execute(f"SELECT hash FROM blocks WHERE height = {BLOCKS - 1}")
        back = SignedHead.sign(OPERATOR, genesis_of(copy), BLOCKS - 1, block_hash)
        values = (back.height, back.block_hash, back.signature)
        edit(copy, ("UPDATE head SET height = ?, hash = ?, signature = ?", values))
        with reopen(copy) as chain:
            Desk(chain).count()
        assert audit(copy).ok
        assert kinds(audit(copy, head=head)) == {(Kind.FORK, BLOCKS, "blocks.hash")}

    @pytest.mark.invariant("I14")
    @pytest.mark.parametrize("signer", [None, ALICE], ids=["old signature", "another key"])
    def test_whole_chain_hashed_again(self, copy, head, signer):
        rewrite(copy, lambda history: history[-1][1].pop(), signer=signer)
        report = audit(copy)
        assert kinds(report) == {(Kind.SIGNATURE, BLOCKS, "head.signature")}
        assert "hashed again without the operator's key" in report.verdict
        assert (Kind.REHASHED, BLOCKS, "blocks.hash") in kinds(audit(copy, head=head))
        for operator in (OPERATOR, None):
            with pytest.raises(AuditFailure, match="signature"):
                reopen(copy, operator)

    def test_hashed_again_under_the_head_as_signed(self, copy):
        rewrite(copy, lambda history: history[-1][1].pop(), signer=None, move_head=False)
        assert kinds(audit(copy)) == {(Kind.REHASHED, BLOCKS, "blocks.hash")}

    def test_one_block_replaced_and_hashed_again(self, copy):
        """Its own hash is right, the head is the operator's: only the link of the next block tells."""
        with opened(copy) as database:
            (row,) = database.execute("SELECT * FROM blocks WHERE height = 2")
        header = dict(zip(schema.blocks.columns.keys(), row, strict=True))
        header["timestamp"] += 1
        digests = digest_fields(header[name] for name in schema.BLOCK_FIELDS)
        values = (header["timestamp"], digests, hash_digests(BLOCK_DOMAIN, digests))
        edit(copy, ("UPDATE blocks SET timestamp = ?, field_digests = ?, hash = ? WHERE height = 2", values))
        assert kinds(audit(copy)) == {(Kind.LINK, 3, "blocks.parent_hash")}
        with pytest.raises(AuditFailure, match="block 3, column parent_hash"):
            reopen(copy)
        with pytest.raises(AuditFailure, match="block 3, column parent_hash"), reopen(copy, None) as reader:
            list(reader.events())

    def test_longer_chain_under_the_head_as_signed(self, copy):
        rewrite(copy, lambda history: history.append((history[-1][0] + 1, [])), signer=None, move_head=False)
        assert kinds(audit(copy)) == {(Kind.EXTRA, BLOCKS + 1, "blocks")}

    def test_another_operators_ledger_in_its_place(self, copy, head):
        """Without a head there is no telling that it is not the ledger one meant; the verdict names the operator."""
        genesis = genesis_of(copy)
        mine = Genesis(genesis.chain_id, ALICE.address, genesis.code, genesis.clock_start, genesis.extras)
        row = mine.row()
        edit(
            copy,
            (
                "UPDATE genesis SET operator = ?, field_digests = ?, hash = ?",
                (row["operator"], row["field_digests"], row["hash"]),
            ),
        )
        rewrite(copy, lambda history: None, signer=ALICE)
        report = audit(copy)
        assert report.ok
        assert f"under operator 0x{ALICE.address.hex()}" in report.verdict
        assert kinds(audit(copy, head=head)) == {(Kind.OTHER_LEDGER, 0, "genesis.hash")}

    def test_a_head_that_is_not_signed_proves_nothing(self, original, head):
        forged = head.with_signature(ALICE.sign_digest(head.digest()))
        assert kinds(audit(original, head=forged)) == {(Kind.HEAD_FILE, BLOCKS, "head")}

    def test_time_that_goes_back(self, copy):
        def change(history):
            history[2] = (history[2][0] - 1_000, history[2][1])

        rewrite(copy, change, signer=OPERATOR)
        assert kinds(audit(copy)) == {(Kind.TIME, 3, "blocks.timestamp")}
        with pytest.raises(AuditFailure, match="timestamp"):
            reopen(copy)

    @pytest.mark.parametrize("what", ["trigger", "table", "view", "rule"])
    def test_what_does_not_belong_in_the_database(self, copy, database, what):
        body = "BEGIN DELETE FROM events; END"
        if database == "postgresql":
            edit(copy, f"CREATE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS '{body};'")
            body = "EXECUTE FUNCTION thief()"
        statements = {
            "trigger": f"CREATE TRIGGER thief AFTER INSERT ON events {body}",
            "table": "CREATE TABLE notes (number integer)",
            "view": "CREATE VIEW wallet AS SELECT * FROM events",
            "rule": "CREATE RULE thief AS ON UPDATE TO head DO INSTEAD NOTHING",
        }
        if what == "rule" and database == "sqlite":
            statements["rule"] = "CREATE INDEX thief ON events (name)"
        edit(copy, statements[what])
        assert {finding.kind for finding in audit(copy).findings} == {Kind.SCHEMA}

    def test_missing_table(self, copy):
        edit(copy, "DROP TABLE events")
        assert kinds(audit(copy)) == {(Kind.SCHEMA, 0, "events")}

    def test_what_is_declared_otherwise(self, copy, database):
        rename = "ALTER TABLE head RENAME COLUMN signature TO initials"
        edit(copy, "ALTER TABLE head ALTER COLUMN signature DROP NOT NULL" if database == "postgresql" else rename)
        assert kinds(audit(copy)) == {(Kind.SCHEMA, 0, "head")}


class TestPages:
    def test_not_a_database(self, tmp_path):
        path = tmp_path / "a.db"
        path.write_bytes(b"not a database at all" * 500)
        assert kinds(audit(path)) == {(Kind.PAGES, 0, "database")}
        with pytest.raises(AuditFailure, match="damaged"):
            reopen(path, None)

    def test_a_page_of_postgresql(self, postgres):
        """Its header is overwritten, as by a torn write without full page writes."""
        url = postgres.database()
        make_ledger(url, blocks=40)
        postgres.execute("CHECKPOINT")
        ((file,),) = postgres.execute("SELECT pg_relation_filepath('events')", url.rpartition("/")[2])
        postgres.crash()
        path = postgres.data / file
        content = bytearray(path.read_bytes())
        content[:24] = b"\xff" * 24
        path.write_bytes(content)
        postgres.start()
        found = kinds(audit(url))
        assert {kind for kind, _, _ in found} == {Kind.PAGES}, found
        with pytest.raises(AuditFailure, match="damaged"), reopen(url) as chain:
            list(chain.events())

    @pytest.mark.parametrize("table", ["blocks", "transactions", "events"])
    def test_names_the_first_unreadable_height(self, tmp_path, table):
        """A leaf page of a table is overwritten; what was on it is unreadable, what was before is not."""
        path = tmp_path / "a.db"
        make_ledger(path, blocks=60)
        break_leaf(path, table)
        heights = readable_heights(path, table)
        report = audit(path)
        told = [finding for finding in report.findings if "unreadable from here on" in finding.message]
        assert [(finding.kind, finding.column) for finding in told] == [(Kind.PAGES, table)]
        assert told[0].block in (max(heights, default=0), max(heights, default=0) + 1)
        assert told[0].block > 1
        assert any(finding.column.startswith("database") for finding in report.findings)
        with pytest.raises(AuditFailure, match="damaged"), reopen(path) as chain:
            list(chain.events())

    def test_truncated_file(self, tmp_path):
        path = tmp_path / "a.db"
        make_ledger(path, blocks=60)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2 // 4096 * 4096)
        assert Kind.PAGES in {finding.kind for finding in audit(path).findings}


def break_leaf(path, table):
    """Overwrite a page in the middle of a table."""
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    start = (root - 1) * 4096
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    assert content[start] == 5, "the root is an interior page"
    pointer = start + 12 + 2 * (cells // 2)
    cell = start + int.from_bytes(content[pointer : pointer + 2], "big")
    page = int.from_bytes(content[cell : cell + 4], "big")
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def readable_heights(path, table):
    connection = sqlite3.connect(path)
    heights = []
    with contextlib.suppress(sqlite3.DatabaseError):
        for (height,) in connection.execute(f"SELECT height FROM {table}"):
            heights.append(height)
    connection.close()
    return heights


class TestHeadFile:
    def test_round_trip(self, tmp_path, head):
        head.write(tmp_path / "head.json")
        assert SignedHead.read(tmp_path / "head.json") == head

    @pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"height": "x"}'])
    def test_malformed(self, tmp_path, text):
        (tmp_path / "head.json").write_text(text)
        with pytest.raises(DataError, match=r"head\.json"):
            SignedHead.read(tmp_path / "head.json")

    def test_missing(self, tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            SignedHead.read(tmp_path / "none.json")

    def test_every_field_is_signed(self, head):
        for field in ("chain_id", "height"):
            values = {name: getattr(head, name) for name in head.__slots__}
            assert not SignedHead(**{**values, field: values[field] + 1}).holds()
        for field in ("genesis_hash", "block_hash", "operator"):
            values = {name: getattr(head, name) for name in head.__slots__}
            assert not SignedHead(**{**values, field: changed(values[field])}).holds()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("genesis", "code", "[]"),
        ("genesis", "code", '{"a":1}'),
        ("genesis", "clock", ""),
        ("genesis", "clock", "7"),
        ("genesis", "extras", f'{{"a":{10**30}}}'),
        ("genesis", "extras", "[" * 100_000),
        ("genesis", "chain_id", 7),
        ("head", "height", 1),
        ("head", "height", -1),
        ("head", "hash", b""),
        ("head", "signature", bytes(65)),
    ],
)
def test_what_is_neither_opened_nor_exported(copy, tmp_path, table, column, value):
    """Of any content: one error that sends to the audit, and the audit names it."""
    edit(copy, (f"UPDATE {table} SET {column} = ?", (value,)))
    with pytest.raises(AuditFailure, match="tbill audit verify"):
        export_evidence(url_of(copy), tmp_path / "evidence")
    with pytest.raises(AuditFailure, match="tbill audit verify"):
        reopen(copy, None)
    assert not (tmp_path / "evidence").exists()
    found = verify(url_of(copy), decoder=decode_count).findings[0].describe()
    assert table in found


@pytest.mark.parametrize("value", [1.5, None, [1], (b"",)])
def test_nothing_is_hashed_that_no_column_holds(value):
    with pytest.raises(TypeError, match="is no type of a column"):
        digest_column([1, value])


def test_a_full_disk_is_no_damage(tmp_path):
    """SQLite reads through a file of shared memory: where it cannot be made, nothing is said of the evidence."""
    resource = pytest.importorskip("resource", reason="limits of files are of POSIX")
    path = tmp_path / "a.db"
    make_ledger(path, blocks=1)
    path.with_name("a.db-shm").unlink(missing_ok=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    try:
        with pytest.raises(LedgerError, match="the disk is full") as caught:
            audit(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "Unreachable"
    assert audit(path).ok
