"""Random days, three machines: revm in process, eth-tester and anvil by RPC tell the same of the same draw.

Equal are what every act comes to with the refusals' codes, all balances, all decoded events and the state of every
repo; not compared are what holds a chain id or the second of an act. The journal of a day is executed again by py-evm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.audit_node import audit_node
from tbill_defi.ledger.open import create_ledger
from tests.behaviour.day import ledger_on
from tests.behaviour.random_day import KEYS, RandomDay
from tests.behaviour.ruled_day import RuledDay
from tests.unit.ledger.support import PARTIES, START, ring

SEEDS = (2000, 2016, 2018)
ACTS = 90
DRAWS = [pytest.param("eth-tester", SEEDS[0]), *(pytest.param("anvil", s, marks=pytest.mark.node) for s in SEEDS)]
"""eth-tester is slow: one day of it."""
EVENTS = {
    *("Settled", "InstructionFailed", "ClaimSet", "Frozen", "TradeLimitSet", "VolumeLimitSet", "HoldingCapSet"),
    *("OwnLimitsSet", "RoundPublished", "CouponPaid", "CouponPassed", "Redeemed", "RepoOpened", "RepoMarked"),
    *("MarginCalled", "MarginCallMet", "MarginDelivered", "CollateralSubstituted", "Repurchased", "ClosedOut"),
    "DeliveryDeferred",
}
REFUSALS = {
    *("ERC20InsufficientBalance", "ERC7943CannotTransfer", "ERC7943CannotReceive", "NonceAlreadyUsed"),
    *("RecordTimeNotPassed", "RedemptionNotOpen", "PriceMoveTooLarge", "QuorumMissing", "StalePrice"),
    *("CollateralShort", "CollateralIneligible", "CashNotCalled", "NotInDefault", "RepoNotOpen"),
}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Told:
    story: list[tuple[str, Any]]
    balances: dict[str, Any]
    events: list[Any]
    repos: list[Any]
    tape: list[Any]


@cache
def told(backend: str, seed: int, kind: type[RandomDay] = RandomDay) -> Told:
    with ledger_on(backend, *KEYS) as ledger:
        day = kind(ledger, seed)
        day.live(ACTS)
        if backend != "revm":
            report = audit_node(ledger)
            assert report.ok, [d.describe() for d in report.discrepancies]
        repos = [day.stands(repo_id) for repo_id in day.opened]
        tape = [(entry.plan_hash, entry.context_hash, entry.legs) for entry in ledger.tape()]
        return Told(day.story, day.balances(), day.events(), repos, tape)


@pytest.mark.parametrize("kind", [RandomDay, RuledDay])
@pytest.mark.parametrize(("backend", "seed"), DRAWS)
def test_the_same_draw_comes_to_the_same(backend, seed, kind):
    ours, theirs = told("revm", seed, kind), told(backend, seed, kind)
    for here, there in zip(ours.story, theirs.story, strict=True):
        assert here == there
    assert ours.balances == theirs.balances
    assert ours.repos == theirs.repos
    assert ours.tape == theirs.tape
    for number, (here, there) in enumerate(zip(ours.events, theirs.events, strict=True)):
        assert here == there, number


def test_the_days_have_everything_in_them():
    """The comparison would be worth nothing of days on which nothing was refused, or everything."""
    days = [told("revm", seed) for seed in SEEDS]
    events = {name for day in days for _, name, _ in day.events}
    assert sorted(EVENTS - events) == []
    came_to = [outcome for day in days for _, outcome in day.story]
    refusals = {outcome for outcome in came_to if isinstance(outcome, str)}
    refusals |= {one[0] for some in came_to if isinstance(some, list) for one in some if isinstance(one, tuple)}
    assert sorted(REFUSALS - refusals) == []


def test_rules_of_securities_bite_on_such_days():
    days = [told("revm", seed, RuledDay) for seed in SEEDS]
    assert {"RulesSet", "RuleSet", "ExemptionSet", "HoldersCounted"} <= {
        name for day in days for _, name, _ in day.events
    }
    plain = [told("revm", seed) for seed in SEEDS]
    assert barred(days) > barred(plain)


def barred(days: list[Told]) -> int:
    return str([day.story for day in days]).count("ERC7943CannotTransfer")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_journal_of_the_day_replays_on_both_machines(tmp_path, seed):
    """revm wrote it; py-evm executes every transaction again and comes to the same receipts hashes."""
    url = f"sqlite:///{tmp_path / 'day.db'}"
    with create_ledger(url, keys=ring(*PARTIES, "stranger", *KEYS), at=START, parties=PARTIES) as ledger:
        RandomDay(ledger, seed).live(ACTS)
        height, head = ledger.chain.height, ledger.embedded.head()
    for executor in ("revm", "py-evm"):
        report = verify(url, head=head, decoder=decode_log, executor=executor)
        assert report.ok, report.verdict
        assert report.replayed == height
