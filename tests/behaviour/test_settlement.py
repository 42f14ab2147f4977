"""Delivery versus payment through signed transactions: what settles, and every attack and bad input that does not."""

from dataclasses import replace

import pytest

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import decode_log, decode_revert, encode_call
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg, SignedInstruction, plan_hash, settle_many_arguments
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, OUTSIDER, Bench, refusal, stocked_ledger

CONTEXT = bytes.fromhex("c0" * 32)
PLAN = (
    PlanLeg(NOTE.cusip, "desk", "fund", 1_000 * DOLLAR),
    PlanLeg(OTHER.cusip, "fund", "desk", 2_000 * DOLLAR),
    PlanLeg("USD", "desk", "fund", 990 * DOLLAR),
)
SETTLEMENT = "Settlement"
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1."""


def reordered(signed, order):
    return replace(signed, signatures=tuple(signed.signatures[i] for i in order))


# --- what settles ---------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I6")
def test_all_legs_settle(bench):
    before = bench.state()
    signed = bench.sign(bench.instruction(bench.exchange()))
    receipt = bench.settle(signed)
    assert receipt.status
    moved = {k: bench.state()[k] - v for k, v in before.items() if bench.state()[k] != v}
    assert moved == {
        "tape": 1,
        "desk note balanceOf": -1_000 * DOLLAR,
        "fund note balanceOf": 1_000 * DOLLAR,
        "desk usd": 990 * DOLLAR,
        "fund usd": -990 * DOLLAR,
    }
    events = [decode_log(log) for log in receipt.logs]
    assert [e.name for e in events] == ["Transfer", "Transfer", "Settled"]
    digest = signed.instruction.digest(bench.chain.chain_id, bench.contracts.settlement)
    assert events[-1].arguments["instructionHash"] == "0x" + digest.hex()


def test_anyone_may_bring_it(bench):
    assert bench.settle(bench.sign(bench.instruction(bench.exchange())), sender="stranger").status


def test_bounds_of_time_are_inclusive(bench):
    now = bench.chain.now()
    assert bench.settle(bench.sign(bench.instruction(bench.exchange(), not_before=now, deadline=now))).status


def test_a_plan_settles_under_its_hash(bench):
    instruction = bench.planned(PLAN, CONTEXT)
    receipt = bench.settle(bench.sign(instruction))
    settled = decode_log(receipt.logs[-1])
    assert settled.arguments["planHash"] == "0x" + plan_hash(CONTEXT, PLAN).hex()
    assert settled.arguments["contextHash"] == "0x" + CONTEXT.hex()
    for party in ("desk", "fund"):
        assert bench.ledger.call(
            SETTLEMENT, bench.contracts.settlement, "isPlanSettled", bench.address(party), instruction.plan_hash
        )


def test_64_legs_settle_within_a_transaction(bench):
    legs = [bench.leg(bench.note, "desk", "fund", n + 1) for n in range(63)]
    receipt = bench.settle(bench.sign(bench.instruction([*legs, bench.leg(bench.usd, "fund", "desk", 63)])))
    assert receipt.status
    assert receipt.gas_used < 2**24 // 4


def test_64_legs_of_a_plan_between_new_wallets_settle_within_a_transaction(bench):
    """The dearest plan: 63 securities that the receiver never held, and cash."""
    notes = [NOTE.model_copy(update={"cusip": f"91282C{n:03d}"}) for n in range(63)]
    for part in (notes[:21], notes[21:42], notes[42:]):
        bench.ledger.deposit("desk", dict.fromkeys(part, 1000 * DOLLAR))
    legs = [PlanLeg(note.cusip, "desk", "dealer", 1_000 * DOLLAR) for note in notes]
    bench.ledger.deposit("dealer", {}, 70_000 * DOLLAR)
    legs = sorted([*legs, PlanLeg("USD", "dealer", "desk", 63_000 * DOLLAR)])
    tokens = {note.cusip: bench.ledger.token_of(note.cusip) for note in notes} | {"USD": bench.usd}
    raw = [bench.leg(tokens[leg.asset], leg.from_party, leg.to_party, leg.amount) for leg in legs]
    instruction = bench.instruction(raw, context_hash=CONTEXT, plan_hash=plan_hash(CONTEXT, legs))
    receipt = bench.settle(bench.sign(instruction))
    assert receipt.status
    assert receipt.gas_used < 2**24 // 4


# --- authority ------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I6")
def test_replay(bench):
    signed = bench.sign(bench.instruction(bench.exchange()))
    assert bench.settle(signed).status
    before = bench.state()
    name, arguments = refusal(bench.settle(signed))
    assert (name, arguments["nonce"]) == ("NonceAlreadyUsed", signed.instruction.nonce)
    assert bench.state() == before


@pytest.mark.invariant("I6")
def test_a_nonce_serves_once_per_giver(bench):
    first = bench.instruction(bench.exchange())
    assert bench.settle(bench.sign(first)).status
    before = bench.state()
    other = bench.instruction([bench.leg(bench.other, "desk", "dealer", DOLLAR)], nonce=first.nonce)
    assert refusal(bench.settle(bench.sign(other)))[0] == "NonceAlreadyUsed"
    assert bench.state() == before
    bench.ledger.deposit("dealer", {OTHER: DOLLAR})
    own = bench.instruction([bench.leg(bench.other, "dealer", "desk", DOLLAR)], nonce=first.nonce)
    assert bench.settle(bench.sign(own)).status, "the dealer never used this number"


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("canceller", ["desk", "fund"])
def test_a_giver_cancels(bench, canceller):
    signed = bench.sign(bench.instruction(bench.exchange()))
    cancel = encode_call(SETTLEMENT, "cancel", signed.instruction.nonce)
    receipt = bench.transact(canceller, bench.contracts.settlement, cancel)
    assert receipt.status
    assert [decode_log(log).name for log in receipt.logs] == ["NonceCancelled"]
    before = bench.state()
    name, arguments = refusal(bench.settle(signed))
    assert (name, arguments["giver"]) == ("NonceAlreadyUsed", bench.address(canceller))
    assert bench.state() == before
    assert refusal(bench.transact(canceller, bench.contracts.settlement, cancel))[0] == "NonceAlreadyUsed"


@pytest.mark.invariant("I6")
def test_who_cancels_another_burns_his_own_only(bench):
    signed = bench.sign(bench.instruction(bench.exchange()))
    cancel = encode_call(SETTLEMENT, "cancel", signed.instruction.nonce)
    assert bench.transact(OUTSIDER, bench.contracts.settlement, cancel).status
    used = [
        bench.ledger.call(SETTLEMENT, bench.contracts.settlement, "isNonceUsed", who, signed.instruction.nonce)
        for who in (OUTSIDER.address, bench.address("desk"), bench.address("fund"))
    ]
    assert used == [True, False, False]
    assert bench.settle(signed).status


@pytest.mark.invariant("I6")
def test_signature_for_a_foreign_chain(unmoved):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()), chain_id=1)
    assert refusal(unmoved.settle(signed))[0] == "InvalidSignature"


@pytest.mark.invariant("I6")
def test_signature_for_a_foreign_contract(unmoved):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()), contract=unmoved.contracts.compliance)
    assert refusal(unmoved.settle(signed))[0] == "InvalidSignature"


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    ("order", "error"),
    [
        ((), "SignatureCountMismatch"),
        ((0,), "SignatureCountMismatch"),
        ((1,), "SignatureCountMismatch"),
        ((0, 1, 1), "SignatureCountMismatch"),
        ((1, 0), "InvalidSignature"),
        ((0, 0), "InvalidSignature"),
        ((1, 1), "InvalidSignature"),
    ],
    ids=["none", "first only", "second only", "extra", "swapped", "first twice", "second twice"],
)
def test_exactly_one_signature_of_each_giver_in_order(unmoved, order, error):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()))
    assert refusal(unmoved.settle(reordered(signed, order)))[0] == error


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "bend",
    [
        lambda s: b"",
        lambda s: s[:64],
        lambda s: s + b"\0",
        lambda s: s[:64] + bytes((s[64] - 27,)),
        lambda s: s[:64] + bytes((55 - s[64],)),
        lambda s: bytes(65),
        lambda s: s[:32] + (N - int.from_bytes(s[32:64], "big")).to_bytes(32, "big") + bytes((55 - s[64],)),
        lambda s: OUTSIDER.sign_digest(bytes(32)),
    ],
    ids=["empty", "64 bytes", "66 bytes", "v 0 or 1", "other v", "zeros", "high s", "another's"],
)
def test_bent_signature(unmoved, bend):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()))
    bent = replace(signed, signatures=(bend(signed.signatures[0]), signed.signatures[1]))
    assert refusal(unmoved.settle(bent))[0] == "InvalidSignature"


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "change",
    [
        lambda i, b: replace(i, legs=i.legs[:1]),
        lambda i, b: replace(i, legs=(replace(i.legs[0], amount=i.legs[0].amount + 1), i.legs[1])),
        lambda i, b: replace(i, legs=(replace(i.legs[0], receiver=b.address("dealer")), i.legs[1])),
        lambda i, b: replace(i, legs=(replace(i.legs[0], token=b.other), i.legs[1])),
        lambda i, b: replace(i, legs=i.legs[::-1]),
        lambda i, b: replace(i, legs=(*i.legs, b.leg(b.usd, "desk", "dealer", 1))),
        lambda i, b: replace(i, nonce=i.nonce + 10**9),
        lambda i, b: replace(i, deadline=i.deadline + 1),
        lambda i, b: replace(i, not_before=i.not_before - 1),
    ],
    ids=["leg cut", "amount", "receiver", "token", "order", "leg added", "nonce", "deadline", "notBefore"],
)
def test_what_was_signed_cannot_be_changed(unmoved, change):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()))
    changed = change(signed.instruction, unmoved)
    signatures = signed.signatures[: len(changed.givers)]
    assert refusal(unmoved.settle(SignedInstruction(changed, signatures)))[0] == "InvalidSignature"


@pytest.mark.invariant("I6")
def test_another_cannot_give_a_partys_cash(unmoved):
    """Who can send any transaction but has not the desk's key."""
    theft = unmoved.instruction([Leg(unmoved.usd, unmoved.address("desk"), OUTSIDER.address, DOLLAR)])
    digest = theft.digest(unmoved.chain.chain_id, unmoved.contracts.settlement)
    for signatures in ((), (OUTSIDER.sign_digest(digest),)):
        assert not unmoved.settle(SignedInstruction(theft, signatures)).status


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I6")
def test_expired(unmoved):
    now = unmoved.chain.now()
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange(), not_before=now - 10, deadline=now - 1))
    assert refusal(unmoved.settle(signed)) == ("InstructionExpired", {"deadline": now - 1})


