"""An operator hands a ledger over: whoever follows it follows the hand-over, and nobody can forge, drop or undo one."""

import json

import pytest

from tbill_defi.chain import schema
from tbill_defi.chain.digests import digest_fields
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import Kind, verify
from tbill_defi.chain.evidence_copy import HEAD, JOURNAL, export_evidence
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.handing_over import hand_over
from tbill_defi.chain.handovers import Handover, Operators, operators_of
from tbill_defi.chain.heads import SignedHead
from tbill_defi.chain.inbox import Inbox
from tbill_defi.chain.journal import Journal
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.sequencer import Sequencer
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import AuditFailure, LedgerBusy, LedgerError
from tests.behaviour.chain.conftest import places
from tests.behaviour.chain.forge import genesis_of, rewrite
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    OPERATOR,
    START,
    Desk,
    decode_count,
    edit,
    extend,
    make_ledger,
    opened,
    reopen,
    url_of,
)

SECOND, THIRD, MALLORY = (SigningKey.from_seed(name) for name in ("second", "third", "mallory"))
BLOCKS = 5
TABLE = schema.handovers
NAMES = [column.name for column in TABLE.columns]


def open_with(place, key):
    clock = SimulatedClock(START + 1_000)
    return EmbeddedChain.open(url_of(place), operator=key, clock=clock, decoder=decode_count)


def audit(place, **options):
    return verify(url_of(place), decoder=decode_count, **options)


def kinds(report):
    return {(finding.kind, finding.column) for finding in report.findings}


def handed(place):
    """Two hand-overs: at block 5, and at block 7 of the second operator."""
    make_ledger(place, blocks=BLOCKS)
    hand_over(url_of(place), OPERATOR, SECOND)
    with open_with(place, SECOND) as chain:
        extend(Desk(chain), 2)
    hand_over(url_of(place), SECOND, THIRD)
    with open_with(place, THIRD) as chain:
        extend(Desk(chain), 1)


@pytest.fixture(scope="module")
def original(database, request, tmp_path_factory):
    place = places(database, request, tmp_path_factory.mktemp("ledger"))()
    handed(place)
    return place


@pytest.fixture
def copy(original, copied):
    return copied(original)


def stored(place):
    with opened(place) as database:
        return database.execute("SELECT * FROM handovers ORDER BY number")


def test_the_new_key_signs_and_the_old_one_is_refused(original):
    with reopen(original, None) as chain:
        head = chain.head()
        assert (head.height, head.operator) == (BLOCKS + 3, THIRD.address)
        assert head.holds()
        operators = chain.operators
    assert operators.addresses == (OPERATOR.address, SECOND.address, THIRD.address)
    assert [int(one.height) for one in operators.handovers] == [BLOCKS, BLOCKS + 2]
    assert operators.at(0) == (OPERATOR.address,)
    assert operators.at(BLOCKS) == (OPERATOR.address, SECOND.address)
    assert operators.at(BLOCKS + 1) == (SECOND.address,)
    assert operators.at(BLOCKS + 3) == (THIRD.address,)
    for key, said in (
        (OPERATOR, f"handed over at block {BLOCKS}"),
        (SECOND, "handed over at block 7"),
        (MALLORY, "key"),
    ):
        with pytest.raises(LedgerError, match=said) as refused:
            open_with(original, key)
        assert refused.value.code == "WrongOperator"
        with pytest.raises(LedgerError) as refused:
            hand_over(url_of(original), key, SigningKey.from_seed("fourth"))
        assert refused.value.code == "WrongOperator"


@pytest.mark.invariant("I14")
def test_an_audit_follows_from_genesis(original):
    report = audit(original)
    assert report.ok
    assert f"under operator 0x{THIRD.address.hex()}" in report.verdict
    assert audit(original, executor="py-evm").ok


def test_nobody_is_operator_twice(copy):
    with pytest.raises(LedgerError) as refused:
        hand_over(url_of(copy), THIRD, OPERATOR)
    assert refused.value.code == "WasOperator"
    hand_over(url_of(copy), SECOND, THIRD)  # is so already: whoever was cut off asks again
    assert len(stored(copy)) == 2


def test_at_the_same_block_again_and_at_genesis(place):
    with EmbeddedChain.create(url_of(place), operator=OPERATOR, clock=SimulatedClock(START)) as chain:
        assert chain.head().height == 0
    hand_over(url_of(place), OPERATOR, SECOND)
    hand_over(url_of(place), SECOND, THIRD)
    with open_with(place, THIRD) as chain:
        Desk(chain).deploy(THIRD)
        assert list(chain.events()) == []
    assert audit(place).ok


