"""A firing acts once: again, beside another keeper, without its memory, as the clock goes on; a dry run not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tbill_defi.automation.firing import Firing
from tbill_defi.automation.rules import read_keeper_file
from tbill_defi.chain.lock import WriterLock
from tbill_defi.core.errors import LedgerBusy, LedgerError
from tbill_defi.ledger import identities
from tbill_defi.portfolio.execution import execute
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.strategy.isolation import IsolatedStrategy
from tests.unit.automation.support import (
    DAILY,
    DOLLAR,
    LADDER,
    keeper_at,
    keys,
    once,
    open_at,
    rule,
    statuses,
    tape,
    wallet,
)
from tests.unit.cli.support import state

DAY = "2026-03-24T15:30"
BUSY_DAY = "2026-06-26T15:30"
COUPON = rule("coupons", '{ kind = "coupon" }', '{ kind = "pay-coupon" }')
REDEEM = rule("redeem", '{ kind = "maturity" }', '{ kind = "redeem" }')
CROWD = (DAILY, COUPON, REDEEM)
"""On the busy day: two coupons, a redemption, and a rebalance of what came in."""
ROOT = Path(__file__).resolve().parents[3]


# --- once -----------------------------------------------------------------------------------------------------------


def test_a_rule_acts_once(home):
    first = once(home, DAY, DAILY)
    assert statuses(first) == [("daily", "done")]
    after, height = wallet(home), first.outcomes[0].result.details["height"]
    for text in (DAY, "2026-03-24T18:00"):
        assert once(home, text).outcomes == ()
    assert wallet(home) == after
    assert [entry.height for entry in tape(home)] == [height]


def test_the_plan_and_the_quote_are_kept(home):
    done = once(home, DAY, DAILY)
    plan = done.outcomes[0].result.details["plan_hash"]
    assert sorted(path.name for path in (home / "plans").iterdir()) == [f"{plan}.json", f"{plan}.quote.json"]
    assert list((home / "keeper" / "drafts").iterdir()) == []
    assert tape(home)[0].plan_hash == plan


@pytest.mark.parametrize("ruin", [lambda p: p.unlink(), lambda p: p.write_text("{"), lambda p: p.write_text("[]")])
def test_the_memory_may_be_lost(home, ruin):
    assert len(once(home, BUSY_DAY, *CROWD).outcomes) == 4
    before = wallet(home)
    ruin(home / "keeper" / "state.json")
    again = once(home, BUSY_DAY)
    assert again.outcomes == ()
    assert wallet(home) == before


def test_money_comes_in_before_it_is_invested(home):
    done = once(home, BUSY_DAY, *CROWD)
    assert statuses(done) == [("coupons", "done")] * 2 + [("redeem", "done"), ("daily", "done")]
    assert wallet(home).cash < 3_000_000 * 10**6


def test_the_clock_goes_on(home):
    """Each occurrence is an event of its own, and acts once."""
    assert statuses(once(home, DAY, DAILY)) == [("daily", "done")]
    assert once(home, "2026-03-25T14:59").outcomes == ()
    assert statuses(once(home, "2026-03-25T15:00")) == [("daily", "done")]
    assert once(home, "2026-03-25T15:01").outcomes == ()
    assert once(home, "2026-03-28T16:00").outcomes == ()
    assert len(tape(home)) == 2


def test_a_clock_that_is_set_back_acts_on_nothing(home):
    """Time is the ledger's: what it has settled stays settled, and what is due waits until the clock is right."""
    assert statuses(once(home, "2026-03-25T15:30", DAILY)) == [("daily", "done")]
    before = state(home / "ledger")
    for text in ("2026-03-25T15:29", "2026-03-25T09:00", "2026-03-24T15:30", "2020-01-02T15:30"):
        assert once(home, text).outcomes == ()
    noon = rule(
        "noon", '{ kind = "schedule", every = "daily", at = "12:00" }', LADDER.replace("rungs = 4", "rungs = 5")
    )
    done = once(home, "2026-03-24T15:30", DAILY, noon)
    assert statuses(done) == [("noon", "refused")]
    assert "clock: 86400 s behind the latest block" in done.outcomes[0].result.message
    assert state(home / "ledger") == before
    assert statuses(once(home, "2026-03-25T15:31")) == [("noon", "done")]
    assert len(tape(home)) == 2


