"""A keeper strikes the early redemption queue at its time and settles trades on their dates; a fail is told."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date

import pytest

import tbill_defi as td
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.life import TREASURY
from tbill_defi.ledger.trades import Trades
from tests.unit.automation.support import DOLLAR, NOTE, START, keeper_at, make_home, moment, open_at, rule, write_market
from tests.unit.automation.test_kill import KILLED, process

QUEUE = rule("early", '{ kind = "queue", at = "16:00" }', '{ kind = "strike" }')
TRADES = rule("trades", '{ kind = "trades" }', '{ kind = "settle-trades" }')
TOMORROW = date(2026, 3, 25)
POINTS = 8


def prepare(ledger):
    """A window of 1,000 a day with 2,700 asked for, and three trades for tomorrow: one in parts, one too large."""
    queue = EarlyRedemption(ledger)
    opens, closes = new_york_midnight(date(2026, 3, 24)), new_york_midnight(date(2026, 6, 24))
    queue.set_window(NOTE, Window(opens, closes, 100 * DOLLAR, 1_000 * DOLLAR, 99_000_000))
    queue.fund(NOTE, 10_000 * DOLLAR)
    for face in (700, 800, 1_200):
        queue.request("desk", NOTE, face * DOLLAR)
    book = Trades(ledger)
    words = {"seller": "desk", "buyer": "dealer", "asset": NOTE, "settlement_date": TOMORROW}
    for face, more in ((1_000, {}), (4_000_000, {"minimum_units": DOLLAR, "lot_units": DOLLAR}), (5_000_000, {})):
        book.agree(book.terms(face_units=face * DOLLAR, proceeds_units=face * DOLLAR, **words, **more))


@pytest.fixture
def home(tmp_path):
    made = make_home(tmp_path / "home")
    with open_at(made, START) as ledger:
        ledger.keyring.create(TREASURY)
        prepare(ledger)
    return made


def told(done):
    return [(outcome.rule.name, outcome.result.status) for outcome in done.outcomes]


def test_the_queue_is_struck_once_a_day_from_its_time_on(home):
    assert told(keeper_at(home, "2026-03-24T15:59", QUEUE).once()) == []
    rehearsed = keeper_at(home, "2026-03-24T16:00").once(dry_run=True)
    assert told(rehearsed) == [("early", "would")]
    done = keeper_at(home, "2026-03-24T16:00").once()
    assert told(done) == [("early", "done")]
    assert done.outcomes[0].result.details == {"cusip": NOTE, "face": str(1_000 * DOLLAR), "paid": str(990 * DOLLAR)}
    assert told(keeper_at(home, "2026-03-24T16:05").once()) == [], "the day's limit"
    with open_at(home, "2026-03-24T16:10") as ledger:
        assert [one.face_units for one in EarlyRedemption(ledger).waiting(NOTE)] == [500 * DOLLAR, 1_200 * DOLLAR]
    assert told(keeper_at(home, "2026-03-25T15:59").once()) == [], "not before its time"
    (outcome,) = keeper_at(home, "2026-03-25T16:00").once().outcomes
    assert outcome.result.details["face"] == str(1_000 * DOLLAR)


def test_requests_made_after_the_time_wait_for_the_next_day(home):
    keeper_at(home, "2026-03-24T16:00", QUEUE).once()
    keeper_at(home, "2026-03-25T16:00").once()
    with open_at(home, "2026-03-26T16:30") as ledger:
        EarlyRedemption(ledger).request("desk", NOTE, 100 * DOLLAR)
    (outcome,) = keeper_at(home, "2026-03-26T16:31").once().outcomes
    assert outcome.result.details["face"] == str(700 * DOLLAR), "what was asked before 16:00"
    assert told(keeper_at(home, "2026-03-26T16:32").once()) == []
    (outcome,) = keeper_at(home, "2026-03-27T16:00").once().outcomes
    assert outcome.result.details["face"] == str(100 * DOLLAR)


def test_trades_settle_on_their_date_in_parts_where_they_may_and_a_fail_is_told(home):
    assert told(keeper_at(home, "2026-03-24T18:00", TRADES).once()) == []
    first = keeper_at(home, "2026-03-25T09:00").once()
    assert told(first) == [("trades", "done"), ("trades", "done"), ("trades", "refused")]
    whole, part, refused = first.outcomes
    assert whole.result.details["open"] == "0"
    assert int(part.result.details["settled"]) == 3_000_000 * DOLLAR - 3_700 * DOLLAR, "all that the desk has left"
    assert "InsufficientBalance" in refused.result.message
    assert first.exit_code != 0
    late = keeper_at(home, "2026-03-26T09:00").once()
    assert told(late) == [("trades", "failed"), ("trades", "failed")]
    assert late.exit_code == 0, "a fail is no fault of the keeper"
    assert "5,000,000.00 not settled" in late.outcomes[1].result.message
    rows = json.loads((home / "keeper" / "state.json").read_text())["firings"].values()
    assert [row["status"] for row in rows] == ["done", "done", "failed", "failed"]
    with open_at(home, "2026-03-26T10:00") as ledger:
        ledger.deposit("desk", {ledger_security(home): 7_000_000 * DOLLAR}, 0)
    assert told(keeper_at(home, "2026-03-26T11:00").once()) == [("trades", "done"), ("trades", "done")], "late, whole"
    assert told(keeper_at(home, "2026-03-26T12:00").once()) == []


def ledger_security(home):
    view = td.view("2026-03-24", home=home)
    return next(iter(view.face_of({NOTE: 1})))


def test_a_trade_of_others_is_not_the_partys(home):
    theirs = rule("theirs", '{ kind = "trades" }', '{ kind = "settle-trades" }', party="treasury", approval="ask")
    assert told(keeper_at(home, "2026-03-25T09:00", theirs).once()) == []
    mine = rule("mine", '{ kind = "trades" }', '{ kind = "settle-trades" }', approval="ask")
    assert told(keeper_at(home, "2026-03-25T09:00", mine).once())[0] == ("mine", "pending")


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_anywhere_and_run_again_is_as_if_nothing_had_happened(tmp_path):
    home = tmp_path / "settling"
    write_market(home)
    with td.create_ledger(home=home, at=moment(START), light_keys=True) as ledger:
        view = td.view("2026-03-24", home=home)
        ledger.deposit("desk", view.face_of({NOTE: 3_000_000 * DOLLAR}), 500_000 * DOLLAR)
        ledger.deposit("dealer", {}, 50_000_000 * DOLLAR)
        ledger.keyring.create(TREASURY)
        prepare(ledger)
        move_clock(ledger, moment("2026-03-25T16:30"))
    (home / "keeper.toml").write_text("\n".join((QUEUE, TRADES)))
    work = tmp_path / "work"
    work.mkdir()
    ran = process([*KILLED, "many", str(home), str(work), str(POINTS), "0", "1"])
    assert ran.returncode == 0, ran.stderr[-2000:]
    whole, *points = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [status for _, status in whole["statuses"]] == ["done", "done", "done", "refused"]
    assert len(points) == POINTS
    for point in points:
        assert point["killed"], point
        assert point["picture"] == whole["picture"], point
        assert [status for _, status in point["again"]] == ["refused"] * 2, "what is left cannot be delivered"
    shutil.rmtree(work)
