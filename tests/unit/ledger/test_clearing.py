"""A CCP novates, nets and settles; a member's failure is the CCP's, and the others are whole."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger import limits
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.clearing import (
    Clearing,
    NetKey,
    NetLine,
    Obligation,
    clearing_houses,
    open_clearing,
    pack,
    plan_lines,
)
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.fail_claims import charges
from tbill_defi.ledger.fails import FailsPractice, TargetRate
from tbill_defi.ledger.mandate import open_account
from tbill_defi.ledger.trade_terms import TradeStatus
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, assert_as_the_book_has_them, make_ledger

MEMBERS = ("ann", "bea", "cyd", "dan")
TOMORROW = date(2026, 3, 25)
OPENS = new_york_midnight(TOMORROW)
AFTER_ROUND_TRIP = {
    "ann": (900, 10_099),
    "bea": (1_040, 9_961),
    "cyd": (1_100, 9_901),
    "dan": (960, 10_039),
    "ccp": (0, 0),
}
"""Dollars of face and of cash of everyone when the trades of `round_trip` have settled."""


@pytest.fixture
def house():
    ledger = make_ledger("ccp", *MEMBERS)
    for member in MEMBERS:
        ledger.deposit(member, {NOTE: 1_000 * DOLLAR, OTHER: 1_000 * DOLLAR}, 10_000 * DOLLAR)
    made = open_clearing(ledger, "ccp")
    yield made
    ledger.close()


def deal(house, seller, buyer, face, proceeds, security=NOTE):
    terms = house.trades.terms(
        seller=seller,
        buyer=buyer,
        asset=security.cusip,
        face_units=face * DOLLAR,
        proceeds_units=proceeds * DOLLAR,
        settlement_date=TOMORROW,
        clearer=house.address,
    )
    return house.trades.agree(terms)


def holdings(house):
    wallets = [house._ledger.wallet(party) for party in (*MEMBERS, "ccp")]
    return {w.party: (w.positions.get(NOTE.cusip, 0) // DOLLAR, w.cash // DOLLAR) for w in wallets}


def round_trip(house):
    """ann sells 100 to bea, who sells 60 on to cyd; dan sells 40 to cyd."""
    return [deal(house, *words) for words in (("ann", "bea", 100, 99), ("bea", "cyd", 60, 60), ("dan", "cyd", 40, 39))]


def owed(house):
    return {key.member: (one.face // DOLLAR, one.cash // DOLLAR) for key, one in house.obligations().items()}


def test_another_contract_that_a_trade_names_is_no_clearing_house(house):
    """Its parties may name whom they like; a token does not answer who its CCP is."""
    ledger, trades = house._ledger, house.trades
    words = {"asset": NOTE.cusip, "face_units": DOLLAR, "proceeds_units": DOLLAR, "settlement_date": TOMORROW}
    trades.agree(trades.terms(seller="ann", buyer="bea", clearer=ledger.contracts.usd, **words))
    assert clearing_houses(ledger) == []
    round_trip(house)
    assert [one.address for one in clearing_houses(ledger)] == [house.address]


def test_nets_sum_to_zero_and_gross_trades_close(house):
    states = round_trip(house)
    assert house.novate() == [state.trade_id for state in states]
    assert {house.trades.state(s.trade_id).status for s in states} == {TradeStatus.NOVATED}
    assert_as_the_book_has_them(house.trades)
    assert owed(house) == {"ann": (-100, 99), "bea": (40, -39), "cyd": (100, -99), "dan": (-40, 39)}
    with pytest.raises(LedgerError) as none:
        house.novate()
    assert none.value.code == "NothingOpen"
    with pytest.raises(LedgerError) as over:
        house.trades.settle(states[0].trade_id)
    assert over.value.code == "TradeNotOpen"


def test_the_contract_says_the_same(house):
    round_trip(house)
    house.novate()
    ledger = house._ledger
    for key, one in house.obligations().items():
        token, member = ledger.token_of(key.asset), ledger.address_of(key.member)
        found = ledger.call("ClearingHouse", house.address, "obligationOf", OPENS, token, ledger.contracts.usd, member)
        assert (found["face"], found["cash"]) == (one.face, one.cash)


def test_everyone_has_what_gross_settlement_would_have_given(house):
    round_trip(house)
    house.novate()
    assert house.settle_due() == [], "not before its date"
    move_clock(house._ledger, OPENS)
    assert len(house.settle_due()) == 4
    assert holdings(house) == AFTER_ROUND_TRIP
    assert house.obligations() == {}
    (entry,) = house._ledger.tape()
    assert len(entry.legs) == 8, "one instruction"


def test_a_member_s_failure_leaves_the_others_whole(house):
    round_trip(house)
    house.novate()
    move_clock(house._ledger, OPENS)
    ledger = house._ledger
    ledger.freeze("ann", NOTE.cusip, 1_000 * DOLLAR)
    with pytest.raises(LedgerError):
        house.settle_due()
    ledger.deposit("ccp", {}, 100 * DOLLAR)
    house.settle_due(failing=["ann"])
    found = holdings(house)
    assert found["dan"] == (960, 10_039), "delivered and paid"
    assert found["ann"] == (1_000, 10_000)
    assert found["bea"][0] + found["cyd"][0] == 2_000 + 39, "what dan delivered, in whole units each"
    left = house.obligations()
    assert left[NetKey(OPENS, NOTE.cusip, "USD", "ann")] == Obligation(-100 * DOLLAR, 99 * DOLLAR)
    assert sum(one.face for one in left.values()) == ledger.wallet("ccp").positions.get(NOTE.cusip, 0)
    ledger.freeze("ann", NOTE.cusip, 0)
    house.settle_due()
    assert holdings(house) == {
        "ann": (900, 10_099),
        "bea": (1_040, 9_961),
        "cyd": (1_100, 9_901),
        "dan": (960, 10_039),
        "ccp": (0, 100),
    }
    assert house.obligations() == {}
    assert sum(move.face for move in house.moves()) == 0


def test_only_the_ccp_acts(house):
    round_trip(house)
    with pytest.raises(LedgerError, match="no clearing house"):
        Clearing(house._ledger, "ann")
    house.ccp = "ann"
    with pytest.raises(LedgerError) as stranger:
        house.novate()
    assert stranger.value.code == "NotCounterparty"


def test_a_house_is_opened_once(house):
    assert open_clearing(house._ledger, "ccp").address == house.address


def test_lines_are_of_one_date_and_currency(house):
    lines = [NetLine(NetKey(day, NOTE.cusip, "USD", "ann"), 1) for day in (1, 2)]
    with pytest.raises(UsageError, match="2 dates"):
        house.settle(lines)
    with pytest.raises(UsageError, match="0 dates"):
        house.settle([])


faces = st.lists(
    st.tuples(st.sampled_from(MEMBERS), st.sampled_from(MEMBERS), st.integers(1, 10**6), st.integers(1, 10**6)),
    min_size=1,
    max_size=20,
)


def netted(trades):
    owed = {}
    for seller, buyer, face, cash in trades:
        for member, sign in ((seller, -1), (buyer, 1)):
            key = NetKey(0, NOTE.cusip, "USD", member)
            before = owed.get(key, Obligation(0, 0))
            owed[key] = Obligation(before.face + sign * face, before.cash - sign * cash)
    return {key: one for key, one in owed.items() if one != Obligation(0, 0)}


@given(trades=faces, failing=st.sets(st.sampled_from(MEMBERS)))
@settings(deadline=None)
def test_lines_never_ask_for_more_than_is_owed_or_delivered(trades, failing):
    owed = netted(trades)
    assert sum(one.face for one in owed.values()) == sum(one.cash for one in owed.values()) == 0
    lines = plan_lines(owed, failing)
    touched = {key.member for key in owed} & failing
    if not touched:
        assert {line.key for line in lines} == set(owed)
    given_ = sum(line.face for line in lines if owed[line.key].face < 0)
    taken = sum(line.face for line in lines if owed[line.key].face > 0)
    assert all(line.face <= abs(owed[line.key].face) for line in lines)
    assert not touched & {line.key.member for line in lines}
    assert abs(given_ - taken) < max(1, len(lines)), "what is rounded stays with the CCP or waits"


def test_whole_securities_are_packed_and_too_many_legs_are_refused():
    def group(asset, members):
        return [NetLine(NetKey(0, asset, "USD", f"m{k}"), 1) for k in range(members)]

    batches = pack([group("A", 20), group("B", 20), group("C", 32)])
    assert [len({line.key.asset for line in batch}) for batch in batches] == [2, 1]
    with pytest.raises(UsageError, match="66 legs, at most 64"):
        pack([group("A", 33)])


def test_the_accounts_of_a_cleared_block_are_members(house):
    """Nobody of them need have dealt with the clearing house before."""
    ledger = house._ledger
    words = {"asset": NOTE.cusip, "settlement_date": TOMORROW, "clearer": house.address, "allocator": "bea"}
    terms = house.trades.terms(seller="ann", buyer="bea", face_units=100 * DOLLAR, proceeds_units=90 * DOLLAR, **words)
    block = house.trades.agree(terms)
    open_account(ledger, "pension", manager="bea")
    with pytest.raises(UsageError, match="pension is a managed account, which names no operator"):
        house.trades.allocate(block.trade_id, {"cyd": 60 * DOLLAR, "pension": 40 * DOLLAR})
    house.trades.allocate(block.trade_id, {"cyd": 60 * DOLLAR, "dan": 40 * DOLLAR})
    assert len(house.novate()) == 2
    assert owed(house) == {"ann": (-100, 90), "cyd": (60, -54), "dan": (40, -36)}


def test_a_trade_of_no_members_holds_nobody_up(house):
    ledger = house._ledger
    stranger = deal(house, "cyd", "dan", 10, 9)
    leave = encode_call("Settlement", "setOperator", house.address, False)
    ledger.send([Step("dan", ledger.contracts.settlement, leave)])
    good = deal(house, "ann", "bea", 100, 90)
    assert house.novate() == [good.trade_id]
    assert house.trades.state(stranger.trade_id).status is TradeStatus.OPEN
    with pytest.raises(LedgerError) as refused:
        house.novate([stranger.trade_id])
    assert refused.value.code == "NotMember"
    with pytest.raises(LedgerError, match="no open trade between members"):
        house.novate()


def test_who_owes_money_alone_has_one_leg():
    """Bought and sold as much as each other: a member pays what is left and delivers nothing."""
    money = [NetLine(NetKey(0, "A", "USD", f"m{k}"), 0) for k in range(64)]
    assert pack([money]) == [money]
    with pytest.raises(UsageError, match="65 legs, at most 64"):
        pack([[*money[1:], NetLine(NetKey(0, "A", "USD", "m0"), 1)]])


def test_a_net_that_is_late_is_charged_from_the_member_through_the_ccp(house):
    deal(house, "ann", "bea", 100, 90)
    house.novate()
    ledger = house._ledger
    move_clock(ledger, new_york_midnight(date(2026, 3, 27)))
    practice = FailsPractice([TargetRate(date(2020, 1, 1), 0)], lambda day: day)
    open_ = [(one.debtor, one.creditor, one.days, one.delivered) for one in charges(ledger, practice)]
    assert sorted(open_) == [("ann", "ccp", 2, None), ("ccp", "bea", 2, None)]
    house.settle_due()
    found = charges(ledger, practice)
    assert {one.charge.units for one in found} == {90 * DOLLAR * 2 * 3 // 36_000}
    assert {one.delivered for one in found} == {date(2026, 3, 27)}
    assert len({one.reference for one in found}) == 2


def test_what_is_owed_in_money_alone_or_settles_in_time_is_no_fail(house):
    """bea sells on what she bought: she is owed a dollar and no security."""
    deal(house, "ann", "bea", 100, 90)
    deal(house, "bea", "cyd", 100, 91)
    house.novate()
    ledger, practice = house._ledger, FailsPractice([TargetRate(date(2020, 1, 1), 0)], lambda day: day)
    move_clock(ledger, OPENS)
    assert charges(ledger, practice) == []
    move_clock(ledger, new_york_midnight(date(2026, 3, 27)))
    assert sorted((one.debtor, one.creditor) for one in charges(ledger, practice)) == [("ann", "ccp"), ("ccp", "cyd")]


def test_sixty_four_legs_of_thirty_two_members_fit_under_every_rule():
    members = [f"m{k:02d}" for k in range(32)]
    ledger = make_ledger("ccp", *members)
    ledger.set_trade_limit(10**18)
    limits.set_holding_cap(ledger, 10**18)
    limits.set_volume_limit(ledger, 10**18, 86_400)
    for member in members:
        ledger.deposit(member, {NOTE: 100 * DOLLAR}, 100 * DOLLAR)
    house = open_clearing(ledger, "ccp")
    for k in range(32):
        deal(house, members[k // 2 * 2], members[k // 2 * 2 + 1], 10, 9)
    assert len(house.novate()) == 32
    move_clock(ledger, OPENS)
    assert len(house.settle_due()) == 32
    (entry,) = ledger.tape()
    assert len(entry.legs) == 64
    assert house.obligations() == {}
    ledger.close()


def test_a_managed_account_is_no_clearing_member(house):
    """It can name no operator: refused before anything is signed, in words."""
    ledger = house._ledger
    open_account(ledger, "pension", manager="dan")
    before = ledger.chain.height
    for seller, buyer in (("pension", "ann"), ("ann", "pension")):
        with pytest.raises(UsageError, match="pension is a managed account, which names no operator"):
            deal(house, seller, buyer, 100, 99)
    assert ledger.chain.height == before