def test_other_settings_are_the_same_rule(home):
    """Another configuration or approval on the same day does not settle again; another name does."""
    once(home, DAY, DAILY)
    changed = LADDER.replace("rungs = 4", "rungs = 3")
    trigger = '{ kind = "schedule", every = "daily", at = "15:00" }'
    assert once(home, DAY, rule("daily", trigger, changed)).outcomes == ()
    assert statuses(once(home, DAY, rule("daily-2", trigger, changed))) == [("daily-2", "done")]


@pytest.mark.invariant("I6")
def test_the_contract_refuses_a_second_plan_under_a_firing(home):
    """Without any of the keeper's own checks."""
    once(home, DAY, DAILY)
    import tbill_defi as td

    with open_at(home, DAY) as ledger:
        (found,) = read_keeper_file(home / "keeper.toml").rules
        nonce = int.from_bytes(Firing(found, "2026-03-24", "").id(ledger), "big")
        view = td.view("2026-03-24", home=home)
        book = Holdings.from_wallet(ledger.wallet("desk"))
        other = td.plan(td.find("ladder")(rungs=3, longest_years=2.0), view, book)
        with pytest.raises(LedgerError) as refusal:
            execute(other, ledger, approve_by="desk", nonce=nonce)
        assert refusal.value.code == "NonceAlreadyUsed"
        execute(other, ledger, approve_by="desk")


def test_a_party_can_cancel_a_firing(home):
    from tbill_defi.ledger.abi import encode_call
    from tbill_defi.ledger.deployment import Step

    keeper = keeper_at(home, DAY, DAILY)
    _, (standing,) = keeper.show()
    nonce = int(standing.ids["2026-03-24"], 16)
    with open_at(home, DAY) as ledger:
        ledger.send([Step("desk", ledger.contracts.settlement, encode_call("Settlement", "cancel", nonce))])
    assert keeper.once().outcomes == ()
    assert tape(home) == []


# --- two at once ----------------------------------------------------------------------------------------------------


def test_two_keepers_at_once(home):
    """Two processes, as often as they like: one line when the other is at work, and everything once."""
    (home / "keeper.toml").write_text("\n".join(CROWD))
    code = (
        "import json, sys, time\n"
        "from pathlib import Path\n"
        "from tbill_defi.core.errors import LedgerBusy\n"
        "from tests.unit.automation.support import keeper_at, statuses\n"
        "from tests.unit.automation.test_keeper import BUSY_DAY\n"
        "keeper, said, busy = keeper_at(Path(sys.argv[1]), BUSY_DAY), [], 0\n"
        "for _ in range(200):\n"
        "    try: said += statuses(keeper.once())\n"
        "    except LedgerBusy: busy += 1; time.sleep(0.02); continue\n"
        "    break\n"
        "print(json.dumps([said, busy]))\n"
    )
    two = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [json.loads(child.communicate(timeout=120)[0]) for child in two]
    both = said[0][0] + said[1][0]
    assert sorted(map(tuple, both)) == [("coupons", "done"), ("coupons", "done"), ("daily", "done"), ("redeem", "done")]
    assert [] in [outcomes for outcomes, _ in said]
    assert len(tape(home)) == 1


def test_a_busy_ledger_is_left_alone(home):
    keeper = keeper_at(home, DAY, DAILY)
    with open_at(home, DAY), pytest.raises(LedgerBusy):
        keeper.once()
    lock = WriterLock(home / "keeper" / "keeper.lock")
    with pytest.raises(LedgerBusy):
        keeper.once()
    lock.release()
    assert statuses(keeper.once()) == [("daily", "done")]


