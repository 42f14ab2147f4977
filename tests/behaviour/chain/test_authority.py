"""Nobody moves anything in another's name: not through submit, and not by writing to the database."""

import pytest
import rlp

from tbill_defi.chain.blocks import build_block
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import Kind, verify
from tbill_defi.chain.executor import executor_factory
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.replay import Machine
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import AuditFailure, LedgerError
from tests.behaviour.chain.forge import admit_anyone, genesis_of, insert_block, replace_blocks, rewrite, stored_blocks
from tests.behaviour.chain.support import (
    ALICE,
    BOB,
    COUNTER_ADDRESS,
    OPERATOR,
    START,
    Desk,
    decode_count,
    edit,
    make_ledger,
    opened,
    reopen,
    url_of,
)

MALLORY = SigningKey.from_seed("mallory")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def state_of(chain):
    return chain.head(), chain.nonce(ALICE.address), chain.call(COUNTER_ADDRESS, b""), len(list(chain.events()))


def refused(chain, raw) -> str:
    """Code of the refusal; that nothing changed is checked here."""
    before = state_of(chain)
    with pytest.raises(LedgerError) as caught:
        chain.submit([raw])
    assert state_of(chain) == before
    return caught.value.code


@pytest.fixture
def path(place):
    make_ledger(place, blocks=4)
    return place


@pytest.fixture
def chain(path):
    with reopen(path) as opened:
        yield opened


class TestSubmit:
    def sign(self, chain, key=ALICE, **changes):
        fields = {"chain_id": chain.chain_id, "nonce": chain.nonce(key.address), "to": COUNTER_ADDRESS, "data": b""}
        return sign_transaction(key, **{**fields, **changes})

    def test_replayed(self, chain):
        raw = self.sign(chain)
        chain.submit([raw])
        assert refused(chain, raw) == "NonceTooLow"

    def test_replayed_after_reopening(self, path):
        with reopen(path) as chain:
            raw = self.sign(chain)
            chain.submit([raw])
        with reopen(path) as chain:
            assert refused(chain, raw) == "NonceTooLow"

    def test_nonce_reused_for_something_else(self, chain):
        used = chain.nonce(ALICE.address) - 1
        assert refused(chain, self.sign(chain, data=b"other", nonce=used)) == "NonceTooLow"

    def test_nonce_ahead(self, chain):
        assert refused(chain, self.sign(chain, nonce=chain.nonce(ALICE.address) + 1)) == "NonceTooHigh"

    def test_other_chain(self, path, chain, tmp_path):
        assert refused(chain, self.sign(chain, chain_id=1)) == "WrongChain"
        with EmbeddedChain.create(url_of(tmp_path / "b.db"), operator=OPERATOR, clock=SimulatedClock(START)) as other:
            (raw,) = [self.sign(chain, nonce=0)]
            with pytest.raises(LedgerError) as caught:
                other.submit([raw])
        assert caught.value.code == "WrongChain"

    def test_mirrored_signature(self, chain):
        fields = rlp.decode(self.sign(chain)[1:])
        s = ORDER - int.from_bytes(fields[11], "big")
        fields[9], fields[11] = (b"" if fields[9] else b"\x01"), s.to_bytes(32, "big")
        assert refused(chain, b"\x02" + rlp.encode(fields)) == "BadSignature"

    def test_any_changed_byte_is_never_alices(self, chain):
        """A changed byte gives another sender or no transaction; the counter itself serves anyone."""
        raw = self.sign(chain)
        nonce = chain.nonce(ALICE.address)
        for position in range(len(raw)):
            changed = raw[:position] + bytes((raw[position] ^ 1,)) + raw[position + 1 :]
            with pytest.raises(LedgerError):  # another sender's nonce would be 0
                chain.submit([changed])
        assert chain.nonce(ALICE.address) == nonce

    def test_there_is_no_unsigned_way(self, chain):
        for raw in (b"", b"\x02\xc0", rlp.encode([b""] * 9), b"\x02" + rlp.encode([b""] * 12)):
            assert refused(chain, raw) in {"BadTransaction", "WrongChain"}


