"""An auction on the ledger: sealed, opened, closed, and awarded against payment under the hash of its result."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.instruments import Note
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.auction import Announcement, Bid
from tbill_defi.ledger.auction_book import AuctionBook
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.sealed_bids import SignedBid, admitted
from tbill_defi.portfolio.auction import Offered, coupon_of_stop, issue_awards
from tests.unit.ledger.support import DOLLAR, make_ledger

HOLD, ISSUE = date(2026, 3, 24), date(2026, 3, 31)
NOTE = Note(cusip="91282CAA1", coupon=0.0, dated_date=ISSUE, maturity_date=date(2028, 3, 31))
NOON = new_york_midnight(HOLD) + 12 * 3600
ANNOUNCED = Announcement(
    cusip=NOTE.cusip,
    kind="note",
    offering=1_000_000 * DOLLAR,
    auction_date=HOLD,
    issue_date=ISSUE,
    maturity_date=NOTE.maturity_date,
    noncompetitive_close=NOON,
    competitive_close=NOON + 3600,
)
BIDS = [
    Bid("small", 50_000 * DOLLAR),
    Bid("ann", 350_000 * DOLLAR, 4_010),
    Bid("ben", 350_000 * DOLLAR, 4_017),
    Bid("cat", 350_000 * DOLLAR, 4_017),
    Bid("dan", 350_000 * DOLLAR, 4_020),
]


@pytest.fixture
def ledger():
    names = tuple(bid.bidder for bid in BIDS)
    with make_ledger(*names, at=NOON - 7200) as made:
        for name in names:
            made.set_claim(name, 2**40)
            made.deposit(name, {}, 400_000 * DOLLAR)
        yield made


def go_to(ledger, moment):
    ledger.chain.advance_clock(moment - ledger.chain.now())


def test_from_sealed_bids_to_units_against_cash(ledger):
    book = AuctionBook(ledger)
    book.announce(ANNOUNCED)
    signed = [book.seal(ANNOUNCED, bid) for bid in BIDS]
    for event in ledger.chain.events(names=("BidSealed",)):
        assert not {"rateE5", "amount"} & set(event.arguments), "nothing of a bid is seen before the close"
    again = book.seal(ANNOUNCED, replace(BIDS[4], rate_e5=4_011))
    book.withdraw(ANNOUNCED, again)
    go_to(ledger, NOON)
    with pytest.raises(LedgerError, match="BiddingClosed") as caught:
        book.seal(ANNOUNCED, Bid("dan", 100 * DOLLAR))
    assert caught.value.code == "BiddingClosed"
    offered = Offered(ANNOUNCED, NOTE)
    result, security = offered.result(book.opened(ANNOUNCED, signed))
    with pytest.raises(LedgerError) as caught:
        book.close(result)
    assert caught.value.code == "BiddingOpen"
    go_to(ledger, NOON + 3600)
    with pytest.raises(LedgerError) as caught:
        issue_awards(ledger, result, security)
    assert caught.value.code == "ResultNotOnRecord"
    book.close(result)
    assert (result.allocation.stop_e5, result.allocation.at_stop_e4) == (4_017, 8_572)
    assert security.coupon == 0.04
    go_to(ledger, new_york_midnight(ISSUE) + 9 * 3600)
    before = {bid.bidder: ledger.wallet(bid.bidder).cash for bid in BIDS}
    issue_awards(ledger, result, security)
    for who, face in result.allocation.by_bidder().items():
        assert ledger.wallet(who).positions == {NOTE.cusip: face}
        assert before[who] - ledger.wallet(who).cash == result.cash(face) < face
    assert ledger.wallet("ben").positions[NOTE.cusip] == 300_100 * DOLLAR  # 85.72% is 300,020
    assert ledger.wallet("dan").positions == {}
    (settled,) = [entry for entry in ledger.tape() if entry.context_hash == "0x" + result.hash.hex()]
    assert len(settled.legs) == 8
    with pytest.raises(LedgerError) as caught:
        issue_awards(ledger, result, security)
    assert caught.value.code == "AwardsSettled"


def test_an_auction_that_noncompetitive_bids_fill_ends_without_a_price_and_keeps_nobodys_money(ledger):
    """They come first (31 CFR 356.20), and none is left whose rate could be theirs: offered again, it is sold."""
    book = AuctionBook(ledger)
    bids = [Bid("small", 60_000 * DOLLAR), Bid("ann", 60_000 * DOLLAR), Bid("ben", 50_000 * DOLLAR, 4_010)]
    before = {bid.bidder: ledger.wallet(bid.bidder).cash for bid in bids}
    little = replace(ANNOUNCED, offering=100_000 * DOLLAR)
    book.announce(little)
    signed = [book.seal(little, bid) for bid in bids]
    go_to(ledger, NOON + 3600)
    with pytest.raises(UsageError, match="noncompetitive bids take the whole offering, so no rate can be found"):
        Offered(little, NOTE).result(book.opened(little, signed))
    assert {who: ledger.wallet(who).cash for who in before} == before
    day = HOLD + timedelta(days=1)
    closes = {"noncompetitive_close": NOON + 86_400, "competitive_close": NOON + 86_400 + 3600}
    again = replace(ANNOUNCED, auction_date=day, **closes)
    book.announce(again)
    signed = [book.seal(again, bid) for bid in bids]
    go_to(ledger, NOON + 86_400 + 3600)
    result, security = Offered(again, NOTE).result(book.opened(again, signed))
    book.close(result)
    go_to(ledger, new_york_midnight(ISSUE) + 9 * 3600)
    issue_awards(ledger, result, security)
    assert {bid.bidder: ledger.wallet(bid.bidder).positions for bid in bids} == {
        bid.bidder: {NOTE.cusip: bid.amount} for bid in bids
    }


def test_only_what_was_sealed_and_signed_by_who_sealed_it_counts(ledger):
    book = AuctionBook(ledger)
    book.announce(ANNOUNCED)
    signed = book.seal(ANNOUNCED, BIDS[1])
    place = {"chain_id": ledger.chain.chain_id, "book": ledger.contracts.auction_book}
    late = type(signed).make(BIDS[2], ANNOUNCED, ledger.keyring.key("ben"), **place)
    with pytest.raises(LedgerError) as caught:
        book.opened(ANNOUNCED, [signed, late])
    assert caught.value.code == "BidNotSealed"
    book.seal(ANNOUNCED, BIDS[3])  # and never opened: no bid
    assert book.opened(ANNOUNCED, [signed]) == [BIDS[1]]
    changed = type(signed)(replace(BIDS[1], rate_e5=4_000), signed.signature)
    with pytest.raises(LedgerError) as caught:
        book.opened(ANNOUNCED, [changed])
    assert caught.value.code == "BidNotSealed"


def test_a_bid_in_anothers_name_or_under_the_other_close_is_none(ledger):
    book, place = AuctionBook(ledger), {"chain_id": ledger.chain.chain_id, "book": ledger.contracts.auction_book}
    book.announce(ANNOUNCED)

    def slip_in(bid, by, competitive):
        """Seals past the client's own checks, as anyone can."""
        made = SignedBid.make(bid, ANNOUNCED, ledger.keyring.key(by), **place)
        words = encode_call("AuctionBook", "seal", ANNOUNCED.auction_id, made.seal(ANNOUNCED, **place), competitive)
        ledger.send([Step(by, ledger.contracts.auction_book, words)])
        return made

    sound = book.seal(ANNOUNCED, BIDS[1])
    copied = encode_call("AuctionBook", "seal", ANNOUNCED.auction_id, sound.seal(ANNOUNCED, **place), False)
    ledger.send([Step("cat", ledger.contracts.auction_book, copied)])  # keeps nobody out, and is no bid
    assert book.opened(ANNOUNCED, [sound]) == [BIDS[1]]
    in_bens_name = slip_in(Bid("ben", 300_000 * DOLLAR, 3_990), "dan", competitive=True)
    with pytest.raises(LedgerError, match="the bid of ben was sealed by dan") as caught:
        book.opened(ANNOUNCED, [sound, in_bens_name])
    assert caught.value.code == "BidForged"
    go_to(ledger, NOON)
    late = slip_in(Bid("small", 50_000 * DOLLAR), "small", competitive=True)  # its own close has passed
    with pytest.raises(LedgerError, match="the bid of small is noncompetitive and was sealed as a competitive one"):
        book.opened(ANNOUNCED, [sound, late])


