"""Books of a ledger in memory, and what of them can be computed another way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.index.income import Income
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.ledger import Ledger

NOON = 12 * 3600


class Desk:
    """A ledger, its books, and the questions to them."""

    def __init__(self, ledger: Ledger, url: str = "sqlite://") -> None:
        self.ledger = ledger
        self.store = Store.open(url, create=True)
        self.writer = BooksWriter(self.store, ledger)
        self.view = BooksView(self.store, SETTLEMENT.following)
        self.income = Income(self.view)

    def go_to(self, day: date) -> None:
        """Noon of a later day."""
        chain = self.ledger.embedded
        chain.advance_clock(new_york_midnight(day) + NOON - chain.now())

    def update(self) -> None:
        self.writer.update()


def wallets_and_custody(ledger: Ledger, known) -> Counter[tuple[str, str]]:
    """(party, security) -> units in its wallets and with the repo facility, from the other books and the contracts."""
    books, found = ledger.books(), Counter()
    contracts = {
        "RepoFacility": ledger.contracts.repo_facility,
        "EarlyRedemption": ledger.contracts.early_redemption,
    }
    custodians = {"0x" + place.hex(): (name, place) for name, place in contracts.items()}
    for token, asset in books.tokens().items():
        for wallet, units in books.balances(token).items():
            if int(wallet, 16) and wallet not in custodians and len(asset) != 3:
                found[books.party_of(wallet), asset] += units
    for custodian, account, token in known.custody:
        where = bytes.fromhex(account[2:]), bytes.fromhex(token[2:])
        kept = ledger.call(*custodians[custodian], "heldFor", *where)
        found[known.party_of(known.beneficiary(account)), known.assets[token]] += kept
    return Counter({key: units for key, units in found.items() if units})


def bean_check(path: Path) -> str:
    """What beancount's own checker says of a file: nothing, if it is right."""
    if find_spec("beancount") is None:
        pytest.skip("beancount is not installed; it is one of the extras of [test]")
    words = [sys.executable, "-m", "beancount.scripts.check", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")
