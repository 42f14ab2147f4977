"""The life of a security on the ledger: sold against payment, coupons, redemption at maturity.

The United States Treasury is a party like any other, "treasury": it is paid for what is issued and pays coupons and
principal out of its wallet. Its key and its wallet are made when they are first needed. Dollars that it pays and does
not have on the ledger are registered by the bank in the same block. The issuer's key announces; anyone may push
payments, here the operator does.

Payment dates are given, not computed: this wing knows no calendar. A coupon date or maturity that is no good settlement
day is paid on the next one, for the same amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Any

from tbill_defi.chain.types import Call, Receipt
from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.money import LARGEST_UNITS
from tbill_defi.instruments import AnySecurity, Tips, terms_hash
from tbill_defi.ledger.abi import decode_log, decode_result, encode_call
from tbill_defi.ledger.coupons import NO_FIXINGS, Fixings, coupon_on, dated_cpi_e5, index_ratio
from tbill_defi.ledger.deployment import CURRENCY, OBLIGOR, Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.limits import own_limits_step
from tbill_defi.ledger.settlement import MAX_LEGS, ZERO_HASH, Instruction, Leg, PlanLeg, plan_hash

TREASURY = OBLIGOR
"""Party name and key of the issuer of the securities."""
NO_EXPIRY = 2**64 - 1
PAYMENTS_PER_TRANSACTION = 64
REDEMPTIONS_PER_TRANSACTION = 40
"""Holders in one transaction: their gas stays below a quarter of 2^24."""
SALE_SECONDS = 900
_NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class Purchase:
    """A buyer's part of an issue: face and its price, base units."""

    buyer: str
    face_units: int
    cash_units: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What a coupon or a redemption paid, base units.

    Attributes
    ----------
    due
        What was funded: floor(face outstanding x fraction), of a redemption at par the face.
    paid
        Wallet (0x-text) -> cash.
    blocked
        Wallet -> cash that went into the blocked account of its identity: redemption of frozen units.
    withheld
        Wallets that could not be paid yet: not registered, or all units on hold.
    returned
        Cash that went back to the Treasury: rounding, less than one unit a payment, and what was funded for units that
        ended elsewhere.
    complete
        Whether nobody is left to be paid.
    height
        Block of the payment.
    """

    due: int
    paid: Mapping[str, int]
    blocked: Mapping[str, int]
    withheld: tuple[str, ...]
    returned: int
    complete: bool
    height: int


def ensure_treasury(ledger: Ledger) -> bytes:
    """Address of the Treasury's wallet; key and party are made if the ledger has none.

    Its claim does not expire, and it has no volume limit and no holding cap: what is issued passes through it.
    """
    address, steps = treasury_steps(ledger)
    if steps:
        ledger.send(steps)
    return address


def treasury_steps(ledger: Ledger) -> tuple[bytes, list[Step]]:
    """Address of the Treasury's wallet, and what makes it a party, if the ledger has none; its key is made here."""
    key = ledger.keyring.ensure(TREASURY)
    if TREASURY in ledger.books().parties():
        return key.address, []
    if ledger.chain.shared:
        from tbill_defi.ledger.node import give_gas

        give_gas(ledger, TREASURY)
    # the party last: whoever finds it finds all of it
    limits = own_limits_step(ledger, TREASURY, None, None)
    return key.address, [limits, *ledger.party_steps(TREASURY, key.address, claim_expiry=NO_EXPIRY)]


# --- issue ------------------------------------------------------------------------------------------------------


