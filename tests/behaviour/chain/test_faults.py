"""Faults between execution and commit: memory never differs from the database."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event

from tbill_defi.chain import engine_sqlite, journal
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.engine import Mode, database_path, open_engine
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.heads import Genesis
from tbill_defi.chain.journal import Appending, Journal
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError
from tests.behaviour.chain.support import (
    ALICE,
    COUNTER_ADDRESS,
    OPERATOR,
    Desk,
    decode_count,
    make_ledger,
    reopen,
    url_of,
)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "desk.db"
    make_ledger(made, blocks=3)
    return made


def dump(path) -> list[str]:
    """Every row of the database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return list(database.iterdump())


def same_as_reopened(chain, path) -> bool:
    count, nonce, head = chain.call(COUNTER_ADDRESS, b""), chain.nonce(ALICE.address), chain.head()
    with reopen(path, None) as reader:
        return (reader.call(COUNTER_ADDRESS, b""), reader.nonce(ALICE.address), reader.head()) == (count, nonce, head)


class TestBeforeTheCommit:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError("disk full"), RuntimeError])
    def test_nothing_was_and_it_goes_on(self, path, monkeypatch, error):
        with reopen(path) as chain:
            desk = Desk(chain)
            with monkeypatch.context() as patch:
                patch.setattr(Appending, "append", lambda *_: (_ for _ in ()).throw(error))
                with pytest.raises(BaseException):  # noqa: B017, PT011
                    desk.count()
            assert same_as_reopened(chain, path)
            assert desk.count()[0].status
            assert same_as_reopened(chain, path)
        assert verify(url_of(path), decoder=decode_count).ok

    def test_interrupted_while_executing(self, path, monkeypatch):
        with reopen(path) as chain:
            desk = Desk(chain)
            batch = [desk.sign(ALICE, ahead=n) for n in range(5)]
            machine = chain._machine
            execute, calls = machine.executor.execute, []

            def interrupted(*arguments):
                calls.append(arguments)
                if len(calls) == 4:
                    raise KeyboardInterrupt
                return execute(*arguments)

            monkeypatch.setattr(machine.executor, "execute", interrupted)
            with pytest.raises(KeyboardInterrupt):
                chain.submit(batch)
            monkeypatch.undo()
            assert same_as_reopened(chain, path)
            assert [receipt.status for receipt in chain.submit(batch)] == [True] * 5

    def test_disk_full(self, path):
        """SQLite's own: the database may not grow any more."""
        with reopen(path) as chain:
            desk = Desk(chain)
            with chain._journal._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 1")
            with pytest.raises(LedgerError, match="full") as caught:
                [desk.count(ALICE, 20) for _ in range(50)]
            assert caught.value.code == "Database"
            assert same_as_reopened(chain, path)
            with chain._journal._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
            assert desk.count()[0].status
        assert verify(url_of(path), decoder=decode_count).ok


class TestAtTheCommit:
    def fail_commit(self, chain, *, after: bool):
        """Let the next COMMIT raise, before or after it is done."""

        def on_commit(connection):
            event.remove(chain._journal._engine, "commit", on_commit)
            if after:
                connection.connection.driver_connection.commit()
            raise KeyboardInterrupt

        event.listen(chain._journal._engine, "commit", on_commit)

    def test_not_committed(self, path):
        with reopen(path) as chain:
            desk = Desk(chain)
            self.fail_commit(chain, after=False)
            with pytest.raises(KeyboardInterrupt):
                desk.count()
            assert same_as_reopened(chain, path)
            assert desk.count()[0].status

    def test_committed_but_not_told(self, path):
        """The block is in the database: memory went back, so the ledger asks to be opened again."""
        with reopen(path) as chain:
            desk, height = Desk(chain), chain.height
            batch = [desk.sign(ALICE)]
            self.fail_commit(chain, after=True)
            with pytest.raises(KeyboardInterrupt):
                chain.submit(batch)
            for action in (lambda: chain.submit(batch), lambda: chain.call(COUNTER_ADDRESS, b"")):
                with pytest.raises(LedgerError) as caught:
                    action()
                assert caught.value.code == "Reopen"
        with reopen(path) as chain:
            assert chain.height == height + 1
            with pytest.raises(LedgerError) as caught:
                chain.submit(batch)
            assert caught.value.code == "NonceTooLow"