def test_heads_kept_from_before_are_contained(place):
    """Of each operator's time, and of the block at which one handed over to the next: of either."""
    make_ledger(place, blocks=BLOCKS)
    heads = []

    def keep():
        with reopen(place, None) as chain:
            heads.append(chain.head())

    keep()
    hand_over(url_of(place), OPERATOR, SECOND)
    keep()
    with open_with(place, SECOND) as chain:
        extend(Desk(chain), 1)
    keep()
    assert [head.height for head in heads] == [BLOCKS, BLOCKS, BLOCKS + 1]
    assert len({head.operator for head in heads}) == 2
    for head in heads:
        report = audit(place, head=head)
        assert report.ok, report.verdict


# --- followers ----------------------------------------------------------------------------------------------------


def test_a_reader_follows_while_it_reads(place):
    """One that is open goes on through the hand-over, and through the blocks after it."""
    make_ledger(place, blocks=BLOCKS)
    with reopen(place, None) as reader:
        assert reader.head().operator == OPERATOR.address
        before = list(reader.events())
        hand_over(url_of(place), OPERATOR, SECOND)
        assert reader.head().operator == SECOND.address
        with open_with(place, SECOND) as chain:
            extend(Desk(chain), 2)
        assert len(list(reader.events())) > len(before)
        assert reader.height == BLOCKS + 2


def test_a_reader_notices_that_a_hand_over_is_gone(copy):
    """Put back to before it, with the head that the old operator signed: whole for others, not for who was there."""
    with opened(copy) as database:
        ((count,),) = database.execute("SELECT count(*) FROM handovers")
    assert count == 2
    with reopen(copy, None) as reader:
        reader.head()
        edit(copy, "DELETE FROM handovers WHERE number = 2")
        with pytest.raises(AuditFailure, match="gone"):
            reader.head()


def test_a_writer_holds_it(copy):
    with open_with(copy, THIRD), pytest.raises(LedgerBusy):
        hand_over(url_of(copy), THIRD, SigningKey.from_seed("fourth"))


def test_a_writer_of_before_can_write_no_more(tmp_path, monkeypatch):
    """Where the lock of one that was stopped was lost, of a file: the epoch and the head are others."""
    copy = tmp_path / "desk.db"
    handed(copy)
    with open_with(copy, THIRD) as chain:
        desk = Desk(chain)
        signed = desk.sign(THIRD)
        monkeypatch.setattr("tbill_defi.chain.journal.lock_writer", lambda url: None)
        hand_over(url_of(copy), THIRD, SigningKey.from_seed("fourth"))
        with pytest.raises(LedgerBusy, match="another writer"):
            chain.submit([signed])
    assert audit(copy).ok


def sequencer(place, key):
    return Sequencer.open(url_of(place), clock=SimulatedClock(START), operator=key, decoder=decode_count)


def test_who_submits_follows_the_sequencer_s_hand_over(place):
    """A follower with an inbox, open all the while: before, after, and held to the new operator's head."""
    make_ledger(place, blocks=BLOCKS)
    inbox = Inbox(url_of(place))
    with InboxChain.open(url_of(place), clock=SimulatedClock(START), decoder=decode_count) as follower:
        inbox.put([Desk(follower).sign(ALICE)])
        with sequencer(place, OPERATOR) as first:
            assert first.step() == 1
        assert (follower.height, follower.head().operator) == (BLOCKS + 1, OPERATOR.address)
        hand_over(url_of(place), OPERATOR, SECOND)
        inbox.put([Desk(follower).sign(ALICE)])
        with pytest.raises(LedgerError, match="handed over at block"):
            sequencer(place, OPERATOR)
        with sequencer(place, SECOND) as second:
            assert second.step() == 1
        assert (follower.height, follower.head().operator) == (BLOCKS + 2, SECOND.address)
    inbox.close()
    assert audit(place).ok


def test_a_sequencer_that_wakes_up_after_a_hand_over_serves_no_more(tmp_path, monkeypatch):
    """It was stopped, its lock was lost, and the ledger handed over: its own key is the operator's no more."""
    place = tmp_path / "desk.db"
    make_ledger(place, blocks=BLOCKS)
    with sequencer(place, OPERATOR) as asleep:
        monkeypatch.setattr("tbill_defi.chain.journal.lock_writer", lambda url: None)
        hand_over(url_of(place), OPERATOR, SECOND)
        with pytest.raises(LedgerBusy):
            asleep.submit([Desk(asleep).sign(ALICE)])
        for _ in range(2):
            with pytest.raises(LedgerError, match="handed over at block") as refused:
                asleep.take_over()
            assert refused.value.code == "WrongOperator"
    assert audit(place).ok


