"""A decision is the contracts' own answer: the largest amount passes, one unit more does not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tbill_defi.core.errors import ComplianceRejection
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import sanction
from tbill_defi.ledger.decisions import CAP_CODE, MESSAGES, RULES, SENDER_CODES, STANDING_CODES, decide
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.settlement import PlanLeg
from tests.unit.ledger.support import DOLLAR, NOTE, refusal

FACE = 600_000 * DOLLAR


def ask(bench, leg, **changes):
    """The decision on one leg."""
    (decision,) = decide(bench.ledger, [leg], bench.planned([leg], b"\1" * 32), **changes)
    return decision


def sell(amount=FACE, giver="desk", receiver="fund"):
    return PlanLeg(NOTE.cusip, giver, receiver, amount)


def hold(bench, amount):
    data = encode_call(
        "SecurityToken", "createHold", bytes32("h"), bench.address("dealer"), bench.address("fund"), amount, 2**40
    )
    assert bench.transact("desk", bench.note, data).status


def revoke(bench, party):
    bench.ledger.set_claim(party, 0)


def expire(bench, party):
    bench.ledger.set_claim(party, bench.chain.now() + 1)
    bench.chain.advance_clock(60)


def forget(bench, party):
    data = encode_call("IdentityRegistry", "removeWallet", bench.address(party))
    assert bench.transact("registrar", bench.contracts.identity_registry, data).status


PARTIAL = {
    "balance": (lambda b: None, sell(1_000_001 * DOLLAR), 6, "balance", 1_000_000 * DOLLAR),
    "trade limit": (lambda b: b.ledger.set_trade_limit(5 * DOLLAR), sell(), 7, "trade-limit", 5 * DOLLAR),
    "frozen": (lambda b: b.ledger.freeze("desk", NOTE.cusip, 900_000 * DOLLAR), sell(), 5, "frozen", 100_000 * DOLLAR),
    "hold": (lambda b: hold(b, 700_000 * DOLLAR), sell(), 8, "hold", 300_000 * DOLLAR),
    "cash": (lambda b: None, PlanLeg("USD", "fund", "desk", 2**90), 6, "balance", 500_000 * DOLLAR),
}
"""Rule -> what is done first, the leg asked about, code, rule, largest amount."""


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("case", PARTIAL)
def test_largest_passes_and_one_more_does_not(bench, case):
    prepare, leg, code, rule, largest = PARTIAL[case]
    prepare(bench)
    decision = ask(bench, leg)
    assert (decision.ok, decision.code, decision.rule, decision.largest_amount) == (False, code, rule, largest)
    assert (decision.asset, decision.amount) == (leg.asset, leg.amount)
    assert "over" in decision.message
    assert ask(bench, replace(leg, amount=largest)).ok
    assert not ask(bench, replace(leg, amount=largest + 1)).ok
    before = bench.state()
    refused = bench.settle(bench.sign(bench.planned([replace(leg, amount=largest + 1)], b"\2" * 32)))
    assert not refused.status
    assert bench.state() == before
    assert bench.settle(bench.sign(bench.planned([replace(leg, amount=largest)], b"\2" * 32))).status


NOTHING = {
    "sender unknown": (lambda b: forget(b, "desk"), 1, "identity", "desk", "ERC7943CannotSend"),
    "recipient unknown": (lambda b: forget(b, "fund"), 2, "identity", "fund", "ERC7943CannotReceive"),
    "sender revoked": (lambda b: revoke(b, "desk"), 3, "claim", "desk", "ERC7943CannotSend"),
    "sender expired": (lambda b: expire(b, "desk"), 3, "claim", "desk", "ERC7943CannotSend"),
    "recipient revoked": (lambda b: revoke(b, "fund"), 4, "claim", "fund", "ERC7943CannotReceive"),
    "recipient expired": (lambda b: expire(b, "fund"), 4, "claim", "fund", "ERC7943CannotReceive"),
    "sender sanctioned": (lambda b: sanction(b.ledger, ["desk"]), 18, "sanctions", "desk", "ERC7943CannotSend"),
    "recipient sanctioned": (lambda b: sanction(b.ledger, ["fund"]), 19, "sanctions", "fund", "ERC7943CannotReceive"),
    "everything frozen": (
        lambda b: b.ledger.freeze("desk", NOTE.cusip, 2**80),
        5,
        "frozen",
        "desk",
        "ERC7943InsufficientUnfrozenBalance",
    ),
    "trade limit zero": (lambda b: b.ledger.set_trade_limit(0), 7, "trade-limit", "fund", "ERC7943CannotTransfer"),
}
"""Rule -> what is done first, code, rule, party it speaks of, the contract's error."""


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("case", NOTHING)
def test_nothing_passes(bench, case):
    prepare, code, rule, party, error = NOTHING[case]
    instruction = bench.instruction([bench.leg(bench.note, "desk", "fund", 1)], deadline=2**40)
    prepare(bench)
    (decision,) = decide(bench.ledger, [sell(1)], instruction)
    assert (decision.ok, decision.code, decision.rule, decision.party) == (False, code, rule, party)
    assert decision.largest_amount == 0
    before = bench.state()
    assert refusal(bench.settle(bench.sign(instruction)))[0] == error
    assert bench.state() == before


def test_last_second_of_a_claim_counts(bench):
    """A claim holds until its expiry, inclusive."""
    bench.ledger.set_claim("desk", bench.chain.now() + 1)
    assert ask(bench, sell(1)).ok
    bench.chain.advance_clock(1)
    assert ask(bench, sell(1)).code == 3


def test_a_decision_that_passes(shared):
    decision = ask(shared, sell())
    assert (decision.ok, decision.code, decision.rule) == (True, 0, "none")
    assert decision.largest_amount == 1_000_000 * DOLLAR
    assert decision.describe().startswith(f"{NOTE.cusip} ")


