"""`tbill market sync` against a local publisher, interrupted, killed and refused."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tbill_defi.core import clock
from tbill_defi.market.store import MarketStore
from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid
from tests.unit.market.sync.conftest import NOW
from tests.unit.market.sync.conftest import publisher as publisher
from tests.unit.market.sync.publisher import LAST, status, whole

QUICK = {"pause_seconds": 0.0, "backoff_seconds": 0.0, "timeout_seconds": 5.0}
SINCE = ("--from", "2025-01-01")


@pytest.fixture
def feeds(nothing, publisher, monkeypatch):
    """A home whose feeds.toml points to the local publisher, on the last day that it knows."""
    monkeypatch.setattr(clock.SystemClock, "now", lambda self: NOW)
    nothing.home.mkdir()
    path = nothing.home / "feeds.toml"
    path.write_text(publisher.toml(**QUICK))
    return path


def test_sync_shows_what_came_and_from_whom(nothing, feeds, publisher):
    ran = nothing("market", "sync", *SINCE)
    assert ran.code == 0, ran.err
    for feed in ("treasury", "fiscaldata", "newyorkfed", "fred"):
        assert re.search(rf"{feed} .* up to date", ran.out)
    assert all(agent.startswith("tbill_defi/") for agent in publisher.agents)
    assert MarketStore(nothing.home).frame("par_yields")["date"].max() == LAST


def test_json_and_freshness(nothing, feeds):
    reports = {row["feed"]: row for row in valid("market-sync", nothing("market", "sync", *SINCE, "--json").out)}
    assert reports["newyorkfed"]["new"] == reports["newyorkfed"]["rows"] > 250
    value = valid("market-show", nothing("market", "show", "--date", "2026-03-20", "--json").out)
    fresh = {row["kind"]: row for row in value["freshness"]}
    assert fresh["sofr"] == {
        "kind": "sofr",
        "rows": reports["newyorkfed"]["rows"] - 2,
        "first": "2025-01-02",
        "last": "2026-03-20",
        "age_days": 0,
        "checked_at": NOW,
        "feeds": ["newyorkfed"],
    }
    assert fresh["par_yields"]["feeds"] == ["fred", "treasury"]
    shown = nothing("market", "show", "--date", "2026-03-20").out
    assert "Freshness" in shown
    assert "2026-03-24 18:00:00 EDT" in shown


def test_freshness_of_what_was_imported_by_hand(tbill):
    shown = tbill("market", "show").out
    assert re.search(r"par_yields .* never", shown)


def test_one_feed_fails(nothing, feeds, publisher):
    publisher.fault("treasury", *[status(503)] * 4)
    ran = nothing("market", "sync", *SINCE)
    refused(
        ran, 3, "1 of 4 feeds failed: treasury 2026: answers HTTP 503, 4 times", "what the others brought is stored"
    )
    assert "failed: treasury 2026" in ran.out
    assert nothing("market", "sync", *SINCE, "--feed", "treasury").code == 0


def test_a_failure_in_json_is_on_stdout_too(nothing, feeds, publisher):
    publisher.fault("newyorkfed", status(404))
    ran = nothing("market", "sync", *SINCE, "--feed", "newyorkfed", "--json")
    refused(ran, 3, "newyorkfed 2026: answers HTTP 404")
    (report,) = valid("market-sync", ran.out)
    assert report["faults"] == ["newyorkfed 2026: answers HTTP 404"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[treasure]\n", "[treasure] is not known; known are limits, treasury, fiscaldata, newyorkfed, fred"),
        ("[treasury]\nbase = 3\n", '[treasury], field "base"'),
        ('[treasury]\nbase = "file:///etc/passwd"\n', "is not an http or https address"),
        ('[treasury]\nbase = "http://host/x?y=1"\n', "is not an http or https address without ?"),
        ("[limits]\nattempts = 0\n", "[limits], field \"attempts\": '0': Input should be greater than or equal to 1"),
        ("[limits]\nhurry = true\n", '[limits], field "hurry"'),
        ("limits = 3\n", "limits: 3 is not a table"),
        ("[limits\n", "is not TOML"),
        ("limits = " + "[" * 20_000, "is not TOML"),
        ("\xff", "is not TOML"),
        ("".join(f"[{f}]\nenabled = false\n" for f in ("treasury", "fiscaldata", "newyorkfed", "fred")), "no feed is"),
    ],
)
def test_a_bad_feeds_file(nothing, feeds, text, says):
    feeds.write_text(text)
    refused(nothing("market", "sync"), 3, "feeds.toml", says)
    assert not (nothing.home / "market").exists()


def test_bad_options(nothing, feeds, tmp_path):
    refused(nothing("market", "sync", "--from", "yesterday"), 2, "from: 'yesterday' is not a date")
    refused(nothing("market", "sync", "--feed", "bloomberg"), 2, "feed: 'bloomberg' is not one of treasury")
    refused(
        nothing("market", "sync", "--feeds", tmp_path / "none.toml"),
        3,
        "none.toml: there is no such file; write a file of feeds there",
    )
    feeds.write_text("[fred]\nenabled = false\n")
    refused(nothing("market", "sync", "--feed", "fred"), 2, "is not one of treasury", "it is not enabled")


def _start(home, publisher):
    """The command in a process of its own, against a server that takes its time."""

    def slowly(handler, body):
        time.sleep(0.15)
        whole(handler, body)

    for feed in ("treasury", "fiscaldata", "newyorkfed"):
        publisher.fault(feed, *[slowly] * 20)
    home.mkdir(parents=True, exist_ok=True)
    (home / "feeds.toml").write_text(publisher.toml(**QUICK))
    code = (
        f"from tbill_defi.core.clock import SystemClock; SystemClock.now = lambda self: {NOW}\n"
        "import sys; from tbill_defi.cli.main import run; sys.exit(run())"
    )
    words = ["market", "sync", "--from", "2020-01-01", "--home", str(home)]
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_the_same_command_goes_on(nothing, publisher, how, monkeypatch):
    monkeypatch.setattr(clock.SystemClock, "now", lambda self: NOW)
    process = _start(nothing.home, publisher)
    while len(publisher.asked) < 9:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert said.decode().startswith("error: interrupted; every answer so far is stored")
    asked = len(publisher.asked)
    reports = {r["feed"]: r for r in nothing("market", "sync", "--from", "2020-01-01", "--json").json}
    assert reports["treasury"]["final"] == 6
    assert reports["treasury"]["answers"] == 0
    assert len(publisher.asked) - asked < asked + 10
    assert MarketStore(nothing.home).frame("sofr").height == len(publisher.sofr)
    assert MarketStore(nothing.home).frame("par_yields").height == len(publisher.sofr)
