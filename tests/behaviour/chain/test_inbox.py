"""What several processes are promised, with the processes' parts in one: on SQLite and on PostgreSQL."""

import threading
from contextlib import contextmanager

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.inbox import Inbox
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.sequencer import Sequencer
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError
from tbill_defi.core.hashing import keccak256
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    COUNTER_ADDRESS,
    GREEDY,
    OPERATOR,
    START,
    Desk,
    decode_count,
    make_ledger,
    opened,
    refused,
    reopen,
    url_of,
)


@pytest.fixture
def ledger(place):
    make_ledger(place, blocks=2)
    return place


def sequencer_of(place, **options):
    return Sequencer.open(
        url_of(place), clock=SimulatedClock(START), operator=OPERATOR, decoder=decode_count, **options
    )


def submitter_of(place, patience=20):
    chain = InboxChain.open(url_of(place), clock=SimulatedClock(START), decoder=decode_count)
    chain.patience_seconds = patience
    return chain


@pytest.fixture
def sequencer(ledger):
    with sequencer_of(ledger) as opened_:
        yield opened_


@pytest.fixture
def submitter(ledger):
    with submitter_of(ledger) as chain:
        yield chain


@pytest.fixture
def inbox(ledger):
    made = Inbox(url_of(ledger))
    yield made
    made.close()


@contextmanager
def served(place):
    """A sequencer in a thread of its own."""
    done, told = threading.Event(), []

    def run():
        with sequencer_of(place) as one:
            one.serve(stop=done.is_set, report=told.append)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield told
    finally:
        done.set()
        thread.join()


def count_of(chain):
    return int.from_bytes(chain.call(COUNTER_ADDRESS, b""), "big") - 1


