"""Every command with --json prints what its schema in docs/schemas says."""

import json

import pytest
import typer
from jsonschema import Draft202012Validator

from tbill_defi.cli.main import app
from tests.unit.cli.support import AT, NOTE, POSITIONS, SCHEMAS

BILL = "912797UQ8"
ALWAYS_JSON = {"audit-head", "audit-checkpoint", "audit-prove"}
"""Commands that print JSON without being asked."""


def valid(name, text):
    """The document, if its schema accepts it."""
    value = json.loads(text)
    Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    return value


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


def commands():
    """Full name -> command, groups walked."""
    found = {}

    def walk(command, path):
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*path, name])
        if not hasattr(command, "commands"):
            found["-".join(path)] = command

    walk(typer.main.get_command(app), [])
    return found


def test_every_command_with_json_has_a_schema_and_the_reverse():
    with_json = {name for name, command in commands().items() if any("--json" in p.opts for p in command.params)}
    assert with_json | ALWAYS_JSON == {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()}


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda p: p.name)
def test_schemas_are_schemas(path):
    value = json.loads(path.read_text())
    Draft202012Validator.check_schema(value)
    assert value["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert value["title"].startswith("tbill ")
    assert value["description"]


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda p: p.name)
def test_objects_say_whether_they_are_closed(path):
    """A shape is closed, or describes what its open part holds."""

    def walk(node):
        if isinstance(node, dict):
            if node.get("type") == "object" and node.get("additionalProperties") is not False:
                assert "additionalProperties" in node or "open" in node["description"], node
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(json.loads(path.read_text()))


def test_a_schema_refuses_another_shape(tbill):
    value = tbill("wallet", "desk", "--json").json
    assert Draft202012Validator(schema("wallet")).is_valid(value)
    assert not Draft202012Validator(schema("wallet")).is_valid(value | {"more": 1})
    assert not Draft202012Validator(schema("wallet")).is_valid(value | {"cash": 1.5})


def test_init(nothing):
    value = valid("init", nothing("init", "--at", AT, "--light-keys", "--json").out)
    assert value["market_date"] == "2026-03-24"
    assert value["simulated_clock"] is True
    assert set(value["parties"]) == {"desk", "dealer"}


def test_market_import(nothing, tmp_path):
    sheet = tmp_path / "sofr.csv"
    sheet.write_text("observation_date,SOFR\n2026-03-23,3.62\n2026-03-24,3.63\n")
    (first,) = valid("market-import", nothing("market", "import", sheet, "--json").out)
    assert (first["kind"], first["rows"], first["new"], first["last"]) == ("sofr", 2, 2, "2026-03-24")
    sheet.write_text("observation_date,SOFR\n2026-03-24,3.64\n")
    (second,) = valid("market-import", nothing("market", "import", sheet, "--json").out)
    assert second["changed"] == 1
    assert len(second["changes"]) == 1
    (revision,) = valid("market-log", nothing("market", "log", "--json").out)
    assert (revision["key"], revision["old"], revision["new"]) == ("2026-03-24", "0.0363", "0.0364")
    assert 0 < revision["first_seen"] <= revision["revised_at"]


def test_market_show(tbill):
    value = valid("market-show", tbill("market", "show", "--json").out)
    assert value["par_yields"]["10 Yr"] == 0.0439
    assert value["repo"] == {"rate": 0.0363, "source": "SOFR", "date": "2026-03-24"}
    assert value["revisions"] == []
    assert sum(value["universe"].values()) == len(value["securities"]) == sum(value["sources"].values())


@pytest.mark.parametrize(
    "words",
    [
        (NOTE,),
        (BILL,),
        (NOTE, "--price", "99-16+"),
        (NOTE, "--yield", "0.04", "--convention", "treasury"),
        (BILL, "--discount", "0.036"),
    ],
    ids=" ".join,
)
def test_price(tbill, words):
    value = valid("price", tbill("price", *words, "--json").out)
    assert value["clean_price"] + value["accrued_interest"] == pytest.approx(value["dirty_price"], abs=1e-12)
    assert ("discount_rate" in value) == (words[0] == BILL)


