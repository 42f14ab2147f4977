"""Lives of repos on the ledger: published numbers, refusals, margin, coupons, default."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.instruments.repo import MarginRule
from tbill_defi.ledger import life, repo_deeds
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.coupons import coupon_on
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.repo_coupons import pass_coupon
from tbill_defi.ledger.repo_state import RepoStatus
from tbill_defi.ledger.repo_terms import FACILITY, RepoQuote, RepoTerms, margin_hash, repurchase_hash
from tbill_defi.ledger.settlement import PlanLeg
from tests.unit.ledger.repo_support import BORROWER, FIRST, LENDER, NOTE, SECOND, TODAY, RepoBench
from tests.unit.ledger.support import DOLLAR

END = date(2021, 3, 22)


@pytest.fixture
def bench():
    made = RepoBench()
    made.price()
    with made.ledger:
        yield made


def refused(code):
    return pytest.raises(LedgerError, match=code)


def test_hashes_are_the_contracts(bench):
    terms = RepoTerms(
        bench.terms(), bench.ledger.address_of(LENDER), bench.ledger.address_of(BORROWER), b"\1" * 20, 60, 7
    )
    found = bench.ledger.call("RepoFacility", bench.repos.address, "hashTerms", terms.abi_value())
    assert found == terms.repo_id


@pytest.mark.parametrize(("name", "bits"), [("call_seconds", 32), ("nonce", 256)])
def test_numbers_of_the_terms_fit_the_contract_s(bench, name, bits):
    sound = {"call_seconds": 60, "nonce": 7}
    parties = (b"\1" * 20, b"\2" * 20, b"\3" * 20)
    RepoTerms(bench.terms(), *parties, **{**sound, name: 2**bits - 1})
    for value in (-1, 2**bits):
        with pytest.raises(UsageError, match=rf"{name}: {value} is not in \[0, 2\^{bits}\)"):
            RepoTerms(bench.terms(), *parties, **{**sound, name: value})


def test_cdm_example_from_opening_over_substitution_to_repurchase(bench):
    """FINOS CDM: 10,000,000 at 1.0075, haircut 1%, 0.4% for three days; substituted by 10,228,426 at 98.5."""
    before = bench.balances()
    repo = bench.opened()
    state = bench.repos.state(repo)
    assert (state.status, state.principal_units, state.interest_units) == (RepoStatus.OPEN, 9_974_250 * DOLLAR, 0)
    wallet = bench.ledger.wallet(BORROWER)
    assert wallet.cash == before["borrower cash"] + 9_974_250 * DOLLAR
    assert wallet.pledged == {FIRST.cusip: 10_000_000 * DOLLAR}
    assert bench.ledger.wallet(LENDER).collateral == wallet.pledged
    assert bench.ledger.wallet(LENDER).pledged == {}

    needed = MarginRule.HAIRCUT.face_units(9_974_250 * DOLLAR, 98_500_000, 10_000_000)
    assert needed == 10_228_426_395_940, "10,228,426 of the example, up to the unit that covers"
    with refused("does not cover"):
        bench.repos.substitute(repo, SECOND.cusip, needed - 1)
    state = bench.repos.substitute(repo, SECOND.cusip, needed)
    assert (state.cusip, state.face_units) == (SECOND.cusip, needed)
    assert (state.principal_units, state.rate_e9, state.end_date) == (9_974_250 * DOLLAR, 4_000_000, END)
    assert bench.ledger.wallet(BORROWER).positions[FIRST.cusip] == 30_000_000 * DOLLAR

    bench.go_to(END)
    state = bench.repos.repurchase(repo)
    assert state.status is RepoStatus.REPURCHASED
    interest = 332_475_000  # 9,974,250 x 0.4% x 3 / 360
    assert bench.terms().resolve().interest_units == interest
    before["lender cash"] += interest
    before["borrower cash"] -= interest
    assert bench.balances() == before
    assert bench.ledger.wallet(BORROWER).pledged == {}


def test_opening_is_on_the_tape_under_the_hash_of_its_terms(bench):
    repo = bench.opened()
    (entry,) = bench.ledger.tape()
    assert entry.context_hash == "0x" + repo.hex()
    assert {(leg.asset, leg.giver, leg.receiver) for leg in entry.legs} == {
        (FIRST.cusip, BORROWER, "repo-facility"),
        ("USD", LENDER, BORROWER),
    }


@pytest.mark.parametrize(
    ("rule", "margin", "cash"),
    [(MarginRule.HAIRCUT, 0.02, 9_873_500_000_000), (MarginRule.MARGIN_RATIO, 1.02, 9_877_450_980_392)],
)
def test_largest_cash_by_rule(bench, rule, margin, cash):
    """10,000,000 at 100.75: x 0.98 and / 1.02 are not the same; one unit more is refused."""
    with refused("does not cover"):
        bench.opened(margin_rule=rule, margin=margin, cash_units=cash + 1)
    repo = bench.opened(margin_rule=rule, margin=margin, cash_units=cash)
    assert bench.repos.coverage(repo).deficit_units == 0


def test_ineligible_collateral_and_wrong_openings(bench):
    with refused("matures before the repo ends"):
        bench.opened(end_date=FIRST.maturity_date)
    with pytest.raises(LedgerError, match="no token on this ledger"):
        bench.opened(cusip="912828ZZ9")
    with pytest.raises(UsageError, match="market date is 2021-03-19"):
        bench.opened(start_date=TODAY + timedelta(days=1))
    with pytest.raises(UsageError, match="cannot lend to itself"):
        bench.repos.quote(bench.terms(), lender=LENDER, borrower=LENDER)
    with pytest.raises(UsageError, match="not signed by borrower"):
        bench.repos.open(bench.repos.quote(bench.terms(), lender=LENDER, borrower=BORROWER))
    with pytest.raises(UsageError, match="neither the lender"):
        bench.repos.sign(bench.repos.quote(bench.terms(), lender=LENDER, borrower=BORROWER), "treasury")
    bench.opened()
    with refused("opened already"):
        bench.opened()
    assert bench.opened(nonce=1)


def test_no_price_and_stale_price(bench):
    fresh = RepoBench()
    with fresh.ledger, refused("tbill oracle publish"):
        fresh.opened()
    repo = bench.opened()
    bench.go_to(TODAY + timedelta(days=5))
    for act in (bench.repos.coverage, bench.repos.mark, bench.repos.close_out):
        with pytest.raises(LedgerError) as caught:
            act(repo)
        assert caught.value.code == "StalePrice"
    bench.repos.repurchase(repo)  # paying back takes no price


def test_quote_travels_and_is_checked_before_it_is_signed(bench):
    quote = bench.repos.quote(bench.terms(), lender=LENDER, borrower=BORROWER)
    text = json.dumps(quote.to_json())
    assert RepoQuote.from_json(json.loads(text)) == quote
    broken = json.loads(text)
    broken["repo"]["rate"] = 0.001
    with pytest.raises(DataError, match="not that of its terms"):
        RepoQuote.from_json(broken)
    for field, bits in (("call_seconds", 32), ("not_before", 64), ("deadline", 64), ("instruction_nonce", 256)):
        broken = json.loads(text)
        broken[field] = type(broken[field])(2**bits)
        with pytest.raises(DataError, match=f"{field}: .* is not what"):
            RepoQuote.from_json(broken)
    broken = json.loads(text)
    del broken["legs"]
    with pytest.raises(DataError, match="legs"):
        RepoQuote.from_json(broken)
    legs = tuple(replace(leg, amount=leg.amount + 1) for leg in quote.instruction.legs)
    greedy = replace(quote, instruction=replace(quote.instruction, legs=legs))
    with pytest.raises(UsageError, match="do not sign it"):
        bench.repos.sign(greedy, BORROWER)
    bench.repos.open(bench.repos.sign(RepoQuote.from_json(json.loads(text)), BORROWER))


def test_margin_is_called_met_by_face_and_the_call_ends(bench):
    repo = bench.opened(end_date=date(2021, 4, 19))
    with refused("up to what an open margin call asks for"):
        bench.repos.deliver_margin(repo, cash_units=1)
    bench.price(first=99_000_000)
    mark = bench.repos.mark(repo)
    assert mark.exposure_units == 9_974_250 * DOLLAR
    assert mark.lendable_units == 9_801_000 * DOLLAR
    assert mark.deficit_units == 173_250 * DOLLAR
    deadline = bench.repos.state(repo).call_deadline
    assert deadline == bench.ledger.chain.now() - 1 + 86_400
    bench.repos.mark(repo)
    assert bench.repos.state(repo).call_deadline == deadline, "a call keeps its deadline"
    missing = MarginRule.HAIRCUT.face_units(173_250 * DOLLAR, 99_000_000, 10_000_000)
    assert bench.repos.deliver_margin(repo, face_units=missing - 1).call_deadline == deadline
    state = bench.repos.deliver_margin(repo, face_units=1)
    assert (state.call_deadline, state.face_units) == (0, 10_000_000 * DOLLAR + missing)


def test_margin_in_cash_reduces_what_is_outstanding_and_interest(bench):
    repo = bench.opened(rate=0.036, end_date=date(2021, 3, 29))
    bench.go_to(END)
    bench.price(first=99_000_000)
    deficit = bench.repos.mark(repo).deficit_units
    interest = 9_974_250 * 3 * 100  # 3.6% / 360 = 10^-4 a day
    assert deficit == 173_250 * DOLLAR + interest
    with refused("up to what an open margin call"):
        bench.repos.deliver_margin(repo, cash_units=deficit + 1)
    state = bench.repos.deliver_margin(repo, cash_units=deficit)
    assert state.call_deadline == 0
    assert state.principal_units == 9_974_250 * DOLLAR - deficit
    bench.go_to(date(2021, 3, 29))
    state = bench.repos.state(repo)
    expected = interest + (state.principal_units * 7 * 36_000_000 + 180 * 10**9) // (360 * 10**9)
    assert abs(state.interest_units - expected) <= 1, "two intervals, one rounding"
    before = bench.ledger.wallet(LENDER).cash
    bench.repos.repurchase(repo)
    assert bench.ledger.wallet(LENDER).cash - before == state.principal_units + state.interest_units


def test_price_recovers_and_excess_goes_back(bench):
    repo = bench.opened(end_date=date(2021, 4, 19))
    bench.price(first=99_000_000)
    bench.repos.mark(repo)
    bench.price(first=102_000_000)
    assert bench.repos.mark(repo).call_deadline == 0
    needed = MarginRule.HAIRCUT.face_units(9_974_250 * DOLLAR, 102_000_000, 10_000_000)
    with refused("does not cover"):
        bench.repos.release(repo, 10_000_000 * DOLLAR - needed + 1)
    state = bench.repos.release(repo, 10_000_000 * DOLLAR - needed)
    assert state.face_units == needed


def test_early_and_partial_repurchase(bench):
    repo = bench.opened(rate=0.036, end_date=date(2021, 4, 19))
    bench.go_to(END)
    with refused("does not cover"):
        bench.repos.repurchase(repo, principal_units=4_974_250 * DOLLAR, face_units=5_100_000 * DOLLAR)
    state = bench.repos.repurchase(repo, principal_units=4_974_250 * DOLLAR, face_units=4_900_000 * DOLLAR)
    assert (state.principal_units, state.face_units) == (5_000_000 * DOLLAR, 5_100_000 * DOLLAR)
    assert state.interest_units == 9_974_250 * 300, "stays due"
    bench.go_to(date(2021, 3, 23))
    cash = bench.ledger.wallet(LENDER).cash
    bench.repos.repurchase(repo)
    assert bench.ledger.wallet(LENDER).cash - cash == 5_000_000 * DOLLAR + 9_974_250 * 300 + 5_000_000 * 100


def test_early_repurchase_takes_the_lenders_signature(bench):
    repo, ledger = bench.opened(), bench.ledger
    state, today = bench.repos.state(repo), repo_deeds.today_of(ledger)
    context = repurchase_hash(repo, state.acts, today, state.principal_units, 0)
    instruction, signatures = signed(ledger, PlanLeg("USD", BORROWER, FACILITY, state.principal_units), context)
    act = (repo, today, state.principal_units, 0, instruction, signatures, signatures[0])
    with refused("LenderHasNotSigned"):
        ledger.send([repo_deeds.call_step(ledger, BORROWER, "repurchase", *act)])


def signed(ledger, leg, context):
    """An instruction of one leg and the borrower's signature over it, as the contracts take them."""
    made = repo_deeds.instruction(ledger, [leg], context)
    return made.abi_value(), [repo_deeds.signature(ledger, BORROWER, made)]


