"""The page on the life of a security, typed as it stands, from the auction to redemption."""

from __future__ import annotations

import pytest

import tbill_defi as td
from tests.examples import terminal
from tests.examples.test_readme import ROOT

PAGE = ROOT / "docs" / "life.md"


@pytest.mark.slow
def test_every_block_of_the_page(tmp_path):
    auction, coupons, issue = terminal.blocks(PAGE)
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
