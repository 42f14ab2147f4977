"""The AuctionBook as Python sees it: announce, seal, take back, close, and what was sealed."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import moment
from tbill_defi.core.errors import UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.auction import Announcement, Bid, Result, check_bid
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.sealed_bids import Seal, SignedBid, opened


def check_announcement(announcement: Announcement, now: int) -> None:
    """Raise UsageError if an auction cannot be announced at a time: names the field and what would be right."""
    offering, multiple = announcement.offering, announcement.rules.multiple
    if offering <= 0 or offering % multiple:
        step = format_units(multiple)
        raise UsageError(f"offering: {format_units(offering)} is not a positive multiple of {step} dollars")
    first, last = announcement.noncompetitive_close, announcement.competitive_close
    for field, closes in (("noncompetitive", first), ("closes", last)):
        if closes <= now:
            raise UsageError(f"{field}: {moment(closes)} is over; the ledger is at {moment(now)}")
    if first > last:
        raise UsageError(f"noncompetitive: {moment(first)} is after the competitive close, {moment(last)}")
    if announcement.issue_date < announcement.auction_date:
        raise UsageError(f"closes: {moment(last)} is after the issue date {announcement.issue_date}")
    if announcement.issue_date >= announcement.maturity_date:
        raise UsageError(f"issue: {announcement.issue_date} is not before maturity {announcement.maturity_date}")


class AuctionBook:
    """Auctions on a ledger: the issuer announces and closes them, parties seal bids with their own keys."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._book = ledger.contracts.auction_book
        self._chain_id = ledger.chain.chain_id

    def announce(self, announcement: Announcement) -> Sequence[Receipt]:
        """Put an auction on record.

        Raises
        ------
        UsageError
            If its offering or its dates cannot be.
        LedgerError
            "AuctionAlreadyAnnounced".
        """
        check_announcement(announcement, self._ledger.chain.now())
        closes = (announcement.noncompetitive_close, announcement.competitive_close)
        arguments = (bytes32(announcement.cusip), announcement.hash, *closes)
        return self._send("issuer", "announce", *arguments)

    def seal(self, announcement: Announcement, bid: Bid) -> SignedBid:
        """Sign a bid with its bidder's key and seal it; keep what this gives, it opens the bid.

        Raises
        ------
        UsageError
            If it is no bid of this auction.
        LedgerError
            "BiddingClosed", "AuctionUnknown", "TooManyBids", "BidAlreadySealed".
        """
        check_bid(bid, announcement)
        key = self._ledger.keyring.key(bid.bidder)
        signed = SignedBid.make(bid, announcement, key, chain_id=self._chain_id, book=self._book)
        seal = signed.seal(announcement, chain_id=self._chain_id, book=self._book)
        self._send(bid.bidder, "seal", announcement.auction_id, seal, bid.competitive)
        return signed

    def withdraw(self, announcement: Announcement, signed: SignedBid) -> Sequence[Receipt]:
        """Take a sealed bid back, before its close."""
        seal = signed.seal(announcement, chain_id=self._chain_id, book=self._book)
        return self._send(signed.bid.bidder, "withdraw", announcement.auction_id, seal)

    def seals(self, announcement: Announcement) -> list[Seal]:
        """The seals that were not taken back, in their order."""
        found: dict[tuple[bytes, bytes], Seal] = {}
        party_of = self._ledger.books().party_of
        names = ("BidSealed", "BidWithdrawn")
        for event in self._ledger.chain.events(names=names, addresses=(self._book,)):
            if event.arguments["auctionId"] != "0x" + announcement.auction_id.hex():
                continue
            wallet, commitment = (bytes.fromhex(event.arguments[name][2:]) for name in ("bidder", "commitment"))
            if event.name == "BidSealed":
                party, competitive = party_of(event.arguments["bidder"]), event.arguments["competitive"]
                found[wallet, commitment] = Seal(party, wallet, commitment, competitive)
            else:
                del found[wallet, commitment]
        return list(found.values())

    def opened(self, announcement: Announcement, bids: Sequence[SignedBid]) -> list[Bid]:
        """The bids that were sealed in time and not taken back, in the order of their seals; raises as `opened`."""
        return opened(announcement, bids, self.seals(announcement), chain_id=self._chain_id, book=self._book)

    def close(self, result: Result) -> Sequence[Receipt]:
        """Put a result on record. LedgerError "BiddingOpen" before the close, "AuctionAlreadyClosed" after it."""
        return self._send("issuer", "close", result.announcement.auction_id, result.hash)

    def _send(self, key: str, function: str, *arguments: object) -> Sequence[Receipt]:
        return self._ledger.send([Step(key, self._book, encode_call("AuctionBook", function, *arguments))])