def settle(bench, instruction, signatures):
    """Straight to Settlement, past the facility."""
    data = encode_call("Settlement", "settle", instruction, signatures)
    return bench.ledger.send([Step(LENDER, bench.ledger.contracts.settlement, data)])


def test_whoever_holds_all_signatures_cannot_settle_past_the_facility(bench):
    repos, before = bench.repos, bench.balances()
    quote = repos.sign(repos.quote(bench.terms(), lender=LENDER, borrower=BORROWER), BORROWER)
    signatures = [quote.signatures[giver] for giver in quote.instruction.givers]
    with refused("OnlyThroughRepoFacility"):
        settle(bench, quote.instruction.abi_value(), signatures)
    assert bench.balances() == before
    repo = repos.open(quote).repo_id
    bench.price(first=99_000_000)
    deficit = repos.mark(repo).deficit_units
    state, before = repos.state(repo), bench.balances()
    today, whole = repo_deeds.today_of(bench.ledger), state.principal_units
    acts = (
        (margin_hash(repo, state.acts, today), PlanLeg(FIRST.cusip, BORROWER, FACILITY, DOLLAR)),
        (margin_hash(repo, state.acts, today), PlanLeg("USD", BORROWER, FACILITY, deficit)),
        (repurchase_hash(repo, state.acts, today, whole, 0), PlanLeg("USD", BORROWER, FACILITY, whole)),
    )
    for context, leg in acts:
        with refused("OnlyThroughRepoFacility"):
            settle(bench, *signed(bench.ledger, leg, context))
    assert (bench.balances(), repos.state(repo)) == (before, state)
    paid = signed(bench.ledger, PlanLeg("USD", BORROWER, FACILITY, whole), acts[2][0])
    repos.repurchase(repo)
    with refused("NonceAlreadyUsed"):
        settle(bench, *paid)


