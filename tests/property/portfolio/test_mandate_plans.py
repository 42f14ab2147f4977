"""A plan made within a mandate is never refused by the guard, on the contracts themselves; and no other ever passes.

The oracle's prices are not the view's, so nothing holds only because both value alike.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.core.errors import Infeasible, MandateBreach, PlanError
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.oracle import Oracle, OracleRound
from tbill_defi.portfolio.dealing import dealing_limits
from tbill_defi.portfolio.execution import execute
from tbill_defi.portfolio.mandate import NAMES, judge
from tbill_defi.portfolio.oracle_round import quotes_from_view
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.planner import build_plan
from tests.unit.portfolio.support import ring

DOLLAR = 10**6
ID = StrategyIdentity("test", bytes(32), {})
RULES = {"duration": NAMES[0], "issue-cap": NAMES[1], "turnover": NAMES[2], "slippage": NAMES[3]}


@pytest.fixture(scope="module")
def view():
    return td.view(date="2026-03-24", data=td.sample_data())


@pytest.fixture(scope="module")
def ledger(view):
    """Prices up to 3 bp and durations up to 0.05 years off the view's; two securities have none."""
    with td.create_ledger("sqlite://", keys=ring("pm"), at="2026-03-24T15:00", parties=("dealer",)) as made:
        oracle, dice = Oracle(made), np.random.default_rng(7)
        quotes = tuple(
            replace(
                quote,
                clean_e6=quote.clean_e6 + int(dice.integers(-30_000, 30_000)),
                duration_e6=max(1, quote.duration_e6 + int(dice.integers(-50_000, 50_000))),
            )
            for quote in quotes_from_view(view, view.cusips[:-2]).quotes
        )
        one = OracleRound(1, view.date, made.chain.now(), quotes)
        oracle.publish([(one, oracle.sign(one, oracle.own_pricers()))])
        yield made


class Case:
    """A managed account of its own for each example."""

    count = 0

    def __init__(self, ledger, view, seed):
        Case.count += 1
        self.dice = dice = np.random.default_rng(seed)
        self.ledger, self.view, self.party = ledger, view, f"pension-{Case.count}"
        self.lots = td.Lots(int(dice.choice([1, 1_000, 10_000])))
        self.optimised = bool(dice.random() < 0.5)
        places = dice.choice(22, size=dice.integers(1, 7), replace=False)
        held = {view.cusips[i]: int(dice.integers(1, 900)) * 1_000 * DOLLAR + int(dice.integers(1_000)) for i in places}
        cash = int(dice.integers(800_000)) * DOLLAR + int(dice.integers(10))
        account = mandates.open_account(ledger, self.party, manager="pm")
        mandates.set_mandate(ledger, account, self.mandate(held, cash))
        ledger.deposit(self.party, view.face_of(held), cash)
        mandates.recognise(ledger, account, [*held, "USD"], key="pm")

    def mandate(self, held, cash):
        """Around the book, and tight enough to bind; now and then beside it."""
        dice, marks = self.dice, Oracle(self.ledger).marks()
        values = {cusip: units * marks[cusip][0] / 1e8 for cusip, units in held.items()}
        nav = sum(values.values()) + cash
        middle = sum(value * marks[cusip][1] for cusip, value in values.items()) / nav + dice.normal(0, 60_000)
        share = max(values.values()) / nav
        low, high = (int(middle + way * dice.exponential(500_000)) for way in (-1, 1))
        return mandates.Mandate(
            duration_min_e6=max(0, low) if dice.random() < 0.7 else 0,
            duration_max_e6=max(1, high),
            issue_cap_bp=min(10_000, int(share * 10_000 * dice.choice([0.99, 1.0, 1.1, 1.5])) + 1),
            turnover_bp=int(dice.choice([100, 500, 3_001, 20_000])),
            window_seconds=86_400,
            slippage_bp=int(dice.choice([0, 2, 5, 10, 50])),
        )

    def target(self, turn):
        if self.optimised:
            objective = td.Yield() - td.TransactionCost(horizon_years=1.0)
            limit = td.Duration.between(0, 30) if turn == 0 else td.MaxWeight(0.6)
            return td.maximize(objective, subject_to=[limit, self.lots])
        shares = self.dice.dirichlet(np.full(23, 0.3))[:22]
        weights = dict(zip(self.view.cusips[:22], shares.tolist(), strict=True))
        offered = {c: w for c, w in weights.items() if self.view.offer[self.view.index(c)] is not None}
        return td.Weights.of(offered, lots=self.lots)

    def plan(self, turn, dealing):
        book = td.Holdings.of(self.ledger, self.party)
        return build_plan(self.target(turn), self.view, book, strategy=ID, counterparty="dealer", dealing=dealing)

    def dealing(self):
        return dealing_limits(self.ledger, self.party, "dealer")

    def checked(self):
        *_, last = self.ledger.chain.events(names=("MandateChecked",))
        return last.arguments


def assert_as_judged(case, plan, verdict):
    said = case.checked()
    assert said["planHash"] == plan.hash
    assert int(said["valueUnits"]) == verdict.value
    assert int(said["durationE6"]) == verdict.weighted // verdict.value
    assert int(said["turnoverUnits"]) == verdict.turned


@pytest.mark.invariant("I12")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=1870)  # to buy and sell one bill would make room for slippage
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_feasible_settles(ledger, view, seed):
    """Twice in a row: the second plan has what the first left of the turnover."""
    case = Case(ledger, view, seed)
    for turn in (0, 1):
        dealing = case.dealing()
        try:
            plan = case.plan(turn, dealing)
        except (Infeasible, PlanError) as error:
            if "do not fit within the mandate" in str(error):
                raise  # the rows' margins are to make the judge's no needless
            return
        if not plan.orders:
            return
        book = plan.holdings
        execute(plan, ledger, approve_by="pm")
        assert_as_judged(case, plan, judge(dealing.mandate, book, plan.orders))
        for report in plan.limits:
            if report.name in NAMES:
                assert report.slack >= 0, report


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_the_guard_and_the_judge_agree_on_any_plan(ledger, view, seed):
    """Plans that were made without the mandate: stopped for a rule that the judge names, or let through by both."""
    case = Case(ledger, view, seed)
    mandate = case.dealing().mandate
    try:
        plan = case.plan(0, None)
    except (Infeasible, PlanError):
        return
    if not plan.orders or not {order.cusip for order in plan.orders} <= set(mandate.marks):
        return
    verdict = judge(mandate, plan.holdings, plan.orders)
    if not verdict.breaches:
        execute(plan, ledger, approve_by="pm")
        assert_as_judged(case, plan, verdict)
        return
    with pytest.raises(MandateBreach) as caught:
        execute(plan, ledger, approve_by="pm")
    assert RULES[caught.value.rule] in verdict.breaches
