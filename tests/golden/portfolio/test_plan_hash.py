"""docs/plan-hash.md is right: its example, recomputed from its own text, by the package, and by the contract."""

import json
import re
from pathlib import Path

import pytest
import rfc8785
from eth_utils import keccak

import tbill_defi as td
from tbill_defi import Holdings, Lots, Weights
from tbill_defi.market import sample_data
from tbill_defi.portfolio.plan import StrategyIdentity
from tbill_defi.portfolio.planner import build_plan
from tests.unit.portfolio.support import DOLLAR, ledger_with

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "plan-hash.md").read_text()
CONTEXT, HOLDINGS, CONFIG, LEGS = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))


def printed(name):
    (value,) = re.findall(rf"^    {name} +?= (0x[0-9a-f]{{64}})$", PAGE, re.MULTILINE)
    return value


def word(text):
    return text.encode("ascii").ljust(32, b"\0")


def test_by_the_recipe_alone():
    legs = sorted((word(leg["asset"]), word(leg["from"]), word(leg["to"]), int(leg["amount"])) for leg in LEGS)
    words = b"".join(b"".join(ids) + amount.to_bytes(32, "big") for *ids, amount in legs)
    context_hash, legs_hash = keccak(rfc8785.dumps(CONTEXT)), keccak(words)
    assert len(words) == 128 * len(LEGS)
    assert printed("contextHash") == "0x" + context_hash.hex()
    assert printed("legsHash") == "0x" + legs_hash.hex()
    assert printed("planHash") == "0x" + keccak(context_hash + legs_hash).hex()
    assert CONTEXT["holdings_hash"] == "0x" + keccak(rfc8785.dumps(HOLDINGS)).hex()
    assert CONTEXT["config_hash"] == "0x" + keccak(rfc8785.dumps(CONFIG)).hex()
    assert f"0x{words[:32].hex()}" in PAGE
    assert f"0x{words[96:128].hex()}" in PAGE
    (start,) = re.findall(r"canonical form begins `([^`]*)`", PAGE)
    assert rfc8785.dumps(CONTEXT).decode().startswith(start)


def test_legs_follow_from_the_orders():
    net, expected = 0, []
    for order in CONTEXT["orders"]:
        buys = order["side"] == "buy"
        giver, receiver = ("dealer", "desk") if buys else ("desk", "dealer")
        expected.append({"asset": order["cusip"], "from": giver, "to": receiver, "amount": order["face"]})
        net += int(order["cash"]) if buys else -int(order["cash"])
        assert int(order["face"]) % int(CONTEXT["lot"]) == 0
    assert net > 0
    assert [*expected, {"asset": "USD", "from": "desk", "to": "dealer", "amount": str(net)}] == LEGS


@pytest.fixture(scope="module")
def view():
    return td.view("2026-03-24", data=sample_data())


@pytest.fixture(scope="module")
def plan(view):
    book = Holdings("desk", {"912797TE7": 2_000_000 * DOLLAR}, 50_000 * DOLLAR)
    halves = Weights.of({"912797TE7": 0.5, "91282CQE4": 0.5}, lots=Lots(1_000))
    strategy = StrategyIdentity("halves", keccak(b"def halves(): ...\n"), {"lot": 1_000, "share": 0.5})
    return build_plan(halves, view, book, strategy=strategy, counterparty="dealer")


def test_the_package_says_the_same(plan):
    made = json.loads(json.dumps(plan.to_json()))
    assert made["context"] == CONTEXT
    assert made["legs"] == LEGS
    assert made["inputs"]["holdings"] == HOLDINGS
    assert (made["hash"], made["legs_hash"]) == (printed("planHash"), printed("legsHash"))


def test_every_member_is_explained(plan):
    for name in plan.context:
        assert f"`{name}`" in PAGE


@pytest.mark.invariant("I6")
def test_the_contract_says_the_same(plan, view):
    with ledger_with(view, plan.holdings) as ledger:
        plan.execute(ledger, approve_by="desk")
        (event,) = ledger.chain.events(names=["Settled"])
        assert event.arguments["planHash"] == printed("planHash")
        assert event.arguments["contextHash"] == printed("contextHash")
