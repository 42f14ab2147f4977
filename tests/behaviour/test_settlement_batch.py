"""Instructions that were signed as one list: what settles of it, and every other list that nobody signed."""

from dataclasses import replace

import pytest

from tbill_defi.ledger.abi import decode_log, decode_revert, encode_call
from tbill_defi.ledger.settlement import Batch, SignedBatch, SignedInstruction, settle_batch_arguments
from tests.unit.ledger.support import OUTSIDER, Bench, refusal, stocked_ledger

SETTLEMENT = "Settlement"


def settle_batch(bench, signed, sender=OUTSIDER):
    data = encode_call(SETTLEMENT, "settleBatch", *settle_batch_arguments(signed))
    return bench.transact(sender, bench.contracts.settlement, data)


@pytest.mark.invariant("I5")
@pytest.mark.invariant("I6")
def test_a_list_settles_as_its_instructions_would(bench):
    """One signature a giver; what fails leaves the others, and the list brought again settles nothing twice."""
    with stocked_ledger() as ledger:
        twin = Bench(ledger)
        faces = (1_000, 2_500, 10**9, 3)
        instructions = [bench.instruction(bench.exchange(face)) for face in faces]
        signed = bench.sign_batch(*instructions)
        receipt = settle_batch(bench, signed)
        names = [decode_log(log).name for log in receipt.logs]
        assert (names.count("Settled"), names.count("InstructionFailed")) == (3, 1), "10^9 are more than there are"
        for face in faces:
            twin.settle(twin.sign(twin.instruction(twin.exchange(face))))
        assert bench.state() == twin.state()
        events = [decode_log(log) for log in settle_batch(bench, signed).logs]
        reasons = [decode_revert(bytes.fromhex(e.arguments["reason"][2:]))[0] for e in events]
        assert reasons == ["NonceAlreadyUsed", "NonceAlreadyUsed", "ERC20InsufficientBalance", "NonceAlreadyUsed"]
        assert bench.state() == twin.state()


@pytest.mark.invariant("I6")
def test_a_list_is_signed_as_it_is_or_not_at_all(unmoved):
    """Cut, sorted otherwise, added to, with one twice, or as the instruction that it holds: nobody signed that."""
    first, second, third = (unmoved.instruction(unmoved.exchange(face)) for face in (1_000, 2_000, 3_000))
    signed = unmoved.sign_batch(first, second)
    for others in ((first,), (second,), (second, first), (first, second, third), (first, second, second)):
        changed = replace(signed, batch=Batch(others))
        assert refusal(settle_batch(unmoved, changed))[0] == "InvalidSignature"
    alone = unmoved.sign_batch(first)
    assert refusal(unmoved.settle(SignedInstruction(first, alone.signatures)))[0] == "InvalidSignature"
    of_one = SignedBatch(Batch((first,)), unmoved.sign(first).signatures)
    assert refusal(settle_batch(unmoved, of_one))[0] == "InvalidSignature"


@pytest.mark.invariant("I6")
def test_a_list_wants_everyone_who_gives_in_it(unmoved):
    signed = unmoved.sign_batch(*(unmoved.instruction(unmoved.exchange()) for _ in range(2)))
    for signatures in ((), signed.signatures[:1], signed.signatures * 2):
        assert refusal(settle_batch(unmoved, replace(signed, signatures=signatures)))[0] == "SignatureCountMismatch"
    for signatures in (signed.signatures[::-1], (signed.signatures[0],) * 2, (signed.signatures[0], b"")):
        assert refusal(settle_batch(unmoved, replace(signed, signatures=signatures)))[0] == "InvalidSignature"
    assert refusal(settle_batch(unmoved, SignedBatch(Batch(()), ())))[0] == "NothingToSettle"


@pytest.mark.invariant("I6")
def test_a_list_is_of_one_chain_and_one_contract(unmoved):
    batch = unmoved.sign_batch(unmoved.instruction(unmoved.exchange())).batch
    chain, settlement = unmoved.chain.chain_id, unmoved.contracts.settlement
    for digest in (batch.digest(chain + 1, settlement), batch.digest(chain, unmoved.usd)):
        signatures = unmoved.signatures(batch.givers, digest)
        assert refusal(settle_batch(unmoved, SignedBatch(batch, signatures)))[0] == "InvalidSignature"


def test_the_contract_hashes_a_list_as_its_signers_do(bench):
    batch = bench.sign_batch(*(bench.instruction(bench.exchange(face)) for face in (1, 2, 3))).batch
    values = [each.abi_value() for each in batch.instructions]
    for these in (values, values[:1], []):
        found = bench.ledger.call(SETTLEMENT, bench.contracts.settlement, "hashBatch", these)
        of = Batch(batch.instructions[: len(these)])
        assert found == of.digest(bench.chain.chain_id, bench.contracts.settlement)