# --- cut off anywhere ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(1, 12, 2))
def test_cut_off_at_every_statement(place, monkeypatch, step):
    """Before each statement of the hand-over, and before its commit: the old key is the operator's, or the new one."""
    make_ledger(place, blocks=BLOCKS)
    from sqlalchemy import Connection, event

    left = [step]

    def count(*_):
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    event.listen(Connection, "before_execute", count)
    event.listen(Connection, "commit", count)
    try:
        hand_over(url_of(place), OPERATOR, SECOND)
        done = True
    except Killed:
        done = False
    finally:
        event.remove(Connection, "before_execute", count)
        event.remove(Connection, "commit", count)
    assert audit(place).ok
    with reopen(place, None) as chain:
        assert chain.head().operator == (SECOND if done else OPERATOR).address
    hand_over(url_of(place), OPERATOR, SECOND)
    with open_with(place, SECOND) as chain:
        extend(Desk(chain), 1)
    assert audit(place).ok
    assert len(stored(place)) == 1


# --- forged, altered, dropped -------------------------------------------------------------------------------------


def test_every_bit_of_every_hand_over_is_covered(original):
    """Whichever bit of whichever field is another: whoever follows refuses it."""
    genesis, rows = genesis_of(original), stored(original)
    assert operators_of(genesis, rows).latest == THIRD.address
    for place, row in enumerate(rows):
        for n in range(len(NAMES) - 1):
            for bit in range(8 * len(row[n]) if isinstance(row[n], bytes) else 62):
                other = (*row[:n], flipped(row[n], bit), *row[n + 1 :])
                with pytest.raises(AuditFailure, match="hand-over"):
                    operators_of(genesis, [*rows[:place], other, *rows[place + 1 :]])


def test_an_audit_names_the_column(copy):
    """An altered one is not taken for a forged one, and whoever opens the ledger refuses it."""
    rows = stored(copy)
    for n, name in enumerate(NAMES):
        row = rows[n % 2]
        value = flipped(row[n], 5)
        edit(copy, (f"UPDATE handovers SET {name} = ? WHERE number = ?", (value, row[0])))
        found = kinds(audit(copy))
        assert (Kind.COLUMN, f"handovers.{name}") in found, name
        assert not [one for one in found if one[0] is Kind.HANDOVER], "altered, not forged"
        if name != "field_digests":
            with pytest.raises(AuditFailure):
                reopen(copy, None)
        key = value if name == "number" else row[0]
        edit(copy, (f"UPDATE handovers SET {name} = ? WHERE number = ?", (row[n], key)))
    assert audit(copy).ok