def sale(
    ledger: Ledger, security: AnySecurity, purchases: Sequence[Purchase], *, context_hash: bytes = ZERO_HASH
) -> Instruction:
    """The Instruction that sells a security: each buyer's cash against his units, all or none.

    Parameters
    ----------
    context_hash
        What the sale follows from, 32 bytes: an auction's result. The Instruction then is a plan, in which a buyer has
        one purchase.

    Raises
    ------
    UsageError
        If there is no purchase, an amount is not positive, or more than 32 purchases are given.
    """
    if not 0 < 2 * len(purchases) <= MAX_LEGS:
        raise UsageError(f"issue: {len(purchases)} purchases; an instruction takes 1 to {MAX_LEGS // 2}")
    token, addresses, legs = ledger.predicted_token(security), {}, []
    for purchase in purchases:
        if not (0 < purchase.face_units <= LARGEST_UNITS and 0 < purchase.cash_units <= LARGEST_UNITS):
            raise UsageError(
                f"issue: {purchase.buyer} buys {purchase.face_units} for {purchase.cash_units} base units; "
                f"both must be positive, at most {LARGEST_UNITS}"
            )
        addresses[purchase.buyer] = ledger.address_of(purchase.buyer)
        legs.append(PlanLeg(security.cusip, TREASURY, purchase.buyer, purchase.face_units))
        legs.append(PlanLeg(CURRENCY, purchase.buyer, TREASURY, purchase.cash_units))
    addresses[TREASURY], now = ledger.keyring.ensure(TREASURY).address, ledger.chain.now()
    if context_hash != ZERO_HASH:
        legs.sort()
    tokens = {security.cusip: token, CURRENCY: ledger.contracts.usd}
    moved = tuple(Leg(tokens[g.asset], addresses[g.from_party], addresses[g.to_party], g.amount) for g in legs)
    unique = keccak256(b"issue" + terms_hash(security) + repr((ledger.chain.height, tuple(purchases))).encode())
    planned = ZERO_HASH if context_hash == ZERO_HASH else plan_hash(context_hash, legs)
    return Instruction(moved, now, now + SALE_SECONDS, int.from_bytes(unique, "big"), context_hash, planned)


def issue(
    ledger: Ledger, security: AnySecurity, purchases: Sequence[Purchase], *, context_hash: bytes = ZERO_HASH
) -> Sequence[Receipt]:
    """Issue a security to buyers against payment to the Treasury; create its token if need be. Again: a reopening.

    Every buyer's key must be in the ledger's keyring.

    Raises
    ------
    UsageError
        As of `sale`.
    LedgerError
        With the contract's error name as `code`: a buyer without cash or a valid claim, a matured security.
    """
    keys = {ledger.address_of(p.buyer): ledger.keyring.key(p.buyer) for p in purchases}
    instruction = sale(ledger, security, purchases, context_hash=context_hash)
    digest = instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement)
    treasury = ledger.keyring.key(TREASURY)
    keys[treasury.address] = treasury
    signatures = [keys[giver].sign_digest(digest) for giver in instruction.givers]
    _, admission = treasury_steps(ledger)  # in the same batch: what is refused admits nobody
    token, creation = ledger.creation_steps(security)
    data = encode_call("Issuance", "issue", token, instruction.abi_value(), signatures)
    return ledger.send([*admission, *creation, Step("issuer", ledger.contracts.issuance, data)])


# --- coupons ----------------------------------------------------------------------------------------------------


def pay_coupon(
    ledger: Ledger,
    security: AnySecurity,
    day: date,
    *,
    payment_date: date | None = None,
    fixings: Fixings = NO_FIXINGS,
) -> Payment:
    """Announce a coupon, fund it in full, and pay every holder of its record, in one block.

    What is already done is not done again, so it can be called again for wallets that were withheld.

    Parameters
    ----------
    day
        The coupon date as in `resolve()`; positions at its start count.
    payment_date
        The next good settlement day if `day` is none; None: `day`.
    fixings
        Reference CPI of an inflation-protected security, index of a floating rate note.

    Raises
    ------
    ConventionError
        If the security pays no coupon on that date, or its interest is 0.
    DataError
        If a published figure that it follows is not among the fixings.
    LedgerError
        If the ledger has no such security (code "UnknownAsset"), or it is too early ("RecordTimeNotPassed" before the
        record time, "CouponNotPayable" before the payment date).
    """
    steps, due = coupon_steps(ledger, security, day, payment_date=payment_date, fixings=fixings)
    return _report(ledger, ledger.send(steps), due)