class TestDatabase:
    """With all the code and the database, but without Alice's key, and with or without the operator's."""

    def forged(self, path):
        """A block in which Mallory's signed call is passed off as Alice's."""
        genesis = genesis_of(path)
        machine = Machine(genesis, executor_factory())
        for timestamp, raws in stored_blocks(path):
            batch = machine.admit(raws)
            block = build_block(machine.tip, timestamp, batch, machine.run(batch, timestamp), decode_count)
            machine.keep(block.tip)
        raw = sign_transaction(
            MALLORY, chain_id=genesis.chain_id, nonce=machine.nonce(ALICE.address), to=COUNTER_ADDRESS, data=b""
        )
        batch = admit_anyone(ALICE.address)(machine, [raw])
        assert batch[0].sender == ALICE.address
        timestamp = machine.tip.timestamp + 1
        return build_block(machine.tip, timestamp, batch, machine.run(batch, timestamp), decode_count)

    def refuse(self, path, *, reader=True):
        for operator in (OPERATOR, None):
            with pytest.raises(AuditFailure) as caught, reopen(path, operator) as chain:
                chain.nonce(ALICE.address)
        return str(caught.value)

    def test_inserted_block(self, path):
        block = self.forged(path)
        with opened(path) as database:
            insert_block(database, block)
        assert "not the last block" in self.refuse(path)
        kinds = {finding.kind for finding in verify(url_of(path), decoder=decode_count).findings}
        assert kinds == {Kind.EXTRA, Kind.AUTHORITY}

    def test_inserted_block_with_the_head_moved(self, path):
        block = self.forged(path)
        with opened(path) as database:
            insert_block(database, block)
            database.execute("UPDATE head SET height = ?, hash = ?", (block.tip.height, block.tip.hash))
        assert "signature" in self.refuse(path)
        kinds = {finding.kind for finding in verify(url_of(path), decoder=decode_count).findings}
        assert kinds == {Kind.SIGNATURE, Kind.AUTHORITY}

    def test_even_the_operator_cannot_forge_alice(self, path):
        """The operator signs a head over a transaction that Alice did not sign: replay and audit refuse it."""
        raw = sign_transaction(MALLORY, chain_id=genesis_of(path).chain_id, nonce=77, to=COUNTER_ADDRESS, data=b"")
        rewrite(
            path,
            lambda history: history.append((history[-1][0] + 1, [raw])),
            signer=OPERATOR,
            admit=admit_anyone(ALICE.address),
        )
        assert "transactions.raw" in self.refuse(path)
        (finding,) = verify(url_of(path), decoder=decode_count).findings
        assert (finding.kind, finding.block, finding.column) == (Kind.AUTHORITY, 5, "transactions.raw")

    def test_even_the_operator_cannot_repeat_alice(self, path):
        """A transaction of Alice's put in twice."""
        raw = stored_blocks(path)[1][1][0]
        rewrite(
            path,
            lambda history: history.append((history[-1][0] + 1, [raw])),
            signer=OPERATOR,
            admit=admit_anyone(ALICE.address),
        )
        assert "NonceTooLow" in self.audit_messages(path)
        self.refuse(path)

    def test_even_the_operator_cannot_claim_another_outcome(self, path):
        """Receipts, balances and events are what execution gives, not what is written."""

        class Lying(Machine):
            def run(self, batch, timestamp):
                outcomes = super().run(batch, timestamp)
                return [type(one)(one.status, one.logs, b"\x01", one.gas_used) for one in outcomes]

        genesis, history = genesis_of(path), stored_blocks(path)
        machine = Lying(genesis, executor_factory())
        blocks = []
        for timestamp, raws in history:
            batch = machine.admit(raws)
            block = build_block(machine.tip, timestamp, batch, machine.run(batch, timestamp), decode_count)
            machine.keep(block.tip)
            blocks.append(block)
        rewrite_rows(path, blocks)
        found = {(finding.kind, finding.column) for finding in verify(url_of(path), decoder=decode_count).findings}
        assert found == {(Kind.REPLAY, "blocks.receipts_hash"), (Kind.REPLAY, "transactions.output")}
        assert "receipts_hash" in self.refuse(path)

    def test_stolen_database_with_own_operator_is_another_ledger(self, path):
        """A head kept elsewhere, or the operator's address in the verdict, tells it; Alice's nonces are hers anyway."""
        with pytest.raises(LedgerError) as caught:
            reopen(path, MALLORY)
        assert caught.value.code == "WrongOperator"

    def test_another_transaction_of_alices_is_not_the_one_in_the_block(self, path):
        """Both are signed by her for this nonce, and do the same: only the header tells them apart."""
        with reopen(path) as chain:
            nonce = chain.nonce(ALICE.address)
            one, other = (
                sign_transaction(ALICE, chain_id=chain.chain_id, nonce=nonce, to=b"\x99" * 20, data=data)
                for data in (b"one", b"other")
            )
            (receipt,) = chain.submit([one])
            assert receipt.status
        edit(path, ("UPDATE transactions SET raw = ? WHERE raw = ?", (other, one)))
        assert "transactions.raw" in self.refuse(path)

    def test_changed_events_do_not_move_cash(self, path, copied):
        """Events are a report: what is owned is recomputed from signed transactions."""
        copy = copied(path)
        edit(copy, "UPDATE events SET arguments = '{\"count\":\"1000000\"}', data = x'ff'")
        with reopen(copy) as chain, reopen_reader(path) as original:
            assert chain.call(COUNTER_ADDRESS, b"") == original.call(COUNTER_ADDRESS, b"")
            with pytest.raises(AuditFailure, match=r"block 2, column events\.data"):
                list(chain.events())
        assert not verify(url_of(copy), decoder=decode_count).ok

    def audit_messages(self, path):
        return " ".join(finding.message for finding in verify(url_of(path), decoder=decode_count).findings)


def reopen_reader(path):
    return reopen(path, None)


def rewrite_rows(path, blocks):
    """Store blocks as they are, under the operator's own signature."""
    from tbill_defi.chain.heads import SignedHead

    genesis = genesis_of(path)
    head = SignedHead.sign(OPERATOR, genesis, blocks[-1].tip.height, blocks[-1].tip.hash)
    with opened(path) as database:
        replace_blocks(database, blocks)
        database.execute("UPDATE head SET hash = ?, signature = ?", (head.block_hash, head.signature))


def test_bob_and_alice_have_nonces_of_their_own(path):
    with reopen(path) as chain:
        desk = Desk(chain)
        bob = chain.nonce(BOB.address)
        desk.count(ALICE, 3)
        assert chain.nonce(BOB.address) == bob