@pytest.mark.invariant("I6")
def test_too_early(unmoved):
    now = unmoved.chain.now()
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange(), not_before=now + 1))
    assert refusal(unmoved.settle(signed)) == ("TooEarly", {"notBefore": now + 1})


# --- legs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [False, True], ids=["exchange", "plan"])
@pytest.mark.parametrize(
    ("legs", "error"),
    [
        (lambda b: [], "NothingToSettle"),
        (lambda b: [b.leg(b.usd, "desk", "fund", 1)] * 65, "TooManyLegs"),
        (lambda b: [b.leg(b.usd, "desk", "fund", 1), b.leg(b.note, "desk", "fund", 0)], "ZeroAmount"),
        (lambda b: [b.leg(b.usd, "desk", "desk", 1)], "SelfLeg"),
        (lambda b: [Leg(OUTSIDER.address, b.address("desk"), b.address("fund"), 1)], "UnregisteredToken"),
        (lambda b: [Leg(b.contracts.security_token, b.address("desk"), b.address("fund"), 1)], "UnregisteredToken"),
        (lambda b: [Leg(bytes(20), b.address("desk"), b.address("fund"), 1)], "UnregisteredToken"),
    ],
    ids=["zero legs", "65 legs", "zero amount", "self leg", "no contract", "implementation", "zero address"],
)
def test_malformed_legs(unmoved, legs, error, plan):
    hashes = {"context_hash": CONTEXT, "plan_hash": b"\1" * 32} if plan else {}
    signed = unmoved.sign(unmoved.instruction(legs(unmoved), **hashes))
    assert refusal(unmoved.settle(signed))[0] == error


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "bad",
    [
        lambda b: b.leg(b.note, "desk", "fund", 10**15),
        lambda b: b.leg(b.usd, "fund", "desk", 10**15),
        lambda b: b.leg(b.other, "desk", "stranger", 1),
    ],
    ids=["too little of a note", "too little cash", "receiver without identity"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_leg_reverts_all(unmoved, bad, place):
    legs = list(unmoved.exchange())
    legs.insert(place, bad(unmoved))
    assert not unmoved.settle(unmoved.sign(unmoved.instruction(legs))).status


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    "other",
    [
        (replace(PLAN[0], amount=PLAN[0].amount + 1), *PLAN[1:]),
        PLAN[:2],
        (replace(PLAN[0], to_party="dealer"), *PLAN[1:]),
        (replace(PLAN[0], asset=OTHER.cusip), *PLAN[1:]),
    ],
    ids=["amount", "leg missing", "receiver", "asset"],
)
def test_the_contract_refuses_another_plan_under_a_hash(unmoved, other):
    instruction = replace(unmoved.planned(other, CONTEXT), plan_hash=plan_hash(CONTEXT, PLAN))
    name, arguments = refusal(unmoved.settle(unmoved.sign(instruction)))
    assert name == "PlanMismatch"
    assert arguments == {"expected": plan_hash(CONTEXT, other), "given": plan_hash(CONTEXT, PLAN)}