def test_a_bidder_who_contradicts_himself_holds_up_nobody():
    both, odd = [Bid("eve", 100 * DOLLAR), Bid("eve", 100 * DOLLAR, 4_000)], Bid("fay", 150 * DOLLAR, 4_000)
    many = [Bid("gil", 6_000_000 * DOLLAR) for _ in range(2)]
    taken, rejected = admitted(ANNOUNCED, [*both, *BIDS, odd, *many])
    assert taken == BIDS
    assert [entry.bid for entry in rejected] == [odd, *both, *many]
    assert "multiples of 100.00" in rejected[0].reason
    assert "allows one" in rejected[1].reason
    assert "at most 10,000,000.00" in rejected[-1].reason


def test_a_winner_without_cash_holds_up_nobody_and_settles_later(ledger):
    book = AuctionBook(ledger)
    book.announce(ANNOUNCED)
    bids = [
        Bid("ann", 300_000 * DOLLAR, 4_010),
        Bid("ben", 300_000 * DOLLAR, 4_010),
        Bid("cat", 300_000 * DOLLAR, 4_010),
    ]
    signed = [book.seal(ANNOUNCED, bid) for bid in bids]
    go_to(ledger, NOON + 3600)
    result, security = Offered(ANNOUNCED, NOTE).result(book.opened(ANNOUNCED, signed))
    book.close(result)
    go_to(ledger, new_york_midnight(ISSUE) + 9 * 3600)
    cash = encode_call("CashToken", "transfer", ledger.address_of("dan"), 200_000 * DOLLAR)
    ledger.send([Step("ben", ledger.contracts.usd, cash)])
    issued = issue_awards(ledger, result, security)
    assert [buy.buyer for buy in issued.purchases] == ["ann", "cat"]
    assert [(who, error.code) for who, error in issued.failed.items()] == [("ben", "ERC20InsufficientBalance")]
    ledger.send(
        [
            Step(
                "dan",
                ledger.contracts.usd,
                encode_call("CashToken", "transfer", ledger.address_of("ben"), 200_000 * DOLLAR),
            )
        ]
    )
    again = issue_awards(ledger, result, security)
    assert ([buy.buyer for buy in again.purchases], again.failed) == (["ben"], {})
    assert {
        who: ledger.wallet(who).positions[NOTE.cusip] for who in ("ann", "ben", "cat")
    } == result.allocation.by_bidder()


def test_the_result_hash_covers_every_figure(ledger):
    result, _ = Offered(ANNOUNCED, NOTE).result(BIDS)
    same, _ = Offered(ANNOUNCED, NOTE).result(list(BIDS))
    assert same.hash == result.hash
    seen = {result.hash}
    for place, bid in enumerate(BIDS):
        for change in ({"amount": bid.amount - 100 * DOLLAR}, {"net_long": DOLLAR}):
            bids = [*BIDS[:place], replace(bid, **change), *BIDS[place + 1 :]]
            other, _ = Offered(ANNOUNCED, NOTE).result(bids)
            seen.add(other.hash)
    for change in ({"price_e6": result.price_e6 + 1}, {"accrued_e6": 1}, {"coupon_e5": 0}):
        seen.add(replace(result, **change).hash)
    assert len(seen) == 1 + 2 * len(BIDS) + 3


def test_coupon_of_a_stop():
    """31 CFR 356.20(b): an eighth not above the yield; one eighth at least."""
    assert [coupon_of_stop(e5) for e5 in (4_125, 4_124, 4_249, 125, 124, 0, -300)] == [
        4_125,
        4_000,
        4_125,
        125,
        125,
        125,
        125,
    ]
