"""A note's life and a repo on it, on three machines: issue, coupon in custody, repurchase, redemption, to the unit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tbill_defi.chain.dev import dev_chain
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.instruments import Note, Repo
from tbill_defi.ledger import life, limits
from tbill_defi.ledger.coupons import coupon_on
from tbill_defi.ledger.life import Purchase
from tbill_defi.ledger.oracle import Oracle, OracleQuote, OracleRound
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_coupons import pass_coupon
from tbill_defi.ledger.repo_state import RepoStatus
from tests.behaviour.day import BACKENDS, ledger_on
from tests.unit.ledger.support import DOLLAR

NOTE = Note(cusip="91282CZZ0", coupon=0.04125, dated_date=date(2026, 3, 31), maturity_date=date(2028, 3, 31))
FIRST, LAST = date(2026, 9, 30), date(2028, 3, 31)
FACE = 1_000_000_000_007


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_life_and_repo(backend):
    with ledger_on(backend) as ledger:
        dev = dev_chain(ledger.chain)

        def go_to(day: date) -> None:
            dev.set_next_time(new_york_midnight(day) + 9 * 3600)
            ledger.deposit("dealer", {}, 1)  # a block, so that the time has come

        for party in ("desk", "fund", "dealer"):
            ledger.set_claim(party, 2**40)
        ledger.deposit("desk", {}, 2_000_000 * DOLLAR)
        ledger.deposit("fund", {}, 2_000_000 * DOLLAR)
        limits.set_holding_cap(ledger, 1_500_000 * DOLLAR)
        go_to(NOTE.dated_date)
        buys = [Purchase("desk", FACE, 990_000 * DOLLAR), Purchase("fund", FACE - 6, 990_000 * DOLLAR)]
        life.issue(ledger, NOTE, buys)

        go_to(FIRST - timedelta(days=7))
        oracle, repos = Oracle(ledger), Repos(ledger)
        quote = OracleQuote(
            cusip=NOTE.cusip,
            clean_e6=99_500_000,
            yield_e9=44_000_000,
            duration_e6=1_400_000,
            maturity=LAST,
            rating=2,
            coupon_e9=41_250_000,
            accrual_start=NOTE.dated_date,
            previous_coupon=NOTE.dated_date,
            next_coupon=FIRST,
        )
        signers = oracle.own_pricers()
        round_ = OracleRound(1, ledger.market_date, ledger.chain.now() - 1, (quote,))
        oracle.publish([(round_, oracle.sign(round_, signers))])
        terms = Repo(
            cusip=NOTE.cusip,
            face_units=FACE,
            cash_units=900_000 * DOLLAR,
            rate=0.036,
            start_date=ledger.market_date,
            end_date=FIRST,
            margin=0.02,
        )
        offer = repos.quote(terms, lender="fund", borrower="desk", valid_seconds=86_400)
        repo = repos.open(repos.sign(offer, "desk")).repo_id
        assert repos.mark(repo).call_deadline == 0

        go_to(FIRST)
        coupon = coupon_on(NOTE, FIRST)
        paid = life.pay_coupon(ledger, NOTE, FIRST)
        assert paid.complete
        assert paid.due == coupon.units(2 * FACE - 6)
        assert pass_coupon(ledger, NOTE, FIRST) == {"desk": coupon.units(FACE)}
        assert repos.repurchase(repo).status is RepoStatus.REPURCHASED
        interest = 900_000 * DOLLAR * 7 // 10_000
        desk, fund = ledger.wallet("desk"), ledger.wallet("fund")
        assert desk.cash == 1_010_000 * DOLLAR + coupon.units(FACE) - interest
        assert fund.cash == 1_010_000 * DOLLAR + coupon.units(FACE - 6) + interest
        assert desk.positions == {NOTE.cusip: FACE}

        go_to(LAST)
        life.pay_coupon(ledger, NOTE, LAST)
        done = life.redeem(ledger, NOTE)
        assert done.complete
        assert ledger.wallet("desk").cash == desk.cash + coupon.units(FACE) + FACE
        assert ledger.wallet("fund").cash == fund.cash + coupon.units(FACE - 6) + FACE - 6
        assert dict(ledger.books().supply())[NOTE.cusip] == 0