class TestWriters:
    def test_locked_database(self, path, monkeypatch):
        with reopen(path) as chain:
            desk = Desk(chain)
            with chain._journal._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 1")
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            executed = []
            with monkeypatch.context() as patch:
                patch.setattr(chain._machine, "run", lambda *arguments: executed.append(arguments))
                with pytest.raises(LedgerBusy):
                    desk.count()
            assert not executed
            other.execute("ROLLBACK")
            other.close()
            assert same_as_reopened(chain, path)
            assert desk.count()[0].status

    def test_two_writers_without_the_lock(self, path, monkeypatch):
        """Where the lock fails (another machine, a removed lock file), compare-and-set does not."""
        with reopen(path) as first:
            path.with_name(path.name + ".lock").unlink()
            mine = Desk(first).sign(ALICE)
            with reopen(path) as second:
                assert Desk(second).count()[0].status
                executed = []
                monkeypatch.setattr(first._machine, "run", lambda *arguments: executed.append(arguments))
                with pytest.raises(LedgerBusy):
                    first.submit([mine])
                assert not executed
                with pytest.raises(LedgerError, match="open the ledger again"):
                    first.submit([mine])
                assert Desk(second).count()[0].status
        report = verify(url_of(path), decoder=decode_count)
        assert report.ok
        assert report.height == 5

    def test_a_writer_that_another_followed_is_fenced(self, path, monkeypatch):
        """The second serves and has written nothing yet, so the head is the first's own: the epoch alone tells."""
        with reopen(path) as first:
            path.with_name(path.name + ".lock").unlink()
            mine, head = Desk(first).sign(ALICE), first.head()
            with reopen(path) as second:
                second._journal.claim(second.genesis, head, serving="second")
                executed = []
                monkeypatch.setattr(first._machine, "run", lambda *arguments: executed.append(arguments))
                with pytest.raises(LedgerBusy, match="another writer has begun"):
                    first.submit([mine])
                assert not executed
                assert second.head() == head
                with pytest.raises(LedgerError, match="open the ledger again"):
                    first.submit([mine])
                assert Desk(second).count()[0].status
        assert verify(url_of(path), decoder=decode_count).ok

    def test_nobody_begins_to_serve_on_a_head_that_has_moved(self, path):
        with reopen(path) as first:
            path.with_name(path.name + ".lock").unlink()
            head = first.head()
            with reopen(path) as second:
                assert Desk(second).count()[0].status
                before = dump(path)
                with pytest.raises(LedgerBusy, match="another writer moved the head"):
                    first._journal.claim(first.genesis, head, serving="first")
                assert dump(path) == before, "the epoch is the second's"
                assert Desk(second).count()[0].status

    @pytest.mark.parametrize("column", ["height", "hash", "signature"])
    def test_a_head_of_another_type_is_named(self, path, column):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE head SET {column} = 'text'")
        with pytest.raises(AuditFailure, match="head: a column has another type"), reopen(path):
            pass

    def test_who_opens_to_write_and_does_not_changes_nothing(self, path):
        before = dump(path)
        with reopen(path):
            assert dump(path) == before

    def test_a_first_block_that_fails_claims_nothing(self, path, monkeypatch):
        """The epoch is raised with the block or not at all, and the writer goes on after it has opened again."""
        with reopen(path) as first:
            before, mine = dump(path), Desk(first).sign(ALICE)
            with monkeypatch.context() as patch:
                patch.setattr(journal.Appending, "append", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    first.submit([mine])
            assert dump(path) == before
            assert first.submit([mine])[0].status
            assert Desk(first).count()[0].status
        assert verify(url_of(path), decoder=decode_count).ok

    def test_a_height_is_written_once(self, path, monkeypatch):
        """The last line of defence, inside the commit: were the checks of epoch and head wrong, the height is taken."""
        with reopen(path) as first:
            path.with_name(path.name + ".lock").unlink()
            stale, mine = first.head(), Desk(first).sign(ALICE)
            with reopen(path) as second:
                Desk(second).count()
                with monkeypatch.context() as patch:
                    patch.setattr(journal.Journal, "_head", lambda *_: stale)
                    patch.setattr(journal, "_epoch", lambda *_: first._journal._epoch)
                    with pytest.raises(LedgerBusy, match="height"):
                        first.submit([mine])
                assert Desk(second).count()[0].status
        assert verify(url_of(path), decoder=decode_count).ok

    def test_readers_do_not_lock_out_the_writer(self, path):
        with reopen(path) as chain, reopen(path, None) as reader:
            events = reader.events()
            next(events)
            assert Desk(chain).count()[0].status
            assert len(list(events)) >= 1


class TestSettings:
    def test_are_applied_to_every_connection(self, path):
        database = open_engine(url_of(path), Mode.WRITE)
        with database.connect() as one, database.connect() as other:
            for connection in (one, other):
                settings = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "fullfsync", "trusted_schema", "cell_size_check")
                }
                assert settings == {
                    "journal_mode": "wal",
                    "synchronous": 2,
                    "fullfsync": 1,
                    "trusted_schema": 0,
                    "cell_size_check": 1,
                }
        database.dispose()

    def test_a_setting_that_does_not_take_is_an_error(self, path, monkeypatch):
        monkeypatch.setitem(engine_sqlite._SETTINGS, "no_such_pragma", 1)
        with pytest.raises(LedgerError) as caught:
            reopen(path)
        assert caught.value.code == "NotDurable"

    def test_readers_cannot_write(self, path):
        database = open_engine(url_of(path), Mode.READ)
        with pytest.raises(Exception, match="readonly"), database.begin() as connection:
            connection.exec_driver_sql("DELETE FROM events")
        database.dispose()

    def test_path_of_url(self):
        assert str(database_path("sqlite:///a/b.db")) == "a/b.db"
        assert database_path("sqlite:///:memory:") is None
        assert database_path("sqlite://") is None


def test_a_failed_creation_can_be_repeated(tmp_path, monkeypatch):
    url = url_of(tmp_path / "a.db")
    with monkeypatch.context() as patch:
        patch.setattr(Genesis, "row", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Journal.create(url, Genesis(1, OPERATOR.address, {}, None, {}), None)
    EmbeddedChain.create(url, operator=OPERATOR, clock=None, simulated_start=1).close()
    assert verify(url).ok
