"""A security in default on the ledger: marked with the hash of the evidence, cured, and what is recovered of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import AnySecurity
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import Payment, distribute


def declare_default(ledger: Ledger, cusip: str, evidence: bytes) -> Sequence[Receipt]:
    """Mark a security as in default on a document: nothing of it is transferred, issued or redeemed any more,
    and no coupon is funded. What was set aside before, on hold or as collateral, goes to whom it is due.

    Raises
    ------
    LedgerError
        "UnknownAsset"; "SecurityInDefault" if it is.
    """
    return _mark(ledger, "declareDefault", cusip, evidence)


def cure_default(ledger: Ledger, cusip: str, evidence: bytes) -> Sequence[Receipt]:
    """Take the mark away on a document. LedgerError "SecurityPerforms" if it is not in default."""
    return _mark(ledger, "cureDefault", cusip, evidence)


def in_default(ledger: Ledger, cusip: str) -> bytes | None:
    """Keccak-256 of the evidence of a default; None: it performs."""
    token = ledger.require_token(cusip)
    found: bytes = ledger.call("Issuance", ledger.contracts.issuance, "defaultOf", token)
    return found if any(found) else None


def pay_recovery(
    ledger: Ledger, security: AnySecurity, fraction: Fraction, day: date, *, payment_date: date | None = None
) -> Payment:
    """Pay what is recovered, a fraction of face, pro rata to the positions at the start of a day.

    Raises
    ------
    UsageError
        If the fraction is not in (0, 1].
    LedgerError
        "SecurityPerforms" if it is not in default; "RecordTimeNotPassed".
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"recovery: {fraction} of face is not in (0, 1]")
    token, record = ledger.require_token(security.cusip), new_york_midnight(day)
    times = (record, new_york_midnight(payment_date or day))
    data = encode_call("CouponPayer", "announceRecovery", token, *times, fraction.numerator, fraction.denominator)
    return distribute(ledger, security.cusip, record, fraction, data)


def _mark(ledger: Ledger, function: str, cusip: str, evidence: bytes) -> Sequence[Receipt]:
    data = encode_call("Issuance", function, ledger.require_token(cusip), keccak256(evidence))
    return ledger.send([Step("issuer", ledger.contracts.issuance, data)])
