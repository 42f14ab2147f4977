"""`tbill init --after`, `tbill holdings export`: from one ledger to the next."""

import json
import shutil

import tbill_defi as td
from tbill_defi.chain.heads import SignedHead
from tests.unit.cli.support import AT, NOTE, OTHER, refused
from tests.unit.cli.test_schemas import valid


def closed(tbill, tmp_path):
    """A file with the desk's signed head."""
    file = tmp_path / "closed.json"
    file.write_text(tbill("audit", "head").out)
    return file


def next_home(tbill, tmp_path):
    """A home with the desk's keys and market, and no ledger."""
    home = tmp_path / "next"
    home.mkdir()
    for name in ("keys", "market"):
        shutil.copytree(tbill.home / name, home / name)
    return home


def holdings(tbill, *home):
    found = tbill("wallet", "desk", "--json", *home).json
    return found["addresses"], found["cash"], {row["cusip"]: row["face"] for row in found["positions"]}


def test_what_is_held_goes_on_under_the_head_of_before(tbill, tmp_path):
    head, home, file = closed(tbill, tmp_path), next_home(tbill, tmp_path), tmp_path / "carried.csv"
    assert tbill("audit", "verify", "--head", head).code == 0
    ran = tbill("holdings", "export", file)
    assert "2 securities and the cash of desk" in ran.out
    assert (
        file.read_text()
        == f"cusip,face,cost_price\n{NOTE},3000000.000000,\n{OTHER},4000000.000000,\nUSD,200000.000000,\n"
    )
    ran = tbill("init", "--home", home, "--at", AT, "--light-keys", "--after", head)
    assert ran.code == 0, ran.err
    assert "goes on after block" in ran.out
    assert tbill("holdings", "import", file, "--home", home).code == 0
    assert holdings(tbill, "--home", home) == holdings(tbill)
    before = valid("status", tbill("status", "--json", "--home", home).out)["ledger"]["after"]
    assert before == json.loads(head.read_text())
    assert (
        f"goes on after block {before['height']} of chain id {before['chainId']}" in tbill("status", "--home", home).out
    )
    assert tbill("audit", "verify", "--home", home).code == 0
    assert valid("status", tbill("status", "--json").out)["ledger"]["after"] is None


def test_a_head_that_is_not_signed_begins_nothing(tbill, tmp_path):
    home, file = next_home(tbill, tmp_path), closed(tbill, tmp_path)
    head = json.loads(file.read_text())
    for field, value, said in (
        ("height", str(int(head["height"]) + 1), "is not signed by its operator"),
        ("operator", "0x" + "11" * 20, "is not signed by its operator"),
        ("blockHash", "0x12", "blockHash has 1 bytes"),
    ):
        file.write_text(json.dumps({**head, field: value}))
        refused(
            tbill("init", "--home", home, "--at", AT, "--light-keys", "--after", file),
            3,
            "after" if "signed" in said else "",
            said,
        )
        assert not (home / "ledger").exists()
    refused(tbill("init", "--home", home, "--after", tmp_path / "none.json"), 3, "none.json", "cannot be read")


def test_contracts_on_a_node_name_none(tbill, tmp_path):
    file, home = closed(tbill, tmp_path), tmp_path / "node"
    words = ("init", "--home", home, "--chain", "http://127.0.0.1:1", "--after", file)
    refused(tbill(*words), 2, "after", "no genesis")


def test_the_genesis_hash_covers_it(tbill, tmp_path):
    """Another head is another ledger."""
    head = SignedHead.read(closed(tbill, tmp_path))
    ring = td.open_ledger(home=tbill.home).keyring
    made = []
    for after in (None, head):
        with td.create_ledger("sqlite://", at=AT, keys=ring, after=after) as ledger:
            extras = ledger.embedded.genesis.extras
            made.append(extras)
    assert made[1] == made[0] | {"after": head.to_json()}


def test_what_is_not_in_the_file_is_named(tbill, tmp_path):
    assert tbill("cash", "create", "EUR", "Euro").code == 0
    assert tbill("cash", "deposit", "desk", "EUR", "12.5").code == 0
    ran = tbill("holdings", "export", tmp_path / "desk.csv")
    assert "not in the file: 12.50 EUR" in ran.out
    words = ("--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000", "--price", "99.5")
    assert tbill("early", "open", OTHER, *words).code == 0
    asked = [tbill("early", "request", OTHER, face, "--json").json["request_id"] for face in ("700", "120.5")]
    assert tbill("kyc", "revoke", "desk").code == 0
    assert tbill("early", "cancel", asked[0]).code == 0, "it cannot be given back, and stays there"
    ran = tbill("holdings", "export", tmp_path / "desk.csv")
    assert f"not in the file: 820.50 {OTHER} in the early redemption queue" in ran.out
    assert f"{OTHER},3999179.500000,\n" in (tmp_path / "desk.csv").read_text()
    assert "queue" not in tbill("holdings", "export", tmp_path / "dealer.csv", "--party", "dealer").out
    refused(tbill("holdings", "export", tmp_path / "x.csv", "--party", "nobody"), 7, "nobody")
