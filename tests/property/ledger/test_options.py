"""Random lives of options against a plain model (I1, I2, I7): collateral is never short, nothing is made or lost."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import Bill, Note
from tbill_defi.ledger import life, option_deeds
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.coupons import coupons
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import BOOK
from tbill_defi.ledger.option_terms import KINDS, OptionQuote, OptionStatus, OptionTerms
from tests.unit.ledger.support import BILL, DOLLAR, LONG_FIRST, NOTE, OTHER, START, make_ledger

SECURITIES = {one.cusip: one for one in (NOTE, OTHER, LONG_FIRST, BILL)}
PARTIES = ("ann", "ben")
FACE = 1_000_000 * DOLLAR
LIVES = 25
LIVE = (OptionStatus.WRITTEN, OptionStatus.OPEN)
ENDS = {OptionStatus.EXERCISED, OptionStatus.EXPIRED, OptionStatus.WITHDRAWN}
REFUSALS = {
    "naked",
    "naked by hand",
    "written twice",
    "bought twice",
    "stale quote",
    "withdrawn after sale",
    "too early",
    "too late",
    "expired in time",
    "exercised twice",
    "expired twice",
    "exercised by the writer",
    "collateral sold",
}


@dataclass
class Right:
    """An option as the model knows it; base units."""

    terms: OptionTerms
    writer: str
    holder: str
    payment: int
    status: OptionStatus = OptionStatus.WRITTEN
    premium: int = 0


def payment(terms: OptionTerms) -> int:
    """Ceiling of strike + accrued for the face, the accrued half up at 6 decimals, from the terms alone."""
    accrued = SECURITIES[terms.cusip].resolve().accrued(terms.expiry) * 10**6
    rounded = (2 * accrued.numerator + accrued.denominator) // (2 * accrued.denominator)
    return -(-terms.face_units * (terms.strike_e6 + rounded) // 10**8)


class World:
    """The ledger and the model, moved together; every amount is drawn from `draw`."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.ledger = make_ledger(*PARTIES, at=START)
        self.options = Options(self.ledger)
        for party in PARTIES:
            self.ledger.set_claim(party, 2**40)
            self.ledger.deposit(party, dict.fromkeys(SECURITIES.values(), FACE), 3 * FACE)
        self.options.ensure_book()
        self.cash = dict.fromkeys(PARTIES, 3 * FACE)
        self.face = {(party, cusip): FACE for party in PARTIES for cusip in SECURITIES}
        self.treasury, self.dollars = 0, 6 * FACE
        self.rights: dict[bytes, Right] = {}
        self.quotes: dict[bytes, OptionQuote] = {}
        self.refused: Counter[str] = Counter()
        self.coupons_on_held = 0

    @property
    def today(self) -> date:
        return self.ledger.market_date

    def those(self, *states: OptionStatus) -> list[bytes]:
        return [option_id for option_id, right in self.rights.items() if right.status in states]

    def ended(self) -> int:
        return len(self.rights) - len(self.those(*LIVE))

    def held(self, party: str, cusip: str) -> int:
        live = (self.rights[option_id] for option_id in self.those(*LIVE))
        return sum(
            r.terms.face_units for r in live if (r.terms.kind, r.writer, r.terms.cusip) == ("call", party, cusip)
        )

    def free(self, party: str, cusip: str) -> int:
        return self.face[party, cusip] - self.held(party, cusip)

    def escrow(self) -> int:
        live = (self.rights[option_id] for option_id in self.those(*LIVE))
        return sum(right.payment for right in live if right.terms.kind == "put")

    def refuse(self, name: str, codes: str, act: Callable[[], object]) -> None:
        """An act that must be refused under one of these codes; what it leaves behind is `check`'s to see."""
        with pytest.raises(LedgerError) as caught:
            act()
        assert caught.value.code in codes.split(), (name, caught.value.code, str(caught.value))
        self.refused[name] += 1

    # --- writing and buying -------------------------------------------------------------------------------------

    def drawn_terms(self, cusip: str, kind: str, writer: str, face: int, salt: int) -> OptionTerms | None:
        security = SECURITIES[cusip]
        expiry = self.today + timedelta(days=self.draw.randrange(0, 75))
        if not expiry < security.maturity_date or face <= 0:
            return None
        day = new_york_midnight(expiry)
        window = self.draw.choice([None, (day + 34_200, day + 57_600)])
        if self.ledger.chain.now() > (window[1] if window else day + 86_399):
            return None
        return self.options.terms(
            security,
            writer=writer,
            holder=next(party for party in PARTIES if party != writer),
            kind=kind,
            strike_e6=self.draw.randrange(80_000_000, 120_000_000),
            face_units=face,
            expiry=expiry,
            window=window,
            salt=salt,
        )

    def write(self) -> None:
        """One option, or a strip of equal ones, of which some may be exercised and others not."""
        cusip, kind, writer = self.draw.choice(list(SECURITIES)), self.draw.choice(KINDS), self.draw.choice(PARTIES)
        most = min(self.free(writer, cusip), self.cash[writer]) // 4
        first = self.drawn_terms(cusip, kind, writer, self.draw.randrange(most + 1), len(self.rights))
        if first is None:
            return
        for number in range(self.draw.choice((1, 1, 2, 3))):
            if len(self.rights) == LIVES:
                return
            made = replace(first, salt=first.salt + 1000 * number)
            if made.option_id in self.rights or (number and self.no_collateral(made, writer)):
                return
            state = self.options.write(made)
            right = Right(made, writer, state.holder, payment(made))
            assert state.payment_units == right.payment
            if kind == "put":
                self.cash[writer] -= right.payment
            self.rights[made.option_id] = right
        self.refuse("written twice", "OptionAlreadyWritten", lambda: self.options.write(first))

    def no_collateral(self, terms: OptionTerms, writer: str) -> bool:
        if terms.kind == "call":
            return self.free(writer, terms.cusip) < terms.face_units
        return self.cash[writer] < payment(terms)

    def naked(self) -> None:
        """One unit more than is free: refused by the framework, and by the contract if the framework is passed by."""
        cusip, kind, writer = self.draw.choice(list(SECURITIES)), self.draw.choice(KINDS), self.draw.choice(PARTIES)
        face = self.free(writer, cusip) + 1 if kind == "call" else 2 * self.cash[writer]
        made = self.drawn_terms(cusip, kind, writer, face, 10**6 + sum(self.refused.values()))
        if made is None:
            return
        self.refuse("naked", "CollateralShort", lambda: self.options.write(made))
        hold, written = option_deeds.write_steps(self.ledger, made, writer)
        self.refuse(
            "naked by hand",
            "ERC7943InsufficientUnfrozenBalance ERC20InsufficientBalance",
            lambda: self.ledger.send([hold, written]),
        )
        uncovered = "CallNotCovered" if kind == "call" else "ERC20InsufficientAllowance ERC20InsufficientBalance"
        self.refuse("naked by hand", uncovered, lambda: self.ledger.send([written]))

    def buy(self) -> None:
        if not (waiting := self.those(OptionStatus.WRITTEN)):
            return
        option_id = self.draw.choice(waiting)
        right = self.rights[option_id]
        premium = self.draw.randrange(1, 5_000 * DOLLAR)
        quote = self.options.quote(right.terms, premium, valid_seconds=60)
        if self.draw.random() < 0.3:
            self.later(61)
            if self.ledger.chain.now() > quote.instruction.deadline:
                over = self.ledger.chain.now() > right.terms.exercise_until
                code = "ExerciseTooLate" if over else "QuoteExpired"
                self.refuse("stale quote", code, lambda: self.options.buy(quote))
            return
        if self.ledger.chain.now() > right.terms.exercise_until or self.cash[right.holder] < premium:
            return
        assert self.options.buy(quote).premium_units == premium
        right.status, right.premium = OptionStatus.OPEN, premium
        self.cash[right.writer] += premium
        self.cash[right.holder] -= premium
        self.refuse("bought twice", "OptionNotWritten", lambda: self.options.buy(quote))
        self.refuse("withdrawn after sale", "OptionNotWritten", lambda: self.options.withdraw(option_id))

    def withdraw(self) -> None:
        if waiting := self.those(OptionStatus.WRITTEN):
            self.end(self.draw.choice(waiting), OptionStatus.WITHDRAWN, self.options.withdraw)

    # --- ends ---------------------------------------------------------------------------------------------------

    def end(self, option_id: bytes, status: OptionStatus, act: Callable[[bytes], object]) -> None:
        """Without exercise: the collateral is free again."""
        act(option_id)
        right = self.rights[option_id]
        right.status = status
        if right.terms.kind == "put":
            self.cash[right.writer] += right.payment

    def use(self) -> None:
        """Exercise, or be refused: too early, too late, by another's hand, a second time."""
        if not (bought := self.those(OptionStatus.OPEN)):
            return
        option_id = self.draw.choice(bought)
        right, now = self.rights[option_id], self.ledger.chain.now()
        terms, call = right.terms, right.terms.kind == "call"
        for passed, name, code in (
            (now < terms.exercise_from, "too early", "ExerciseTooEarly"),
            (now > terms.exercise_until, "too late", "ExerciseTooLate"),
        ):
            if passed:
                self.refuse(name, code, lambda: self.options.exercise(option_id))
                self.refuse(name, code, lambda: self.by_hand(option_id, right.holder))
                return
        self.refuse("exercised by the writer", "InvalidSignature", lambda: self.by_hand(option_id, right.writer))
        able = (
            self.cash[right.holder] >= right.payment
            if call
            else self.free(right.holder, terms.cusip) >= terms.face_units
        )
        if not able:
            return
        assert self.options.exercise(option_id).status is OptionStatus.EXERCISED
        right.status = OptionStatus.EXERCISED
        giver, taker = (right.writer, right.holder) if call else (right.holder, right.writer)
        self.face[giver, terms.cusip] -= terms.face_units
        self.face[taker, terms.cusip] += terms.face_units
        self.cash[giver] += right.payment
        if call:
            self.cash[taker] -= right.payment
        self.refuse("exercised twice", "OptionNotOpen", lambda: self.options.exercise(option_id))
        self.refuse("exercised twice", "OptionNotOpen", lambda: self.by_hand(option_id, right.holder))

    def by_hand(self, option_id: bytes, signer: str) -> None:
        """Past the framework's own questions: what the contract itself says."""
        key = self.ledger.keyring.key(signer)
        self.ledger.send([option_deeds.exercise_step(self.ledger, self.options.state(option_id), key)])

    def expire(self) -> None:
        if not (live := self.those(*LIVE)):
            return
        option_id = self.draw.choice(live)
        if self.ledger.chain.now() <= self.rights[option_id].terms.exercise_until:
            self.refuse("expired in time", "ExerciseWindowNotPassed", lambda: self.options.expire(option_id))
            return
        self.end(option_id, OptionStatus.EXPIRED, self.options.expire)
        self.refuse("expired twice", "OptionOver", lambda: self.options.expire(option_id))

    # --- time and trade -----------------------------------------------------------------------------------------

    def wait(self) -> None:
        """To an edge of a window, or some days on; never past a coupon, which is paid first."""
        now = self.ledger.chain.now()
        edges = [
            moment
            for option_id in self.those(*LIVE)
            for terms in [self.rights[option_id].terms]
            for moment in (terms.exercise_from - 1, terms.exercise_from, terms.exercise_until, terms.exercise_until + 1)
            if moment > now
        ]
        days_on = now + self.draw.randrange(1, 20) * 86_400
        self.go_to(min(edges) if edges and self.draw.random() < 0.8 else days_on)

    def later(self, seconds: int) -> None:
        self.go_to(self.ledger.chain.now() + seconds)

    def go_to(self, moment: int) -> None:
        due = [
            (coupon, security)
            for security in SECURITIES.values()
            for coupon in coupons(security)
            if self.ledger.chain.now() < coupon.record_time <= moment
        ]
        first = min((coupon.record_time for coupon, _ in due), default=None)
        self.ledger.chain.advance_clock((moment if first is None else first) - self.ledger.chain.now())
        for coupon, security in due:
            if coupon.record_time == first:
                self.coupon(coupon, security)

    def coupon(self, coupon: life.Coupon, security: Note | Bill) -> None:
        """Every holder is paid for all his units; those on hold are his too."""
        paid = life.pay_coupon(self.ledger, security, coupon.day)
        issued = max(0, paid.due - self.treasury)
        self.dollars += issued
        self.treasury += issued
        for party in PARTIES:
            units = coupon.units(self.face[party, security.cusip])
            self.cash[party] += units
            self.treasury -= units
            self.coupons_on_held += coupon.units(self.held(party, security.cusip))

    def trade(self) -> None:
        """Free units change hands; one more than is free does not."""
        giver, taker = self.draw.sample(PARTIES, 2)
        cusip = self.draw.choice([NOTE.cusip, OTHER.cusip])
        free, held = self.free(giver, cusip), self.held(giver, cusip)
        token = self.ledger.token_of(cusip) or b""
        receiver = self.ledger.address_of(taker)

        def send(units: int) -> None:
            self.ledger.send([Step(giver, token, encode_call("SecurityToken", "transfer", receiver, units))])

        if held:
            self.refuse("collateral sold", "ERC7943InsufficientUnfrozenBalance", lambda: send(free + 1))
        units = self.draw.randrange(free // 4 + 1)
        send(units)
        self.face[giver, cusip] -= units
        self.face[taker, cusip] += units

    # --- what must hold -----------------------------------------------------------------------------------------

    def check(self) -> None:
        """The contracts, the books folded from events, and the model are one."""
        ledger, usd = self.ledger, self.ledger.contracts.usd
        for party in PARTIES:
            wallet = ledger.wallet(party)
            assert wallet.cash == self.cash[party] == self.ask("CashToken", usd, "balanceOf", ledger.address_of(party))
            for cusip in SECURITIES:
                assert wallet.positions.get(cusip, 0) == self.face[party, cusip]
                assert wallet.held.get(cusip, 0) == self.held(party, cusip) <= self.face[party, cusip]
        for cusip in SECURITIES:
            token = ledger.token_of(cusip) or b""
            assert self.ask("SecurityToken", token, "totalSupply") == 2 * FACE
            assert sum(self.face[party, cusip] for party in PARTIES) == 2 * FACE
        escrow = self.escrow()
        assert self.ask("OptionBook", self.options.address, "escrowed") == escrow == ledger.wallet(BOOK).cash
        assert self.ask("CashToken", usd, "totalSupply") == self.dollars
        assert sum(self.cash.values()) + escrow + self.treasury == self.dollars
        for option_id in self.those(*LIVE):
            self.check_right(option_id)

    def check_right(self, option_id: bytes) -> None:
        """The OptionBook has the option as the model does, and a call's own hold covers it."""
        right = self.rights[option_id]
        told, raw = self.options.state(option_id), self.ask("OptionBook", self.options.address, "optionOf", option_id)
        assert told.status == raw["status"] == right.status
        assert told.payment_units == raw["payment"] == right.payment
        assert told.premium_units == raw["premium"] == right.premium
        assert (told.writer, told.holder) == (right.writer, right.holder)
        if right.terms.kind == "call":
            hold = self.ask("SecurityToken", self.ledger.token_of(right.terms.cusip) or b"", "hold", option_id)
            assert (hold["amount"], hold["holder"]) == (right.terms.face_units, right.terms.writer)
            assert hold["status"] == 1, "pending"

    def ask(self, contract: str, where: bytes, question: str, *arguments: object):
        return self.ledger.call(contract, where, question, *arguments)

    def acts(self) -> Iterator[Callable[[], None]]:
        weights = {
            self.write: 2,
            self.buy: 3,
            self.use: 3,
            self.expire: 2,
            self.wait: 3,
            self.naked: 1,
            self.trade: 1,
            self.withdraw: 1,
        }
        while True:
            yield self.draw.choices(list(weights), list(weights.values()))[0]


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
@pytest.mark.invariant("I7")
def test_a_hundred_lives():
    """25 lives a seed, some at the same time, each to its end; all ends and all refusals were met."""
    ends: Counter[OptionStatus] = Counter()
    refused: Counter[str] = Counter()
    kinds: Counter[tuple[str, OptionStatus]] = Counter()
    held, split = 0, 0
    for seed in range(4):
        world = World(random.Random(seed))
        with world.ledger:
            acts = world.acts()
            while world.ended() < LIVES:
                next(acts)()
                world.check()
            for option_id, right in world.rights.items():
                raw = world.ask("OptionBook", world.options.address, "optionOf", option_id)
                assert raw["status"] == right.status
                kinds[right.terms.kind, right.status] += 1
            assert len(world.options.all()) == LIVES
        ends.update(right.status for right in world.rights.values())
        refused += world.refused
        held += world.coupons_on_held
        strips: defaultdict[OptionTerms, set[OptionStatus]] = defaultdict(set)
        for right in world.rights.values():
            strips[replace(right.terms, salt=0)].add(right.status)
        split += sum(OptionStatus.EXERCISED in found and len(found) > 1 for found in strips.values())
    assert sum(ends.values()) == 100
    assert set(kinds) == {(kind, end) for kind in KINDS for end in ENDS}
    assert set(refused) == REFUSALS
    assert split > 0, "no strip was exercised in part"
    assert held > 0, "no coupon was paid on units on hold"


class Lives(RuleBasedStateMachine):
    """The same acts in the order that hurts most."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.world = World(random.Random(seed))

    def running(self):
        return bool(self.world.those(*LIVE))

    @rule()
    def write(self):
        self.world.write()

    @rule()
    def naked(self):
        self.world.naked()

    @rule()
    def wait(self):
        self.world.wait()

    @rule()
    def trade(self):
        self.world.trade()

    @precondition(running)
    @rule()
    def buy(self):
        self.world.buy()

    @precondition(running)
    @rule()
    def use(self):
        self.world.use()

    @precondition(running)
    @rule()
    def expire(self):
        self.world.expire()

    @precondition(running)
    @rule()
    def withdraw(self):
        self.world.withdraw()

    @invariant()
    def everything_is_where_it_should_be(self):
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self):
        if hasattr(self, "world"):
            self.world.ledger.close()


TestLives = pytest.mark.invariant("I7")(Lives.TestCase)
TestLives.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