def test_a_day_of_25_hours_has_an_end(bench):
    """On 2021-11-07 clocks go back: its last hour begins 24 hours after midnight."""
    repo = bench.opened(end_date=date(2021, 12, 1))
    bench.go_to(date(2021, 11, 7), hours=24)
    bench.price()
    days = (date(2021, 11, 7) - TODAY).days
    assert bench.repos.mark(repo).exposure_units == 9_974_250 * DOLLAR + 9_974_250 * DOLLAR * 4 * days // 360_000
    bench.repos.deliver_margin(repo, face_units=1)
    bench.go_to(date(2021, 11, 8), hours=0)
    bench.price()
    assert bench.repos.mark(repo).exposure_units == (
        9_974_250 * DOLLAR + 9_974_250 * DOLLAR * 4 * (days + 1) // 360_000
    )


def test_collateral_counts_clean_from_its_coupon_date_until_it_is_priced_again(bench):
    """The coupon is the borrower's from the start of its date; yesterday's dirty price still has it."""
    day = date(2021, 9, 15)
    bench.go_to(day - timedelta(days=1))
    bench.price(note=99_000_000)
    assert bench.repos.price(NOTE.cusip) == 99_000_000 + bench.oracle.price(NOTE.cusip).accrued_e6 > 100_000_000
    bench.go_to(day)
    assert bench.repos.price(NOTE.cusip) == 99_000_000
    bench.price(note=99_000_000)
    assert bench.repos.price(NOTE.cusip) == 99_000_000
    bench.go_to(day + timedelta(days=1))
    bench.price(note=99_000_000)
    assert bench.repos.price(NOTE.cusip) > 99_000_000


