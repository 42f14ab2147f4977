"""The command line on a ledger that is on a node: everything as on an embedded one, and what only a node has."""

import json

import pytest

from tests.behaviour.nodes import ANVIL, anvil
from tests.unit.cli.support import AT, NOTE, POSITIONS, Tbill, refused, sample_market, state
from tests.unit.cli.test_schemas import valid
from tests.unit.ledger.support import START

LADDER = ("ladder", "--rungs", "4", "--longest-years", "3")


@pytest.fixture(scope="module")
def url():
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    with anvil(at=START) as place:
        yield place


@pytest.fixture
def desk(url, tmp_path, monkeypatch, capsys):
    """A desk on a node, with positions."""
    home = tmp_path / "home"
    monkeypatch.setenv("TBILL_HOME", str(home))
    sample_market(home)
    positions = tmp_path / "positions.csv"
    positions.write_text(POSITIONS)
    tbill = Tbill(home, capsys)
    made = valid("init", tbill("init", "--chain", url, "--light-keys", "--json").out)
    assert (made["url"], made["chain_id"], made["market_date"]) == (url, 31337, "2026-03-24")
    assert not made["simulated_clock"]
    valid("holdings-import", tbill("holdings", "import", positions, "--json").out)
    return tbill


@pytest.mark.node
def test_a_day_at_the_desk(desk, url):
    wallet = valid("wallet", desk("wallet", "desk", "--json").out)
    assert {p["cusip"]: p["face"] for p in wallet["positions"]}[NOTE] == str(3_000_000 * 10**6)
    plan = valid("plan", desk("plan", *LADDER, "--json").out)
    done = valid("rebalance", desk("rebalance", *LADDER, "--yes", "--json").out)
    assert done["execution"]["settled"]
    assert done["plan"]["hash"] == plan["hash"]
    (entry,) = valid("tape", desk("tape", "--json").out)
    assert entry["plan_hash"] == plan["hash"]
    assert valid("wallet", desk("wallet", "desk", "--json").out)["cash"] == done["cash_after"]
    report = valid("audit-verify", desk("audit", "verify", "--json").out)
    assert report["ok"]
    assert report["verdict"].startswith("no journal: this ledger is on a node")
    said = desk("audit", "verify")
    assert "no journal" in said.out
    assert "figures equal" in said.out
    checks = valid("chain-doctor", desk("chain", "doctor", "--json").out)
    assert checks["ok"]
    assert {c["state"] for c in checks["checks"]} == {"ok"}
    assert "the node's clock" not in said.out
    assert "deployment proxy" in desk("chain", "doctor").out


@pytest.mark.node
def test_what_a_node_has_not(desk, url, tmp_path):
    before = state(desk.home)
    refused(desk("audit", "head"), 7, "no journal")
    refused(desk("audit", "verify", "--head", tmp_path / "head.json"), 2, "no signed head")
    refused(desk("init", "--chain", url, "--light-keys"), 7, "another home")
    refused(desk("init", "--at", AT), 7, "another home")
    assert state(desk.home) == before


@pytest.mark.node
def test_another_node_in_its_place(desk, url):
    text = (desk.home / "ledger" / "chain.toml").read_text()
    (desk.home / "ledger" / "chain.toml").write_text(text.replace(url, "http://127.0.0.1:1"))
    for words in (("wallet", "desk"), ("tape",), ("rebalance", *LADDER, "--yes"), ("audit", "verify")):
        refused(desk(*words), 7, "http://127.0.0.1:1 does not answer")
    ran = desk("chain", "doctor", "--json")
    assert ran.code == 7
    value = json.loads(ran.out)
    assert not value["ok"]
    assert [c["name"] for c in value["checks"]] == ["reachable"]


@pytest.mark.parametrize(
    ("code", "words", "says"),
    [
        (7, ("--chain", "http://127.0.0.1:1"), "does not answer"),
        (2, ("--chain", "127.0.0.1:8545"), "not a URL of a node"),
        (2, ("--chain", "ws://127.0.0.1:8545"), "ws:// is not served"),
        (2, ("--chain", "eth-tester:"), "ends with this command"),
        (2, ("--chain", "http://127.0.0.1:1", "--at", AT), "a node has its own time"),
        (2, ("--funder", "treasury"), "needs no gas"),
    ],
)
def test_init_that_makes_nothing(nothing, code, words, says):
    refused(nothing("init", *words, "--light-keys"), code, says)
    assert not nothing.home.exists(), "not even a folder"


def test_doctor_without_a_node(nothing, tbill):
    refused(nothing("chain", "doctor"), 2, "no ledger on a node")
    refused(tbill("chain", "doctor", "http://127.0.0.1:1"), 7, "1 of 1 checks are wrong: reachable")
    assert "does not answer" in tbill("chain", "doctor", "http://127.0.0.1:1").out
