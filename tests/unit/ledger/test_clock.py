"""A simulated clock moves forward by a block, any other does not move."""

import pytest

import tbill_defi as td
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger.clock import clock_kind, move_clock
from tests.unit.ledger.support import START, make_ledger, ring


def test_it_moves_to_the_second_and_stays():
    with make_ledger() as ledger:
        start, height = ledger.chain.now(), ledger.chain.height
        receipt = move_clock(ledger, START + 86_400)
        assert (receipt.status, receipt.logs, receipt.height) == (True, (), height + 1)
        assert ledger.chain.now() == START + 86_400 + 1
        move_clock(ledger, ledger.chain.now())
        for back in (start, ledger.chain.now() - 1):
            with pytest.raises(UsageError, match="never goes back"):
                move_clock(ledger, back)
        assert ledger.chain.height == height + 2


def test_it_is_kept_by_the_journal(tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with make_ledger(url=url) as ledger:
        move_clock(ledger, START + 86_400)
    with td.open_ledger(url, keys=ring("desk", "dealer", "fund")) as ledger:
        assert ledger.chain.now() == START + 86_401
        assert clock_kind(ledger) == "simulated"


def test_other_clocks_are_not_moved():
    with td.create_ledger("sqlite://", keys=ring("desk", "dealer")) as ledger:
        assert clock_kind(ledger) == "system"
        with pytest.raises(LedgerError, match="system's clock") as caught:
            move_clock(ledger, ledger.chain.now() + 60)
        assert caught.value.code == "RealClock"


def test_a_node_has_its_own_time():
    with td.create_ledger(chain="eth-tester:", keys=ring("desk", "dealer")) as ledger:
        assert clock_kind(ledger) == "node"
        with pytest.raises(LedgerError, match="node's clock"):
            move_clock(ledger, ledger.chain.now() + 60)