def test_the_contract_refuses_another_context(unmoved):
    instruction = replace(unmoved.planned(PLAN, CONTEXT), context_hash=bytes(32))
    assert refusal(unmoved.settle(unmoved.sign(instruction)))[0] == "PlanMismatch"


def test_a_context_needs_a_plan(unmoved):
    instruction = unmoved.instruction(unmoved.exchange(), context_hash=CONTEXT)
    assert refusal(unmoved.settle(unmoved.sign(instruction)))[0] == "PlanMismatch"


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_legs_of_a_plan_come_sorted(unmoved, order):
    instruction = unmoved.planned(PLAN, CONTEXT)
    shuffled = replace(instruction, legs=tuple(instruction.legs[i] for i in order))
    assert refusal(unmoved.settle(unmoved.sign(shuffled)))[0] == "LegsNotSorted"


def test_legs_of_a_plan_are_distinct(unmoved):
    """Two legs of one asset between the same parties are one leg: else a plan could be told in several ways."""
    twice = (PLAN[0], PLAN[0])
    assert refusal(unmoved.settle(unmoved.sign(unmoved.planned(twice, CONTEXT))))[0] == "LegsNotSorted"


@pytest.mark.invariant("I6")
def test_a_plan_settles_once(bench):
    first = bench.planned(PLAN, CONTEXT)
    assert bench.settle(bench.sign(first)).status
    before = bench.state()
    again = bench.planned(PLAN, CONTEXT)
    assert again.nonce != first.nonce
    name, arguments = refusal(bench.settle(bench.sign(again)))
    assert (name, arguments["planHash"]) == ("PlanAlreadySettled", plan_hash(CONTEXT, PLAN))
    assert bench.state() == before


