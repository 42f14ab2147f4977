"""A primary auction: bids that are signed and sealed, a single price, awards by 31 CFR 356, settled against payment.

The allocation is an algorithm on the opened bids, in exact integers; anyone can run it again. Rates count 10^-5 (0.001
percent), amounts base units, percentages 0.01 percent. What a rate is worth is no business of this wing: the coupon and
the price come from `portfolio.auction`.

1. Noncompetitive bids are accepted in full (356.20(a)(1)).
2. Competitive bids are recognised, lowest rate first, up to the bidder's greatest award: 35% of the offering less the
   net long position that he must report (356.12(c)(2), 356.22(b)).
3. They are accepted, rate by rate, until the offering is filled; the last rate is the stop. There each bid gets the
   same percentage: what is left over what is bid, rounded up to a hundredth of a percent (356.20(a)(2)).
4. An award at the stop is rounded up to the multiple, at least the minimum, never more than was bid (356.21(a)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from typing import Any, Literal

from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import json_hash, keccak256
from tbill_defi.core.identifiers import bytes32, party_name
from tbill_defi.core.money import format_units
from tbill_defi.ledger.eip712 import signed_word, typed_digest, words

_NAME = b"tbill_defi AuctionBook"
_BID_TYPE = keccak256(
    b"Bid(bytes32 auctionId,bytes32 bidder,bool competitive,int256 rateE5,uint256 amount,uint256 netLong)"
)
_WHOLE_E4 = 10_000
"""A whole in hundredths of a percent."""
MOST_BIDS = 10_000


@dataclass(frozen=True, slots=True)
class AuctionRules:
    """Parameters of the uniform offering circular, by the day they hold from; amounts in base units.

    Attributes
    ----------
    since
        First day on which these hold; `source` says where they stand.
    noncompetitive_limit
        Most that a bidder may ask for noncompetitively.
    minimum, multiple
        Of bids and awards.
    award_limit_e4, report_from_e4
        Greatest award, and the net long position to be reported, in 0.01% of the offering.
    bill_step_e5, coupon_step_e5
        Steps of a discount rate and of a yield or discount margin, 0.001%.
    """

    since: date
    source: str
    noncompetitive_limit: int
    minimum: int
    multiple: int
    award_limit_e4: int
    report_from_e4: int
    bill_step_e5: int
    coupon_step_e5: int


RULES: tuple[AuctionRules, ...] = (
    AuctionRules(
        since=date(2024, 11, 18),
        source="31 CFR 356.10, 356.12(b)(1), 356.12(c)(1), 356.13(a), 356.22(b), as revised on 2024-11-18",
        noncompetitive_limit=10_000_000 * 10**6,
        minimum=100 * 10**6,
        multiple=100 * 10**6,
        award_limit_e4=3_500,
        report_from_e4=3_500,
        bill_step_e5=5,
        coupon_step_e5=1,
    ),
)
"""By date, ascending. Earlier rules (the noncompetitive limit was $5 million once) are not held here."""


def rules_on(day: date) -> AuctionRules:
    """The rules of an auction held on a day; UsageError if it is before the first ones that are known."""
    known = [rules for rules in RULES if rules.since <= day]
    if not known:
        raise UsageError(f"auction: {day} is before {RULES[0].since}, from which the rules here hold")
    return known[-1]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is offered.

    Attributes
    ----------
    cusip, kind
        The security; `kind` "bill" takes discount rates, any other yields (of an FRN discount margins).
    offering
        Face, base units, a multiple of the rules' multiple.
    auction_date, issue_date, maturity_date
        Of the auction; `issue_date` is that of settlement, of a reopening too.
    noncompetitive_close, competitive_close
        Unix seconds from which bids are too late.
    reopening
        Whether the coupon is that of the outstanding issue.
    """

    cusip: str
    kind: Literal["bill", "note", "bond", "tips", "frn"]
    offering: int
    auction_date: date
    issue_date: date
    maturity_date: date
    noncompetitive_close: int
    competitive_close: int
    reopening: bool = False

    @property
    def rules(self) -> AuctionRules:
        """The rules it is held by."""
        return rules_on(self.auction_date)

    def to_json(self) -> dict[str, Any]:
        """JSON form: dates as text, amounts as decimal text."""
        dates = {name: getattr(self, name).isoformat() for name in ("auction_date", "issue_date", "maturity_date")}
        return asdict(self) | dates | {"offering": str(self.offering)}

    @property
    def hash(self) -> bytes:
        """Keccak-256 of the canonical JSON: `announcementHash` of the AuctionBook."""
        return json_hash(self.to_json())

    @property
    def auction_id(self) -> bytes:
        """Name of the auction on the ledger: keccak256(abi.encode(cusip, announcementHash))."""
        return keccak256(bytes32(self.cusip) + self.hash)


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid: `rate_e5` None is noncompetitive; `amount` and the net long position to report in base units."""

    bidder: str
    amount: int
    rate_e5: int | None = None
    net_long: int = 0

    @property
    def competitive(self) -> bool:
        """Whether it names a rate."""
        return self.rate_e5 is not None

    def digest(self, announcement: Announcement, *, chain_id: int, auction_book: bytes) -> bytes:
        """EIP-712 digest that the bidder signs."""
        struct = (
            _BID_TYPE
            + words(announcement.auction_id, bytes32(self.bidder), self.competitive)
            + signed_word(self.rate_e5 or 0)
            + words(self.amount, self.net_long)
        )
        return typed_digest(_NAME, chain_id, auction_book, struct)

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        amounts = {"amount": str(self.amount), "net_long": str(self.net_long)}
        return {"bidder": self.bidder, "rate_e5": self.rate_e5, **amounts}


@dataclass(frozen=True, slots=True)
class Award:
    """What a bid got, base units."""

    bid: Bid
    amount: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """The outcome: stop rate 10^-5, percentage awarded there in 0.01%, awards in the order of the bids given."""

    stop_e5: int
    at_stop_e4: int
    awards: tuple[Award, ...]

    @property
    def awarded(self) -> int:
        """Face, base units. Rounding up can take it past the offering by less than a multiple a bid at the stop."""
        return sum(award.amount for award in self.awards)

    def by_bidder(self) -> dict[str, int]:
        """Bidder -> face, of those who got any."""
        found: dict[str, int] = {}
        for award in self.awards:
            found[award.bid.bidder] = found.get(award.bid.bidder, 0) + award.amount
        return {name: amount for name, amount in sorted(found.items()) if amount}


def check_bid(bid: Bid, announcement: Announcement) -> None:
    """Raise UsageError if a bid is none of this auction; names the bidder and what would be right."""
    rules, who = announcement.rules, f"auction: {bid.bidder}"
    party_name(bid.bidder)
    if bid.amount < rules.minimum or bid.amount % rules.multiple:
        least, each = format_units(rules.minimum), format_units(rules.multiple)
        raise UsageError(f"{who} bids a face of {format_units(bid.amount)}; at least {least}, in multiples of {each}")
    if bid.net_long < 0:
        long = format_units(bid.net_long)
        raise UsageError(f"{who} reports a net long position (net-long) of {long}; give 0 where it is not long")
    if bid.rate_e5 is None:
        if bid.amount > rules.noncompetitive_limit:
            most = format_units(rules.noncompetitive_limit)
            raise UsageError(f"{who} bids {format_units(bid.amount)} noncompetitively; at most {most}")
        return
    bill = announcement.kind == "bill"
    step = rules.bill_step_e5 if bill else rules.coupon_step_e5
    if bid.rate_e5 % step or (bill and bid.rate_e5 < 0) or abs(bid.rate_e5) > 50_000:
        of_bills = "a discount rate is in [0%, 50%] and ends in 0 or 5 thousandths of a percent"
        words = of_bills if bill else "a yield is in [-50%, 50%]"
        raise UsageError(f"{who} bids a rate of {format_units(bid.rate_e5, 3, 3)}%; {words}")


def allocate(announcement: Announcement, bids: Sequence[Bid]) -> Allocation:
    """Stop rate, percentage awarded at it, and every bid's award.

    Raises
    ------
    UsageError
        If a bid is none of this auction, a bidder bids both ways, there is no competitive bid, or the noncompetitive
        ones take the whole offering, so that no rate can be found.
    """
    rules, offering = announcement.rules, announcement.offering
    if len(bids) > MOST_BIDS:
        raise UsageError(f"auction: {len(bids)} bids; at most {MOST_BIDS}")
    if offering <= 0 or offering % rules.multiple:
        raise UsageError(f"auction: offering {offering} is not a positive multiple of {rules.multiple}")
    for bid in bids:
        check_bid(bid, announcement)
    for why in contradictions(bids, rules).values():
        raise UsageError(f"auction: {why}")
    left = offering - sum(bid.amount for bid in bids if not bid.competitive)
    if left <= 0:
        raise UsageError("auction: noncompetitive bids take the whole offering, so no rate can be found; offer more")
    recognised = _recognised(announcement, bids)
    stop, percent = _stop(recognised, left)
    awards = []
    for place, bid in enumerate(bids):
        amount = recognised.get(place, (0, 0))[1] if bid.competitive else bid.amount
        if bid.rate_e5 is not None and bid.rate_e5 >= stop:
            amount = _prorated(amount, percent, rules) if bid.rate_e5 == stop else 0
        awards.append(Award(bid, amount))
    return Allocation(stop, percent, tuple(awards))


def contradictions(bids: Iterable[Bid], rules: AuctionRules) -> dict[str, str]:
    """Bidder -> why its bids cannot stand together."""
    by_bidder: dict[str, list[Bid]] = {}
    for bid in bids:
        by_bidder.setdefault(bid.bidder, []).append(bid)
    found = {}
    for who, own in by_bidder.items():
        asked = sum(bid.amount for bid in own if not bid.competitive)
        if len({bid.competitive for bid in own}) > 1:
            found[who] = f"{who} bids competitively and noncompetitively; 31 CFR 356.12(b)(2) allows one"
        elif len({bid.net_long for bid in own}) > 1:
            found[who] = f"{who} reports different net long positions in its bids; there is one"
        elif asked > rules.noncompetitive_limit:
            most = format_units(rules.noncompetitive_limit)
            found[who] = f"{who} bids {format_units(asked)} noncompetitively in all; at most {most}"
    return found


def _recognised(announcement: Announcement, bids: Sequence[Bid]) -> dict[int, tuple[int, int]]:
    """Place of a competitive bid -> (rate, amount up to the bidder's greatest award, lowest rates first)."""
    rules, offering = announcement.rules, announcement.offering
    limit = offering * rules.award_limit_e4 // _WHOLE_E4
    bids_of: dict[str, int] = {}
    for bid in bids:
        bids_of[bid.bidder] = bids_of.get(bid.bidder, 0) + (bid.amount if bid.competitive else 0)
    room: dict[str, int] = {}
    found = {}
    for place, bid in sorted(enumerate(bids), key=lambda entry: (entry[1].rate_e5 or 0, entry[0])):
        if bid.rate_e5 is None:
            continue
        reported = (bids_of[bid.bidder] + bid.net_long) * _WHOLE_E4 >= offering * rules.report_from_e4
        long_ = bid.net_long if reported else 0
        left = room.setdefault(bid.bidder, max(0, limit - long_) // rules.multiple * rules.multiple)
        amount = min(bid.amount, left)
        room[bid.bidder] = left - amount
        found[place] = (bid.rate_e5, amount)
    return found


def _stop(recognised: Mapping[int, tuple[int, int]], left: int) -> tuple[int, int]:
    """Stop rate and percentage awarded at it, 0.01%, rounded up; all of it if the offering is not filled."""
    last = None
    for rate, group in groupby(sorted(recognised.values()), key=lambda entry: entry[0]):
        at_rate = sum(amount for _, amount in group)
        if not at_rate:
            continue
        if at_rate >= left:
            return rate, -(-left * _WHOLE_E4 // at_rate)
        last, left = rate, left - at_rate
    if last is None:
        raise UsageError("auction: no competitive bid is recognised, so no rate can be found")
    return last, _WHOLE_E4


def _prorated(amount: int, percent_e4: int, rules: AuctionRules) -> int:
    share = -(-amount * percent_e4 // (_WHOLE_E4 * rules.multiple)) * rules.multiple
    return min(amount, max(share, rules.minimum)) if amount else 0


@dataclass(frozen=True, slots=True)
class Result:
    """An auction's result: what its hash on the ledger covers.

    Attributes
    ----------
    price_e6, accrued_e6
        Clean price and accrued interest of the issue date per 100 face, 10^-6, of a TIPS adjusted.
    coupon_e5
        Annual rate, 10^-5; of an FRN its spread; 0 of a bill.
    """

    announcement: Announcement
    allocation: Allocation
    price_e6: int
    accrued_e6: int
    coupon_e5: int

    def cash(self, face: int) -> int:
        """What a face costs: price and accrued interest, rounded half up to the base unit."""
        return (2 * face * (self.price_e6 + self.accrued_e6) + 10**8) // (2 * 10**8)

    def to_json(self) -> dict[str, Any]:
        """JSON form; the canonical one is hashed."""
        allocation = self.allocation
        return {
            "announcement": self.announcement.to_json(),
            "bids": [award.bid.to_json() | {"award": str(award.amount)} for award in allocation.awards],
            "stop_e5": allocation.stop_e5,
            "at_stop_e4": allocation.at_stop_e4,
            "coupon_e5": self.coupon_e5,
            "price_e6": self.price_e6,
            "accrued_e6": self.accrued_e6,
        }

    @property
    def hash(self) -> bytes:
        """Keccak-256 of the canonical JSON: `resultHash`, and the contextHash of every award's instruction."""
        return json_hash(self.to_json())