def coupon_steps(
    ledger: Ledger,
    security: AnySecurity,
    day: date,
    *,
    payment_date: date | None = None,
    fixings: Fixings = NO_FIXINGS,
) -> tuple[list[Step], int]:
    """The transactions of `pay_coupon`, to be sent in one block, and the cash they fund."""
    token = ledger.require_token(security.cusip)
    coupon = coupon_on(security, day, fixings, called=called_on(ledger, security))
    if not coupon.fraction:
        raise ConventionError(f"coupon: the interest of {security.cusip} to {day} is 0")
    record = coupon.record_time
    if ledger.chain.now() < record:
        raise LedgerError(
            f"coupon: the record time of {security.cusip} is the start of {day} in New York; the ledger is at "
            f"{ledger.market_date}",
            "RecordTimeNotPassed",
        )
    data = coupon.announcement(token, new_york_midnight(payment_date or day))
    return _distribution_steps(ledger, security.cusip, record, coupon.fraction, data)


def distribute(ledger: Ledger, cusip: str, record_time: int, fraction: Fraction, announcement: bytes) -> Payment:
    """Announce a fraction of face for a record (calldata), fund it in full, and pay every holder, in one block."""
    steps, due = _distribution_steps(ledger, cusip, record_time, fraction, announcement)
    return _report(ledger, ledger.send(steps), due)


def _distribution_steps(
    ledger: Ledger, cusip: str, record: int, fraction: Fraction, announcement: bytes
) -> tuple[list[Step], int]:
    """What is left to do of a payment to a record, and the cash it funds."""
    token, payer, treasury = ledger.require_token(cusip), ledger.contracts.coupon_payer, ensure_treasury(ledger)
    (supply,) = _ask(ledger, [(token, "totalSupplyAt", (record - 1,))])
    holders = [bytes.fromhex(text[2:]) for text in ledger.books().holders(cusip)]
    positions = _ask(ledger, [(token, "balanceOfAt", (holder, record - 1)) for holder in holders])
    coupon_id = ledger.call("CouponPayer", payer, "couponIdOf", token, record)
    state = ledger.call("CouponPayer", payer, "couponOf", coupon_id)
    due, steps = supply * fraction.numerator // fraction.denominator, []
    if state["denominator"] == 0:
        steps.append(Step("issuer", payer, announcement))
    if not any(state["payer"]):
        steps += allowance_steps(ledger, treasury, payer, due)
        steps.append(Step(TREASURY, payer, encode_call("CouponPayer", "fund", coupon_id)))
    entitled = [holder for holder, face in zip(holders, positions, strict=True) if face]
    for batch in _batches(entitled, PAYMENTS_PER_TRANSACTION):
        steps.append(Step(OPERATOR, payer, encode_call("CouponPayer", "pay", coupon_id, batch)))
    return steps, due


# --- redemption -------------------------------------------------------------------------------------------------


def called_on(ledger: Ledger, security: AnySecurity) -> date | None:
    """The call date that notice was given of; None: it runs to maturity, or the ledger does not have it."""
    token = ledger.token_of(security.cusip)
    if token is None:
        return None
    due = ledger.call("Issuance", ledger.contracts.issuance, "redemptionOf", token)["dueTime"]
    return market_date(due) if 0 < due < new_york_midnight(security.maturity_date) else None


def redeem(
    ledger: Ledger, security: AnySecurity, *, payment_date: date | None = None, fixings: Fixings = NO_FIXINGS
) -> Payment:
    """Redeem a security that has matured or was called: fund what is outstanding and pay every holder, in one block.

    At par; an inflation-protected one at par times its index ratio, at least par; a called one at its call price. Free
    units are paid to their holder, frozen ones into the blocked account of his identity (of a called security they wait
    for its maturity); units on hold stay, and it can be called again when their hold has ended. The final coupon is
    `pay_coupon`'s.

    Parameters
    ----------
    payment_date
        The next good settlement day if the maturity date is none; None: the maturity date.
    fixings
        The reference CPI, of an inflation-protected security.

    Raises
    ------
    LedgerError
        If the ledger has no such security (code "UnknownAsset"), or it is too early ("RedemptionNotOpen").
    DataError
        If the reference CPI of the maturity date is needed and not known.
    """
    steps, due = redemption_steps(ledger, security, payment_date=payment_date, fixings=fixings)
    return _report(ledger, ledger.send(steps), due)


