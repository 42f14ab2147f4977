"""The allocation of an auction: the regulation's own examples, its limits, and laws that hold for any bids."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.errors import UsageError
from tbill_defi.ledger import auction
from tbill_defi.ledger.auction import Announcement, Bid, allocate, check_bid, rules_on
from tests.unit.ledger.support import DOLLAR

HUNDRED = 100 * DOLLAR
BILLS = Announcement(
    cusip="912797QQ1",
    kind="bill",
    offering=100_000 * DOLLAR,
    auction_date=date(2026, 3, 23),
    issue_date=date(2026, 3, 26),
    maturity_date=date(2026, 9, 24),
    noncompetitive_close=1_774_270_800,
    competitive_close=1_774_272_600,
)
NOTES = replace(BILLS, cusip="91282CAA1", kind="note", maturity_date=date(2028, 3, 31))


def awards(announcement, *bids):
    found = allocate(announcement, bids)
    return found, [award.amount // DOLLAR for award in found.awards]


def test_a_prorated_award_is_rounded_up_to_the_multiple():
    """31 CFR 356.21(a): 88.27% of $18,000 is $15,888.60, and $15,900 is awarded."""
    offered = replace(BILLS, offering=8_827_000 * DOLLAR)
    others = [Bid(f"m{n}", 2_495_500 * DOLLAR, 3650) for n in range(4)]
    found, got = awards(offered, *others, Bid("one", 18_000 * DOLLAR, 3650))
    assert found.at_stop_e4 == 8_827
    assert got[-1] == 15_900


def test_a_small_award_is_the_minimum():
    """31 CFR 356.21(a): 4.65% of a bid for $100 is $100."""
    fill = [Bid(f"f{n}", 33_000 * DOLLAR, 3600) for n in range(2)] + [Bid("f2", 29_400 * DOLLAR, 3600)]
    crowd = [Bid(f"c{n}", 33_000 * DOLLAR, 3650) for n in range(3)]
    found, got = awards(BILLS, *fill, *crowd, Bid("tiny", HUNDRED, 3650))
    assert found.at_stop_e4 == 465  # 4,600 of 99,100 is 4.6418%, rounded up
    assert got[-1] == 100
    assert got[3] == 1_600  # 4.65% of 33,000 is 1,534.50


def test_noncompetitive_bids_come_first_and_the_highest_rates_last():
    found, got = awards(
        NOTES,
        Bid("small", 10_000 * DOLLAR),
        Bid("low", 30_000 * DOLLAR, 4_001),
        Bid("high", 35_000 * DOLLAR, 4_003),
        Bid("mid", 35_000 * DOLLAR, 4_002),
        Bid("over", 35_000 * DOLLAR, 4_004),
    )
    assert (found.stop_e5, found.at_stop_e4) == (4_003, 7_143)  # 25,000 of 35,000
    assert got == [10_000, 30_000, 25_100, 35_000, 0]
    assert found.awarded == 100_100 * DOLLAR


def test_nobody_gets_more_than_35_percent_less_his_long_position():
    rest = [Bid(f"r{n}", 30_000 * DOLLAR, 3_700) for n in range(3)]
    _, got = awards(BILLS, Bid("big", 90_000 * DOLLAR, 3_600), *rest)
    assert got[0] == 35_000
    _, got = awards(BILLS, Bid("big", 20_000 * DOLLAR, 3_600), Bid("big", 20_000 * DOLLAR, 3_605), *rest)
    assert got[:2] == [20_000, 15_000]
    _, got = awards(BILLS, Bid("long", 30_000 * DOLLAR, 3_600, net_long=10_000 * DOLLAR), *rest)
    assert got[0] == 25_000
    # bids and position together stay below what has to be reported
    _, got = awards(BILLS, Bid("long", 24_900 * DOLLAR, 3_600, net_long=10_000 * DOLLAR), *rest)
    assert got[0] == 24_900
    rest.append(Bid("x", HUNDRED, 3_700))
    _, got = awards(BILLS, Bid("long", 30_000 * DOLLAR, 3_600, net_long=40_000 * DOLLAR), *rest)
    assert got[0] == 0


def test_a_position_that_need_not_be_reported_takes_nothing_off(monkeypatch):
    """31 CFR 356.22(b) takes off a reported position; where half the offering is to be reported, 40% is not."""
    monkeypatch.setattr(auction, "RULES", (replace(rules_on(BILLS.auction_date), report_from_e4=5_000),))
    rest = [Bid(f"r{n}", 30_000 * DOLLAR, 3_700) for n in range(3)]
    _, got = awards(BILLS, Bid("long", 30_000 * DOLLAR, 3_600, net_long=10_000 * DOLLAR), *rest)
    assert got[0] == 30_000
    _, got = awards(BILLS, Bid("long", 30_000 * DOLLAR, 3_600, net_long=20_000 * DOLLAR), *rest)
    assert got[0] == 15_000


def test_an_offering_that_is_not_filled_is_awarded_in_full():
    found, got = awards(NOTES, Bid("a", 30_000 * DOLLAR, 4_001), Bid("b", 20_000 * DOLLAR, 4_100))
    assert (found.stop_e5, found.at_stop_e4, got) == (4_100, 10_000, [30_000, 20_000])


@pytest.mark.parametrize(
    ("bids", "words"),
    [
        ([Bid("a", 150 * DOLLAR, 3_600)], "multiples of"),
        ([Bid("a", HUNDRED, 3_601)], "ends in 0 or 5"),
        ([Bid("a", HUNDRED, -5)], "a discount rate is in \\[0%, 50%\\]"),
        ([Bid("a", HUNDRED, 50_005)], "50.005%; a discount rate is in"),
        ([Bid("a", HUNDRED), Bid("a", HUNDRED, 3_600)], "competitively and noncompetitively"),
        ([Bid("a", HUNDRED, 3_600), Bid("a", HUNDRED, 3_605, HUNDRED)], "there is one"),
        ([Bid("a", 10_000_100 * DOLLAR)], "noncompetitively; at most"),
        ([Bid("a", 6_000_000 * DOLLAR), Bid("a", 6_000_000 * DOLLAR)], "in all"),
        ([Bid("a", 100_000 * DOLLAR)], "whole offering"),
        ([Bid("a", HUNDRED)], "no competitive bid"),
        ([Bid("a", HUNDRED, 3_600, -1)], "net long"),
        ([Bid("a", HUNDRED, 3_600)] * 10_001, "10001 bids; at most 10000"),
    ],
)
def test_what_is_no_bid_is_refused_by_name(bids, words):
    with pytest.raises(UsageError, match=words):
        allocate(BILLS, bids)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_yield_may_be_negative_and_is_at_most_a_half(sign):
    check_bid(Bid("a", HUNDRED, sign * 50_000), NOTES)
    with pytest.raises(UsageError, match=f"{sign * 50}.001%; a yield is in \\[-50%, 50%\\]"):
        check_bid(Bid("a", HUNDRED, sign * 50_001), NOTES)


def test_rules_are_the_regulations():
    """31 CFR 356.12(b)(1), (c)(1), 356.13(a), 356.22(b), 356.10, as revised on 2024-11-18."""
    rules = rules_on(date(2026, 6, 1))
    assert (rules.minimum, rules.multiple) == (100_000_000, 100_000_000)
    assert rules.noncompetitive_limit == 10_000_000_000_000
    assert (rules.award_limit_e4, rules.report_from_e4) == (3_500, 3_500)
    assert (rules.bill_step_e5, rules.coupon_step_e5) == (5, 1)


def test_rules_have_their_day():
    assert rules_on(date(2026, 1, 2)).noncompetitive_limit == 10_000_000 * DOLLAR
    with pytest.raises(UsageError, match="2024-11-18"):
        rules_on(date(2024, 11, 17))


BIDS = st.lists(
    st.builds(
        Bid,
        st.sampled_from([f"p{n}" for n in range(6)]),
        st.integers(1, 600).map(lambda n: n * HUNDRED),
        st.integers(700, 712).map(lambda n: 5 * n),
    ),
    min_size=1,
    max_size=25,
)


@given(BIDS, st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_laws_of_any_auction(bids, small):
    if small:
        bids = [*bids, Bid("small", small * HUNDRED)]
    found = allocate(BILLS, bids)
    limit = BILLS.offering * 35 // 100
    at_stop = [award for award in found.awards if award.bid.rate_e5 == found.stop_e5]
    for award in found.awards:
        assert 0 <= award.amount <= award.bid.amount
        assert award.amount % HUNDRED == 0
        if not award.bid.competitive:
            assert award.amount == award.bid.amount
        elif award.bid.rate_e5 > found.stop_e5:
            assert award.amount == 0
    for who, amount in found.by_bidder().items():
        assert who == "small" or amount <= limit
    if found.at_stop_e4 < 10_000:  # filled, and no further than by rounding at the stop
        over = found.awarded - BILLS.offering
        assert 0 <= over <= len(at_stop) * HUNDRED + BILLS.offering // 10_000
    # a better bid never gets less: a lower rate for the same bidder's amount is served first
    for one in at_stop:
        better = [replace(b, rate_e5=found.stop_e5 - 5) if b is one.bid else b for b in bids]
        again = allocate(BILLS, better)
        place = next(n for n, award in enumerate(found.awards) if award is one)
        assert again.awards[place].amount >= one.amount or len([b for b in bids if b.bidder == one.bid.bidder]) > 1
