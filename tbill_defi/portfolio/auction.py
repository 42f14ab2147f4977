"""Where an auction's stop rate meets pricing: coupon, terms and price; and the awards as issuance against payment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from tbill_defi.chain.types import Receipt
from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.core.errors import ConventionError, LedgerBusy, LedgerError, TbillError, UsageError
from tbill_defi.instruments import AnySecurity, Bill, Bond, Frn, Note, Tips
from tbill_defi.ledger.auction import Allocation, Announcement, Bid, Result, allocate
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import Purchase, issue
from tbill_defi.pricing import (
    adjusted_price,
    auction_price,
    floating_accrued_interest,
    official_accrued,
    price_from_discount_margin,
    price_from_discount_rate,
)

EIGHTH_E5 = 125
"""Coupons are set in eighths of a percent, and are at least one (31 CFR 356.20(b))."""
AWARDS_PER_INSTRUCTION = 31
_E5, _E6 = 10**5, 10**6


def coupon_of_stop(stop_e5: int) -> int:
    """Coupon of a new note or bond, 10^-5: the greatest eighth of a percent not above the stop yield, at least one.

    31 CFR 356.20(b): the price is then par or just below it.
    """
    return max(EIGHTH_E5, stop_e5 // EIGHTH_E5 * EIGHTH_E5)


@dataclass(frozen=True)
class Offered:
    """What an announcement offers, and what pricing it takes.

    Attributes
    ----------
    security
        Terms. The coupon of a new note, bond or TIPS, and the spread of a new FRN, are set by the auction; what stands
        there before it does not count.
    reference_cpi, frn_index
        Of TIPS and FRNs.
    """

    announcement: Announcement
    security: Bill | Note | Bond | Tips | Frn
    reference_cpi: ReferenceCpi | None = None
    frn_index: FrnIndex | None = None

    def __post_init__(self) -> None:
        """Terms and announcement must be of one security."""
        given, told = self.security, self.announcement
        for name, one, other in (
            ("cusip", given.cusip, told.cusip),
            ("kind", given.kind, told.kind),
            ("maturity_date", given.maturity_date, told.maturity_date),
        ):
            if one != other:
                raise UsageError(f"auction: {name} is {one} by the terms and {other} by the announcement")

    def terms_at(self, stop_e5: int) -> Bill | Note | Bond | Tips | Frn:
        """The security that is issued at a stop rate."""
        if self.announcement.reopening or isinstance(self.security, Bill):
            return self.security
        if isinstance(self.security, Frn):
            return self.security.model_copy(update={"spread": stop_e5 / _E5})
        return self.security.model_copy(update={"coupon": coupon_of_stop(stop_e5) / _E5})

    def result(self, bids: Sequence[Bid]) -> tuple[Result, AnySecurity]:
        """The auction's result, and the terms of what is issued.

        Raises
        ------
        UsageError
            As of `allocate`.
        ConventionError, DataError
            If reference CPI or index are needed and not given.
        """
        allocation = allocate(self.announcement, bids)
        security = self.terms_at(allocation.stop_e5)
        price, accrued = self._price(security, allocation)
        rate = 0.0 if isinstance(security, Bill) else security.spread if isinstance(security, Frn) else security.coupon
        return Result(self.announcement, allocation, _e6(price), _e6(accrued), round(rate * _E5)), security

    def _price(self, security: AnySecurity, allocation: Allocation) -> tuple[Decimal, Decimal]:
        """Clean price and accrued interest per 100 face, 6 decimals each, of a TIPS adjusted."""
        day, stop = self.announcement.issue_date, allocation.stop_e5 / _E5
        match security:
            case Bill():
                return _six(price_from_discount_rate(security, stop, settlement=day)), Decimal(0)
            case Frn():
                if self.frn_index is None:
                    raise ConventionError(f"frn_index: the price of {security.cusip} needs the index; none was given")
                price = price_from_discount_margin(security, stop, settlement=day, index=self.frn_index)
                return _six(price), _six(floating_accrued_interest(security, settlement=day, index=self.frn_index))
            case Tips():
                real = auction_price(security, stop, settlement=day)
                interest = official_accrued(security, settlement=day)
                return self._adjusted(security, real, day), self._adjusted(security, interest, day)
            case _:
                return auction_price(security, stop, settlement=day), official_accrued(security, settlement=day)

    def _adjusted(self, tips: Tips, amount: Decimal, day: date) -> Decimal:
        if self.reference_cpi is None:
            raise ConventionError(f"reference_cpi: the price of {tips.cusip} needs it; none was given")
        return _six(adjusted_price(tips, float(amount), settlement=day, reference_cpi=self.reference_cpi))


@dataclass(frozen=True)
class Issued:
    """Awards that settled now, and of bidders who could not pay or receive: bidder -> what stood in the way."""

    receipts: Sequence[Receipt]
    purchases: Sequence[Purchase]
    failed: Mapping[str, TbillError]


def issue_awards(ledger: Ledger, result: Result, security: AnySecurity) -> Issued:
    """Settle every award as issuance against payment; each instruction's contextHash is the result's hash.

    A bidder's awards are one purchase. Up to 31 buyers settle in one instruction; where one of them cannot, each of
    them settles by himself. What has settled is not settled again: call it again for those who could not.

    Raises
    ------
    LedgerError
        "ResultNotOnRecord" if the AuctionBook does not have this result; "AwardsSettled" if nothing is left of it.
    """
    announced = result.announcement
    record = ledger.call("AuctionBook", ledger.contracts.auction_book, "auctionOf", announced.auction_id)
    if record["resultHash"] != result.hash:
        raise LedgerError(
            f"auction: the record of {announced.cusip} has result 0x{record['resultHash'].hex()}, not this one, "
            f"0x{result.hash.hex()}",
            "ResultNotOnRecord",
        )
    sold = _sold(ledger, result)
    awards = result.allocation.by_bidder().items()
    buys = [Purchase(who, face, result.cash(face)) for who, face in awards if who not in sold]
    if not buys:
        raise LedgerError(f"auction: every award of {announced.cusip} has settled", "AwardsSettled")
    receipts: list[Receipt] = []
    failed: dict[str, TbillError] = {}
    for start in range(0, len(buys), AWARDS_PER_INSTRUCTION):
        together = buys[start : start + AWARDS_PER_INSTRUCTION]
        error = _refusal(ledger, result, security, together, receipts)
        if error is None:
            continue
        for buy in together:
            error = _refusal(ledger, result, security, [buy], receipts)
            if error is not None:
                failed[buy.buyer] = error
    return Issued(receipts, [buy for buy in buys if buy.buyer not in failed], failed)


def _refusal(
    ledger: Ledger, result: Result, security: AnySecurity, buys: Sequence[Purchase], receipts: list[Receipt]
) -> TbillError | None:
    """Settles awards in one instruction and adds its receipts, or tells why it was refused."""
    try:
        receipts += issue(ledger, security, buys, context_hash=result.hash)
    except LedgerBusy:
        raise
    except TbillError as error:
        return error
    return None


def _sold(ledger: Ledger, result: Result) -> set[str]:
    """Bidders whose awards have settled."""
    context = "0x" + result.hash.hex()
    entries = [entry for entry in ledger.tape() if entry.context_hash == context]
    return {leg.receiver for entry in entries for leg in entry.legs if leg.asset == result.announcement.cusip}


def _six(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _e6(value: Decimal) -> int:
    return int(value * _E6)