def test_coupon_goes_to_who_gave_the_collateral(bench):
    """Two repos on one note: the facility is paid once and passes each its share, to the unit."""
    faces = (1_000_000_333_333, 2_000_000_000_001)
    end = date(2021, 12, 20)
    for nonce, face in enumerate(faces):
        bench.opened(cusip=NOTE.cusip, face_units=face, cash_units=900_000 * DOLLAR, end_date=end, nonce=nonce)
    day = date(2021, 9, 15)
    bench.go_to(day)
    with refused("CouponNotReceived"):
        pass_coupon(bench.ledger, NOTE, day)
    life.pay_coupon(bench.ledger, NOTE, day)
    coupon = coupon_on(NOTE, day)
    assert bench.ledger.wallet("repo-facility").cash == coupon.units(sum(faces))
    before = bench.ledger.wallet(BORROWER).cash
    assert pass_coupon(bench.ledger, NOTE, day) == {BORROWER: coupon.units(sum(faces))}
    assert bench.ledger.wallet(BORROWER).cash - before == coupon.units(sum(faces))
    assert bench.ledger.wallet("repo-facility").cash == 0
    assert pass_coupon(bench.ledger, NOTE, day) == {}, "once"


def test_default_on_margin_is_closed_out_at_the_mark_once(bench):
    repo = bench.opened(end_date=date(2021, 4, 19), call_seconds=3_600)
    with refused("there is no default"):
        bench.repos.close_out(repo)
    bench.price(first=99_900_000)
    bench.repos.mark(repo)
    with refused("there is no default"):
        bench.repos.close_out(repo)
    bench.ledger.chain.advance_clock(3_601)
    with refused("the lender's to do"):
        bench.repos.close_out(repo, by=BORROWER)
    before = bench.balances()
    done = bench.repos.close_out(repo)
    debt = 9_974_250 * DOLLAR
    taken = -(-debt * 10**8 // 99_900_000)
    assert done.debt_units == debt
    assert (done.lender_face_units, done.borrower_face_units) == (taken, 10_000_000 * DOLLAR - taken)
    assert done.shortfall_units == 0
    after = bench.balances()
    assert after[f"lender {FIRST.cusip}"] - before[f"lender {FIRST.cusip}"] == taken
    assert after[f"repo-facility {FIRST.cusip}"] == 0
    for act in (bench.repos.close_out, bench.repos.mark, bench.repos.repurchase):
        with pytest.raises(LedgerError) as caught:
            act(repo)
        assert caught.value.code == "RepoNotOpen"


def test_a_call_that_was_met_late_is_no_default(bench):
    repo = bench.opened(end_date=date(2021, 4, 19), call_seconds=60)
    bench.price(first=99_900_000)
    bench.repos.mark(repo)
    bench.ledger.chain.advance_clock(3_600)
    bench.repos.deliver_margin(repo, face_units=1_000_000 * DOLLAR)
    with refused("there is no default"):
        bench.repos.close_out(repo)


def test_unpaid_repurchase_with_a_shortfall(bench):
    repo = bench.opened(end_date=END)
    bench.go_to(END, hours=23)
    bench.price(first=90_000_000)
    with refused("there is no default"):
        bench.repos.close_out(repo)
    bench.go_to(date(2021, 3, 23), hours=1)
    done = bench.repos.close_out(repo)
    debt = 9_974_250 * DOLLAR + 9_974_250 * 4_000_000 * 4 // 360_000
    assert done.debt_units == debt
    assert (done.lender_face_units, done.borrower_face_units) == (10_000_000 * DOLLAR, 0)
    assert done.shortfall_units == debt - 9_000_000 * DOLLAR
    assert bench.repos.state(repo).shortfall_units == done.shortfall_units


def test_collateral_redeemed_in_custody_becomes_cash(bench):
    """The borrower is late; the bill matures and is paid to the facility; he still gets its worth for what he owes."""
    repo = bench.opened(end_date=date(2022, 3, 2))
    day = FIRST.maturity_date
    bench.go_to(day)
    life.redeem(bench.ledger, FIRST)
    facility = bench.ledger.wallet("repo-facility")
    assert (facility.positions, facility.cash) == ({}, 10_000_000 * DOLLAR)
    before = bench.ledger.wallet(BORROWER).cash
    state = bench.repos.state(repo)
    assert bench.repos.coverage(repo).price_e6 == 100_000_000, "par"
    bench.repos.repurchase(repo)
    gained = bench.ledger.wallet(BORROWER).cash - before
    assert gained == 10_000_000 * DOLLAR - state.principal_units - state.interest_units
    assert bench.ledger.wallet("repo-facility").cash == 0


def test_a_borrower_who_may_not_receive_blocks_nobody(bench):
    repo = bench.opened()
    bench.go_to(END)
    bench.ledger.set_claim(BORROWER, 2**40)
    bench.price(first=103_000_000)
    bench.go_to(date(2021, 3, 23), hours=1)
    bench.ledger.set_claim(BORROWER, 0)
    done = bench.repos.close_out(repo)
    assert done.borrower_face_units > 0
    facility = bench.ledger.wallet("repo-facility")
    assert facility.positions == {FIRST.cusip: done.borrower_face_units}
    assert bench.ledger.wallet(BORROWER).pledged == {FIRST.cusip: done.borrower_face_units}
    bench.ledger.set_claim(BORROWER, 2**40)
    token, place = bench.ledger.token_of(FIRST.cusip), bench.ledger.address_of(BORROWER)
    bench.ledger.send([Step(LENDER, bench.repos.address, encode_call("RepoFacility", "collect", place, token))])
    assert bench.ledger.wallet(BORROWER).pledged == {}


def test_unknown_repo(bench):
    with pytest.raises(LedgerError, match="not on this ledger"):
        bench.repos.state(b"\1" * 32)
    with pytest.raises(LedgerError, match="0 repos"):
        bench.repos.find("0x12")
    repo = bench.opened()
    assert bench.repos.find("0x" + repo.hex()[:6]) == repo
    for nothing in ("", "0x"):
        with pytest.raises(LedgerError, match="such an id"):
            bench.repos.find(nothing)  # names none, though there is only one
    assert [state.repo_id for state in bench.repos.all()] == [repo]