def test_the_loop_tells_news_once_and_tries_again_when_busy(home, monkeypatch):
    keeper = keeper_at(
        home, DAY, DAILY, rule("asks", '{ kind = "duration", lower = 9, upper = 10 }', LADDER, approval="ask")
    )
    held, told, lines, naps = open_at(home, DAY), [], [], []

    def sleep(seconds):
        naps.append(seconds)
        held.close()
        if len(naps) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("tbill_defi.automation.keeper.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        keeper.run(told.append, busy=lines.append)
    assert naps == [60] * 4
    assert len(lines) == 1
    assert "next try in 60 s" in lines[0]
    assert [statuses(done) for done in told] == [[("daily", "done"), ("asks", "pending")], [], []]


def test_the_loop_outlives_a_ledger_that_is_away(home, monkeypatch):
    """Not one that was never there."""
    keeper = keeper_at(home, DAY, DAILY)
    place, away = home / "ledger", home / "away"
    told, lines, naps = [], [], []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt
        (place if len(naps) == 1 else away).rename(away if len(naps) == 1 else place)

    monkeypatch.setattr("tbill_defi.automation.keeper.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        keeper.run(told.append, busy=lines.append)
    assert [statuses(done) for done in told] == [[("daily", "done")], []]
    assert len(lines) == 1
    place.rename(away)
    with pytest.raises(LedgerError):
        keeper.run(told.append, busy=lines.append)


# --- approval -------------------------------------------------------------------------------------------------------

ASKS = rule("daily", '{ kind = "schedule", every = "daily", at = "15:00" }', LADDER, approval="ask")


def test_without_a_terminal_it_stays_pending(home):
    keeper_at(home, DAY, ASKS)
    (home / "keeper").mkdir()
    before = state(home)
    done = once(home, DAY)
    assert statuses(done) == [("daily", "pending")]
    assert "nothing was sent" in done.outcomes[0].result.message
    assert {k: v for k, v in state(home).items() if "keeper" not in k} == {
        k: v for k, v in before.items() if "keeper" not in k
    }
    assert not (home / "keeper" / "state.json").exists()


def test_a_person_is_asked(home):
    asked = []
    keeper = keeper_at(home, DAY, ASKS)
    no = keeper.once(ask=lambda question: asked.append(question) or False)
    assert statuses(no) == [("daily", "declined")]
    assert keeper.once(ask=lambda question: asked.append(question) or True).outcomes == ()
    assert len(asked) == 1
    assert "orders of ladder for desk" in asked[0]
    assert statuses(once(home, DAY, ask=lambda question: True)) == [("daily", "done")]
    assert len(tape(home)) == 1


@pytest.mark.parametrize(("approval", "word"), [("key:dealer", "not desk's wallet"), ("key:nobody", "nobody")])
def test_the_key_is_the_partys(home, approval, word):
    trigger = '{ kind = "schedule", every = "daily", at = "15:00" }'
    done = once(home, DAY, rule("daily", trigger, LADDER, approval=approval))
    assert statuses(done) == [("daily", "refused")]
    assert word in done.outcomes[0].result.message
    assert done.exit_code
    assert tape(home) == []


def test_a_refusal_does_not_stop_the_others(home):
    with open_at(home, DAY) as ledger:
        identities.revoke(ledger, "dealer")
    done = once(home, BUSY_DAY, *CROWD)
    assert statuses(done) == [("coupons", "done")] * 2 + [("redeem", "done"), ("daily", "refused")]
    assert "dealer" in done.outcomes[-1].result.message
    assert done.exit_code == 6
    with open_at(home, BUSY_DAY) as ledger:
        identities.admit(ledger, "dealer", claim_expiry=2**40)
    assert statuses(once(home, BUSY_DAY)) == [("daily", "done")]


def test_a_plan_keeps_within_the_ledgers_limits(home):
    largest = 400_000 * DOLLAR
    with open_at(home, DAY) as ledger:
        ledger.set_trade_limit(largest)
    done = once(home, DAY, DAILY)
    assert statuses(done) == [("daily", "done")]
    amounts = [leg.amount for entry in tape(home) for leg in entry.legs if leg.asset != "USD"]
    assert max(amounts) == largest


# --- a rule in trouble ----------------------------------------------------------------------------------------------

RUINOUS = """
import tbill_defi as td


class Ruinous(td.Strategy[td.StrategyConfig]):
    \"\"\"What if my strategy fails?\"\"\"

    def decide(self, view, book):
        {}
"""


@pytest.mark.parametrize(
    "line",
    [
        "1 / 0",
        "raise KeyError('a\\nb')",
        "raise ValueError('a\\nb')",
        "import sys; sys.exit(3)",
        "return 7",
        "raise MemoryError",
        "import os; os._exit(0)",
        "import os; os.kill(os.getppid(), 9)",
        "x = bytearray(10 * 2**30)",
        "raise td.LedgerBusy('another writer')",
        "while True: pass",
    ],
)
def test_a_strategy_that_fails_harms_no_other_rule(home, line, monkeypatch):
    monkeypatch.setitem(IsolatedStrategy.__init__.__kwdefaults__, "seconds", 6.0 if "while" in line else 60.0)
    (home / "ruinous.py").write_text(RUINOUS.format(line))
    trigger = '{ kind = "schedule", every = "daily", at = "15:00" }'
    bad = rule("bad", trigger, '{ kind = "rebalance", strategy = "ruinous.py" }')
    done = once(home, DAY, bad, DAILY)
    assert statuses(done) == [("bad", "refused"), ("daily", "done")]
    assert "ruinous" in done.outcomes[0].result.message
    assert "\n" not in done.outcomes[0].result.message
    assert done.exit_code
    (home / "ruinous.py").unlink()


def test_a_strategy_that_went_away_harms_no_other_rule(home):
    (home / "ruinous.py").write_text(RUINOUS.format("return td.Weights.of({})"))
    trigger = '{ kind = "schedule", every = "daily", at = "15:00" }'
    keeper = keeper_at(home, DAY, rule("bad", trigger, '{ kind = "rebalance", strategy = "ruinous.py" }'), DAILY)
    (home / "ruinous.py").unlink()
    assert statuses(keeper.once()) == [("bad", "refused"), ("daily", "done")]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (rule("bad", '{ kind = "drift", tolerance = 0.1 }', LADDER, party="nobody"), "party"),
        (
            rule("bad", '{ kind = "duration", lower = 9, upper = 9 }', LADDER[:-2] + ', counterparty = "nobody" }'),
            "counterparty",
        ),
        (rule("bad", '{ kind = "margin" }', '{ kind = "margin-call" }', party="nobody"), "party"),
    ],
)
def test_a_party_that_is_not_there_harms_no_other_rule(home, bad, field):
    done = once(home, DAY, bad, DAILY)
    assert sorted(statuses(done)) == [("bad", "refused"), ("daily", "done")]
    said = next(o.result.message for o in done.outcomes if o.rule.name == "bad")
    assert said.startswith(f"{field} 'nobody' is not on this ledger; known: dealer, desk")


# --- dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_leaves_no_trace(home):
    keeper = keeper_at(home, BUSY_DAY, *CROWD)
    before = state(home)
    done = keeper.once(dry_run=True)
    assert statuses(done) == [("coupons", "would")] * 2 + [("redeem", "would"), ("daily", "would")]
    keeper.show()
    assert state(home) == before
    with open_at(home, BUSY_DAY):  # nor does it need the writer's place
        assert len(keeper.once(dry_run=True).outcomes) == 4


def test_a_dry_run_simulates_payments(home):
    from tbill_defi.ledger.life import ensure_treasury

    with open_at(home, DAY) as ledger:
        ensure_treasury(ledger)
    done = once(home, BUSY_DAY, *CROWD, dry_run=True)
    assert all("simulation" in o.result.message for o in done.outcomes if o.rule.name != "daily")


def test_keys_stay_in_the_keyring(home):
    """Nothing the keeper writes names a secret."""
    once(home, BUSY_DAY, *CROWD)
    written = (home / "keeper" / "state.json").read_text()
    assert keys(home).key("desk").address.hex() not in written
    assert "passphrase" not in written
