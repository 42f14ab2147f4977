"""A desk whose ledger is served: every command works beside `tbill serve`, on SQLite and on PostgreSQL."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.follower import InboxChain
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.cli.main import run
from tbill_defi.core.clock import SystemClock
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.open import desk_keys, ledger_url, open_ledger

SECONDS = 60


class Desk:
    """A home, and commands run in processes of their own."""

    def __init__(self, home, url):
        self.home = home
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("TBILL_PASSPHRASE", "TBILL_LEDGER_URL")
        } | {"TBILL_HOME": str(home)}
        self.run("init", "--light-keys", *(["--url", url] if url else []))
        self.url = ledger_url(home)

    def start(self, *words, **options):
        command = [sys.executable, "-m", "tbill_defi", *words]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    def run(self, *words, code=0, text=None):
        process = self.start(*words, stdin=subprocess.PIPE)
        out, error = process.communicate(text, timeout=SECONDS)
        assert process.returncode == code, (words, out, error)
        return out if code == 0 else error


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request, tmp_path):
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    return Desk(tmp_path / "home", url)


def serving(desk):
    """A sequencer, once it serves; what it says goes on to be read."""
    process = desk.start("serve")
    line = process.stderr.readline()
    assert line.startswith("serving "), line
    return process


def ended(process):
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    return said


def test_a_day_beside_a_sequencer(desk):
    height = int(desk.run("audit", "head").split('"height": "')[1].split('"')[0])
    waiting = desk.start("follow", "--from", str(height + 1), "--blocks", "1")
    sequencer = serving(desk)
    desk.run("kyc", "add", "pension")
    out, _ = waiting.communicate(timeout=SECONDS)
    assert re.match(rf"block {height + 1}, .*WalletRegistered", out), out
    (desk.home / "cash.csv").write_text("cusip,face,cost_price\nUSD,1000,\n")
    both = [desk.start("kyc", "add", name) for name in ("ann", "bea")]
    said = [process.communicate(timeout=SECONDS)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 7]), said  # one key, two processes: the later may be told that its nonce is used
    assert "its next is" in "".join(said) or codes == [0, 0]
    assert desk.run("wallet", "pension").count("pension") == 1
    second = desk.start("serve")
    assert second.stderr.readline().startswith("standing by: another writer holds")
    sequencer.kill()
    sequencer.communicate(timeout=SECONDS)
    assert second.stderr.readline().startswith("serving ")
    desk.run("kyc", "add", "cyd")
    assert "ended at block" in ended(second)
    desk.run("kyc", "add", "dan")  # nobody serves any more: this command writes itself
    assert "consistent" in desk.run("audit", "verify")


@pytest.mark.slow
def test_raw_transactions(desk):
    """Signed elsewhere: no key is needed to submit them, and doing it again shows the receipts again."""
    key = desk_keys(desk.home).key("desk")
    with InboxChain.open(desk.url, clock=SystemClock()) as chain:
        nonce = chain.nonce(key.address)
        raws = [
            sign_transaction(key, chain_id=chain.chain_id, nonce=nonce + n, to=b"\x99" * 20, data=b"")
            for n in (0, 1, 5)
        ]
    lines = "".join(f"0x{raw.hex()}\n" for raw in raws[:2])
    assert "tbill serve" in desk.run("submit", "--wait", "0", code=7, text=lines)
    assert "2 transactions judged" in desk.start("serve", "--once").communicate(timeout=SECONDS)[1]
    first = desk.run("submit", text=lines)
    assert [line.split()[-1] for line in first.splitlines()] == ["done", "done"]
    assert desk.run("submit", text=lines) == first
    sequencer = serving(desk)
    assert "nonce" in desk.run("submit", code=7, text=f"0x{raws[2].hex()}")
    assert "is not hex" in desk.run("submit", code=3, text="0xzz")
    assert "no transactions" in desk.run("submit", code=2, text="\n")
    ended(sequencer)
    assert verify(desk.url, decoder=decode_log).ok


def test_a_home_without_the_operators_key(desk, tmp_path, monkeypatch):
    """A party elsewhere: its own key, the ledger's URL, and the inbox."""
    keys = desk_keys(desk.home)
    (desk.home / "keys" / "operator.json").rename(tmp_path / "operator.json")
    with open_ledger(home=desk.home, keys=desk_keys(desk.home)) as ledger:
        assert isinstance(ledger.chain, InboxChain)
    (tmp_path / "operator.json").rename(desk.home / "keys" / "operator.json")
    monkeypatch.setenv("TBILL_LEDGER_URL", desk.url)
    with open_ledger(home=tmp_path / "another", keys=keys, read_only=True) as ledger:
        assert ledger.wallet("desk").party == "desk"


def test_where_the_ledger_is_is_kept_without_secrets(tmp_path, postgres):
    desk = Desk(tmp_path / "home", postgres.database())
    assert (desk.home / "ledger" / "database.url").read_text() == desk.url + "\n"
    assert "use it, or another home" in desk.run("init", "--url", desk.url, code=7)
    assert "exists" in desk.run("init", code=7)
    other = Desk.__new__(Desk)
    other.home, other.environment = tmp_path / "other", {**desk.environment, "TBILL_HOME": str(tmp_path / "other")}
    assert "PGPASSWORD" in other.run("init", "--url", "postgresql://x:secret@127.0.0.1/desk", code=2)
    assert "there is no such database" in other.run("init", "--light-keys", "--url", postgres.url("none"), code=7)
    assert not (other.home / "ledger" / "database.url").exists()
    assert "mysql is not served" in other.run("init", "--url", "mysql://x/y", code=2)


def test_no_password_is_shown(tmp_path, postgres, monkeypatch, capsys):
    """Of the ledger's URL or the books', right or wrong, in what is said, logged, or written."""
    url = postgres.database().replace("tbill@", "tbill:s3cr3t@")
    books, home = url.rpartition("/")[0], tmp_path / "home"
    wrong = [f"{books}/none", url.replace("://", "//"), url.replace(":s3", "@s3"), url.replace("s3", "s3cr3t@s3")]
    wrong += [re.sub(r":\d+/", ":no/", url), re.sub(r":\d+/", ":1/", url), f"{postgres.url('none')}?password=s3cr3t"]
    monkeypatch.setenv("TBILL_HOME", str(home))
    for place in (url, *wrong):
        monkeypatch.setenv("TBILL_LEDGER_URL", place)
        for words in (
            "init --light-keys",
            "init --light-keys",
            "status",
            "wallet desk",
            "audit verify",
            "init --url x",
        ):
            run(["--log", "json", "--log-level", "debug", *words.split()])
        monkeypatch.setenv("TBILL_LEDGER_URL", url)
        run(["books", "index", "--books", place])
        run(["books", "positions", "--books", place])
    said = capsys.readouterr()
    assert "tbill:***@" in said.out
    assert "tbill:***@" in said.err
    assert "bug of tbill_defi" not in said.err
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert [line for line in (said.out + said.err).splitlines() if "s3cr3t" in line] == []
    assert all(b"s3cr3t" not in content for content in kept)
