"""Bids of an auction as they are signed, sealed and opened, and which of the opened ones are admitted.

No bidder holds an auction up: a seal whose bid is not handed in is no bid, a seal that copies another's is none either,
and a bid against the rules is rejected by itself, with the others of its bidder if they contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.auction import Announcement, Bid, check_bid, contradictions


class Seal(NamedTuple):
    """A bid that waits to be opened: party and wallet that sealed it, its commitment, and which close it kept to."""

    party: str
    wallet: bytes
    commitment: bytes
    competitive: bool


@dataclass(frozen=True, slots=True)
class SignedBid:
    """A bid with its bidder's signature; sealed as keccak256(digest || signature), which tells nothing of it."""

    bid: Bid
    signature: bytes

    @classmethod
    def make(cls, bid: Bid, announcement: Announcement, key: SigningKey, *, chain_id: int, book: bytes) -> SignedBid:
        """Sign a bid."""
        return cls(bid, key.sign_digest(bid.digest(announcement, chain_id=chain_id, auction_book=book)))

    def seal(self, announcement: Announcement, *, chain_id: int, book: bytes) -> bytes:
        """What is put on the ledger before the close."""
        return keccak256(self.bid.digest(announcement, chain_id=chain_id, auction_book=book) + self.signature)

    def signer(self, announcement: Announcement, *, chain_id: int, book: bytes) -> bytes:
        """Address whose signature it is."""
        return recover_address(self.bid.digest(announcement, chain_id=chain_id, auction_book=book), self.signature)


class Rejected(NamedTuple):
    """A bid that takes no part, and why."""

    bid: Bid
    reason: str


def opened(
    announcement: Announcement, bids: Sequence[SignedBid], seals: Sequence[Seal], *, chain_id: int, book: bytes
) -> list[Bid]:
    """The bids that were sealed by who signed them, in the order of their seals.

    Raises
    ------
    LedgerError
        "BidNotSealed" for a bid that nobody sealed, or not as what it is (a noncompetitive one under the later,
        competitive close); "BidForged" for one that its sealer did not sign, or sealed in another's name.
    """
    waiting = {(seal.wallet, seal.commitment): seal for seal in seals}
    commitments, by_seal = {seal.commitment for seal in seals}, {}
    for entry in bids:
        who = f"auction: the bid of {entry.bid.bidder}"
        commitment = entry.seal(announcement, chain_id=chain_id, book=book)
        if commitment not in commitments:
            raise LedgerError(f"{who} was not sealed before the close", "BidNotSealed")
        seal = waiting.get((entry.signer(announcement, chain_id=chain_id, book=book), commitment))
        if seal is None:
            raise LedgerError(f"{who} is not signed by who sealed it", "BidForged")
        if seal.party != entry.bid.bidder:
            raise LedgerError(f"{who} was sealed by {seal.party}", "BidForged")
        if seal.competitive != entry.bid.competitive:
            kind, other = ("competitive", "noncompetitive")[:: 1 if seal.competitive else -1]
            raise LedgerError(f"{who} is {other} and was sealed as a {kind} one", "BidNotSealed")
        by_seal[seal] = entry.bid
    return [by_seal[seal] for seal in seals if seal in by_seal]


def admitted(announcement: Announcement, bids: Sequence[Bid]) -> tuple[list[Bid], list[Rejected]]:
    """The opened bids that an auction is held with, in their order, and those that it rejects."""
    sound: list[Bid] = []
    rejected: list[Rejected] = []
    for bid in bids:
        try:
            check_bid(bid, announcement)
        except UsageError as error:
            rejected.append(Rejected(bid, str(error).removeprefix("auction: ")))
        else:
            sound.append(bid)
    why = contradictions(sound, announcement.rules)
    rejected += [Rejected(bid, why[bid.bidder]) for bid in sound if bid.bidder in why]
    return [bid for bid in sound if bid.bidder not in why], rejected
