"""A security's own rules come out of the contracts as decisions: code, rule, and the largest amount that passes."""

from dataclasses import replace

import pytest

from tbill_defi.ledger.claims import InvestorClass, Topic, issue, trust
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.settlement import PlanLeg
from tbill_defi.ledger.token_rules import TokenRules, set_token_rules, token_rules
from tests.unit.ledger.support import DOLLAR, NOTE

FACE = 600_000 * DOLLAR
RULES = {
    "share of supply": (TokenRules(share_of_supply_bp=2_500), 21, "share-of-supply", 375_000 * DOLLAR),
    "minimum holding": (TokenRules(minimum_holding=500_000 * DOLLAR), 24, "minimum-holding", 500_000 * DOLLAR),
    "too small": (TokenRules(minimum_holding=900_000 * DOLLAR), 25, "minimum-holding", 0),
    "holders": (TokenRules(most_holders=1), 22, "holder-count", 0),
    "claims": (TokenRules(classes=frozenset({InvestorClass.ACCREDITED})), 20, "required-claim", 0),
}


def ask(bench, amount):
    leg = PlanLeg(NOTE.cusip, "desk", "dealer", amount)
    (decision,) = decide(bench.ledger, [leg], bench.planned([leg], b"\1" * 32))
    return decision


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("case", RULES)
def test_the_largest_amount_under_each_rule(bench, case):
    rules, code, name, largest = RULES[case]
    set_token_rules(bench.ledger, NOTE.cusip, rules)
    assert token_rules(bench.ledger, NOTE.cusip) == rules
    decision = ask(bench, FACE)
    assert (decision.ok, decision.code, decision.rule, decision.largest_amount) == (False, code, name, largest)
    if largest:
        assert ask(bench, largest).ok
    set_token_rules(bench.ledger, NOTE.cusip, TokenRules())
    assert ask(bench, FACE).ok


def test_what_was_received_is_locked(bench):
    rules = TokenRules(lock_up_seconds=86_400)
    set_token_rules(bench.ledger, NOTE.cusip, rules)
    assert ask(bench, FACE).ok, "had before"
    leg = PlanLeg(NOTE.cusip, "desk", "dealer", FACE)
    assert bench.settle(bench.sign(bench.planned([leg], b"\2" * 32))).status
    back = replace(leg, from_party="dealer", to_party="desk", amount=1)
    (decision,) = decide(bench.ledger, [back], bench.planned([back], b"\3" * 32))
    assert (decision.code, decision.rule, decision.party) == (23, "lock-up", "dealer")
    bench.chain.advance_clock(86_400)
    (decision,) = decide(bench.ledger, [back], bench.planned([back], b"\3" * 32))
    assert decision.ok


def test_a_claim_of_the_class_lets_in(bench):
    accredited = InvestorClass.ACCREDITED
    set_token_rules(bench.ledger, NOTE.cusip, TokenRules(classes=frozenset({accredited})))
    trust(bench.ledger, "stranger", [Topic.INVESTOR])
    issue(bench.ledger, "dealer", Topic.INVESTOR, issuer="stranger", expiry=2**40, class_=accredited)
    assert ask(bench, FACE).ok
    trust(bench.ledger, "stranger", [])
    assert ask(bench, FACE).rule == "required-claim"
