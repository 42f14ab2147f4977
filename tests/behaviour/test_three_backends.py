"""One day, three machines: revm in process, eth-tester and anvil by RPC tell the same story.

Equal are the outcome of every act with the refusals' names and arguments, all balances, and every decoded event;
not compared are what holds a chain id (digests of instructions) or the moment of the run.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.audit_node import audit_node
from tbill_defi.ledger.open import create_ledger
from tests.behaviour.day import BACKENDS, Day, ledger_on
from tests.unit.ledger.support import PARTIES, START, ring

SEEDS = (20260324, 7, 1993)
ACTS = 25


@dataclass(frozen=True)
class Told:
    story: list[Any]
    balances: dict[str, Any]
    events: list[Any]
    wallets: list[Any]
    tape: list[Any]


@cache
def told(backend: str) -> Told:
    """The day and the random acts after it."""
    with ledger_on(backend) as ledger:
        day = Day(ledger)
        day.run()
        for seed in SEEDS:
            day.scramble(seed, ACTS)
        if backend != "revm":
            report = audit_node(ledger)
            assert report.ok, [d.describe() for d in report.discrepancies]
            assert report.figures > 50
        wallets = [ledger.wallet(name) for name in PARTIES]
        tape = [(entry.plan_hash, entry.context_hash, entry.legs) for entry in ledger.tape()]
        return Told(day.story, day.balances(), day.events(), wallets, tape)


@pytest.fixture(scope="module", params=[*BACKENDS[1:]])
def pair(request):
    return told("revm"), told(request.param)


def test_every_act_comes_to_the_same(pair):
    ours, theirs = pair
    for here, there in zip(ours.story, theirs.story, strict=True):
        assert here == there


def test_balances_are_the_same(pair):
    assert pair[0].balances == pair[1].balances


def test_events_are_the_same(pair):
    ours, theirs = pair
    for number, (here, there) in enumerate(zip(ours.events, theirs.events, strict=True)):
        assert here == there, number


def test_wallets_and_tape_are_the_same(pair):
    ours, theirs = pair
    assert ours.wallets == theirs.wallets
    assert ours.tape == theirs.tape


def test_the_day_has_everything_in_it():
    """The comparison would be worth nothing of a day on which nothing was refused, or everything."""
    day = told("revm")
    refusals = {
        outcome[0]
        for _, told_ in day.story
        if isinstance(told_, list)
        for outcome in told_
        if outcome and isinstance(outcome, tuple)
    }
    assert len(refusals) >= 12, sorted(map(str, refusals))
    names = {name for _, name, _ in day.events}
    assert {
        "Settled",
        "InstructionFailed",
        "Frozen",
        "HoldCreated",
        "HoldExpired",
        "ForcedTransfer",
        "ClaimSet",
        "OptionWritten",
        "OptionBought",
        "OptionExercised",
        "OptionAssigned",
        "OptionExpired",
        "OptionWithdrawn",
    } <= names
    assert len(day.tape) > 3


def test_a_journal_of_the_day_replays_on_both_machines(tmp_path):
    """revm wrote it; py-evm executes every transaction again and comes to the same receipts hashes."""
    url = f"sqlite:///{tmp_path / 'day.db'}"
    with create_ledger(url, keys=ring(*PARTIES, "stranger"), at=START, parties=PARTIES) as ledger:
        day = Day(ledger)
        day.run()
        day.scramble(SEEDS[0], ACTS)
        height, head = ledger.chain.height, ledger.embedded.head()
    for executor in ("revm", "py-evm"):
        report = verify(url, head=head, decoder=decode_log, executor=executor)
        assert report.ok, report.verdict
        assert report.replayed == height > 60
