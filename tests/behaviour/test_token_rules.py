"""Rules of securities against real settlements: what fits a transaction is what a plan may have."""

import pytest

from tbill_defi import Holdings
from tbill_defi.core.errors import PlanError
from tbill_defi.ledger.claims import InvestorClass, Topic, issue, trust
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.limits import set_countries, set_holding_cap, set_own_limits, set_volume_limit
from tbill_defi.ledger.settlement import PlanLeg, plan_hash
from tbill_defi.ledger.token_rules import RULE_GAS, TokenRules, rule_gas, set_token_rules
from tbill_defi.portfolio.dealing import dealing_limits
from tests.unit.ledger.support import BILL, DOLLAR, Bench, make_ledger
from tests.unit.portfolio.support import toy_cusip
from tests.unit.portfolio.test_planner import build, equal, wide

FACE = 1_000 * DOLLAR
EVERY = TokenRules(10_000, 5, 3_600, DOLLAR, frozenset({InvestorClass.ACCREDITED}))
MOST_ORDERS = 16
"""Of securities under every rule, beside the cash, where dealings are counted."""


@pytest.fixture(scope="module")
def ruled():
    """A dealer with one lot of each of many bills, all under every rule of a security and every limit of the ledger."""
    with make_ledger("desk", "dealer") as ledger:
        bills = [BILL.model_copy(update={"cusip": toy_cusip(i)}) for i in range(MOST_ORDERS + 1)]
        ledger.deposit("dealer", dict.fromkeys(bills, FACE))
        ledger.deposit("desk", {}, 10_000_000 * DOLLAR)
        trust(ledger, "stranger", [Topic.INVESTOR])
        for party in ("desk", "dealer"):
            issue(ledger, party, Topic.INVESTOR, issuer="stranger", expiry=2**40, class_=InvestorClass.ACCREDITED)
        for bill in bills:
            set_token_rules(ledger, bill.cusip, EVERY)
        set_volume_limit(ledger, 10**15, 86_400)
        set_holding_cap(ledger, 10**15)
        set_countries(ledger, "admit", [840])
        for party in ("desk", "dealer"):
            set_own_limits(ledger, party, 10**15, 10**15)
        yield ledger, [bill.cusip for bill in bills]


def test_a_plan_that_would_not_fit_is_refused_when_it_is_made(ruled):
    ledger, cusips = ruled
    dealing = dealing_limits(ledger, "desk", "dealer")
    assert set(dealing.rule_gas) == set(cusips)
    cash = Holdings("desk", {}, 10_000_000 * DOLLAR)
    count = next(n for n in range(1, 64) if not _fits(n, cash, dealing)) - 1
    assert count == MOST_ORDERS
    with pytest.raises(PlanError, match=r"17 orders .* under the rules of their securities, .* 2 plans fit"):
        build(equal(MOST_ORDERS + 1), wide(MOST_ORDERS + 1), cash, dealing=dealing)


def _fits(count, cash, dealing):
    try:
        build(equal(count), wide(count), cash, dealing=dealing)
    except PlanError:
        return False
    return True


@pytest.mark.invariant("I3")
def test_what_a_plan_may_have_fits_a_transaction(ruled):
    """The dearest state: every leg brings a holder in and lets one go, and each is counted under every limit."""
    ledger, cusips = ruled
    bench = Bench(ledger)
    for number, (giver, taker) in enumerate((("dealer", "desk"), ("desk", "dealer")), start=1):
        bench.chain.advance_clock(7_200)
        legs = [PlanLeg(cusip, giver, taker, FACE) for cusip in cusips[:MOST_ORDERS]]
        legs = sorted([*legs, PlanLeg(CURRENCY, taker, giver, 17)])
        context = bytes([number]) * 32
        raw = [bench.leg(ledger.token_of(leg.asset), leg.from_party, leg.to_party, leg.amount) for leg in legs]
        signed = bench.sign(bench.instruction(raw, context_hash=context, plan_hash=plan_hash(context, legs)))
        receipt = bench.settle(signed)
        assert receipt.status, receipt.revert
        assert 2**21 < receipt.gas_used < 2**22


def test_a_rule_of_another_hand_counts_as_all_that_it_is_asked_with(ruled):
    assert sum(RULE_GAS.values()) < 400_000
    assert all(gas < 400_000 for gas in rule_gas(ruled[0]).values())
