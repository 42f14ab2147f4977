"""Random lives of repos against a plain model (I11): all is conserved to the unit, nothing is short uncalled."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments.repo import MarginRule, interest_units
from tbill_defi.ledger import life
from tbill_defi.ledger.repo_coupons import pass_coupon
from tbill_defi.ledger.repo_state import RepoStatus
from tests.unit.ledger.repo_support import BORROWER, LENDER, NOTE, SECURITIES, RepoBench
from tests.unit.ledger.support import DOLLAR

PARTIES = (LENDER, BORROWER)
CUSIPS = tuple(s.cusip for s in SECURITIES)


@dataclass
class Running:
    """A repo as the model knows it."""

    lender: str
    borrower: str
    cusip: str
    face: int
    outstanding: int
    rate_e9: int
    margin_rule: MarginRule
    margin_e9: int
    end: date
    since: date
    intervals: list[tuple[int, int]] = field(default_factory=list)
    called: bool = False

    def interest(self, today: date) -> int:
        return interest_units((*self.intervals, (self.outstanding, (today - self.since).days)), self.rate_e9)

    def repaid(self, cash: int, today: date) -> None:
        self.intervals.append((self.outstanding, (today - self.since).days))
        self.since = today
        self.outstanding -= cash


class World:
    """The ledger and the model, moved together; every amount is drawn from `draw`."""

    def __init__(self, draw: random.Random) -> None:
        self.bench, self.draw = RepoBench(), draw
        self.repos, self.ledger = self.bench.repos, self.bench.ledger
        self.cash = dict.fromkeys(PARTIES, 30_000_000 * DOLLAR)
        self.face = {(party, cusip): 30_000_000 * DOLLAR for party in PARTIES for cusip in CUSIPS}
        self.open: dict[bytes, Running] = {}
        self.lives = 0
        self.over = 0
        self.defaults: Counter[str] = Counter()
        self.reprice()

    @property
    def today(self) -> date:
        return self.ledger.market_date

    def reprice(self) -> None:
        self.prices = {name: self.draw.randrange(92_000_000, 108_000_000) for name in ("first", "second", "note")}
        self.bench.price(**self.prices)

    def dirty(self, cusip: str) -> int:
        return self.repos.price(cusip)

    def lendable(self, repo: Running) -> int:
        return repo.margin_rule.lendable_units(repo.face, self.dirty(repo.cusip), repo.margin_e9)

    def start(self) -> None:
        lender = self.draw.choice(PARTIES)
        borrower = next(p for p in PARTIES if p != lender)
        margin_rule = self.draw.choice(list(MarginRule))
        margin_e9 = self.draw.randrange(0, 100_000_000) + (margin_rule is MarginRule.MARGIN_RATIO) * 10**9
        cusip = self.draw.choice(CUSIPS)
        face = self.draw.randrange(1, self.face[borrower, cusip] // 8)
        cash = margin_rule.lendable_units(face, self.dirty(cusip), margin_e9) - self.draw.randrange(2)
        if not 0 < cash <= self.cash[lender]:
            return
        rate_e9, end = self.draw.randrange(0, 80_000_000), self.today + timedelta(days=self.draw.randrange(1, 90))
        terms = self.bench.terms(
            cusip=cusip,
            face_units=face,
            cash_units=cash,
            rate=rate_e9 / 1e9,
            start_date=self.today,
            end_date=end,
            margin_rule=margin_rule,
            margin=margin_e9 / 1e9,
        )
        quote = self.repos.quote(terms, lender=lender, borrower=borrower, call_seconds=3_600, nonce=self.lives)
        repo_id = self.repos.open(self.repos.sign(quote, borrower)).repo_id
        self.lives += 1
        self.cash[lender] -= cash
        self.cash[borrower] += cash
        self.face[borrower, cusip] -= face
        self.open[repo_id] = Running(
            lender, borrower, cusip, face, cash, rate_e9, margin_rule, margin_e9, end, self.today
        )

    def pick(self) -> tuple[bytes, Running]:
        repo_id = self.draw.choice(sorted(self.open))
        return repo_id, self.open[repo_id]

    def mark(self, chosen: bytes | None = None) -> None:
        repo_id, repo = (chosen, self.open[chosen]) if chosen else self.pick()
        found = self.repos.mark(repo_id)
        assert found.exposure_units == repo.outstanding + repo.interest(self.today)
        assert found.lendable_units == self.lendable(repo)
        repo.called = found.lendable_units < found.exposure_units
        assert repo.called == (found.call_deadline != 0), "short if and only if margin is called"

    def margin(self) -> None:
        repo_id, repo = self.pick()
        deficit = repo.outstanding + repo.interest(self.today) - self.lendable(repo)
        if repo.called and 0 < deficit <= min(repo.outstanding, self.cash[repo.borrower]) and self.draw.random() < 0.5:
            self.repos.deliver_margin(repo_id, cash_units=deficit)
            self.pay(repo, deficit)
            repo.repaid(deficit, self.today)
        else:
            face = self.draw.randrange(1, self.face[repo.borrower, repo.cusip] // 20)
            self.repos.deliver_margin(repo_id, face_units=face)
            self.face[repo.borrower, repo.cusip] -= face
            repo.face += face
        self.settle_call(repo)

    def settle_call(self, repo: Running) -> None:
        if self.lendable(repo) >= repo.outstanding + repo.interest(self.today):
            repo.called = False

    def pay(self, repo: Running, cash: int) -> None:
        self.cash[repo.borrower] -= cash
        self.cash[repo.lender] += cash

    def substitute(self) -> None:
        repo_id, repo = self.pick()
        cusip = self.draw.choice(CUSIPS)
        exposure = repo.outstanding + repo.interest(self.today)
        face = repo.margin_rule.face_units(exposure, self.dirty(cusip), repo.margin_e9)
        if not 0 < face <= self.face[repo.borrower, cusip] or self.today >= repo.end:
            return
        state = self.repos.substitute(repo_id, cusip, face)
        assert (state.principal_units, state.rate_e9, state.end_date) == (repo.outstanding, repo.rate_e9, repo.end)
        self.face[repo.borrower, cusip] -= face
        self.face[repo.borrower, repo.cusip] += repo.face
        repo.cusip, repo.face, repo.called = cusip, face, False

    def repay(self, part: bool) -> None:
        repo_id, repo = self.pick()
        interest = repo.interest(self.today)
        covered = self.lendable(repo) >= repo.outstanding + interest
        if part and covered and repo.outstanding > 1:
            paid = self.draw.randrange(1, repo.outstanding)
            if paid <= self.cash[repo.borrower]:
                self.repos.repurchase(repo_id, principal_units=paid)
                self.pay(repo, paid)
                repo.repaid(paid, self.today)
                repo.called = False
        elif not part and repo.outstanding and repo.outstanding + interest <= self.cash[repo.borrower]:
            assert self.repos.repurchase(repo_id).status is RepoStatus.REPURCHASED
            self.pay(repo, repo.outstanding + interest)
            self.end(repo_id, 0)

    def end(self, repo_id: bytes, lender_face: int) -> None:
        repo = self.open.pop(repo_id)
        self.face[repo.lender, repo.cusip] += lender_face
        self.face[repo.borrower, repo.cusip] += repo.face - lender_face
        self.over += 1

    def squeeze(self) -> None:
        """Prices fall, margin is called, its time runs out."""
        repo_id, _ = self.pick()
        self.prices = dict.fromkeys(self.prices, 90_000_000)
        self.bench.price(**self.prices)
        self.mark(repo_id)
        self.ledger.chain.advance_clock(3_601)
        self.close_out(repo_id)

    def close_out(self, chosen: bytes | None = None) -> None:
        repo_id, repo = (chosen, self.open[chosen]) if chosen else self.pick()
        overdue = self.today > repo.end
        late = self.ledger.chain.now() > (self.repos.state(repo_id).call_deadline or 2**62)
        missed = late and self.lendable(repo) < repo.outstanding + repo.interest(self.today)
        if not overdue and not missed:
            with pytest.raises(LedgerError, match="there is no default"):
                self.repos.close_out(repo_id)
            return
        done = self.repos.close_out(repo_id)
        self.defaults["overdue" if overdue else "margin"] += 1
        debt, price = repo.outstanding + repo.interest(self.today), self.dirty(repo.cusip)
        assert done.debt_units == debt
        assert done.lender_face_units == min(repo.face, -(-debt * 10**8 // price))
        assert done.lender_face_units + done.borrower_face_units == repo.face
        assert done.shortfall_units == max(0, debt - repo.face * price // 10**8)
        self.end(repo_id, done.lender_face_units)

    def wait(self) -> None:
        target = self.today + timedelta(days=self.draw.randrange(1, 20))
        due = [c for c in life.coupons(NOTE) if self.today < c.day <= target]
        if due:
            self.bench.go_to(due[0].day)
            self.coupon(due[0])
        else:
            self.bench.go_to(target)
        if self.draw.random() < 0.5:
            self.reprice()
        else:
            self.bench.price(**self.prices)

    def coupon(self, coupon: life.Coupon) -> None:
        life.pay_coupon(self.ledger, NOTE, coupon.day)
        for party in PARTIES:
            self.cash[party] += coupon.units(self.face[party, NOTE.cusip])
        pledged = [repo for repo in self.open.values() if repo.cusip == NOTE.cusip]
        passed = pass_coupon(self.ledger, NOTE, coupon.day)
        assert sum(passed.values()) == coupon.units(sum(repo.face for repo in pledged))
        for party, cash in passed.items():
            shares = sum(coupon.units(repo.face) for repo in pledged if repo.borrower == party)
            assert 0 <= cash - shares < max(1, len(pledged))
            self.cash[party] += cash

    def check(self) -> None:
        """All cash and all securities are where the model has them."""
        for party in PARTIES:
            wallet = self.ledger.wallet(party)
            assert wallet.cash == self.cash[party]
            mine = [repo for repo in self.open.values() if repo.borrower == party]
            for cusip in CUSIPS:
                assert wallet.positions.get(cusip, 0) == self.face[party, cusip]
                assert wallet.pledged.get(cusip, 0) == sum(r.face for r in mine if r.cusip == cusip)
        facility = self.ledger.wallet("repo-facility")
        assert facility.cash == 0
        for cusip in CUSIPS:
            held = sum(repo.face for repo in self.open.values() if repo.cusip == cusip)
            assert facility.positions.get(cusip, 0) == held
            assert held + sum(self.face[party, cusip] for party in PARTIES) == 60_000_000 * DOLLAR

    def step(self) -> None:
        acts = [
            self.mark,
            self.mark,
            self.margin,
            self.substitute,
            self.wait,
            self.reprice,
            self.close_out,
            self.squeeze,
        ]
        acts += [lambda: self.repay(True), lambda: self.repay(False)]
        self.draw.choice(acts)() if self.open else self.wait()


@pytest.mark.invariant("I11")
@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_lives(seed):
    """25 lives a seed, some at the same time, each to its end."""
    world = World(random.Random(seed))
    with world.ledger:
        while world.over < 25:
            if len(world.open) < 3 and world.lives < 25:
                world.start()
            world.step()
            world.check()
        assert world.lives == world.over == 25
        assert set(world.defaults) == {"overdue", "margin"}, "both ways to default were gone"


class Repos(RuleBasedStateMachine):
    """The same acts in the order that hurts most."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.world = World(random.Random(seed))

    def running(self):
        return bool(self.world.open)

    @rule()
    def start(self):
        self.world.start()

    @rule()
    def wait(self):
        self.world.wait()

    @rule()
    def reprice(self):
        self.world.reprice()

    @precondition(running)
    @rule()
    def mark(self):
        self.world.mark()

    @precondition(running)
    @rule()
    def margin(self):
        self.world.margin()

    @precondition(running)
    @rule()
    def substitute(self):
        self.world.substitute()

    @precondition(running)
    @rule(part=st.booleans())
    def repay(self, part):
        self.world.repay(part)

    @precondition(running)
    @rule()
    def squeeze(self):
        self.world.squeeze()

    @precondition(running)
    @rule()
    def close_out(self):
        self.world.close_out()

    @invariant()
    def everything_is_where_it_should_be(self):
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self):
        if hasattr(self, "world"):
            self.world.ledger.close()


TestRepos = pytest.mark.invariant("I11")(Repos.TestCase)
TestRepos.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
