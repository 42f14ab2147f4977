"""Terms of a security that the ledger keeps beside its token: denomination, pause."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger

ISSUER_KEY, FREEZER_KEY = "issuer", "compliance"
LARGEST_DENOMINATION = 2**56 - 1


@dataclass(frozen=True, slots=True)
class Dealing:
    """How a security may be dealt in.

    Attributes
    ----------
    denomination
        Base units (10^-6 dollar of face) of which every amount issued or transferred is a multiple; 1: any.
    paused
        Whether nothing of it may be issued, transferred or put on hold.
    """

    cusip: str
    denomination: int
    paused: bool


def dealing(ledger: Ledger, cusip: str) -> Dealing:
    """How a security may be dealt in.

    Raises
    ------
    LedgerError
        If the ledger has no token of it (code "UnknownAsset").
    """
    token, place = required_security(ledger, cusip), ledger.contracts.asset_registry
    units = ledger.call("AssetRegistry", place, "denominationOf", token)
    return Dealing(cusip, units, ledger.call("AssetRegistry", place, "isPaused", token))


def pause(ledger: Ledger, cusip: str, paused: bool) -> None:
    """Stop dealing in a security, or let it go on; forced transfers, recovery and redemption are never stopped."""
    data = encode_call("AssetRegistry", "setPaused", required_security(ledger, cusip), paused)
    ledger.send([Step(FREEZER_KEY, ledger.contracts.asset_registry, data)])


def denominate(ledger: Ledger, cusip: str, units: int) -> None:
    """Set a security's denomination, base units.

    Raises
    ------
    UsageError
        If it is not from 1 to 2^56 - 1.
    """
    if not 1 <= units <= LARGEST_DENOMINATION:
        raise UsageError(f"denomination: {units} base units is not from 1 to {LARGEST_DENOMINATION}")
    data = encode_call("AssetRegistry", "setDenomination", required_security(ledger, cusip), units)
    ledger.send([Step(ISSUER_KEY, ledger.contracts.asset_registry, data)])


def required_security(ledger: Ledger, cusip: str) -> bytes:
    """Token of a security; LedgerError "UnknownAsset", which names those there are."""
    if cusip not in ledger.books().securities():
        known = ", ".join(ledger.books().securities()) or "none"
        raise LedgerError(f"cusip: {cusip} has no token on this ledger; securities: {known}", "UnknownAsset")
    return ledger.token_of(cusip) or b""
