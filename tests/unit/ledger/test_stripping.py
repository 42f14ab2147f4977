"""STRIPS on the ledger: a 30-year bond in its 61 pieces and back, and what a stripped note pays."""

from __future__ import annotations

from datetime import date

import pytest

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.instruments import Bond, Note, Strip, strip
from tbill_defi.ledger import life
from tbill_defi.ledger.securities import denominate
from tbill_defi.ledger.stripping import Stripping, smallest_face
from tests.unit.ledger.support import DOLLAR, make_ledger

NOTE = Note(cusip="91282CAA1", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2027, 3, 31))
LONG = Bond(cusip="912810DD4", coupon=0.0475, dated_date=date(2026, 2, 15), maturity_date=date(2056, 2, 15))
FIRST, LAST = date(2026, 9, 30), date(2027, 3, 31)
CUSIPS = {FIRST: "912833AA1", LAST: "912833AA2"}


@pytest.fixture
def ledger():
    with make_ledger("ann", "ben", at=new_york_midnight(NOTE.dated_date) + 9 * 3600) as made:
        for name in ("ann", "ben"):
            made.set_claim(name, 2**42)
            made.deposit(name, {}, 5_000_000 * DOLLAR)
        yield made


def go_to(ledger, day):
    ledger.chain.advance_clock(new_york_midnight(day) + 9 * 3600 - ledger.chain.now())


def test_a_note_and_its_strips_pay_the_same(ledger):
    face = 1_000 * DOLLAR
    ledger.deposit("ann", {NOTE: 2 * face})
    desk = Stripping(ledger)
    desk.name_pieces(NOTE, CUSIPS, "912821AA1")
    done = desk.strip("ann", NOTE, face)
    interest = face * 4_125 // 200_000
    assert done.pieces == {"912833AA1": interest, "912833AA2": interest, "912821AA1": face}
    assert ledger.wallet("ann").positions == {NOTE.cusip: face, **done.pieces}
    before = ledger.wallet("ann").cash
    pieces = {piece.cusip: piece for piece in strip(NOTE, interest_cusips=CUSIPS, principal_cusip="912821AA1")}
    for day in (FIRST, LAST):
        go_to(ledger, day)
        paid = sum(life.pay_coupon(ledger, NOTE, day).paid.values())
        assert paid == interest
        for cusip in [c for c, piece in pieces.items() if piece.maturity_date == day]:
            life.redeem(ledger, pieces[cusip])
    life.redeem(ledger, NOTE)
    assert ledger.wallet("ann").cash - before == 2 * (2 * interest + face)
    assert all(units == 0 for cusip, units in ledger.books().supply() if cusip != "USD")


def test_sixty_one_pieces_there_and_back(ledger):
    ledger.deposit("ann", {LONG: 100_000 * DOLLAR})
    days = {add_months(LONG.dated_date, 6 * n): f"91283{n:04d}" for n in range(1, 61)}
    desk = Stripping(ledger)
    desk.name_pieces(LONG, days, "912803AA1")
    whole = desk.strip("ann", LONG, 100_000 * DOLLAR)
    assert len(whole.pieces) == 61
    assert LONG.cusip not in ledger.wallet("ann").positions
    assert sum(whole.pieces.values()) == 100_000 * DOLLAR * (1_000 + 60 * 23.75) // 1_000
    back = desk.reconstitute("ann", LONG, 40_000 * DOLLAR)
    assert {name: 5 * units // 2 for name, units in back.pieces.items()} == whole.pieces
    assert ledger.wallet("ann").positions[LONG.cusip] == 40_000 * DOLLAR


def test_what_gives_no_whole_strips_is_refused(ledger):
    ledger.deposit("ann", {NOTE: 1_000 * DOLLAR})
    desk = Stripping(ledger)
    assert smallest_face(NOTE) == 1_600
    with pytest.raises(UsageError, match="no multiple of 1600"):
        desk.strip("ann", NOTE, 100)
    with pytest.raises(LedgerError) as caught:
        desk.strip("ann", NOTE, 1_600)
    assert caught.value.code == "PiecesNotNamed"
    desk.name_pieces(NOTE, CUSIPS, "912821AA1")
    with pytest.raises(LedgerError) as caught:
        desk.reconstitute("ann", NOTE, 1_600)
    assert caught.value.code == "ERC20InsufficientBalance"
    assert ledger.token_of("912833AA1")
    denominate(ledger, "912833AA1", 100 * DOLLAR)
    with pytest.raises(UsageError, match="no multiple of 160000000000: no whole strips"):  # 2.0625% of it is $3,300
        desk.strip("ann", NOTE, 1_600)
    assert ledger.wallet("ann").positions == {NOTE.cusip: 1_000 * DOLLAR}
    assert Strip(cusip="912833AA1", maturity_date=FIRST)
