"""`tbill status`, `config`, `backup`, `restore`, and structured logs."""

import json
import os
import subprocess
import sys
import threading

import pytest

from tbill_defi.chain.keys import list_keystores, open_keystore
from tbill_defi.core.files import write_durably
from tbill_defi.ledger.backup import take_backup
from tests.unit.cli.support import ROOT, refused, state
from tests.unit.cli.test_schemas import valid


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "users"))
    for name in ("TBILL_CONFIG", "TBILL_LOG", "TBILL_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def test_status(tbill):
    before = state(tbill.home)
    found = valid("status", tbill("status", "--json").out)
    assert found["ledger"]["height"] > 0
    assert found["ledger"]["bytes"] > 100_000
    assert found["audit"] is None
    assert found["keys"]["light"] == sorted(found["keys"]["keys"])
    assert {row["kind"] for row in found["market"]} >= {"par_yields", "auctions"}
    assert state(tbill.home) == before
    assert tbill("audit", "verify").code == 0
    audit = valid("status", tbill("status", "--json").out)["audit"]
    assert audit["ok"]
    assert audit["blocks_since"] == 0
    out = tbill("status").out
    assert "last audit" in out
    assert "under cheap scrypt" in out


def test_status_where_nothing_is(nothing):
    found = valid("status", nothing("status", "--json").out)
    assert found["ledger"] is None
    assert found["market"] == []
    assert "ledger: none" in nothing("status").out


def test_config(tbill, tmp_path, monkeypatch):
    found = valid("config", tbill("config", "--json").out)
    assert found["settings"]["home"] == {"value": str(tbill.home), "source": "environment"}
    assert valid("config", tbill("config", "--home", "x", "--json").out)["settings"]["home"]["source"] == "flag"
    (tmp_path / "c.toml").write_text('log = "nope"\n')
    monkeypatch.setenv("TBILL_CONFIG", str(tmp_path / "c.toml"))
    refused(tbill("config"), 2, "c.toml", "log = 'nope'")
    (tmp_path / "c.toml").write_text('log = "text"\n')
    assert "text" in tbill("config").out


def test_backup_and_restore(tbill, tmp_path):
    archive, other = tmp_path / "desk.tar", tmp_path / "other"
    made = valid("backup", tbill("backup", archive, "--json").out)
    back = valid("restore", tbill("restore", archive, "--home", other, "--json").out)
    assert (back["height"], back["block_hash"]) == (made["height"], made["block_hash"])
    assert back["transactions"] > 0
    kept = {name: digest for name, digest in state(tbill.home).items() if not name.startswith("keys")}
    assert state(other) == kept
    assert tbill("wallet", "desk", "--json").out == tbill("wallet", "desk", "--json", "--home", other).out


def test_keys_only_if_asked_for_and_never_the_passphrase(tbill, tmp_path):
    secret = (tbill.home / "keys" / "passphrase").read_text().strip()
    for words, keys in (((), False), (("--keys",), True)):
        archive, other = tmp_path / f"{keys}.tar", tmp_path / str(keys)
        assert tbill("backup", archive, *words).code == 0
        assert secret.encode() not in archive.read_bytes()
        assert tbill("restore", archive, "--home", other).code == 0
        assert bool(list_keystores(other / "keys")) is keys
    assert open_keystore(tmp_path / "True" / "keys" / "desk.json", secret)


def test_what_is_refused(tbill, tmp_path):
    archive = tmp_path / "desk.tar"
    assert tbill("backup", archive).code == 0
    refused(tbill("backup", archive), 3, "there is a file already")
    refused(tbill("backup", tmp_path / "none" / "a.tar"), 3, f"{tmp_path / 'none' / 'a.tar'}: No such file")
    refused(tbill("restore", archive), 7, "is not empty")
    content = bytearray(archive.read_bytes())
    at = content.index(b"SQLite format 3") + 70_000
    content[at] ^= 1
    (tmp_path / "broken.tar").write_bytes(content)
    refused(tbill("restore", tmp_path / "broken.tar", "--home", tmp_path / "other"), 3, "damaged")
    refused(tbill("restore", tmp_path / "none.tar", "--home", tmp_path / "other"), 3, "none.tar")
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".other-*"))


