"""What the securities on a ledger owe their holders: coupons and principal, and how far they are paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum

from tbill_defi.automation.scene import Scene
from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.money import format_cents
from tbill_defi.instruments import Frn, Tips
from tbill_defi.ledger.coupons import Coupon, coupon_dates, coupon_on
from tbill_defi.ledger.life import Payment, called_on


class Status(Enum):
    """How far a payment is."""

    NEXT = "next"
    """Payable later."""
    DUE = "due"
    """Payable, and a registered holder is unpaid or has not been passed what was paid for him."""
    WITHHELD = "withheld"
    """Paid to all but wallets that nobody registered, or units on hold."""
    DEFAULT = "default"
    """Payable, and not paid: the security is in default."""
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class CouponDue:
    """A coupon of a security on the ledger.

    Attributes
    ----------
    coupon
        What it pays; None: it follows an index, and is not payable yet.
    payable
        The coupon date, or the next good settlement day.
    face_units
        Face entitled: at the start of the coupon date; of the next coupon, outstanding now. Base units.
    """

    cusip: str
    day: date
    coupon: Coupon | None
    payable: date
    face_units: int
    status: Status


@dataclass(frozen=True, slots=True)
class PrincipalDue:
    """Principal outstanding of a security on the ledger; `face_units` in base units, `maturity` the date of its call if
    it was called.
    """

    cusip: str
    maturity: date
    payable: date
    face_units: int
    status: Status


def coupon_dues(scene: Scene, cusip: str) -> Iterator[CouponDue]:
    """Coupons of a security since its token was made, in order of date, to the next one; nobody held: left out.

    Interest of 0, of a floating rate note, is left out.

    Raises
    ------
    UnknownSecurity, DataError
        If the imported records do not have the terms that the token was made with, or a figure that a coupon follows.
    """
    token, security = scene.token(cusip), scene.terms(cusip)
    called, since = called_on(scene.ledger, security), scene.registered[cusip]
    for day in coupon_dates(security, called=called):
        payable = SETTLEMENT.following(day)
        if payable > scene.today:
            supply = dict(scene.ledger.books().supply())[cusip]
            linked = isinstance(security, Frn | Tips)
            coupon = None if linked else coupon_on(security, day, called=called)
            yield CouponDue(cusip, day, coupon, payable, supply, Status.NEXT)
            return
        record = new_york_midnight(day)
        if record <= since:
            continue
        face = scene.ledger.call("SecurityToken", token, "totalSupplyAt", record - 1)
        if not face:
            continue
        coupon = coupon_on(security, day, scene.fixings, called=called)
        if coupon.fraction:
            yield CouponDue(cusip, day, coupon, payable, face, _coupon_status(scene, cusip, coupon))


def _coupon_status(scene: Scene, cusip: str, coupon: Coupon) -> Status:
    """Status of a payable coupon that somebody is entitled to."""
    ledger, token = scene.ledger, scene.token(cusip)
    record, payer, books = coupon.record_time, ledger.contracts.coupon_payer, ledger.books()
    coupon_id = ledger.call("CouponPayer", payer, "couponIdOf", token, record)
    state = ledger.call("CouponPayer", payer, "couponOf", coupon_id)
    if not any(state["payer"]):
        return Status.DEFAULT if scene.in_default(cusip) else Status.DUE
    if not state["closed"]:
        for holder in books.holders(cusip):
            who = bytes.fromhex(holder[2:])
            paid = ledger.call("CouponPayer", payer, "isPaid", coupon_id, who)
            entitled = ledger.call("SecurityToken", token, "balanceOfAt", who, record - 1)
            if entitled and not paid and books.party_of(holder) != holder:
                return Status.DUE
    accounts = books.custody.accounts_at("0x" + token.hex(), record)
    facility = ledger.contracts.repo_facility
    passed = (ledger.call("RepoFacility", facility, "isPassed", coupon_id, bytes.fromhex(n[2:])) for n in accounts)
    if not all(passed):
        return Status.DUE
    return Status.PAID if state["closed"] else Status.WITHHELD


def principal_dues(scene: Scene) -> list[PrincipalDue]:
    """Principal outstanding of every security, by CUSIP."""
    found = []
    books = scene.ledger.books()
    for cusip, units in books.supply():
        if cusip in books.decimals or not units:
            continue
        maturity = scene.end(cusip)
        payable, status = SETTLEMENT.following(maturity), Status.NEXT
        if payable <= scene.today:
            status = Status.DUE if _redeemable(cusip, scene) else Status.WITHHELD
            status = Status.DEFAULT if scene.in_default(cusip) else status
        found.append(PrincipalDue(cusip, maturity, payable, units, status))
    return found


def _redeemable(cusip: str, scene: Scene) -> bool:
    """Whether a registered holder has units that are not on hold."""
    books, token = scene.ledger.books(), "0x" + scene.token(cusip).hex()
    return any(
        units > books.blocked(token, holder)[1] and books.party_of(holder) != holder
        for holder, units in books.holders(cusip).items()
    )


def told(what: str, payment: Payment) -> str:
    """A payment in words."""
    paid = sum(payment.paid.values())
    wallets = f"{len(payment.paid)} wallet{'s' * (len(payment.paid) != 1)}"
    message = f"{what}: paid {format_cents(paid)} to {wallets}, block {payment.height}"
    if payment.blocked:
        message += f"; {format_cents(sum(payment.blocked.values()))} into blocked accounts"
    if payment.withheld:
        message += f"; withheld from {len(payment.withheld)} wallets"
    return message
