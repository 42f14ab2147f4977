"""Digest and plan hash, each computed a second time by other people's code."""

import re
from dataclasses import replace

import pytest
import rfc8785
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.errors import UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.settlement import (
    Batch,
    Instruction,
    Leg,
    PlanLeg,
    SignedBatch,
    SignedInstruction,
    legs_hash,
    plan_hash,
    settle_batch_arguments,
    settle_many_arguments,
)
from tests.unit.contracts.eip712 import INSTRUCTION_TYPES
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER

ADDRESSES = st.binary(min_size=20, max_size=20)
LEGS = st.builds(Leg, ADDRESSES, ADDRESSES, ADDRESSES, st.integers(0, 2**256 - 1))
INSTRUCTIONS = st.builds(
    Instruction,
    st.lists(LEGS, max_size=6).map(tuple),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**256 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcxyz0123456789.-_", min_size=1, max_size=31)
PLAN_LEGS = st.lists(st.builds(PlanLeg, NAMES, NAMES, NAMES, st.integers(1, 2**200)), min_size=1, max_size=8)


def typed(instruction, chain_id, contract):
    """What a wallet shows and signs: EIP-712 JSON."""
    domain = {"name": "tbill_defi Settlement", "version": "1", "chainId": chain_id, "verifyingContract": contract}
    message = {
        "legs": [
            {"token": leg.token, "from": leg.giver, "to": leg.receiver, "amount": leg.amount}
            for leg in instruction.legs
        ],
        "notBefore": instruction.not_before,
        "deadline": instruction.deadline,
        "nonce": instruction.nonce,
        "contextHash": instruction.context_hash,
        "planHash": instruction.plan_hash,
    }
    return encode_typed_data(domain, INSTRUCTION_TYPES, message)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(INSTRUCTIONS, st.integers(1, 2**53), ADDRESSES)
def test_digest_is_that_of_eth_account(instruction, chain_id, contract):
    message = typed(instruction, chain_id, contract)
    assert instruction.digest(chain_id, contract) == keccak(b"\x19" + message.version + message.header + message.body)


def test_a_wallet_signs_the_same(shared):
    """A party may sign with any EIP-712 wallet: the same 65 bytes."""
    instruction = shared.instruction(shared.exchange())
    message = typed(instruction, shared.chain.chain_id, shared.contracts.settlement)
    (index,) = [i for i, giver in enumerate(instruction.givers) if giver == shared.address("desk")]
    wallet = Account.sign_message(message, keccak(text="desk"))
    assert bytes(wallet.signature) == shared.sign(instruction).signatures[index]


def test_digest_is_the_contracts(shared):
    @settings(max_examples=25, derandomize=True, deadline=None)
    @given(INSTRUCTIONS)
    def check(instruction):
        told = shared.ledger.call("Settlement", shared.contracts.settlement, "hashInstruction", instruction.abi_value())
        assert told == instruction.digest(shared.chain.chain_id, shared.contracts.settlement)

    check()


def test_digest_names_chain_and_contract():
    instruction = Instruction((Leg(bytes(20), bytes(20), bytes(20), 1),), 0, 1, 2)
    digests = {instruction.digest(chain, bytes(19) + bytes((last,))) for chain in (1, 2) for last in (1, 2)}
    assert len(digests) == 4


def test_givers_are_distinct_and_ascending():
    legs = [Leg(bytes(20), bytes((n,)) * 20, bytes(20), 1) for n in (3, 1, 2, 3, 1)]
    assert Instruction(tuple(legs), 0, 0, 0).givers == [bytes((n,)) * 20 for n in (1, 2, 3)]


def recomputed(context, legs):
    """By the recipe's words alone."""
    words = b""
    for asset, giver, receiver, amount in sorted(legs):
        for text in (asset, giver, receiver):
            words += text.encode().ljust(32, b"\0")
        words += amount.to_bytes(32, "big")
    return keccak(keccak(rfc8785.dumps(context)) + keccak(words))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(PLAN_LEGS)
def test_plan_hash_from_scratch(legs):
    context = {"market": "0x00", "lot": "1000", "rate": 0.0363}
    raw = [(leg.asset, leg.from_party, leg.to_party, leg.amount) for leg in legs]
    assert plan_hash(keccak(rfc8785.dumps(context)), legs) == recomputed(context, raw)
    assert plan_hash(bytes(32), reversed(legs)) == plan_hash(bytes(32), legs)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(PLAN_LEGS)
def test_order_of_names_is_the_order_of_their_bytes(legs):
    """The contract sorts 32-byte words, Python sorts text: one order."""
    words = [bytes32(leg.asset) + bytes32(leg.from_party) + bytes32(leg.to_party) for leg in sorted(legs)]
    assert words == sorted(words)


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "legs",
    [
        [PlanLeg("USD", "desk", "fund", 1)],
        [PlanLeg(NOTE.cusip, "desk", "fund", 3), PlanLeg("USD", "fund", "desk", 2)],
        [
            PlanLeg(OTHER.cusip, "fund", "desk", 5),
            PlanLeg(NOTE.cusip, "desk", "fund", 3),
            PlanLeg(NOTE.cusip, "fund", "desk", 1),
            PlanLeg("USD", "desk", "fund", 2 * DOLLAR),
        ],
    ],
    ids=["cash alone", "two legs", "unsorted"],
)
def test_the_contract_recomputes_the_same_plan_hash(bench, legs):
    context = keccak(b"context")
    receipt = bench.settle(bench.sign(bench.planned(legs, context)))
    assert receipt.status
    (entry,) = bench.ledger.tape()
    assert entry.plan_hash == "0x" + plan_hash(context, legs).hex()
    assert plan_hash(context, [PlanLeg(t.asset, t.giver, t.receiver, t.amount) for t in entry.legs]) == plan_hash(
        context, legs
    )