class TestSubmit:
    def test_the_receipts_are_those_of_the_block(self, ledger, submitter):
        desk = Desk(submitter)
        with served(ledger):
            batch = [desk.sign(ALICE), desk.sign(BOB, data=b"no"), desk.sign(ALICE, ahead=1)]
            receipts = submitter.submit(batch)
            assert [receipt.status for receipt in receipts] == [True, False, True]
            assert receipts[1].revert == b"no"
            assert [len(receipt.logs) for receipt in receipts] == [1, 0, 1]
            assert [receipt.transaction_hash for receipt in receipts] == list(map(keccak256, batch))
            assert {receipt.height for receipt in receipts} == {3} == {submitter.height}
            assert submitter.submit([]) == ()
            again = desk.count(BOB, 2)
        with reopen(ledger, None) as plain:
            assert plain.height == 4
            last = count_of(plain)
            assert last == count_of(submitter)
        assert [int.from_bytes(receipt.return_data, "big") for receipt in again] == [last - 1, last]
        assert verify(url_of(ledger), decoder=decode_count).ok

    def test_what_a_writer_would_have_given(self, ledger, copied):
        """The same bytes to a writer of a copy: all but the gas is equal."""
        with reopen(copied(ledger)) as writer:
            desk = Desk(writer)
            batch = [desk.sign(ALICE), desk.sign(BOB, data=b"no")]
            straight, head = writer.submit(batch), writer.head()
        with served(ledger), submitter_of(ledger) as submitter:
            through = submitter.submit(batch)
            assert submitter.head() == head
        blind = [type(one)(one.status, one.logs, one.return_data, 0, *rest(one)) for one in straight]
        assert list(through) == blind

    @pytest.mark.parametrize("code", ["NonceTooLow", "NonceTooHigh", "BadTransaction", "WrongChain", "TooLarge"])
    def test_refusals_are_those_of_a_writer(self, ledger, submitter, code):
        desk = Desk(submitter)
        with served(ledger):
            greedy = desk.deploy(BOB, GREEDY)
            bad = {
                "NonceTooLow": lambda: [desk.sign(ALICE), desk.sign(ALICE)],
                "NonceTooHigh": lambda: [desk.sign(ALICE), desk.sign(ALICE, ahead=2)],
                "BadTransaction": lambda: [desk.sign(ALICE), b"\x02rubbish"],
                "WrongChain": lambda: [sign_transaction(ALICE, chain_id=1, nonce=0, to=COUNTER_ADDRESS, data=b"")],
                "TooLarge": lambda: [desk.sign(ALICE), desk.sign(ALICE, to=greedy, ahead=1)],
            }[code]()
            if code == "NonceTooLow":
                bad[1] = sign_transaction(
                    ALICE, chain_id=submitter.chain_id, nonce=0, to=COUNTER_ADDRESS, data=b"another"
                )
            height, nonce = submitter.height, submitter.nonce(ALICE.address)
            assert refused(lambda: submitter.submit(bad))[0] == code
            assert (submitter.height, submitter.nonce(ALICE.address)) == (height, nonce)
            assert desk.count()[0].status, "the one before it was refused with it, and can be sent again"

    def test_too_many_and_too_long_are_not_put_in(self, ledger, submitter):
        assert refused(lambda: submitter.submit([b""] * 10_001))[0] == "TooMany"
        assert refused(lambda: submitter.submit([bytes(2**17 + 1)]))[0] == "TooLong"
        assert rows(ledger) == []

    def test_nobody_serves(self, ledger, submitter):
        """It says what to do, and nothing is lost: the same bytes get their receipt when someone does."""
        submitter.patience_seconds = 0
        raw = Desk(submitter).sign(ALICE)
        code, message = refused(lambda: submitter.submit([raw]))
        assert code == "NotSequenced"
        assert "tbill serve" in message
        with sequencer_of(ledger) as sequencer:
            assert sequencer.step() == 1
        assert submitter.submit([raw])[0].height == 3

    def test_whoever_empties_the_inbox_only_delays(self, ledger, submitter, monkeypatch):
        """Someone with the database removes what waits: no receipt is made up, and it can be submitted again."""
        raw = Desk(submitter).sign(ALICE)
        put = Inbox.put

        def emptied(inbox, signed):
            hashes = put(inbox, signed)
            edit(ledger, "DELETE FROM inbox")
            return hashes

        submitter.patience_seconds = 0
        with monkeypatch.context() as patch:
            patch.setattr(Inbox, "put", emptied)
            assert refused(lambda: submitter.submit([raw]))[0] == "NotSequenced"
        submitter.patience_seconds = 20
        with served(ledger):
            assert submitter.submit([raw])[0].status

    def test_a_submitter_moves_no_clock(self, submitter):
        assert refused(lambda: submitter.advance_clock(5))[0] == "ServedElsewhere"

    def test_an_inbox_that_lies_is_not_believed(self, ledger, submitter, sequencer, inbox):
        """A receipt comes out of the ledger, never out of the inbox."""
        raw = Desk(submitter).sign(ALICE)
        (one,) = inbox.put([raw])
        for height in (2, 99):
            edit(ledger, "UPDATE inbox SET state = 1, height = ? WHERE hash = ?", (height, one))
            assert "inbox" in refused(lambda: submitter.submit([raw]))[1]
        edit(ledger, "UPDATE inbox SET state = 0, height = 0")
        assert sequencer.step() == 1
        edit(ledger, "UPDATE transactions SET output = ? WHERE hash = ?", (b"\x01", one))
        with pytest.raises(AuditFailure, match="block 3"):
            submitter.submit([raw])


def edit(place, statement, values=()):
    """While others have the database open."""
    with opened(place) as database:
        database.execute(statement, values)


def rest(receipt):
    return receipt.transaction_hash, receipt.height, receipt.revert


def rows(place):
    with opened(place) as database:
        return database.execute("SELECT hash, state, height, code FROM inbox ORDER BY sequence")


