"""A token is of the terms it was made with: its hash on the ledger against that of the terms at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import AnySecurity, terms_hash

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger


def require_terms(ledger: Ledger, token: bytes, security: AnySecurity) -> None:
    """Check that a token is of these terms.

    Raises
    ------
    LedgerError
        If it was made with others (code "TermsMismatch").
    """
    made, given = ledger.call("SecurityToken", token, "termsHash"), terms_hash(security)
    if made != given:
        raise LedgerError(
            f"{security.cusip}: the token on the ledger was made with terms 0x{made.hex()}, those of the records at "
            f"hand are 0x{given.hex()}; one of them is wrong, so nothing is dealt in it",
            "TermsMismatch",
        )