def test_every_part_is_in_the_hash():
    legs = [PlanLeg("USD", "desk", "dealer", 5), PlanLeg("912810QL5", "dealer", "desk", 7)]
    changed = [
        [replace(legs[0], asset="EUR"), legs[1]],
        [replace(legs[0], from_party="fund"), legs[1]],
        [replace(legs[0], to_party="fund"), legs[1]],
        [replace(legs[0], amount=6), legs[1]],
        legs[:1],
    ]
    hashes = {plan_hash(bytes(32), which) for which in (legs, *changed)} | {plan_hash(b"\1" * 32, legs)}
    assert len(hashes) == 7


def test_no_legs_hash_nothing():
    assert legs_hash([]) == keccak(b"")


SIGNED = st.builds(SignedInstruction, INSTRUCTIONS, st.lists(st.binary(max_size=300), max_size=3).map(tuple))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(SIGNED, max_size=4))
def test_what_is_packed_is_read_back(signed):
    accounts, packed = settle_many_arguments(signed)
    assert unpacked(accounts, packed, own_signatures=True) == signed
    assert len(set(accounts)) == len(accounts)
    batch = SignedBatch(Batch(tuple(each.instruction for each in signed)), (b"one", b"two"))
    accounts, packed, signatures = settle_batch_arguments(batch)
    found = unpacked(accounts, packed, own_signatures=False)
    assert [each.instruction for each in found] == list(batch.batch.instructions)
    assert signatures == [b"one", b"two"]


def unpacked(accounts, packed, *, own_signatures):
    """A reader of the form that contracts/README.md states."""
    at = 0

    def take(size):
        nonlocal at
        at += size
        assert at <= len(packed)
        return packed[at - size : at]

    def number(size=None):
        return int.from_bytes(take(number(1) if size is None else size), "big")

    def instruction():
        not_before, deadline, nonce, context, plan = (number() for _ in range(5))
        legs = [Leg(*(accounts[number(2)] for _ in range(3)), number()) for _ in range(number(1))]
        hashes = context.to_bytes(32, "big"), plan.to_bytes(32, "big")
        signatures = tuple(take(number(2)) for _ in range(number(1) if own_signatures else 0))
        return SignedInstruction(Instruction(tuple(legs), not_before, deadline, nonce, *hashes), signatures)

    found = [instruction() for _ in range(number(2))]
    assert at == len(packed)
    return found


LEG = Leg(bytes(20), b"\1" * 20, bytes(20), 1)


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        (SignedInstruction(Instruction((LEG,), 0, 1, -1), ()), "instruction: -1 is not in [0, 2^256)"),
        (SignedInstruction(Instruction((LEG,), 0, 1, 2**256), ()), f"instruction: {2**256} is not in [0, 2^256)"),
        (SignedInstruction(Instruction((LEG,) * 256, 0, 1, 2), ()), "legs of an instruction: 256 are too many"),
        (SignedInstruction(Instruction((LEG,), 0, 1, 2), (bytes(2**16),)), "bytes of a signature: 65536 are too many"),
    ],
)
def test_what_has_no_packed_form(signed, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        settle_many_arguments([signed])