def test_the_answer_is_of_the_state_after_the_deposits(shared):
    leg = sell(giver="dealer", receiver="desk", amount=DOLLAR)
    assert ask(shared, leg).code == 6
    issue = Step("issuer", shared.note, encode_call("SecurityToken", "issue", shared.address("dealer"), DOLLAR))
    before = shared.state()
    assert ask(shared, leg, after=[issue]).ok
    assert shared.state() == before, "asking leaves no trace"
    assert ask(shared, leg).code == 6


def test_who_may_not_hold_is_named_when_the_deposit_to_it_fails(bench):
    """Nothing can be issued to it, so `judge` has nothing to say; legs of securities are asked about by themselves."""
    revoke(bench, "fund")
    legs = sorted([sell(1), PlanLeg("USD", "fund", "desk", 1)])
    issue = Step("issuer", bench.note, encode_call("SecurityToken", "issue", bench.address("fund"), 1))
    with pytest.raises(ComplianceRejection) as refused:
        decide(bench.ledger, legs, bench.planned(legs, b"\1" * 32), after=[issue])
    assert [(one.asset, one.code, one.party) for one in refused.value.decisions] == [(NOTE.cusip, 4, "fund")]


def test_one_decision_per_leg_in_order(shared):
    legs = sorted([sell(), PlanLeg("USD", "fund", "desk", 2**80), PlanLeg("USD", "desk", "fund", 1)])
    decisions = decide(shared.ledger, legs, shared.planned(legs, b"\1" * 32))
    assert [(d.asset, d.ok) for d in decisions] == [(NOTE.cusip, True), ("USD", True), ("USD", False)]


@pytest.mark.invariant("I3")
def test_legs_count_for_those_after_them(bench):
    """The contract is asked on the state that the legs before leave: what is bought first can be sold."""
    legs = [sell(1_000_000 * DOLLAR), sell(1_500_000 * DOLLAR, "fund", "desk"), sell(1, "desk", "dealer")]
    instruction = bench.instruction([bench.leg(bench.note, one.from_party, one.to_party, one.amount) for one in legs])
    decisions = decide(bench.ledger, legs, instruction)
    assert [d.ok for d in decisions] == [True, True, True]
    bench.ledger.send([rule(bench, "setVolumeLimit", 2_000_000 * DOLLAR, 3_600)])
    decisions = decide(bench.ledger, legs, instruction)
    assert [(d.ok, d.code, d.largest_amount) for d in decisions] == [
        (True, 0, 1_000_000 * DOLLAR),
        (False, 12, 1_000_000 * DOLLAR),
        (False, 6, 0),
    ]
    assert not bench.settle(bench.sign(instruction)).status


def test_a_denomination_is_named(bench):
    place = bench.contracts.asset_registry
    data = encode_call("AssetRegistry", "setDenomination", bench.note, 100 * DOLLAR)
    bench.ledger.send([Step("issuer", place, data)])
    decision = ask(bench, sell(250 * DOLLAR))
    assert (decision.ok, decision.rule, decision.largest_amount) == (False, "denomination", 200 * DOLLAR)
    assert ask(bench, sell(200 * DOLLAR)).ok


def rule(bench, function, *values):
    return Step("compliance", bench.contracts.compliance, encode_call("Compliance", function, *values))


CODES = Path(__file__).parents[3] / "contracts" / "src" / "RestrictionCodes.sol"
WORDS = {
    **{"SUCCESS": "none", "UNKNOWN": "identity", "CLAIM": "claim", "FROZEN": "frozen", "BALANCE": "balance"},
    **{"TRADE_LIMIT": "trade-limit", "HELD": "hold", "PAUSED": "paused", "COUNTRY": "country", "VOLUME": "volume"},
    **{"HOLDING_CAP": "holding-cap", "DENOMINATION": "denomination", "IN_DEFAULT": "default", "STOPPED": "stopped"},
    **{"SANCTIONED": "sanctions", "REQUIRED_CLAIM": "required-claim", "SHARE_OF_SUPPLY": "share-of-supply"},
    **{"HOLDER_COUNT": "holder-count", "LOCK_UP": "lock-up", "MINIMUM": "minimum-holding", "RULE": "rule"},
}
"""What each of the contracts' codes is about, whosever side it is."""
NAMELESS = ("FROZEN", "BALANCE", "HELD", "LOCK_UP")
"""Codes of the sender's that do not say so."""


def test_codes_are_those_of_the_contracts():
    names = {int(code): name for name, code in re.findall(r"constant (\w+) = (\d+);", CODES.read_text())}
    abouts = {code: re.sub("^(SENDER|RECIPIENT)_", "", name) for code, name in names.items()}
    assert {code: WORDS[about] for code, about in abouts.items()} == RULES
    assert set(MESSAGES) == set(RULES) - {0}
    for code, name in names.items():
        side = name.split("_")[0].lower()
        if side in ("sender", "recipient"):
            assert MESSAGES[code].startswith(f"the {side}")
    own = {"UNKNOWN", "CLAIM", "COUNTRY", "VOLUME", "SANCTIONED", "MINIMUM"}
    givers = {code for code, name in names.items() if name.startswith("SENDER_") and abouts[code] in own}
    assert givers | {code for code, name in names.items() if name in NAMELESS} == set(SENDER_CODES)
    standing = {"UNKNOWN", "CLAIM", "COUNTRY", "SANCTIONED", "STOPPED"}
    assert {code for code, about in abouts.items() if about in standing} == set(STANDING_CODES)
    assert names[CAP_CODE] == "HOLDING_CAP"