def test_a_ledger_that_does_not_verify_is_not_put_back(tbill, tmp_path):
    """The archive is whole, but its journal was changed before it was taken."""
    import sqlite3

    with sqlite3.connect(tbill.home / "ledger" / "ledger.db") as database:
        database.execute("UPDATE events SET arguments = replace(arguments, '3', '4')")
    database.close()
    assert tbill("backup", tmp_path / "desk.tar").code == 0
    refused(tbill("restore", tmp_path / "desk.tar", "--home", tmp_path / "other"), 10, "desk.tar", "events.arguments")
    assert not (tmp_path / "other").exists()


def test_a_file_that_changes_while_it_is_packed_is_one_of_its_states(tbill, tmp_path):
    """As the keeper's memory does, whose length may stay the same."""
    changing = tbill.home / "keeper" / "state.json"
    states = [b"%06d" % number for number in range(1000)]
    left = iter(states)

    def change(step, done, total):
        write_durably(changing, next(left))

    changing.parent.mkdir(exist_ok=True)
    change("", 0, 0)
    take_backup(tmp_path / "desk.tar", home=tbill.home, progress=change)
    assert tbill("restore", tmp_path / "desk.tar", "--home", tmp_path / "other").code == 0
    assert (tmp_path / "other" / "keeper" / "state.json").read_bytes() in states


def test_a_backup_while_the_ledger_is_at_work(tbill, tmp_path):
    """Every archive that is taken between the blocks of another process is one of its heads, whole."""
    script = (
        "import tbill_defi as td\n"
        "with td.open_ledger() as ledger:\n"
        "    for n in range(1, 60):\n"
        "        ledger.deposit('desk', {}, n)\n"
        "        print(n, flush=True)\n"
    )
    environment = {**os.environ, "TBILL_HOME": str(tbill.home), "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
    said = []
    reader = threading.Thread(target=lambda: said.extend(writer.stdout))
    reader.start()
    heights = []
    while writer.poll() is None or len(heights) < 3:
        archive = tmp_path / f"{len(heights)}.tar"
        heights.append(valid("backup", tbill("backup", archive, "--json").out)["height"])
    reader.join()
    writer.stdout.close()
    assert writer.returncode == 0
    assert len(said) == 59
    assert heights == sorted(heights)
    assert len(set(heights)) > 2, "taken between its blocks"
    for n in {0, len(heights) // 2, len(heights) - 1}:
        back = valid("restore", tbill("restore", tmp_path / f"{n}.tar", "--home", tmp_path / f"h{n}", "--json").out)
        assert back["height"] == heights[n]


def test_logs_are_one_document_a_line_and_hold_no_secret(tbill, tmp_path):
    (tmp_path / "more.csv").write_text("cusip,face,cost_price\nUSD,5,\n")
    ran = tbill("--log", "json", "holdings", "import", tmp_path / "more.csv", "--add")
    assert ran.code == 0
    events = [json.loads(line) for line in ran.err.splitlines()]
    blocks = [one for one in events if one["event"] == "block"]
    assert blocks
    assert set(blocks[0]) >= {"time", "level", "logger", "event", "height", "hash"}
    assert blocks[-1]["height"] == tbill("clock", "--json").json["height"]
    secret = (tbill.home / "keys" / "passphrase").read_text().strip()
    keys = [open_keystore(entry.path, secret) for entry in list_keystores(tbill.home / "keys")]
    assert secret not in ran.err
    assert not any(bytes(key._key.secret).hex() in ran.err for key in keys)
    assert tbill("clock").err == ""
    text = tbill("--log", "text", "holdings", "import", tmp_path / "more.csv", "--add").err
    assert "chain.journal: block" in text
    assert f"height={blocks[-1]['height'] + 1}" in text
    refused(tbill("--log", "loud", "clock"), 2, "--log", "'loud'")
