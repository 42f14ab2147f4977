"""The page on the life of a security, typed as it stands, from the auction to redemption."""

from __future__ import annotations

import pytest

import tbill_defi as td
from tests.examples import terminal
from tests.examples.test_readme import ROOT

PAGE = ROOT / "docs" / "life.md"


@pytest.mark.slow
def test_every_block_of_the_page(tmp_path):
    auction, coupons, issue, *_ = terminal.blocks(PAGE)
    code, said = terminal.typed(auction, tmp_path)
    assert code == 0, said
    assert "85.72% awarded at 4.017%, coupon 4.000%" in said
    assert "fund: 300,100.00 91282CAA1" in said
    home = str(tmp_path / "life")
    code, said = terminal.typed(coupons, tmp_path, TBILL_HOME=home)
    assert code == 0, said
    assert "6,002.00" in said  # half of 4% of 300,100
    code, said = terminal.typed(issue, tmp_path, TBILL_HOME=home)
    assert code == 0, said
    with td.open_ledger(home=home, read_only=True) as ledger:
        assert all(units == 0 for cusip, units in ledger.books().supply() if cusip != "USD")
        assert ledger.wallet("desk").cash > 400_000 * 10**6


@pytest.mark.slow
@pytest.mark.slow
def test_the_block_of_ends(tmp_path):
    """A call, the queue, strips and a default, each with its figure."""
    *_, ends, _ = terminal.blocks(PAGE)
    code, said = terminal.typed(ends, tmp_path)
    assert code == 0, said
    for line in (
        "desk: 4,000.00 91282CAC7 for 3,976.00",
        "fund: 1,000.00 91282CAC7 for 994.00",  # the day's limit
        "fund: 2,000.00 91282CAC7 for 1,988.00",  # the next day
        "594918CC4 is called on 2027-03-24 at 102.0",
        "desk: 200.00 paid",
        "594918CC4 performs again",
    ):
        assert line in said, said
    with td.open_ledger(home=str(tmp_path / "ends"), read_only=True) as ledger:
        left = {cusip: units for cusip, units in ledger.books().supply() if cusip != "USD" and units}
        assert not left, left


@pytest.mark.slow
def test_the_block_of_a_vote(tmp_path):
    """20,000 of 30,000 is two thirds, to the unit."""
    *_, vote = terminal.blocks(PAGE)
    code, said = terminal.typed(vote, tmp_path)
    assert code == 0, said
    for line in (
        "desk votes for with 20,000.00",
        "fund: 1 signed in ballots.json",
        "1 ballot counted",
        "for 20,000.00, against 10,000.00, abstained 0.00, of 30,000.00 outstanding",
        "on 594918CC4: carried",
    ):
        assert line in said, said