# --- many at once ---------------------------------------------------------------------------------------------------


def settle_many(bench, signed):
    data = encode_call(SETTLEMENT, "settleMany", *settle_many_arguments(signed))
    return bench.transact(OUTSIDER, bench.contracts.settlement, data)


@pytest.mark.invariant("I5")
@pytest.mark.invariant("I6")
def test_one_that_fails_leaves_the_others(bench):
    before = bench.state()
    good = [bench.sign(bench.instruction(bench.exchange())) for _ in range(3)]
    expired = bench.sign(bench.instruction(bench.exchange(), deadline=bench.chain.now() - 1, not_before=0))
    short = bench.sign(bench.instruction([*bench.exchange(), bench.leg(bench.usd, "dealer", "desk", 1)]))
    unsigned = replace(bench.sign(bench.instruction(bench.exchange())), signatures=())
    receipt = settle_many(bench, [good[0], expired, good[1], short, unsigned, good[2], good[0]])
    assert receipt.status
    events = [decode_log(log) for log in receipt.logs]
    digests = {e.arguments["instructionHash"] for e in events if e.name == "Settled"}
    assert digests == {
        "0x" + s.instruction.digest(bench.chain.chain_id, bench.contracts.settlement).hex() for s in good
    }
    reasons = [
        decode_revert(bytes.fromhex(e.arguments["reason"][2:]))[0] for e in events if e.name == "InstructionFailed"
    ]
    assert reasons == ["InstructionExpired", "ERC20InsufficientBalance", "SignatureCountMismatch", "NonceAlreadyUsed"]
    after = bench.state()
    assert after["desk usd"] - before["desk usd"] == 3 * 990 * DOLLAR
    assert after["fund note balanceOf"] - before["fund note balanceOf"] == 3 * 1_000 * DOLLAR
    assert after["tape"] == 3
    for failed in (short, unsigned):
        used = bench.ledger.call(
            SETTLEMENT,
            bench.contracts.settlement,
            "isNonceUsed",
            bench.address("desk"),
            failed.instruction.nonce,
        )
        assert not used, "a failure burns no nonce"


