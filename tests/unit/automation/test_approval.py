"""What waits for a person is settled as he saw it, or not at all."""

import json

import pytest

from tbill_defi.core.errors import DataError, LedgerBusy, PlanError
from tbill_defi.portfolio.plan import RebalancePlan
from tests.unit.automation.support import (
    DOLLAR,
    LADDER,
    keeper_at,
    once,
    open_at,
    rule,
    statuses,
    tape,
    wallet,
    write_market,
)
from tests.unit.cli.support import state

DAY = "2026-03-24T15:30"
TRIGGER = '{ kind = "schedule", every = "daily", at = "15:00", late_days = 1 }'
ASKS = rule("daily", TRIGGER, LADDER, approval="ask")
COUPON = rule("coupons", '{ kind = "coupon" }', '{ kind = "pay-coupon" }', approval="ask")


@pytest.fixture
def waiting(home):
    """A home, the hash of the plan that waits in it, and its file."""
    (outcome,) = once(home, DAY, ASKS).outcomes
    plan = outcome.result.details["plan_hash"]
    assert outcome.result.status == "pending"
    assert outcome.result.message.endswith(f"nothing was sent; tbill keeper approve {plan[:12]}")
    (place,) = (home / "keeper" / "pending").iterdir()
    assert place.stem == outcome.firing_id[2:]
    assert RebalancePlan.load(place).hash == plan
    return home, plan, place


def refused(home, text, name, *words, error=PlanError):
    """Approval is refused, and neither ledger nor what waits has changed."""
    before = state(home)
    with pytest.raises(error) as refusal:
        keeper_at(home, text).approve(name)
    for word in words:
        assert word in str(refusal.value)
    assert state(home) == before


def test_exactly_that_plan_settles(waiting):
    home, plan, place = waiting
    (outcome,) = keeper_at(home, DAY).approve(plan[:12]).outcomes
    assert (outcome.result.status, outcome.result.details["plan_hash"]) == ("done", plan)
    assert [entry.plan_hash for entry in tape(home)] == [plan]
    assert (home / "plans" / f"{plan}.json").is_file()
    assert (home / "plans" / f"{plan}.quote.json").is_file()
    assert not place.exists()
    assert once(home, DAY).outcomes == ()
    refused(home, DAY, plan, "0 things that wait", "none")


def test_what_waits_is_shown(waiting):
    home, plan, _ = waiting
    _, (standing,) = keeper_at(home, DAY).show()
    assert list(standing.plans.values()) == [plan]
    assert list(standing.plans) == list(standing.ids.values())


def test_the_same_plan_waits_once(waiting):
    home, plan, place = waiting
    assert statuses(once(home, "2026-03-24T16:00")) == [("daily", "pending")]
    assert RebalancePlan.load(place).hash == plan
    assert list(place.parent.iterdir()) == [place]


def test_a_firing_can_be_named_by_its_id(waiting):
    home, plan, place = waiting
    done = keeper_at(home, DAY).approve(place.stem[:8])
    assert done.outcomes[0].result.details["plan_hash"] == plan


def test_other_holdings_make_it_stale(waiting):
    home, plan, _ = waiting
    with open_at(home, DAY) as ledger:
        ledger.deposit("desk", {}, 1)
    refused(home, DAY, plan, "holdings of desk", "cash")
    (outcome,) = once(home, DAY).outcomes
    other = outcome.result.details["plan_hash"]
    assert other != plan
    refused(home, DAY, plan, "0 things that wait", other[:12])
    assert statuses(keeper_at(home, DAY).approve(other)) == [("daily", "done")]


def test_another_market_makes_it_stale(waiting):
    home, plan, _ = waiting
    write_market(home, shift=0.0001)
    with open_at(home, DAY) as ledger:
        day = ledger.market_date
    write_market(home, shift=0.0001, from_day=day)
    refused(home, DAY, plan, "market data")


def test_another_day_makes_it_stale(waiting):
    home, plan, _ = waiting
    refused(home, "2026-03-25T10:00", plan, "2026-03-24", "2026-03-25")


def test_a_plan_that_was_changed_is_not_found_by_its_hash(waiting):
    home, plan, place = waiting
    changed = json.loads(place.read_text())
    changed["legs"][0]["amount"] = "1"
    place.write_text(json.dumps(changed))
    refused(home, DAY, plan, "0 things that wait")
    refused(home, DAY, place.stem, error=(PlanError, DataError))
    assert statuses(once(home, DAY)) == [("daily", "pending")]
    assert statuses(keeper_at(home, DAY).approve(plan)) == [("daily", "done")]


@pytest.mark.parametrize("name", ["", "0x", "0xffffffffffff", "ladder"])
def test_what_does_not_wait_is_not_approved(waiting, name):
    home, plan, _ = waiting
    refused(home, DAY, name, "things that wait", plan[:12])


def test_a_rule_that_is_gone_takes_its_plan_along(waiting):
    home, _, place = waiting
    assert once(home, DAY, COUPON).outcomes == ()
    assert not place.exists()


def test_a_dry_run_keeps_nothing(home):
    assert statuses(once(home, DAY, ASKS, dry_run=True)) == [("daily", "would")]
    assert not (home / "keeper").exists()


def test_beside_another_writer_it_waits_on(waiting):
    home, plan, place = waiting
    with open_at(home, DAY), pytest.raises(LedgerBusy):
        keeper_at(home, DAY).approve(plan)
    assert place.exists()


def test_a_payment_is_approved_by_its_firing(home):
    (outcome,) = once(home, "2026-03-31T12:00", COUPON).outcomes
    assert outcome.result.status == "pending"
    name = outcome.result.message.split()[-1]
    assert outcome.firing_id.startswith(name)
    before = wallet(home).cash
    assert statuses(keeper_at(home, "2026-03-31T12:00").approve(name)) == [("coupons", "done")]
    assert wallet(home).cash - before == 58_125 * DOLLAR
    assert once(home, "2026-03-31T13:00").outcomes == ()
