"""`tbill keeper` as a desk uses it, and what it says of misuse."""

import json

import pytest

import tbill_defi as td
from tbill_defi.ledger import identities
from tests.unit.cli.support import refused, state
from tests.unit.cli.test_schemas import valid

RULES = """
[rules.ladder]
approval = "{approval}"
trigger = {{ kind = "schedule", every = "daily", at = "15:00" }}
action = {{ kind = "rebalance", strategy = "ladder", settings = {{ rungs = 4, longest_years = 3.0 }} }}

[rules.coupons]
approval = "key:desk"
trigger = {{ kind = "coupon" }}
action = {{ kind = "pay-coupon" }}
"""


def write(tbill, approval="key:desk"):
    path = tbill.home / "keeper.toml"
    path.write_text(RULES.format(approval=approval))
    return path


def test_show_dry_run_and_once(tbill):
    write(tbill)
    before = state(tbill.home)
    shown = valid("keeper-show", tbill("keeper", "show", "--json").out)
    assert [rule["name"] for rule in shown["rules"]] == ["ladder", "coupons"]
    (due,) = shown["rules"][0]["due"]
    dry = valid("keeper-run", tbill("keeper", "run", "--dry-run", "--json").out)
    assert [(o["status"], o["firing"]) for o in dry["outcomes"]] == [("would", due["firing"])]
    assert "due" in tbill("keeper", "show").out
    assert "would: settle" in tbill("keeper", "run", "--dry-run").out
    assert state(tbill.home) == before
    done = valid("keeper-run", tbill("keeper", "run", "--once", "--json").out)
    (outcome,) = done["outcomes"]
    assert (outcome["status"], outcome["firing"]) == ("done", due["firing"])
    assert outcome["details"]["plan_hash"] == dry["outcomes"][0]["details"]["plan_hash"]
    (entry,) = tbill("tape", "--json").json
    assert entry["plan_hash"] == outcome["details"]["plan_hash"]
    assert "nothing is due" in tbill("keeper", "run", "--once").out
    after = valid("keeper-show", tbill("keeper", "show", "--json").out)
    assert after["rules"][0]["due"] == []
    assert after["rules"][0]["last"] == outcome["message"]
    assert after["rules"][0]["next"] == "2026-03-25T15:00:00-04:00"
    assert tbill("audit", "verify").code == 0


def test_nobody_to_ask_is_pending(tbill):
    write(tbill, "ask")
    ran = tbill("keeper", "run", "--once")
    assert ran.code == 0
    assert "pending" in ran.out
    assert "nothing was sent" in ran.out
    assert tbill("tape", "--json").json == []


def test_approve(tbill):
    write(tbill, "ask")
    (waits,) = valid("keeper-run", tbill("keeper", "run", "--once", "--json").out)["outcomes"]
    plan = waits["details"]["plan_hash"]
    (due,) = valid("keeper-show", tbill("keeper", "show", "--json").out)["rules"][0]["due"]
    assert (due["plan"], due["firing"]) == (plan, waits["firing"])
    assert f"tbill keeper approve {plan}" in tbill("keeper", "show").out
    refused(tbill("keeper", "approve", "0xffff"), 5, "0 things that wait", plan[:12])
    (done,) = valid("keeper-approve", tbill("keeper", "approve", plan[:12], "--json").out)["outcomes"]
    assert (done["status"], done["details"]["plan_hash"], done["firing"]) == ("done", plan, waits["firing"])
    assert [entry["plan_hash"] for entry in tbill("tape", "--json").json] == [plan]
    refused(tbill("keeper", "approve", plan), 5, "0 things that wait", "none")
    assert tbill("audit", "verify").code == 0


def test_a_stale_plan_is_not_approved(tbill):
    write(tbill, "ask")
    (waits,) = valid("keeper-run", tbill("keeper", "run", "--once", "--json").out)["outcomes"]
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.deposit("desk", {}, 1)
    before = state(tbill.home)
    refused(tbill("keeper", "approve", waits["details"]["plan_hash"]), 5, "holdings of desk", "cash")
    assert state(tbill.home) == before
    assert tbill("tape", "--json").json == []


def test_a_refusal_has_its_exit_code(tbill):
    write(tbill)
    with td.open_ledger(home=tbill.home) as ledger:
        identities.revoke(ledger, "dealer")
    ran = tbill("keeper", "run", "--once", "--json")
    assert ran.code == 6
    assert valid("keeper-run", ran.out)["outcomes"][0]["status"] == "refused"


def test_a_busy_ledger_is_one_line(tbill):
    write(tbill)
    with td.open_ledger(home=tbill.home):
        refused(tbill("keeper", "run", "--once"), 8, "another writer")
    assert tbill("keeper", "run", "--once").code == 0


def test_another_file(tbill, tmp_path):
    path = write(tbill).rename(tmp_path / "mine.toml")
    refused(tbill("keeper", "show"), 3, "keeper.toml", "there is no such file")
    assert json.loads(tbill("keeper", "show", "--file", path, "--json").out)["file"] == str(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"schedule"', '"moon"', ["[rules.ladder.trigger]", '"kind"', "moon", "schedule, drift"]),
        ('strategy = "ladder"', 'strategy = "laddr"', ["[rules.ladder.action]", "laddr", "duration-target"]),
        ("rungs", "rung", ["[rules.ladder.action]", "rung", "rungs, longest_years"]),
        ("at = ", "time = ", ["[rules.ladder.trigger]", '"at"']),
    ],
)
def test_a_wrong_file_is_one_error(tbill, old, new, words):
    path = write(tbill)
    path.write_text(path.read_text().replace(old, new, 1))
    before = state(tbill.home)
    for command in (("show",), ("run", "--once"), ("run",)):
        refused(tbill("keeper", *command), 3, "keeper.toml", *words)
    assert state(tbill.home) == before


def test_json_is_of_one_pass(tbill):
    write(tbill)
    refused(tbill("keeper", "run", "--json"), 2, "--once")