@pytest.mark.invariant("I5")
def test_many_equal_the_singles(bench):
    """A batch is the fold of its singles, on a twin ledger."""
    with stocked_ledger() as ledger:
        twin = Bench(ledger)
        faces = (1_000, 2_500, 10**9, 3)
        assert settle_many(bench, [bench.sign(bench.instruction(bench.exchange(face))) for face in faces]).status
        for face in faces:
            twin.settle(twin.sign(twin.instruction(twin.exchange(face))))
        assert bench.state() == twin.state()


def test_many_that_are_none_or_malformed(unmoved):
    assert refusal(settle_many(unmoved, []))[0] == "NothingToSettle"
    accounts, packed = settle_many_arguments([unmoved.sign(unmoved.instruction(unmoved.exchange()))])
    for some, these in ((accounts, packed[:-1]), (accounts, packed + b"\0"), (accounts[:-1], packed), (accounts, b"")):
        data = encode_call(SETTLEMENT, "settleMany", some, these)
        refused = unmoved.transact(OUTSIDER, unmoved.contracts.settlement, data)
        assert refusal(refused)[0] == "MalformedInstruction"


@pytest.mark.parametrize("signed_as_list", [False, True])
def test_only_settlement_settles_one(unmoved, signed_as_list):
    signed = unmoved.sign(unmoved.instruction(unmoved.exchange()))
    digest = signed.instruction.digest(unmoved.chain.chain_id, unmoved.contracts.settlement)
    arguments = (digest, signed_as_list, signed.instruction.abi_value(), list(signed.signatures))
    data = encode_call(SETTLEMENT, "settleOne", *arguments)
    assert refusal(unmoved.transact(OUTSIDER, unmoved.contracts.settlement, data))[0] == "OnlySettlement"


# --- doors that are not Settlement's --------------------------------------------------------------------------------

