"""The roles of docs/scale.md on PostgreSQL: each can do what it is for, and nothing more."""

import psycopg
import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.evidence_copy import export_evidence
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.inbox import Inbox
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.sequencers import OPTIONS, next_of, sequencer_of, sound
from tests.behaviour.chain.support import ALICE, START, Desk, decode_count, refused, reopen


@pytest.fixture
def roles(url, postgres):
    """URLs of a submitter, a reader, and of the sequencer, which owns the tables."""
    database = url.rpartition("/")[2]
    for role in ("submitter", "reader"):
        postgres.execute(f"CREATE ROLE {role} LOGIN", database)
        postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", database)
    postgres.execute("GRANT INSERT, UPDATE ON inbox TO submitter", database)
    yield [url.replace("tbill@", f"{role}@") for role in ("submitter", "reader")]
    postgres.drop(url)
    for role in ("submitter", "reader"):
        postgres.execute(f"DROP ROLE {role}")


def test_a_submitter(url, roles):
    """It puts in, again what was refused too, and has its receipt."""
    submitter, _ = roles
    inbox = Inbox(submitter)
    first = next_of(url, ALICE)
    with reopen(url, None) as reader:
        ahead = [Desk(reader).sign(ALICE, ahead=1)]
    with sequencer_of(url) as sequencer:
        hashes = inbox.put(ahead)
        sequencer.step()
        assert inbox.look(hashes)[hashes[0]].code == "NonceTooHigh"
        inbox.put([first])
        assert sequencer.step() == 1
        inbox.put(ahead)
        assert sequencer.step() == 1
        with InboxChain.open(submitter, clock=SimulatedClock(START), decoder=decode_count) as chain:
            assert chain.submit([first])[0].height == 3
    inbox.close()
    sound(url, 4)


def test_a_reader(roles, tmp_path):
    _, reader = roles
    with reopen(reader, None) as chain:
        assert chain.height == 2
    assert verify(reader, decoder=decode_count).ok
    assert export_evidence(reader, tmp_path / "evidence").height == 2


@pytest.mark.parametrize("role", [0, 1], ids=["submitter", "reader"])
def test_neither_writes_the_ledger(url, roles, role):
    """Not even with the operator's key; and what they lock stops nobody who serves."""
    with EmbeddedChain.open(roles[role], clock=SimulatedClock(START), **OPTIONS) as writer:
        code, message = refused(lambda: Desk(writer).count())
        assert code == "Database"
        assert "permission denied for table sequencer" in message
    with sequencer_of(url) as sequencer, psycopg.connect(roles[1]) as reader:
        reader.execute("LOCK TABLE blocks, head, sequencer, inbox IN ACCESS SHARE MODE")
        inbox = Inbox(url)
        inbox.put([next_of(url, ALICE)])
        assert sequencer.step() == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("LOCK TABLE blocks IN ROW EXCLUSIVE MODE")
        inbox.close()
    sound(url, 3)
