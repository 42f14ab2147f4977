"""Notice that a bond is called before it matures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments import CallableBond
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import ensure_treasury


def call_bond(
    ledger: Ledger, security: CallableBond, day: date, *, payment_date: date | None = None
) -> Sequence[Receipt]:
    """Give notice that a bond is called on a date of its schedule, at the price of that date. It cannot be taken back.

    The interest to that day is the coupon of that date; `redeem` pays the call price from it on.

    Raises
    ------
    ConventionError
        If the schedule does not have the date.
    LedgerError
        If the day is not after the ledger's time (code "CallTimeOutOfRange"), or notice was given before
        ("RedemptionAlreadyOpened").
    """
    security.resolve_to_call(day)  # names the dates of the schedule
    price = Fraction(repr(dict(security.call_schedule)[day])) * 10**6
    if price.denominator != 1:
        raise ConventionError(f"call_schedule: the price of {day} is finer than 10^-6, which is all the contract takes")
    token, midnights = (
        ledger.require_token(security.cusip),
        (new_york_midnight(day), new_york_midnight(payment_date or day)),
    )
    data = encode_call("Issuance", "callSecurity", token, *midnights, ensure_treasury(ledger), int(price))
    return ledger.send([Step("issuer", ledger.contracts.issuance, data)])