def redemption_steps(
    ledger: Ledger, security: AnySecurity, *, payment_date: date | None = None, fixings: Fixings = NO_FIXINGS
) -> tuple[list[Step], int]:
    """The transactions of `redeem`, to be sent in one block, and the cash that all that is outstanding takes."""
    token, issuance, treasury = ledger.require_token(security.cusip), ledger.contracts.issuance, ensure_treasury(ledger)
    (supply,) = _ask(ledger, [(token, "totalSupply", ())])
    state = ledger.call("Issuance", issuance, "redemptionOf", token)
    steps, fraction = [], Fraction(state["numerator"], state["denominator"] or 1)
    if state["payableFrom"] == 0:
        terms = (token, new_york_midnight(payment_date or security.maturity_date), treasury)
        if isinstance(security, Tips):
            reference = fixings.cpi_e5(security, security.maturity_date)
            fraction = max(Fraction(1), index_ratio(reference, dated_cpi_e5(security)))
            data = encode_call("Issuance", "openIndexedRedemption", *terms, reference)
        else:
            fraction, data = Fraction(1), encode_call("Issuance", "openRedemption", *terms)
        steps.append(Step("issuer", issuance, data))
    due = supply * fraction.numerator // fraction.denominator
    missing = due - state["funds"]
    if missing > 0:
        steps += allowance_steps(ledger, treasury, issuance, missing)
        steps.append(Step(TREASURY, issuance, encode_call("Issuance", "fundRedemption", token, missing)))
    holders = [bytes.fromhex(text[2:]) for text, units in ledger.books().holders(security.cusip).items() if units]
    for batch in _batches(holders, REDEMPTIONS_PER_TRANSACTION):
        steps.append(Step(OPERATOR, issuance, encode_call("Issuance", "redeem", token, batch)))
    return steps, due


def release_blocked(ledger: Ledger, party: str, units: int) -> Sequence[Receipt]:
    """Let the enforcer pay out of a party's blocked account to its wallet, base units."""
    data = encode_call("Issuance", "releaseBlocked", party.encode().ljust(32, b"\0"), ledger.address_of(party), units)
    return ledger.send([Step("enforcer", ledger.contracts.issuance, data)])


# --- inside -----------------------------------------------------------------------------------------------------


def _batches(items: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _ask(ledger: Ledger, questions: Sequence[tuple[bytes, str, tuple[Any, ...]]]) -> list[int]:
    """Answers of a security's view functions, one integer each."""
    calls = [Call(_NOBODY, token, encode_call("SecurityToken", name, *given)) for token, name, given in questions]
    receipts = ledger.simulate((), then=calls)
    ledger.require_success(receipts)
    return [
        decode_result("SecurityToken", name, receipt.return_data)[0]
        for (_, name, _), receipt in zip(questions, receipts, strict=True)
    ]


def allowance_steps(ledger: Ledger, treasury: bytes, spender: bytes, units: int) -> list[Step]:
    """The bank registers what the Treasury lacks; the Treasury lets the contract take exactly so many base units."""
    usd = ledger.contracts.usd
    missing = units - ledger.call("CashToken", usd, "balanceOf", treasury)
    steps = [Step("bank", usd, encode_call("CashToken", "issue", treasury, missing))] if missing > 0 else []
    return [*steps, Step(TREASURY, usd, encode_call("CashToken", "approve", spender, units))]


def _report(ledger: Ledger, receipts: Sequence[Receipt], due: int) -> Payment:
    """A payment from the events of its own contracts."""
    sources = (ledger.contracts.coupon_payer, ledger.contracts.issuance)
    paid: dict[str, int] = {}
    blocked: dict[str, int] = {}
    withheld, returned, complete = [], 0, False
    for log in chain.from_iterable(receipt.logs for receipt in receipts):
        event = decode_log(log) if log.address in sources else None
        if event is None:
            continue
        values = event.arguments
        match event.name:
            case "CouponPaid":
                paid[values["holder"]] = int(values["amount"])
            case "Redeemed":
                paid |= {values["holder"]: int(values["paid"])} if int(values["paid"]) else {}
                blocked |= {values["holder"]: int(values["blocked"])} if int(values["blocked"]) else {}
            case "CouponWithheld" | "RedemptionWithheld":
                withheld.append(values["holder"])
            case "CouponClosed":
                returned, complete = int(values["dust"]), True
            case "RedemptionCompleted":
                returned, complete = int(values["surplus"]), True
    height = receipts[-1].height if receipts else ledger.chain.height
    return Payment(due, paid, blocked, tuple(withheld), returned, complete, height)
