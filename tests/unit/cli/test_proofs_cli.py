"""`tbill audit export`, `checkpoint`, `prove`."""

import json
import shutil
import sqlite3

from tests.unit.cli.support import NOTE, refused
from tests.unit.cli.test_schemas import valid
from tests.unit.ledger.test_proofs import verifier


def key_of(tbill):
    return valid("audit-checkpoint", tbill("audit", "checkpoint").out)["operator"]


def test_a_holding_by_file_and_by_output(tbill, tmp_path):
    out = tmp_path / "proof.json"
    assert tbill("audit", "prove", NOTE, "desk", "--out", out).code == 0
    printed = tbill("audit", "prove", NOTE, "desk").out
    valid("audit-prove", printed)
    assert out.read_text() == printed.rstrip("\n")
    shown = verifier.verify(out.read_bytes(), key_of(tbill))
    wallet = tbill("wallet", "desk", "--json").json
    assert [shown["amount"]] == [row["face"] for row in wallet["positions"] if row["cusip"] == NOTE]


def test_a_transaction(tbill):
    with sqlite3.connect(tbill.home / "ledger" / "ledger.db") as database:
        rows = database.execute("SELECT hash, raw FROM transactions ORDER BY sequence DESC LIMIT 1").fetchall()
    database.close()
    ((transaction_hash, raw),) = rows
    printed = tbill("audit", "prove", "0x" + transaction_hash.hex()).out
    valid("audit-prove", printed)
    shown = verifier.verify(printed.rstrip("\n").encode(), key_of(tbill))
    assert (shown["raw"], shown["status"]) == (raw.hex(), "succeeded")


def test_what_cannot_be_proven(tbill):
    for words, said in (
        (("0x12",), "is not a transaction's hash"),
        (("0x" + "12" * 32,), "no transaction 0x1212"),
        ((NOTE,), f"whose {NOTE}?"),
        ((NOTE, "nobody"), f"nobody has no {NOTE}"),
        (("912797ZZ9", "desk"), "912797ZZ9 is not on the ledger"),
        ((NOTE, "desk", "--at", 10**6), "is not a block"),
    ):
        ran = tbill("audit", "prove", *words)
        assert ran.code > 1
        assert said in ran.err


def test_evidence_is_checked_without_the_ledger(tbill, nothing, tmp_path, monkeypatch):
    folder = tmp_path / "evidence"
    monkeypatch.setenv("TBILL_HOME", str(tbill.home))
    assert tbill("audit", "export", folder).code == 0
    assert "is not empty" in tbill("audit", "export", folder).err
    here = tbill("audit", "verify", "--json").json
    monkeypatch.setenv("TBILL_HOME", str(nothing.home))
    there = nothing("audit", "verify", "--evidence", folder, "--json").json
    assert there["ok"]
    assert there["compared"]
    assert (there["transactions"], there["events"]) == (here["transactions"], here["events"])
    with sqlite3.connect(folder / "ledger.db") as database:
        database.execute("UPDATE events SET name = 'Transfer' WHERE sequence = 3")
    database.close()
    ran = nothing("audit", "verify", "--evidence", folder)
    assert ran.code == 10
    assert "events.name" in ran.out
    head = json.loads((folder / "head.json").read_text())
    head["height"] = str(int(head["height"]) + 1)
    (folder / "head.json").write_text(json.dumps(head))
    assert "the given head is not signed" in nothing("audit", "verify", "--evidence", folder).out
    assert "no folder of `tbill audit export`" in nothing("audit", "verify", "--evidence", tmp_path).err


def flipped(text):
    """The text with the low bit of its last character flipped, which stays a hex or decimal digit."""
    return text[:-1] + chr(ord(text[-1]) ^ 1) if text[-1] not in "9f" else text[:-1] + "8"


def test_a_checkpoint_is_held_to_the_replayed_ledger(tbill, tmp_path):
    """One bit off in any field is named by the field."""
    kept = tmp_path / "checkpoint.json"
    good = json.loads(tbill("audit", "checkpoint").out)
    kept.write_text(json.dumps(good))
    assert tbill("clock", "--to", "2026-03-25T15:00").code == 0
    value = valid("audit-verify", tbill("audit", "verify", "--checkpoint", kept, "--json").out)
    assert value["ok"]
    for name in good:
        kept.write_text(json.dumps({**good, name: flipped(good[name])}))
        ran = tbill("audit", "verify", "--checkpoint", kept, "--json")
        assert ran.code == 10, (name, ran.err)
        found = valid("audit-verify", ran.out)
        assert [row["column"] for row in found["findings"]] == [f"checkpoint.{name}"], found["findings"]
    for operator in ("abc", "zz", "", "00"):
        kept.write_text(json.dumps({**good, "operator": operator}))
        refused(tbill("audit", "verify", "--checkpoint", kept), 10, "checkpoint.operator")
    for height in ("9" * 5000, "\u0661", "-1", "", "03"):
        kept.write_text(json.dumps({**good, "height": height}))
        refused(tbill("audit", "verify", "--checkpoint", kept), 3, "is no checkpoint")
    refused(tbill("audit", "verify", "--checkpoint", tmp_path), 3, "directory")
    kept.write_text("{}")
    refused(tbill("audit", "verify", "--checkpoint", kept), 3, "is no checkpoint")


def test_two_copies_of_a_home_that_both_went_on(tbill, tmp_path):
    """Each is whole by itself; each is refused by a head, a checkpoint or books of the other."""
    homes = [tbill.home, tmp_path / "other"]
    shutil.copytree(*homes)
    (tmp_path / "more.csv").write_text("cusip,face,cost_price\nUSD,5,\n")
    for place, home in enumerate(homes):
        for _ in range(place + 1):
            assert tbill("holdings", "import", tmp_path / "more.csv", "--add", "--home", home).code == 0
            (tmp_path / "more.csv").write_text("cusip,face,cost_price\nUSD,6,\n")
        for kind in ("head", "checkpoint"):
            (tmp_path / f"{place}.{kind}").write_text(tbill("audit", kind, "--home", home).out)
        assert tbill("audit", "verify", "--home", home, "--head", tmp_path / f"{place}.head").code == 0
    assert tbill("books", "index").code == 0
    shutil.copytree(homes[0] / "books", homes[1] / "books")
    longer = ("audit", "verify", "--home", homes[1])
    ran = tbill(*longer, "--head", tmp_path / "0.head", "--json")
    assert ran.code == 10
    assert [one["kind"] for one in valid("audit-verify", ran.out)["findings"]] == ["fork"]
    ran = tbill(*longer, "--checkpoint", tmp_path / "0.checkpoint", "--json")
    assert ran.code == 10
    assert "checkpoint.block_hash" in [one["column"] for one in valid("audit-verify", ran.out)["findings"]]
    refused(tbill("audit", "verify", "--checkpoint", tmp_path / "1.checkpoint"), 10, "checkpoint.height")
    assert "rolled back" in tbill("audit", "verify", "--head", tmp_path / "1.head").out
    refused(tbill("books", "index", "--home", homes[1]), 7, "has another block", "tbill audit verify --head")