PRIVILEGED = [
    ("CashToken", "usd", "settlementTransfer", lambda b: (b.address("desk"), b.address("fund"), 1), "NotSettlement"),
    (
        "SecurityToken",
        "note",
        "settlementTransfer",
        lambda b: (b.address("desk"), b.address("fund"), 1),
        "NotSettlement",
    ),
    *(
        (contract, token, function, arguments, "AccessManagedUnauthorized")
        for contract, token, function, arguments in (
            ("CashToken", "usd", "issue", lambda b: (OUTSIDER.address, 1)),
            ("CashToken", "usd", "redeem", lambda b: (b.address("desk"), 1)),
            ("SecurityToken", "note", "issue", lambda b: (b.address("desk"), 1)),
            ("SecurityToken", "note", "redeem", lambda b: (b.address("desk"), 1)),
            ("SecurityToken", "note", "redeemMatured", lambda b: (b.address("desk"), 1)),
            ("SecurityToken", "note", "setFrozenTokens", lambda b: (b.address("desk"), 1)),
            ("SecurityToken", "note", "forcedTransfer", lambda b: (b.address("desk"), b.address("fund"), 1)),
            (
                "SecurityToken",
                "note",
                "forcedTransferEndingHolds",
                lambda b: (b.address("desk"), b.address("fund"), 1, []),
            ),
        )
    ),
]


@pytest.mark.parametrize(
    "caller", [OUTSIDER, "desk", "admin", "operator"], ids=["outsider", "desk", "admin", "operator"]
)
@pytest.mark.parametrize(
    ("contract", "token", "function", "arguments", "error"),
    PRIVILEGED,
    ids=[f"{c}.{f}" for c, _, f, _, _ in PRIVILEGED],
)
def test_no_one_moves_what_is_not_his(unmoved, caller, contract, token, function, arguments, error):
    """Neither the administrator, who grants roles and holds none, nor the operator, who orders transactions."""
    data = encode_call(contract, function, *arguments(unmoved))
    assert refusal(unmoved.transact(caller, getattr(unmoved, token), data))[0] == error


@pytest.mark.parametrize(
    ("contract", "place", "function", "arguments"),
    [
        ("IdentityRegistry", "identity_registry", "registerIdentity", (bytes32("mallory"), 840, 2**63)),
        ("IdentityRegistry", "identity_registry", "setClaim", (bytes32("desk"), 0)),
        ("IdentityRegistry", "identity_registry", "registerWallet", (OUTSIDER.address, bytes32("desk"))),
        ("IdentityRegistry", "identity_registry", "removeWallet", (OUTSIDER.address,)),
        ("Compliance", "compliance", "setTradeLimit", (0,)),
        ("AssetFactory", "asset_factory", "create", (bytes32("912797AAA"), bytes(32), 0)),
        ("AssetRegistry", "asset_registry", "register", (OUTSIDER.address,)),
        ("RoleManager", "role_manager", "grantRole", (2, OUTSIDER.address, 0)),
        ("RoleManager", "role_manager", "setTargetClosed", (OUTSIDER.address, True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_one_gives_himself_authority(unmoved, contract, place, function, arguments):
    data = encode_call(contract, function, *arguments)
    receipt = unmoved.transact(OUTSIDER, getattr(unmoved.contracts, place), data)
    assert refusal(receipt)[0] in ("AccessManagedUnauthorized", "AccessManagerUnauthorizedAccount")


def test_the_plain_transfer_obeys_the_rules_too(unmoved):
    data = encode_call("SecurityToken", "transfer", OUTSIDER.address, 1)
    assert refusal(unmoved.transact("desk", unmoved.note, data))[0] == "ERC7943CannotReceive"


# --- one's own keys -------------------------------------------------------------------------------------------------


def test_a_sender_is_who_signed(unmoved):
    """A transaction names no sender: another key makes another sender, whatever its author claims."""
    thief = SigningKey.from_seed("thief")
    data = encode_call("CashToken", "transfer", thief.address, DOLLAR)
    name, arguments = refusal(unmoved.transact(thief, unmoved.usd, data))
    assert (name, arguments["sender"]) == ("ERC20InsufficientBalance", thief.address)


def test_instruction_is_what_the_contract_hashes(hall):
    for instruction in (
        hall.instruction(hall.exchange()),
        hall.planned(PLAN, CONTEXT),
        Instruction((), 0, 2**64 - 1, 2**256 - 1, b"\xff" * 32, b"\1" * 32),
    ):
        digest = instruction.digest(hall.chain.chain_id, hall.contracts.settlement)
        assert (
            hall.ledger.call(SETTLEMENT, hall.contracts.settlement, "hashInstruction", instruction.abi_value())
            == digest
        )
