"""A plan made within a mandate is never refused by the guard, on the contracts themselves; and no other ever passes.

The oracle's prices are not the view's, so nothing holds only because both value alike.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
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
whole = st.integers


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


@st.composite
def cases(draw):
    """A book, a mandate around it that often binds, and a target."""
    places = draw(st.lists(whole(0, 21), min_size=1, max_size=5, unique=True))
    faces = {place: draw(whole(1, 900)) * 1_000 * DOLLAR + draw(whole(0, 999)) for place in places}
    low = draw(whole(0, 3_000_000))
    mandate = mandates.Mandate(
        duration_min_e6=draw(st.sampled_from([0, low])),
        duration_max_e6=low + draw(st.sampled_from([50_000, 700_000, 8_000_000])),
        issue_cap_bp=draw(st.sampled_from([1_500, 3_333, 10_000])),
        turnover_bp=draw(st.sampled_from([500, 3_001, 20_000])),
        window_seconds=86_400,
        slippage_bp=draw(st.sampled_from([0, 2, 7, 50])),
    )
    lots = td.Lots(draw(st.sampled_from([1, 1_000, 10_000])))
    optimised = draw(st.booleans())
    shares = draw(st.lists(whole(1, 100), min_size=22, max_size=22))
    return faces, draw(whole(0, 800_000)) * DOLLAR + draw(whole(0, 9)), mandate, lots, optimised, shares


class Case:
    """A managed account of its own for each example."""

    count = 0

    def __init__(self, ledger, view, case):
        faces, cash, mandate, self.lots, self.optimised, self.shares = case
        Case.count += 1
        self.ledger, self.view, self.party = ledger, view, f"pension-{Case.count}"
        account = mandates.open_account(ledger, self.party, manager="pm")
        mandates.set_mandate(ledger, account, mandate)
        held = {view.cusips[place]: units for place, units in faces.items()}
        ledger.deposit(self.party, view.face_of(held), cash)
        mandates.recognise(ledger, account, [*held, "USD"], key="pm")

    def target(self, turn):
        if self.optimised:
            objective = td.Yield() - td.TransactionCost(horizon_years=1.0)
            limit = td.Duration.between(0, 30) if turn == 0 else td.MaxWeight(0.6)
            return td.maximize(objective, subject_to=[limit, self.lots])
        shares = np.array(np.roll(self.shares, turn), dtype=float) ** 3
        weights = dict(zip(self.view.cusips[:22], (shares / shares.sum() * 0.97).tolist(), strict=True))
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
@given(case=cases())
def test_what_is_feasible_settles(ledger, view, case):
    """Twice in a row: the second plan has what the first left of the turnover."""
    case = Case(ledger, view, case)
    for turn in (0, 5):
        dealing = case.dealing()
        try:
            plan = case.plan(turn, dealing)
        except (Infeasible, PlanError):
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
@given(case=cases())
def test_the_guard_and_the_judge_agree_on_any_plan(ledger, view, case):
    """Plans that were made without the mandate: stopped for a rule that the judge names, or let through by both."""
    case = Case(ledger, view, case)
    mandate = case.dealing().mandate
    try:
        plan = case.plan(0, None)
    except (Infeasible, PlanError):
        return
    if not plan.orders or not {order.cusip for order in plan.orders} <= set(mandate.marks):
        return
    verdict = judge(mandate, plan.holdings, plan.orders)
    try:
        execute(plan, ledger, approve_by="pm")
    except MandateBreach as breach:
        assert RULES[breach.rule] in verdict.breaches
    else:
        assert not verdict.breaches
        assert_as_judged(case, plan, verdict)
