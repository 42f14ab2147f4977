"""Commands that people and machines give at once, each a process of its own: done or refused as busy, never half."""

import json
import os
import subprocess
import sys

import pytest

from tests.unit.cli.support import ROOT, state
from tests.unit.cli.test_keeper_cli import write

TBILL = [sys.executable, "-m", "tbill_defi"]
ROUNDS = 3
BUSY = "nothing was executed"

pytestmark = pytest.mark.slow


def at_once(home, *commands):
    """(exit code, stdout, stderr) of each."""
    environment = {**os.environ, "TBILL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [*TBILL, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for words in commands
    ]
    return [(*reversed(child.communicate(timeout=300)), child.returncode)[::-1] for child in started]


def done_or_busy(ran):
    """Whether it was done; else it said so in one line and with the code for it."""
    code, out, err = ran
    if code == 0:
        return True
    assert code == 8, (code, err)
    assert out == ""
    assert err.startswith("error: ")
    assert BUSY in err
    assert err.count("\n") == 1
    return False


def test_deposits_and_a_reader(tbill, tmp_path):
    """Each that ended well is in the ledger once, each that was told to wait is not; who reads sees whole deposits."""
    dollars = [1, 10, 100]
    for amount in dollars:
        (tmp_path / f"{amount}.csv").write_text(f"cusip,face,cost_price\nUSD,{amount},\n")
    expected = 200_000
    for _ in range(ROUNDS):
        *ran, reader = at_once(
            tbill.home,
            *(("holdings", "import", tmp_path / f"{amount}.csv", "--add") for amount in dollars),
            ("wallet", "desk", "--json"),
        )
        gained = [amount for amount, one in zip(dollars, ran, strict=True) if done_or_busy(one)]
        assert gained, "one at least was first"
        code, out, err = reader
        assert code == 0, err
        seen = int(json.loads(out)["cash"]) // 10**6 - expected
        assert seen in {sum(a for a, bit in zip(dollars, (1, 2, 4), strict=True) if n & bit) for n in range(8)}
        expected += sum(gained)
        assert int(tbill("wallet", "desk", "--json").json["cash"]) == expected * 10**6
    assert tbill("audit", "verify").code == 0


def test_two_keepers_and_a_deposit(tbill, tmp_path):
    """What is due is settled once, whoever comes first, and those who were told to wait find it done."""
    write(tbill)
    (tmp_path / "more.csv").write_text("cusip,face,cost_price\nUSD,7,\n")
    deposit = ("holdings", "import", tmp_path / "more.csv", "--add")
    keeper = ("keeper", "run", "--once", "--json")
    deposits, outcomes = 0, []
    for _ in range(ROUNDS):
        *keepers, other = at_once(tbill.home, keeper, keeper, deposit)
        deposits += done_or_busy(other)
        for ran in keepers:
            if done_or_busy(ran):
                outcomes += [one["status"] for one in json.loads(ran[1])["outcomes"]]
    outcomes += [one["status"] for one in tbill(*keeper).json["outcomes"]]
    assert outcomes == ["done"]
    (entry,) = tbill("tape", "--json").json
    paid = sum(
        int(leg["amount"]) * (1 if leg["to"] == "desk" else -1) for leg in entry["legs"] if leg["asset"] == "USD"
    )
    assert int(tbill("wallet", "desk", "--json").json["cash"]) == (200_000 + 7 * deposits) * 10**6 + paid
    assert sorted(path.name for path in (tbill.home / "plans").iterdir()) == [
        f"{entry['plan_hash']}.json",
        f"{entry['plan_hash']}.quote.json",
    ]
    assert not any((tbill.home / "keeper" / "drafts").iterdir())
    assert tbill("audit", "verify").code == 0
    assert not [name for name in state(tbill.home) if name.endswith(".tmp")]
