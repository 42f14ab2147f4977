"""Random lives of repos, act by act beside a plain model (I11).

Every act is tried on the ledger and on `repo_model`, which imports nothing of the product: both refuse with the same
error, or both do it. After every act all balances are the model's to the base unit, nothing was made or lost, and no
collateral is short at a mark without a margin call.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments.repo import MarginRule
from tbill_defi.ledger import life
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.repo_coupons import pass_coupon
from tbill_defi.ledger.repo_state import RepoStatus
from tbill_defi.ledger.repo_terms import RepoQuote
from tests.property.ledger.repo_model import (
    FACILITY,
    MAX_AGE,
    MAX_MOVE_BP,
    TREASURY,
    Model,
    Paper,
    Refused,
    Running,
    lendable,
)
from tests.unit.ledger.repo_support import BORROWER, FIRST, LENDER, NOTE, SECOND, SECURITIES, RepoBench
from tests.unit.ledger.support import DOLLAR

PARTIES = (LENDER, BORROWER)
EVERYONE = (*PARTIES, FACILITY, TREASURY)
CUSIPS = tuple(s.cusip for s in SECURITIES)
NAMES = {FIRST.cusip: "first", SECOND.cusip: "second", NOTE.cusip: "note"}
STOCK = 30_000_000 * DOLLAR
COUPON_DAYS = tuple(date(y, m, 15) for y in (2021, 2022, 2023, 2024) for m in (3, 9))[1:-1]
PAPERS = {
    FIRST.cusip: Paper(FIRST.cusip, FIRST.issue_date, FIRST.maturity_date),
    SECOND.cusip: Paper(SECOND.cusip, SECOND.issue_date, SECOND.maturity_date),
    NOTE.cusip: Paper(NOTE.cusip, NOTE.dated_date, NOTE.maturity_date, 22_500_000, COUPON_DAYS),
}
STATUS = {"open": RepoStatus.OPEN, "repurchased": RepoStatus.REPURCHASED, "closed": RepoStatus.CLOSED_OUT}
LAST_DAY = SECOND.maturity_date - timedelta(days=10)


class World:
    """The ledger and the model side by side; all that happens is drawn from `draw`."""

    def __init__(self, draw: random.Random) -> None:
        self.bench, self.draw = RepoBench(), draw
        self.repos, self.ledger = self.bench.repos, self.bench.ledger
        self.bench.oracle.set_rules(max_move_bp=MAX_MOVE_BP, interval=0, max_age=MAX_AGE)
        self.model = Model(
            PAPERS,
            dict.fromkeys(PARTIES, STOCK) | {FACILITY: 0, TREASURY: 0},
            {(who, c): STOCK if who in PARTIES else 0 for who in EVERYONE for c in CUSIPS},
        )
        self.ids: dict[int, bytes] = {}
        self.quotes: dict[int, RepoQuote] = {}
        self.seen: Counter[str] = Counter()
        self.clean: dict[str, int] = {}
        self.reprice()

    @property
    def today(self) -> date:
        return self.ledger.market_date

    @property
    def running(self) -> list[int]:
        return [number for number, repo in self.model.repos.items() if repo.status == "open"]

    def act(self, name: str, real: Callable[[], Any], predicted: Callable[[], Any]) -> tuple[Any, Any]:
        """The act on both; what both gave, or (None, None) if both refused with the same error."""
        model = self.model
        model.now, model.today = self.ledger.chain.now(), self.today
        height = self.ledger.chain.height
        try:
            expected, code = predicted(), ""
        except Refused as refused:
            expected, code = None, refused.code
        try:
            found, said = real(), ""
        except LedgerError as error:
            found, said = None, error.code
            assert self.ledger.chain.height == height, "a refusal leaves no block"
        assert said == code, (name, said, code)
        self.seen[f"{name} {code}".strip()] += 1
        self.check()
        return found, expected

    # --- prices and time ----------------------------------------------------------------------------------------

    def publish(self, clean: dict[str, int], signers: int) -> None:
        named = {NAMES[cusip]: price for cusip, price in clean.items()}
        self.act(
            "price",
            lambda: self.bench.price(**named, signers=signers),
            lambda: self.model.publish(clean, signers),
        )
        self.clean = {cusip: price.clean_e6 for cusip, price in self.model.prices.items()}

    def reprice(self) -> None:
        """Anywhere; by two pricers or by three, who may move prices as far as they like."""
        near = bool(self.clean) and self.draw.random() < 0.6
        clean = {
            cusip: self.clean[cusip] * self.draw.randrange(9_690, 10_320) // 10_000
            if near
            else self.draw.randrange(92_000_000, 108_000_000)
            for cusip in CUSIPS
        }
        self.publish(clean, self.draw.choice([2, 3]) if self.clean else 3)

    def wait(self) -> None:
        """Some days, to the next coupon date at most; then prices come, or do not come."""
        self.go_to(self.today + timedelta(days=self.draw.randrange(1, 20)))
        if self.draw.random() < 0.8:
            self.publish(self.clean, 2)

    def go_to(self, day: date) -> None:
        stop = min([d for d in COUPON_DAYS if self.today < d <= day], default=day)
        if stop in COUPON_DAYS:
            self.model.record(NOTE.cusip, stop)
        if self.today < stop < LAST_DAY:
            self.bench.go_to(stop, hours=self.draw.randrange(1, 24))

    def hours(self) -> None:
        """A little later on the same day or the next."""
        self.ledger.chain.advance_clock(self.draw.randrange(1, 7_200))

    # --- opening ------------------------------------------------------------------------------------------------

    def drawn(self, *, ineligible: bool = False) -> Running | None:
        """Terms that cover to the unit, or for paper that matures too soon; None where the borrower has too little."""
        draw, model = self.draw, self.model
        model.now, model.today = self.ledger.chain.now(), self.today
        lender, borrower = draw.sample(PARTIES, 2)
        soon = any(0 < (day - self.today).days < 60 for day in COUPON_DAYS)  # then the note, and its coupon
        cusip = draw.choice(CUSIPS[:2] if ineligible else [*CUSIPS, *[NOTE.cusip] * 6 * soon])
        ratio = draw.random() < 0.5
        if model.face[borrower, cusip] < 16 * DOLLAR:
            return None
        face, margin_e9 = draw.randrange(DOLLAR, model.face[borrower, cusip] // 8), draw.randrange(100_000_000)
        margin_e9 += ratio * 10**9
        try:
            cash = lendable(face, model.price(cusip), ratio, margin_e9)
        except Refused:
            cash = face // 2  # no price: it is refused anyhow
        if not 0 < cash <= model.cash[lender]:
            return None
        longest = 400 if cusip == NOTE.cusip and draw.random() < 0.3 else 90  # the bills mature before it ends
        rate_e9, days = draw.randrange(80_000_000), draw.randrange(1, longest)
        end = PAPERS[cusip].maturity + timedelta(days=days - 1) if ineligible else self.today + timedelta(days=days)
        number, today = len(self.quotes), self.today
        seconds = draw.choice([3_600, 86_400])
        return Running(
            number, lender, borrower, cusip, face, cash, rate_e9, ratio, margin_e9, today, end, seconds, today
        )

    def start(self, *, ineligible: bool = False, short: int = 0) -> None:
        """Quoted by either, signed by both, opened: or refused for its collateral."""
        repo = self.drawn(ineligible=ineligible)
        if repo is None:
            return
        repo.principal += short
        first, second = self.draw.sample([repo.lender, repo.borrower], 2)
        terms = self.bench.terms(
            cusip=repo.cusip,
            face_units=repo.face,
            cash_units=repo.principal,
            rate=repo.rate_e9 / 1e9,
            start_date=repo.start,
            end_date=repo.end,
            margin_rule=MarginRule.MARGIN_RATIO if repo.ratio else MarginRule.HAIRCUT,
            margin=repo.margin_e9 / 1e9,
        )
        quote = self.repos.quote(
            terms,
            lender=repo.lender,
            borrower=repo.borrower,
            signer=first,
            call_seconds=repo.call_seconds,
            nonce=repo.number,
        )
        travelled = RepoQuote.from_json(json.loads(json.dumps(quote.to_json())))
        self.quotes[repo.number] = signed = self.repos.sign(travelled, second)
        self.ids[repo.number] = signed.terms.repo_id
        self.act("open", lambda: self.repos.open(signed), lambda: self.model.open(replace(repo)))

    def open_again(self) -> None:
        number = self.draw.choice(sorted(self.model.repos))
        quote = self.quotes[number]
        self.act("open", lambda: self.repos.open(quote), lambda: self.model.open(self.model.repos[number]))

    def refused_opening(self) -> None:
        self.draw.choice([lambda: self.start(ineligible=True), lambda: self.start(short=1)])()

    # --- acts on a repo -----------------------------------------------------------------------------------------

    def pick(self) -> tuple[int, bytes, Running]:
        """A running one; now and then one that is over."""
        over = sorted(set(self.model.repos) - set(self.running))
        number = self.draw.choice(over if over and self.draw.random() < 0.1 else self.running or over)
        return number, self.ids[number], self.model.repos[number]

    def mark(self, number: int | None = None) -> None:
        if number is None:
            number, _, _ = self.pick()
        repo_id, repo = self.ids[number], self.model.repos[number]
        found, _ = self.act("mark", lambda: self.repos.mark(repo_id), lambda: self.model.mark(number))
        if found is not None:
            exposure, lent = repo.exposure(self.today), self.model.lent(repo)
            assert (found.exposure_units, found.lendable_units) == (exposure, lent)
            assert (found.call_deadline != 0) == (lent < exposure), "short if and only if margin is called"

    def margin(self) -> None:
        """Face or cash: what is called, a unit more, a part, or what nobody asked for."""
        number, repo_id, repo = self.pick()
        face = self.draw.choice([0, 0, self.draw.randrange(1, 500_000 * DOLLAR)])
        try:
            deficit = repo.exposure(self.today) - self.model.lent(repo)
        except Refused:
            deficit = 0
        cash = self.draw.choice([0, max(0, deficit), max(0, deficit) + 1, max(1, deficit // 3)])
        if face or cash:
            self.act(
                "margin in cash" if cash else "margin in face",
                lambda: self.repos.deliver_margin(repo_id, face_units=face, cash_units=cash),
                lambda: self.model.deliver(number, face, cash),
            )

    def release(self) -> None:
        number, repo_id, repo = self.pick()
        if repo.status != "open":
            return
        spare = self.spare(repo)
        face = self.draw.choice([spare, spare + 1, repo.face + 1])
        self.act("release", lambda: self.repos.release(repo_id, face), lambda: self.model.release(number, face))

    def spare(self, repo: Running) -> int:
        try:
            return max(0, repo.face - self.needed(repo, repo.cusip))
        except Refused:
            return 1

    def needed(self, repo: Running, cusip: str) -> int:
        """Least face that covers: searched, not computed."""
        price, exposure = self.model.price(cusip), repo.exposure(self.today)
        low, high = 0, 4 * exposure + 4
        while low < high:
            middle = (low + high) // 2
            enough = lendable(middle, price, repo.ratio, repo.margin_e9) >= exposure
            low, high = (low, middle) if enough else (middle + 1, high)
        return low

    def substitute(self) -> None:
        """By what covers to the unit, or by a unit less."""
        number, repo_id, repo = self.pick()
        cusip = self.draw.choice(CUSIPS)
        try:
            face = max(1, self.needed(repo, cusip) - self.draw.choice([0, 0, 1]))
        except Refused:
            face = 1
        before = (repo.principal, repo.rate_e9, repo.end)
        self.act(
            "substitute",
            lambda: self.repos.substitute(repo_id, cusip, face),
            lambda: self.model.substitute(number, cusip, face),
        )
        assert (repo.principal, repo.rate_e9, repo.end) == before

    def repurchase(self) -> None:
        number, repo_id, repo = self.pick()
        self.act(
            "repurchase",
            lambda: self.repos.repurchase(repo_id),
            lambda: self.model.repurchase(number, repo.principal, 0),
        )

    def part(self) -> None:
        number, repo_id, repo = self.pick()
        if repo.status != "open" or repo.principal < 2:
            return
        principal = self.draw.choice([self.draw.randrange(1, repo.principal), repo.principal + 1])
        face = self.draw.choice([0, self.draw.randrange(repo.face // 2 + 1), repo.face + 1])
        self.act(
            "part",
            lambda: self.repos.repurchase(repo_id, principal_units=principal, face_units=face),
            lambda: self.model.repurchase(number, principal, face),
        )

    def close_out(self, number: int | None = None) -> None:
        if number is None:
            number, _, _ = self.pick()
        repo_id, repo = self.ids[number], self.model.repos[number]
        by, late = self.draw.choice([repo.lender, repo.lender, repo.borrower]), self.today > repo.end
        found, expected = self.act(
            "close out",
            lambda: self.repos.close_out(repo_id, by=by),
            lambda: self.model.close_out(number, by),
        )
        if found is not None:
            told = (found.price_e6, found.debt_units, found.lender_face_units, found.borrower_face_units)
            assert (*told, found.shortfall_units) == expected
            self.seen["default: overdue" if late else "default: margin"] += 1
            self.seen["default: short"] += found.shortfall_units > 0

    def squeeze(self) -> None:
        """Prices fall, margin is called, its time runs out."""
        number, _, _ = self.pick()
        self.publish({cusip: price * 90 // 100 for cusip, price in self.clean.items()}, 3)
        self.mark(number)
        self.ledger.chain.advance_clock(self.draw.choice([3_599, 3_601, 86_401]))
        self.close_out(number)

    def spend(self) -> None:
        """Most of someone's cash, or of one of his securities, goes to the other: what he owes may be more."""
        giver, taker = self.draw.sample(PARTIES, 2)
        asset = self.draw.choice(["USD", "USD", *CUSIPS])
        has = self.model.cash[giver] if asset == "USD" else self.model.face[giver, asset]
        amount = has * self.draw.randrange(70, 101) // 100 + self.draw.choice([0, 0, 1])
        place = self.ledger.address_of(taker)
        contract = "CashToken" if asset == "USD" else "SecurityToken"
        step = Step(giver, self.ledger.token_of(asset), encode_call(contract, "transfer", place, amount))
        self.act(
            "spend",
            lambda: self.ledger.send([step]),
            lambda: (
                self.model.pay(giver, taker, amount) if asset == "USD" else self.model.move(giver, taker, asset, amount)
            ),
        )

    # --- coupons ------------------------------------------------------------------------------------------------

    def coupon(self) -> None:
        """Paid and passed on, in any order and more than once; whoever held the note when its date started."""
        due = [day for _, day in self.model.records if day <= self.today]
        if not due:
            return
        day = self.draw.choice(due)
        if self.draw.random() < 0.5:
            self.act(
                "pay coupon",
                lambda: life.pay_coupon(self.ledger, NOTE, day),
                lambda: self.model.pay_coupon(NOTE.cusip, day),
            )
        else:
            order = sorted(self.ids, key=lambda number: self.ids[number])
            found, expected = self.act(
                "pass coupon",
                lambda: pass_coupon(self.ledger, NOTE, day),
                lambda: self.model.pass_coupon(NOTE.cusip, day, order),
            )
            assert found == expected

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self) -> None:
        """All cash, all securities and all repos are the model's; nothing was made or lost."""
        model, ledger = self.model, self.ledger
        for who in EVERYONE:
            wallet = ledger.wallet(who)
            assert wallet.cash == model.cash[who], who
            mine = [repo for repo in model.repos.values() if repo.borrower == who]
            for cusip in CUSIPS:
                assert wallet.positions.get(cusip, 0) == model.face[who, cusip], (who, cusip)
                assert wallet.pledged.get(cusip, 0) == sum(r.face for r in mine if r.cusip == cusip)
        self.check_contracts()
        for number in self.running:
            self.check_repo(number)

    def check_contracts(self) -> None:
        """The contracts' own balances: the supply is what all of these have, and what they have is the model's."""
        ledger, usd = self.ledger, self.ledger.contracts.usd
        places = {who: ledger.address_of(who) for who in EVERYONE}
        held = {who: ledger.call("CashToken", usd, "balanceOf", place) for who, place in places.items()}
        assert held == self.model.cash
        assert ledger.call("CashToken", usd, "totalSupply") == sum(held.values()), "cash was made or lost"
        for cusip in CUSIPS:
            token = ledger.token_of(cusip)
            for who, place in places.items():
                assert ledger.call("SecurityToken", token, "balanceOf", place) == self.model.face[who, cusip]
            assert ledger.call("SecurityToken", token, "totalSupply") == 2 * STOCK
            pledged = sum(repo.face for repo in self.model.repos.values() if repo.cusip == cusip)
            assert self.model.face[FACILITY, cusip] == pledged, "the facility holds what was pledged, no more"

    def check_repo(self, number: int) -> None:
        repo, found = self.model.repos[number], self.repos.state(self.ids[number])
        assert found.status is STATUS[repo.status]
        assert (found.cusip, found.face_units) == (repo.cusip, repo.face)
        assert (found.principal_units, found.interest_units) == (repo.principal, repo.interest(self.today))
        assert (found.call_deadline, found.shortfall_units) == (repo.deadline, repo.shortfall)

    def step(self) -> None:
        if not self.model.repos:
            self.start()
            return
        often = [self.mark, self.mark, self.margin, self.margin, self.wait, self.wait, self.coupon, self.repurchase]
        rarely = [
            self.reprice,
            self.hours,
            self.release,
            self.substitute,
            self.part,
            self.close_out,
            self.squeeze,
            self.refused_opening,
            self.open_again,
            self.spend,
        ]
        self.draw.choice([*often, *rarely])()


