"""What is told of a repo: its state, a mark, a close-out, and the contract's refusals in the words of the desk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments.repo import MarginRule

DAY_SECONDS = 86_400


class RepoStatus(IntEnum):
    """The contract's states."""

    NONE = 0
    OPEN = 1
    REPURCHASED = 2
    CLOSED_OUT = 3


@dataclass(frozen=True, slots=True)
class RepoState:
    """A repo as it stands, base units.

    Attributes
    ----------
    principal_units
        Outstanding cash.
    interest_units
        Interest to the ledger's market date (to the last change, once it is over), rounded half up.
    call_deadline
        Unix seconds by which an open margin call is to be met; 0: none is open.
    shortfall_units
        What collateral did not cover when the repo was closed out: the lender's claim.
    """

    repo_id: bytes
    status: RepoStatus
    lender: str
    borrower: str
    cusip: str
    face_units: int
    principal_units: int
    interest_units: int
    rate_e9: int
    start_date: date
    end_date: date
    margin_rule: MarginRule
    margin_e9: int
    call_seconds: int
    call_deadline: int
    shortfall_units: int
    acts: int

    @property
    def overdue_at(self) -> int:
        """From when on its lender may close it out if it runs: 24 hours into the repurchase date; Unix seconds."""
        return new_york_midnight(self.end_date) + DAY_SECONDS

    def is_overdue(self, now: int) -> bool:
        """Whether it runs at `now`, Unix seconds, though it was to be repurchased."""
        return self.status is RepoStatus.OPEN and now >= self.overdue_at


@dataclass(frozen=True, slots=True)
class Mark:
    """A repo marked to market: dirty price in 10^-6 per 100 face, the rest in base units.

    `deficit_units` is what the collateral is short in cash terms; 0: it covers.
    """

    price_e6: int
    exposure_units: int
    lendable_units: int
    call_deadline: int

    @property
    def deficit_units(self) -> int:
        """Cash that would make exposure and collateral meet."""
        return max(0, self.exposure_units - self.lendable_units)


@dataclass(frozen=True, slots=True)
class CloseOut:
    """How a repo in default was closed out: face at the mark for the debt, base units."""

    price_e6: int
    debt_units: int
    lender_face_units: int
    borrower_face_units: int
    shortfall_units: int


EXPLAINED = {
    "CollateralShort": "the collateral does not cover; give more face or less cash",
    "CollateralIneligible": "the collateral matures before the repo ends; give another",
    "PriceMissing": "the oracle has no price of the collateral",
    "StalePrice": "the oracle's price of the collateral is stale",
    "RepoNotOpen": "it is over, repurchased or closed out; `tbill repo show` lists those that run",
    "RepoAlreadyExists": "it was opened already; another one with the same terms needs another nonce",
    "NotInDefault": "there is no default: no margin call was missed and the repurchase is not overdue",
    "NotLender": "this is the lender's to do",
    "CashNotCalled": "cash is taken only up to what an open margin call asks for",
    "RepurchaseExceedsRepo": "that is more than is outstanding, or than is held; `tbill repo show` tells how much",
    "NotToday": "it starts on another day than today; ask for another quote",
    "InstructionExpired": "the quote has expired; ask for another",
}
"""Code of a refusal -> what it means."""


@contextmanager
def explained() -> Iterator[None]:
    """Refusals in the words of the desk, with their code."""
    try:
        yield
    except LedgerError as error:
        if error.code not in EXPLAINED:
            raise
        raise LedgerError(f"repo: {EXPLAINED[error.code]} ({error})", error.code) from None