def test_price_of_a_file(tbill, tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(f"cusip,price\n{NOTE},99-16+\n{BILL},\n")
    words = ("price", "--file", str(path), "--shift", "50bp", "--steepener", "25bp", "--key-rate", "10y:-10bp")
    value = valid("price", tbill(*words, "--json").out)
    assert [row["security"]["cusip"] for row in value["securities"]] == [NOTE, BILL]
    assert [after["name"] for after in value["securities"][0]["scenarios"]] == [
        "parallel +50 bp",
        "steepener 25 bp",
        "10y -10 bp",
    ]


def test_strategies(nothing):
    value = valid("strategies", nothing("strategies", "--json").out)
    assert {"ladder", "duration-target"} <= {row["name"] for row in value}
    for row in value:
        Draft202012Validator.check_schema(row["config"])


def test_holdings_import(nothing, tmp_path, tbill, monkeypatch):
    positions = tmp_path / "positions.csv"
    positions.write_text(POSITIONS)
    value = valid("holdings-import", tbill("holdings", "import", positions, "--add", "--json").out)
    assert {p["cusip"]: int(p["face"]) for p in value["positions"]}[NOTE] == 6_000_000 * 10**6
    assert value["cash"] == str(400_000 * 10**6)


def test_wallet_priced_and_not(tbill):
    priced = valid("wallet", tbill("wallet", "desk", "--json").out)
    assert priced["figures"]["securities"] == len(priced["positions"]) == 2
    assert all("clean_price" in row for row in priced["positions"])
    (tbill.home / "market" / "par_yields.parquet").unlink()
    bare = valid("wallet", tbill("wallet", "desk", "--json").out)
    assert bare["figures"] is None
    assert [row["face"] for row in bare["positions"]] == [row["face"] for row in priced["positions"]]


@pytest.mark.parametrize(
    "words",
    [("ladder", "--rungs", "4", "--longest-years", "3"), ("duration-target", "--max-weight=0.2")],
    ids=["ladder", "duration-target"],
)
def test_plan(tbill, words):
    value = valid("plan", tbill("plan", *words, "--json").out)
    assert value["legs"]
    assert bool(value["limits"]) == (words[0] == "duration-target")


def test_rebalance_dry_and_settled_and_tape(tbill):
    words = ("rebalance", "ladder", "--rungs", "4", "--longest-years", "3", "--json")
    assert valid("tape", tbill("tape", "--json").out) == []
    dry = valid("rebalance", tbill(*words, "--dry-run").out)
    assert not dry["execution"]["settled"]
    done = valid("rebalance", tbill(*words, "--yes").out)
    assert done["execution"]["settled"]
    assert done["plan"] == dry["plan"]
    (entry,) = valid("tape", tbill("tape", "--json").out)
    assert entry["plan_hash"] == done["plan"]["hash"]
    assert entry["legs"] == done["plan"]["legs"]
    assert tbill("wallet", "desk", "--json").json["cash"] == done["cash_after"]
    saved = tbill.home / "plans" / f"{done['plan']['hash']}.json"
    assert valid("plan", saved.read_text()) == done["plan"]


def test_a_refused_rebalance_prints_the_decisions(tbill, tmp_path):
    import tbill_defi as td

    kept = tmp_path / "plan.json"
    assert tbill("plan", "ladder", "--rungs", "4", "--longest-years", "3", "--out", kept).code == 0
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.set_trade_limit(500_000 * 10**6)
    ran = tbill("rebalance", "--plan", kept, "--yes", "--json")
    assert ran.code == 6
    value = valid("rebalance", ran.out)
    assert {d["rule"] for d in value["refused"]} == {"trade-limit"}
    assert all(d["largest_amount"] == str(500_000 * 10**6) for d in value["refused"])


def test_audit(tbill, tmp_path):
    head = tbill("audit", "head")
    value = valid("audit-head", head.out)
    kept = tmp_path / "head.json"
    kept.write_text(head.out)
    report = valid("audit-verify", tbill("audit", "verify", "--head", kept, "--json").out)
    assert report["ok"]
    assert report["compared"]
    assert str(report["height"]) == value["height"]


def test_audit_of_a_flipped_byte(tbill):
    import sqlite3

    place = tbill.home / "ledger" / "ledger.db"
    with sqlite3.connect(place) as database:
        height, raw = database.execute("SELECT height, raw FROM transactions ORDER BY height DESC LIMIT 1").fetchone()
        database.execute("UPDATE transactions SET raw = ? WHERE raw = ?", (raw[:-1] + bytes([raw[-1] ^ 1]), raw))
    database.close()
    ran = tbill("audit", "verify", "--json")
    assert ran.code == 10
    value = valid("audit-verify", ran.out)
    assert not value["ok"]
    assert (value["findings"][0]["block"], value["findings"][0]["column"]) == (height, "transactions.raw")
