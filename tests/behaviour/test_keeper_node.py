"""The keeper of a busy day on a node: as on the embedded ledger, also when it dies between sending and receipt."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.behaviour.nodes import ANVIL, anvil, http_node
from tests.unit.automation.busy_day import make_busy_home
from tests.unit.automation.killed import keeper, picture
from tests.unit.automation.support import START, moment
from tests.unit.automation.test_kill import EVENTS, EVERYTHING

ROOT = Path(__file__).resolve().parents[2]
SEND, COUNT = "eth_sendRawTransaction", "eth_getTransactionCount"
POLLS = 5
"""So often a keeper has asked after what was sent before it when the node mines it."""
LONGEST = 240


class Wire:
    """Between keeper and node: lets everything through, but for one transaction that the node gets and does not mine.

    The answer to it is kept back, so that whoever sent it has no receipt when he dies.
    """

    def __init__(self, node):
        self.node, self.sent, self.polls, self.hold_at = node, 0, 0, None
        self.held, self.polled = threading.Event(), threading.Event()

    def arm(self, hold_at):
        """Keep back what is sent as number `hold_at` from now on; None: nothing."""
        self.sent, self.polls, self.hold_at = 0, 0, hold_at
        self.held.clear()
        self.polled.clear()

    def ask(self, method, *parameters):
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        return json.loads(self._through(json.dumps(asked).encode()))["result"]

    def _through(self, body):
        request = urllib.request.Request(self.node, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def __call__(self, body):
        asked = json.loads(body)
        methods = [one["method"] for one in (asked if isinstance(asked, list) else [asked])]
        self.sent += methods.count(SEND)
        self.polls += methods.count(COUNT) > 2  # of all keys at once: the look at what was sent before
        if self.polls >= POLLS:
            self.polled.set()
        if SEND in methods and self.sent == self.hold_at:
            self.ask("evm_setAutomine", False)
            self._through(body)
            self.held.set()
            return 503, "text/plain", b""
        return 200, "application/json", self._through(body)


@contextmanager
def process(home):
    words = [sys.executable, "-c", "from tbill_defi.cli.main import main; main()"]
    words += ["keeper", "run", "--once", "--json", "--home", str(home)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.fixture
def wire():
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    with anvil(at=moment(START)) as node:
        yield Wire(node)


@pytest.fixture
def expected(tmp_path):
    """What a day on the embedded ledger leaves."""
    home = make_busy_home(tmp_path / "embedded")
    assert keeper(home)["code"] == 0
    return told(home)


def told(home):
    """A picture without what depends on the chain: ids of repos, and the hashes of what was under them."""
    found = picture(home)
    found["repos"] = sorted(repo[1:] for repo in found["repos"])
    found["tape"] = [found["tape"][-1], sorted(legs for _, legs in found["tape"][:-1])]
    return found


def test_the_same_file_does_the_same(wire, expected, tmp_path):
    home = make_busy_home(tmp_path / "home", chain=wire.node)
    done = keeper(home)
    assert (done["code"], done["statuses"]) == (0, EVERYTHING)
    assert told(home) == expected
    assert expected["events"] == EVENTS
    assert keeper(home)["statuses"] == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_what_was_sent_is_not_sent_again(wire, expected, tmp_path):
    """Killed again and again with a transaction in the node's pool, which the next keeper finds there and awaits."""
    home = make_busy_home(tmp_path / "home", chain=wire.node)
    file = home / "ledger" / "chain.toml"
    with http_node(wire) as url:
        file.write_text(file.read_text().replace(wire.node, url))
        for round_, hold_at in enumerate((1, 3, 4, 5, 6, None)):
            wire.arm(hold_at)
            with process(home) as child:
                if round_:
                    assert wire.polled.wait(LONGEST)
                    assert wire.sent == 0
                    wire.ask("evm_setAutomine", True)
                    wire.ask("evm_mine")
                if hold_at is None:
                    said, trouble = child.communicate(timeout=LONGEST)
                    assert child.returncode == 0, trouble
                    assert json.loads(said)["outcomes"]
                else:
                    assert wire.held.wait(LONGEST), child.stderr.read()
                    os.kill(child.pid, signal.SIGKILL)
        file.write_text(file.read_text().replace(url, wire.node))
    assert told(home) == expected
    assert keeper(home)["statuses"] == []