def flipped(value, bit):
    if isinstance(value, int):
        return value ^ (1 << bit)
    there = bytearray(value)
    there[bit // 8] ^= 1 << bit % 8
    return bytes(there)


def insert(place, number, made):
    row = made.row(number)
    marks = ",".join("?" * len(row))
    edit(place, (f"INSERT INTO handovers VALUES ({marks})", tuple(row.values())))


def signed_head(place, key):
    genesis = genesis_of(place)
    with opened(place) as database:
        ((_, height, block_hash, _),) = database.execute("SELECT * FROM head")
    return SignedHead.sign(key, genesis, height, block_hash)


@pytest.mark.parametrize("forger", [MALLORY, OPERATOR, SECOND], ids=["a stranger", "the first", "the second"])
def test_who_is_not_the_operator_hands_nothing_over(copy, forger):
    """Signed by another key, in its own name or the operator's, with a head to match."""
    genesis, mine = genesis_of(copy), SigningKey.from_seed("mine")
    head = signed_head(copy, mine)
    honest = Handover.sign(forger, genesis, head, mine.public_key)
    posing = Handover.sign(THIRD, genesis, head, mine.public_key)
    unsigned = Handover(**{**posing.value(), "signature": ""})
    posing = Handover(**{**unsigned.value(), "signature": forger.sign_digest(unsigned.digest()).hex()})
    for made, column in ((honest, "operator"), (posing, "signature")):
        insert(copy, 3, made)
        edit(copy, ("UPDATE head SET signature = ?", (head.signature,)))
        assert (Kind.HANDOVER, f"handovers.{column}") in kinds(audit(copy))
        with pytest.raises(AuditFailure, match="hand-over 3"):
            reopen(copy, None)
        edit(copy, "DELETE FROM handovers WHERE number = 3")


def test_a_field_that_was_altered_with_its_digest_is_forged(copy):
    """Every field, by somebody who knows how the digests are made and has no key."""
    row = stored(copy)[0]
    for n, name in enumerate(NAMES[:-1]):
        value = MALLORY.public_key if name in ("operator", "successor") else flipped(row[n], 9)
        fields = [*row[:n], value, *row[n + 1 : -1]]
        statement = f"UPDATE handovers SET {name} = ?, field_digests = ? WHERE number = ?"
        edit(copy, (statement, (value, digest_fields(fields), row[0])))
        found = kinds(audit(copy))
        # the number is not signed: it only says where in the order the row is
        assert (Kind.MISSING if name == "number" else Kind.HANDOVER) in {kind for kind, _ in found}, name
        key = value if name == "number" else row[0]
        edit(copy, (statement, (row[n], row[-1], key)))
    assert audit(copy).ok


def test_a_dropped_hand_over(copy):
    """The head is of nobody then; with a head kept elsewhere it is told that it was there."""
    with reopen(copy, None) as chain:
        kept = chain.head()
    edit(copy, "DELETE FROM handovers WHERE number = 2")
    assert (Kind.SIGNATURE, "head.signature") in kinds(audit(copy))
    assert (Kind.HANDOVER, "head.operator") in kinds(audit(copy, head=kept))
    edit(copy, "DELETE FROM handovers")
    assert not audit(copy).ok
    with pytest.raises(AuditFailure):
        reopen(copy, None)


def test_a_copy_from_before_is_rolled_back(place, copied):
    """Of the same block even: the kept head is of whom the copy was not handed over to."""
    make_ledger(place, blocks=BLOCKS)
    older = copied(place)
    hand_over(url_of(place), OPERATOR, SECOND)
    with reopen(place, None) as chain:
        kept = chain.head()
    assert audit(older).ok
    (found,) = audit(older, head=kept).findings
    assert (found.kind, found.column) == (Kind.HANDOVER, "head.operator")
    assert "was never handed over to" in found.message
    with open_with(place, SECOND) as chain:
        extend(Desk(chain), 1)
        kept = chain.head()
    assert (Kind.ROLLED_BACK, "blocks") in kinds(audit(older, head=kept))


def test_an_operator_who_handed_over_and_goes_on_is_a_fork(place, copied):
    """He kept his key and a copy: his blocks are whole by themselves, and no continuation for who has a later head."""
    make_ledger(place, blocks=BLOCKS)
    his = copied(place)
    hand_over(url_of(place), OPERATOR, SECOND)
    with open_with(place, SECOND) as chain:
        extend(Desk(chain), 2)
        kept = chain.head()
    with open_with(his, OPERATOR) as chain:
        for _ in range(3):
            Desk(chain).count(BOB)
        forked = chain.head()
    assert {kind for kind, _ in kinds(audit(his, head=kept))} == {Kind.FORK, Kind.HANDOVER}
    found = {finding.kind: finding.message for finding in audit(place, head=forked).findings}
    assert "handed over at block 5, and signed it after that" in found[Kind.HANDOVER]
    assert audit(place).ok


def test_blocks_hashed_again_beneath_a_hand_over(copy):
    """Without a key; and with the last operator's, whose signature does not reach below his own time."""

    def sooner(history):
        history[2] = history[1][0], history[2][1]

    rewrite(copy, sooner, signer=None)
    assert {Kind.REHASHED} <= {kind for kind, _ in kinds(audit(copy))}
    edit(copy, ("UPDATE head SET signature = ?", (signed_head(copy, THIRD).signature,)))
    report = audit(copy)
    assert {kind for kind, _ in kinds(report)} == {Kind.REHASHED}
    with reopen(copy, None) as chain, pytest.raises(AuditFailure, match="handed over at another"):
        list(chain.events())


def test_two_hand_overs_of_one_key(place, copied):
    """Whoever hands over twice forks the ledger, and both are his word."""
    make_ledger(place, blocks=BLOCKS)
    other = copied(place)
    hand_over(url_of(place), OPERATOR, SECOND)
    hand_over(url_of(other), OPERATOR, THIRD)
    with reopen(other, None) as chain:
        kept = chain.head()
    (found,) = audit(place, head=kept).findings
    assert (found.kind, found.column) == (Kind.HANDOVER, "head.operator")


# --- elsewhere ----------------------------------------------------------------------------------------------------


def test_exported_evidence_holds(original, tmp_path):
    kept = export_evidence(url_of(original), tmp_path / "out")
    assert kept.operator == THIRD.address
    given = SignedHead.read(tmp_path / "out" / HEAD)
    report = audit(tmp_path / "out" / JOURNAL, head=given)
    assert report.ok
    assert report.compared


def test_its_json_is_its_fields(original):
    with reopen(original, None) as chain:
        genesis, handovers = chain.genesis, chain.operators.handovers
    for one in handovers:
        assert Handover(**json.loads(one.to_json())) == one
        assert one.holds()
        for name, text in one.value().items():
            other = Handover(**{**one.value(), name: ("1" if text[0] != "1" else "2") + text[1:]})
            assert not other.holds(), name
    assert Operators(genesis.operator, handovers).until(SECOND.address) == BLOCKS + 2


def test_of_a_journal_that_is_open(original):
    journal = Journal.open(url_of(original), writer=False)
    try:
        journal.latest(journal.genesis())
        assert journal.operators.latest == THIRD.address
    finally:
        journal.close()
