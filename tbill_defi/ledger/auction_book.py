"""The AuctionBook as Python sees it: announce, seal, take back, close, and what was sealed."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.chain.types import Receipt
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.auction import Announcement, Bid, Result, SignedBid, check_bid, opened
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger


class AuctionBook:
    """Auctions on a ledger: the issuer announces and closes them, parties seal bids with their own keys."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._book = ledger.contracts.auction_book
        self._chain_id = ledger.chain.chain_id

    def announce(self, announcement: Announcement) -> Sequence[Receipt]:
        """Put an auction on record. LedgerError "AuctionAlreadyAnnounced", "InvalidAnnouncement"."""
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

    def seals(self, announcement: Announcement) -> dict[bytes, bytes]:
        """Commitment -> wallet that sealed it, in order, those that were not taken back."""
        found: dict[bytes, bytes] = {}
        names = ("BidSealed", "BidWithdrawn")
        for event in self._ledger.chain.events(names=names, addresses=(self._book,)):
            if event.arguments["auctionId"] != "0x" + announcement.auction_id.hex():
                continue
            seal = bytes.fromhex(event.arguments["commitment"][2:])
            if event.name == "BidSealed":
                found[seal] = bytes.fromhex(event.arguments["bidder"][2:])
            else:
                found.pop(seal, None)
        return found

    def opened(self, announcement: Announcement, bids: Sequence[SignedBid]) -> list[Bid]:
        """The bids that were sealed in time and not taken back, in the order of their seals; raises as `opened`."""
        return opened(announcement, bids, self.seals(announcement), chain_id=self._chain_id, book=self._book)

    def close(self, result: Result) -> Sequence[Receipt]:
        """Put a result on record. LedgerError "BiddingOpen" before the close, "AuctionAlreadyClosed" after it."""
        return self._send("issuer", "close", result.announcement.auction_id, result.hash)

    def _send(self, key: str, function: str, *arguments: object) -> Sequence[Receipt]:
        return self._ledger.send([Step(key, self._book, encode_call("AuctionBook", function, *arguments))])
