"""A security in default on the ledger: marked with the hash of the evidence, cured, and what is recovered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import AnySecurity
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import Payment, distribute
from tbill_defi.ledger.securities import required_security


@dataclass(frozen=True, slots=True)
class Default:
    """A security in default.

    Attributes
    ----------
    evidence_hash
        Keccak-256 of the document that said so.
    since
        Unix seconds at which it was declared.
    recovered_units
        Cash paid as recoveries so far, 10^-6 dollar.
    """

    cusip: str
    evidence_hash: bytes
    since: int
    recovered_units: int


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


def defaults_in_force(ledger: Ledger) -> list[Default]:
    """Securities that are in default now, by CUSIP, and what was paid of each."""
    assets = ledger.books().tokens()
    found: dict[str, Default] = {}
    for event in ledger.chain.events(names=("DefaultDeclared", "DefaultCured"), addresses=(ledger.contracts.issuance,)):
        cusip = assets[event.arguments["token"]]
        found.pop(cusip, None)
        if event.name == "DefaultDeclared":
            evidence = bytes.fromhex(event.arguments["evidenceHash"][2:])
            found[cusip] = Default(cusip, evidence, event.timestamp, 0)
    recovered = dict.fromkeys(found, 0)
    of: dict[str, str] = {}
    names = ("RecoveryAnnounced", "CouponPaid")
    for event in ledger.chain.events(names=names, addresses=(ledger.contracts.coupon_payer,)):
        coupon = event.arguments["couponId"]
        if event.name == "RecoveryAnnounced":
            of[coupon] = assets[event.arguments["token"]]
        elif of.get(coupon) in recovered:
            recovered[of[coupon]] += int(event.arguments["amount"])
    return [replace(found[cusip], recovered_units=recovered[cusip]) for cusip in sorted(found)]


def pay_recovery(
    ledger: Ledger, security: AnySecurity, fraction: Fraction, day: date, *, payment_date: date | None = None
) -> Payment:
    """Pay what is recovered, a fraction of face, pro rata to the positions at the start of a day.

    One recovery a day; the same again goes on with what is unpaid.

    Raises
    ------
    UsageError
        If the fraction is not in (0, 1].
    LedgerError
        "SecurityPerforms" if it is not in default; "RecordTimeNotPassed"; "CouponAlreadyAnnounced" if a coupon or
        another fraction is of that day.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"recovery: {fraction} of face is not in (0, 1]")
    token, record = ledger.require_token(security.cusip), new_york_midnight(day)
    payer = ledger.contracts.coupon_payer
    known = ledger.call(
        "CouponPayer", payer, "couponOf", ledger.call("CouponPayer", payer, "couponIdOf", token, record)
    )
    if known["denominator"] and (
        not known["recovery"] or Fraction(known["numerator"], known["denominator"]) != fraction
    ):
        raise LedgerError(
            f"recovery: {Fraction(known['numerator'], known['denominator'])} of face of {security.cusip} was announced "
            f"of {day} as a {'recovery' if known['recovery'] else 'coupon'} already; name another day",
            "CouponAlreadyAnnounced",
        )
    times = (record, new_york_midnight(payment_date or day))
    data = encode_call("CouponPayer", "announceRecovery", token, *times, fraction.numerator, fraction.denominator)
    return distribute(ledger, security.cusip, record, fraction, data)


def _mark(ledger: Ledger, function: str, cusip: str, evidence: bytes) -> Sequence[Receipt]:
    if not evidence:
        raise UsageError("default: the document is empty; give the notice of the default, or of its cure")
    data = encode_call("Issuance", function, required_security(ledger, cusip), keccak256(evidence))
    return ledger.send([Step("issuer", ledger.contracts.issuance, data)])