class TestInbox:
    def test_duplicates_are_one(self, ledger, sequencer, inbox, submitter):
        raw = Desk(submitter).sign(ALICE)
        hashes = inbox.put([raw])
        assert inbox.put([raw]) == hashes
        assert inbox.put([raw, raw]) == hashes * 2
        assert len(rows(ledger)) == 1
        before = count_of(submitter)
        assert sequencer.step() == 1
        assert inbox.put([raw]) == hashes, "after it was executed, too"
        assert sequencer.step() == 0
        assert count_of(submitter) == before + 1
        assert inbox.look(hashes)[hashes[0]].height == 3

    def test_two_put_the_same_in_at_once(self, ledger, inbox, submitter):
        raws = [Desk(submitter).sign(ALICE, ahead=n) for n in range(40)]
        ready, failures = threading.Barrier(4), []

        def put():
            mine = Inbox(url_of(ledger))
            ready.wait()
            try:
                for raw in raws:
                    mine.put([raw])
            except LedgerError as error:
                failures.append(error)
            mine.close()

        threads = [threading.Thread(target=put) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert len(rows(ledger)) == len(raws)

    def test_a_refusal_is_recorded_and_judged_again(self, ledger, sequencer, inbox, submitter):
        desk = Desk(submitter)
        first, second = desk.sign(ALICE), desk.sign(ALICE, ahead=1)
        (late,) = inbox.put([second])
        assert sequencer.step() == 1
        entry = inbox.look([late])[late]
        assert (entry.height, entry.code, entry.settled) == (0, "NonceTooHigh", True)
        assert "its next is" in entry.message
        assert sequencer.step() == 0, "what was refused waits no longer"
        inbox.put([first])
        inbox.put([second])
        assert sequencer.step() == 2
        assert inbox.look([late])[late].height == 0, "it stands before the first: the order is that of first arrival"
        inbox.put([second])
        sequencer.step()
        assert inbox.look([late])[late].height == 4

    def test_one_bad_bundle_stops_no_other(self, ledger, sequencer, inbox, submitter):
        desk = Desk(submitter)
        greedy = desk_deploys(sequencer)
        good = [desk.sign(ALICE), desk.sign(BOB)]
        inbox.put([good[0]])
        inbox.put([desk.sign(OPERATOR, to=greedy)])
        inbox.put([b"\x02rubbish"])
        inbox.put([good[1]])
        assert sequencer.step() == 4
        assert [code for _, _, _, code in rows(ledger)] == ["", "TooLarge", "BadTransaction", ""]
        assert {height for _, _, height, code in rows(ledger) if not code} == {sequencer.height}
        assert sequencer.height == 4

    def test_a_row_under_another_hash_is_refused(self, ledger, sequencer, submitter, inbox):
        """Else whoever can write to the inbox could take the place of another's transaction."""
        raw = Desk(submitter).sign(ALICE)
        edit(
            ledger,
            "INSERT INTO inbox (bundle, hash, raw, state, height, code, message) VALUES (?, ?, ?, 0, 0, '', '')",
            (b"b", keccak256(raw), Desk(submitter).sign(BOB)),
        )
        sequencer.step()
        assert rows(ledger)[0][3] == "BadTransaction"
        inbox.put([raw])
        assert sequencer.step() == 1
        assert rows(ledger)[0][2] == 3

    def test_bundles_stay_whole_however_many_wait(self, ledger, sequencer, inbox, submitter, monkeypatch):
        from tbill_defi.chain import sequencer as module

        few = module.waiting
        monkeypatch.setattr(module, "waiting", lambda connection: few(connection, 3))
        desk = Desk(submitter)
        inbox.put([desk.sign(BOB)])
        inbox.put([desk.sign(ALICE, ahead=n) for n in range(7)])
        inbox.put([desk.sign(BOB, ahead=1)])
        assert [sequencer.step(), sequencer.step(), sequencer.step()] == [8, 1, 0]

    def test_a_clock_that_was_set_back_refuses_nobody(self, place):
        clock = SimulatedClock(START)
        with Sequencer.create(url_of(place), operator=OPERATOR, clock=clock, decoder=decode_count) as sequencer:
            desk = Desk(sequencer)
            desk.deploy(OPERATOR)
            raw = desk.sign(ALICE)
            inbox = Inbox(url_of(place))
            inbox.put([raw])
            clock.seconds -= 60
            assert refused(sequencer.step)[0] == "ClockBehind"
            assert [state for _, state, _, _ in rows(place)] == [0], "it waits"
            clock.seconds += 3_600
            assert sequencer.step() == 1
            inbox.close()
        assert verify(url_of(place), decoder=decode_count).ok

    def test_neither_table_is_evidence(self, ledger, sequencer, inbox):
        inbox.put([b"\x02rubbish"])
        sequencer.step()
        edit(ledger, "UPDATE sequencer SET serving = 'someone'")
        assert verify(url_of(ledger), decoder=decode_count).ok


def desk_deploys(chain):
    return Desk(chain).deploy(BOB, GREEDY)


class TestFencing:
    def test_whoever_follows_fences(self, ledger, sequencer, inbox, submitter, monkeypatch):
        """The lock is out of the way, as on a file system or through a pooler that keeps none: the epoch is enough."""
        without_locks(monkeypatch)
        raw = Desk(submitter).sign(ALICE)
        inbox.put([raw])
        with sequencer_of(ledger) as second:
            with pytest.raises(LedgerBusy, match="another writer has begun"):
                sequencer.step()
            assert refused(sequencer.step)[0] == "Reopen"
            assert second.step() == 1
            assert second.step() == 0
            head = second.head()
        sequencer.take_over()
        assert sequencer.head() == head
        inbox.put([Desk(submitter).sign(ALICE)])
        assert sequencer.step() == 1
        assert sequencer.height == head.height + 1
        assert verify(url_of(ledger), decoder=decode_count, head=head).ok

    def test_fenced_at_the_moment_of_writing(self, ledger, sequencer, inbox, submitter, monkeypatch):
        """Another begins between the look at the inbox and the block."""
        without_locks(monkeypatch)
        inbox.put([Desk(submitter).sign(ALICE)])
        write, seconds = sequencer._write_block, []

        def overtaken(*arguments):
            seconds.append(sequencer_of(ledger))
            assert seconds[0].step() == 1
            return write(*arguments)

        monkeypatch.setattr(sequencer, "_write_block", overtaken)
        with pytest.raises(LedgerBusy):
            sequencer.step()
        seconds[0].close()
        report = verify(url_of(ledger), decoder=decode_count)
        assert report.ok
        assert report.height == 3

    def test_a_stale_refusal_is_fenced_too(self, ledger, sequencer, inbox, monkeypatch):
        without_locks(monkeypatch)
        inbox.put([b"\x02rubbish"])
        with sequencer_of(ledger), pytest.raises(LedgerBusy):
            sequencer.step()
        assert [state for _, state, _, _ in rows(ledger)] == [0]

    def test_who_was_fenced_refuses_nothing_that_is_good(self, ledger, sequencer, inbox, submitter, monkeypatch):
        """To one that has not followed, the next nonce is too high: it may not say so, and follows."""
        without_locks(monkeypatch)
        with sequencer_of(ledger) as second:
            inbox.put([Desk(submitter).sign(ALICE)])
            assert second.step() == 1
            inbox.put([Desk(submitter).sign(ALICE)])
            with pytest.raises(LedgerBusy):
                sequencer.step()
            assert refused(sequencer.step)[0] == "Reopen"
        sequencer.take_over()
        assert sequencer.step() == 1
        assert [code for _, _, _, code in rows(ledger)] == ["", ""]

    def test_one_sequencer(self, ledger, sequencer):
        with pytest.raises(LedgerBusy, match="another writer holds"):
            sequencer_of(ledger)
        with pytest.raises(LedgerBusy, match="another writer holds"):
            reopen(ledger)

    def test_who_serves_is_said(self, ledger, sequencer):
        assert sequencer._journal.serving() == sequencer.serving != ""
        sequencer.close()
        with reopen(ledger) as plain:
            assert plain._journal.serving() == ""


def without_locks(monkeypatch):
    from tbill_defi.chain import engine_postgres
    from tbill_defi.core import files

    monkeypatch.setattr(files, "_lock", lambda descriptor: None)
    monkeypatch.setattr(engine_postgres, "_take_lock", lambda cursor: None)


def test_several_submitters_each_get_their_own(ledger):
    """Threads with connections and keys of their own, against one sequencer."""
    names, each, got = ("ann", "bea", "cid"), 6, {}

    def work(name):
        key = SigningKey.from_seed(name)
        with submitter_of(ledger) as chain:
            got[name] = [receipt for _ in range(each) for receipt in Desk(chain).count(key)]

    with served(ledger):
        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {name: len(receipts) for name, receipts in got.items()} == dict.fromkeys(names, each)
    counts = sorted(int.from_bytes(receipt.return_data, "big") for found in got.values() for receipt in found)
    assert counts == list(range(counts[0], counts[0] + len(names) * each)), "each count was given once"
    assert verify(url_of(ledger), decoder=decode_count).ok
