"""Two sequencers, each on a copy of the database of its own, with the operator's key: both sign, nobody is deceived.

No copy can tell by itself that there is another. Whoever has seen a head of the one, a process that follows or a person
who kept it, refuses the other; and the two heads together are the operator's signed word against himself.
"""

import shutil
import sqlite3

import pytest

from tbill_defi.chain.evidence_copy import EVIDENCE
from tbill_defi.chain.findings import Kind
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.sequencer import Sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import AuditFailure, LedgerBusy, TbillError
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    OPERATOR,
    START,
    Desk,
    decode_count,
    make_ledger,
    opened,
    reopen,
    url_of,
)
from tests.behaviour.chain.test_handovers import audit, kinds

BLOCKS = 4


def extend_by(place, key, blocks):
    """The head after so many blocks of one party's own."""
    options = {"clock": SimulatedClock(START), "operator": OPERATOR, "decoder": decode_count}
    with Sequencer.open(url_of(place), **options) as chain:
        chain.take_over()
        for _ in range(blocks):
            Desk(chain).count(key)
        return chain.head()


def put_in(place, other):
    """The rows of another ledger in place of a ledger's own, in one transaction."""
    with opened(other) as theirs, opened(place) as mine:
        for table in EVIDENCE:
            rows = theirs.execute(f"SELECT * FROM {table.name}")
            mine.execute(f"DELETE FROM {table.name}")
            for row in rows:
                mine.execute(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(row))})", row)


@pytest.fixture
def forked(place, copied):
    """Two places of one ledger, and the head of each; as long as each other."""
    make_ledger(place, blocks=BLOCKS)
    other = copied(place)
    return (place, extend_by(place, ALICE, 2)), (other, extend_by(other, BOB, 2))


def test_each_is_whole_by_itself_and_a_fork_for_who_has_the_others_head(forked):
    for (mine, head), (_, theirs) in (forked, forked[::-1]):
        assert head.holds()
        assert audit(mine).ok
        assert audit(mine, head=head).ok
        (found,) = audit(mine, head=theirs).findings
        assert (found.kind, found.block, found.column) == (Kind.FORK, BLOCKS + 2, "blocks.hash")
        assert "the operator signed both: a fork" in found.message


def test_the_shorter_is_rolled_back_for_who_has_the_longers_head(forked):
    (mine, _), (other, _) = forked
    longer = extend_by(other, BOB, 3)
    assert (Kind.ROLLED_BACK, "blocks") in kinds(audit(mine, head=longer))
    assert audit(other, head=longer).ok


@pytest.mark.parametrize("more", [0, 1, 4], ids=["as-long", "longer", "much-longer"])
def test_who_follows_one_refuses_the_other(forked, more):
    """A reader, and one who submits through the inbox: after having seen A, B in its place is an error, not figures."""
    (mine, head), (other, _) = forked
    if more:
        extend_by(other, BOB, more)
    with reopen(mine, None) as reader, InboxChain.open(url_of(mine), clock=SimulatedClock(START)) as follower:
        for one in (reader, follower):
            assert one.head() == head
            assert list(one.events())
        put_in(mine, other)
        for one in (reader, follower):
            with pytest.raises(AuditFailure, match="another block than this process read before: a fork"):
                list(one.events())
            with pytest.raises(AuditFailure, match="another block than this process read before: a fork"):
                one.block_hash(1)


def test_who_follows_one_refuses_the_other_while_it_is_shorter(place, copied):
    make_ledger(place, blocks=BLOCKS)
    other = copied(place)
    extend_by(place, ALICE, 3)
    extend_by(other, BOB, 1)
    with reopen(place, None) as reader:
        assert list(reader.events())
        put_in(place, other)
        with pytest.raises(AuditFailure, match="the ledger was longer before"):
            list(reader.events())


def test_a_writer_goes_on_on_its_own_only(forked):
    """A sequencer beneath which the other's rows were put writes nothing on top of them."""
    (mine, _), (other, theirs) = forked
    with reopen(mine) as writer:
        desk = Desk(writer)
        signed = [desk.sign(ALICE)]
        put_in(mine, other)
        with pytest.raises((LedgerBusy, AuditFailure)):
            writer.submit(signed)
    with reopen(mine, None) as reader:
        assert reader.head() == theirs
    assert audit(mine).ok


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("with_log", [True, False], ids=["with-its-log", "without-it"])
def test_a_file_that_is_copied_beneath_a_writer(place, tmp_path, with_log):
    """With its write-ahead log it is the ledger so far; without it one that ends before, or none."""
    make_ledger(place, blocks=BLOCKS)
    copy = tmp_path / "copy.db"
    with reopen(place) as writer:
        Desk(writer).count(ALICE)
        shutil.copy(place, copy)
        if with_log:
            shutil.copy(f"{place}-wal", f"{copy}-wal")
        head = writer.head()
    try:
        kept = extend_by(copy, BOB, 1)
    except (TbillError, sqlite3.Error):
        assert not with_log
        return
    assert audit(copy).ok
    assert kept.height == head.height + 1 if with_log else kept.height <= head.height
    if with_log:
        assert audit(copy, head=head).ok
    else:
        assert audit(copy, head=head).findings
