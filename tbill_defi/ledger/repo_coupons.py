"""Coupons of collateral: paid to the RepoFacility as the holder, passed on to who gave the collateral."""

from __future__ import annotations

from datetime import date

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import AnySecurity
from tbill_defi.ledger.abi import decode_log, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger


def pass_coupon(ledger: Ledger, security: AnySecurity, day: date) -> dict[str, int]:
    """Pass a coupon on, repo by repo: party -> cash, base units; what was passed on already is not again.

    Each repo gets floor(its collateral at the record time x fraction), the last one the rest.

    Raises
    ------
    LedgerError
        "CouponNotReceived" if it has not been paid to the facility; "UnknownAsset".
    """
    facility, payer, books = ledger.contracts.repo_facility, ledger.contracts.coupon_payer, ledger.books()
    token, record = ledger.token_of(security.cusip), new_york_midnight(day)
    if token is None:
        raise LedgerError(f"{security.cusip} has no token on this ledger", "UnknownAsset")
    coupon_id = ledger.call("CouponPayer", payer, "couponIdOf", token, record)
    steps = []
    for name in sorted(books.custody.accounts_at("0x" + token.hex(), record)):
        account = bytes.fromhex(name[2:])
        if not ledger.call("RepoFacility", facility, "isPassed", coupon_id, account):
            steps.append(Step(OPERATOR, facility, encode_call("RepoFacility", "passCoupon", account, coupon_id)))
    passed: dict[str, int] = {}
    for receipt in ledger.send(steps):
        for log in receipt.logs:
            event = decode_log(log) if log.address == facility else None
            if event is not None and event.name == "CouponPassed":
                who = books.party_of(event.arguments["beneficiary"])
                passed[who] = passed.get(who, 0) + int(event.arguments["amount"])
    return passed