MUST_BE_SEEN = {
    "open",
    "open CollateralShort",
    "open CollateralIneligible",
    "open RepoAlreadyExists",
    "open StalePrice",
    "price PriceMoveTooLarge",
    "mark",
    "mark StalePrice",
    "mark RepoNotOpen",
    "margin in cash",
    "margin in cash CashNotCalled",
    "margin in face",
    "release",
    "release CollateralShort",
    "substitute",
    "substitute CollateralShort",
    "substitute CollateralIneligible",
    "substitute ERC20InsufficientBalance",
    "part",
    "part CollateralShort",
    "part RepurchaseExceedsRepo",
    "repurchase",
    "repurchase RepoNotOpen",
    "repurchase ERC20InsufficientBalance",
    "close out",
    "close out NotInDefault",
    "close out NotLender",
    "close out RepoNotOpen",
    "default: overdue",
    "default: margin",
    "pay coupon",
    "pass coupon",
}
"""In a hundred lives."""
LIVES = 25


def lives(seed: int) -> World:
    """Lives of one seed, some at the same time, each to its end."""
    world = World(random.Random(seed))
    with world.ledger:
        while len(world.model.repos) < LIVES or world.running:
            if len(world.running) < 6 and len(world.model.repos) < LIVES:
                world.start()
            world.step()
    return world


@pytest.mark.slow
@pytest.mark.invariant("I11")
def test_a_hundred_lives():
    seen = Counter()
    for seed in range(4):
        world = lives(seed)
        assert len(world.model.repos) == LIVES
        seen += world.seen
    assert sorted(MUST_BE_SEEN - set(seen)) == []


class Repos(RuleBasedStateMachine):
    """The same acts in the order that hurts most."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.world = World(random.Random(seed))
        self.world.start()

    @rule(act=st.sampled_from(["start", "wait", "reprice", "hours", "refused_opening", "coupon"]))
    def anything(self, act):
        getattr(self.world, act)()

    @rule(
        act=st.sampled_from(["mark", "margin", "release", "substitute", "part", "repurchase", "close_out", "squeeze"])
    )
    def on_a_repo(self, act):
        if self.world.model.repos:
            getattr(self.world, act)()

    def teardown(self):
        if hasattr(self, "world"):
            self.world.ledger.close()


TestRepos = pytest.mark.invariant("I11")(Repos.TestCase)
TestRepos.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
