"""Where the demo's later acts play: one ledger, its clock, the sample's markets, one screen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import polars as pl
from rich.console import Console

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.sample import sample_data
from tbill_defi.portfolio.market_view import view
from tbill_defi.portfolio.view import View


def require(holds: bool, what: str) -> None:
    """What a screen is about to say is so."""
    if not holds:
        raise LedgerError(f"demo: {what}", "Demo")


@dataclass(frozen=True)
class Stage:
    """A ledger and a screen."""

    ledger: Ledger
    out: Console

    def go_to(self, day: date, *, hour: int = 15) -> None:
        """Let time pass until an hour of a day, New York."""
        move_clock(self.ledger, new_york_midnight(day) + hour * 3_600)

    def view(self) -> View:
        """The market of the ledger's date."""
        return view(self.ledger.market_date, data=sample_data())

    def balances(self) -> dict[str, tuple[int, dict[str, int]]]:
        """Cash and positions of every party, base units."""
        wallets = [self.ledger.wallet(name) for name in self.ledger.books().parties()]
        return {wallet.party: (wallet.cash, wallet.positions) for wallet in wallets}

    def cash(self, party: str) -> int:
        """A party's dollars, base units."""
        return self.ledger.wallet(party).cash


def shocked_view(day: date, shift: float) -> View:
    """The market of a day on which every par yield is the last day's plus `shift`, decimal."""
    data = sample_data()
    known = data.par_yields.filter(pl.col("date") < day)
    shifted = known.tail(1).with_columns(pl.lit(day).alias("date"), pl.col(TENORS) + shift).select(known.columns)
    return view(day, data=replace(data, par_yields=pl.concat([known, shifted])))
