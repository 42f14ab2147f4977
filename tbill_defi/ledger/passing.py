"""Coupons of units that a contract holds for others: passed on by the repo facility and the early redemption queue."""

from __future__ import annotations

from collections import Counter
from datetime import date

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.instruments import AnySecurity
from tbill_defi.ledger.early_redemption import QUEUE, EarlyRedemption
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.repo_coupons import pass_coupon


def pass_on(ledger: Ledger, security: AnySecurity, day: date) -> dict[str, int]:
    """Pass a coupon that was paid on to whom it belongs: party -> cash, base units; what was passed on is not again.

    Raises
    ------
    LedgerError
        "CouponNotReceived" if it has not been paid to who holds for others; "UnknownAsset".
    """
    passed = Counter(pass_coupon(ledger, security, day))
    if QUEUE in ledger.books().parties():
        passed.update(EarlyRedemption(ledger).pass_coupon(security.cusip, new_york_midnight(day)))
    return dict(sorted(passed.items()))
