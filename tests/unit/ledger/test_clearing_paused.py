"""Novation to the CCP of a security that is paused: who owes what is settled between the books, no unit moves."""

import pytest

from tbill_defi.ledger.clearing import open_clearing
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.securities import pause
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, make_ledger
from tests.unit.ledger.test_clearing import AFTER_ROUND_TRIP, MEMBERS, OPENS, deal, holdings, owed, round_trip


@pytest.fixture
def house():
    with make_ledger("ccp", *MEMBERS) as ledger:
        for member in MEMBERS:
            ledger.deposit(member, {NOTE: 1_000 * DOLLAR, OTHER: 1_000 * DOLLAR}, 10_000 * DOLLAR)
        yield open_clearing(ledger, "ccp")


@pytest.mark.parametrize("first", ["agreed", "paused"])
def test_what_is_novated_in_a_pause_settles_after_it(house, first):
    """The CCP takes the trades on; nothing settles until then, and then all of it."""
    ledger = house._ledger
    if first == "paused":
        pause(ledger, NOTE.cusip, True)
    round_trip(house)
    pause(ledger, NOTE.cusip, True)
    house.novate()
    assert owed(house) == {"ann": (-100, 99), "bea": (40, -39), "cyd": (100, -99), "dan": (-40, 39)}
    move_clock(ledger, OPENS)
    before = holdings(house)
    assert house.settle_due() == []
    assert holdings(house) == before
    pause(ledger, NOTE.cusip, False)
    assert len(house.settle_due()) == 4
    assert holdings(house) == AFTER_ROUND_TRIP
    assert house.obligations() == {}


def test_a_pause_of_one_security_holds_no_other_up(house):
    """Their lines share an instruction, all or none: the other's alone are settled."""
    ledger = house._ledger
    deal(house, "ann", "bea", 100, 99)
    deal(house, "cyd", "dan", 50, 49, OTHER)
    house.novate()
    move_clock(ledger, OPENS)
    pause(ledger, NOTE.cusip, True)
    done = house.settle_due()
    assert {line.key.asset for line in done} == {OTHER.cusip}
    assert ledger.wallet("dan").positions[OTHER.cusip] == 1_050 * DOLLAR
    pause(ledger, NOTE.cusip, False)
    assert {line.key.asset for line in house.settle_due()} == {NOTE.cusip}
    assert house.obligations() == {}
