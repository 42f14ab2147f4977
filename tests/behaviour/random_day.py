"""Days drawn from a seed alone: who may deal, limits, DvP of many legs, prices, a coupon, a redemption, repos.

Most acts are possible, some are not. What each comes to is told in words that fit every chain; nothing that is drawn
depends on a chain's id or on the second in which an act happens.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import Bill, Note
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger import life, limits
from tbill_defi.ledger.coupons import coupons
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.oracle import PRICER_KEYS, Oracle, OracleQuote, OracleRound
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_coupons import pass_coupon
from tbill_defi.ledger.repo_state import RepoStatus
from tests.behaviour.day import Day
from tests.unit.ledger.support import DOLLAR, PARTIES

BILL = Bill(cusip="912797ZA1", issue_date=date(2025, 10, 2), maturity_date=date(2026, 4, 2))
NOTE = Note(cusip="91282CZZ0", coupon=0.04125, dated_date=date(2025, 9, 30), maturity_date=date(2027, 9, 30))
LATER = Note(cusip="91282CQE4", coupon=0.035, dated_date=date(2026, 3, 15), maturity_date=date(2029, 3, 15))
SECURITIES = {security.cusip: security for security in (BILL, NOTE, LATER)}
COUPON_DAY = date(2026, 3, 31)
ASSETS = (*SECURITIES, "USD")
KEYS = (life.TREASURY, *PRICER_KEYS)
"""Further keys such a day needs: made from their names, so that they are the same on every chain."""
WINDOW = 100_000
"""Seconds; acts are days apart or minutes, so none is near its edge."""
FOR_EVER = 2**40
OFTEN = {
    "mint": 1,
    "kyc": 1,
    "limit": 2,
    "freeze": 1,
    "transfer": 2,
    "dvp": 2,
    "many": 1,
    "prices": 1,
    "tomorrow": 3,
    "coupon": 2,
    "pass_on": 2,
    "redeem": 1,
    "lend": 4,
    "mark": 4,
    "margin": 3,
    "substitute": 1,
    "repurchase": 2,
    "close_out": 2,
}
"""How often what is drawn."""
OF_THE_MOMENT = {"observedAt", "roundHash", "deadline"}


class RandomDay(Day):
    """Some days in one draw."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        super().__init__(ledger)
        self.draw = random.Random(seed)
        self.repos, self.oracle = Repos(ledger), Oracle(ledger)
        self.opened: list[bytes] = []
        self.round = 0
        self.clean = {BILL.cusip: 99_900_000, NOTE.cusip: 100_400_000, LATER.cusip: 99_100_000}

    def live(self, acts: int) -> None:
        """Everyone is stocked, and then so many acts; the time is passed once in a while."""
        self.stock()
        names, weights = list(OFTEN), list(OFTEN.values())
        for number in range(acts):
            (name,) = self.draw.choices(names, weights)
            getattr(self, name)(f"{number} {name}")

    def stock(self) -> None:
        for party in PARTIES:
            self.ledger.set_claim(party, FOR_EVER)
            face = dict.fromkeys(SECURITIES.values(), 5_000_000 * DOLLAR)
            self.ledger.deposit(party, face, 5_000_000 * DOLLAR)
        self.repos.ensure_facility()
        life.ensure_treasury(self.ledger)
        self.oracle.own_pricers()
        self.go_to(self.ledger.market_date + timedelta(days=1))
        self.publish(3)

    def outcome(self, act: str, attempt: Callable[[], Any]) -> Any:
        """What it gives, or the code it is refused with."""
        try:
            found = attempt()
        except LedgerError as error:
            self.tell(act, error.code)
            return None
        self.tell(act, found)
        return found

    def someone(self) -> str:
        return self.draw.choice(PARTIES)

    def amount(self, most: int = 6_000_000) -> int:
        return self.draw.choice([self.draw.randrange(1, most) * DOLLAR, self.draw.randrange(10**9), 1])

    # --- time and prices ----------------------------------------------------------------------------------------

    def go_to(self, day: date) -> None:
        """Ten in the morning, and a block, so that the time has come."""
        self.dev.set_next_time(new_york_midnight(day) + 10 * 3600)
        self.oracle.set_rules(max_move_bp=300, interval=0, max_age=2 * 86_400 + 3_600)

    def tomorrow(self, act: str) -> None:
        self.go_to(self.ledger.market_date + timedelta(days=self.draw.choice([1, 1, 2])))
        self.tell(act, self.ledger.market_date)
        if self.draw.random() < 0.8:
            self.prices(f"{act}'s prices")

    def prices(self, act: str) -> None:
        """Moves of up to 4% by one to three pricers: 3% and two are allowed."""
        moved = {cusip: clean * self.draw.randrange(9_600, 10_400) // 10_000 for cusip, clean in self.clean.items()}
        signers = self.draw.choice([1, 2, 3, 3])
        before, self.clean = self.clean, moved
        if self.outcome(act, lambda: bool(self.publish(signers))) is None:
            self.clean = before

    def publish(self, signers: int) -> int:
        self.round += 1
        today = self.ledger.market_date
        quotes = [self.quote(cusip, today) for cusip in sorted(self.clean)]
        due = tuple(quote for quote in quotes if quote.maturity > today)
        round_ = OracleRound(self.round, today, self.ledger.chain.now() - 1, due)
        return self.oracle.publish([(round_, self.oracle.sign(round_, self.oracle.own_pricers()[:signers]))])

    def quote(self, cusip: str, today: date) -> OracleQuote:
        security = SECURITIES[cusip]
        plain = OracleQuote(cusip, self.clean[cusip], 40_000_000, 1_000_000, security.maturity_date, 2)
        if not isinstance(security, Note):
            return plain
        days = [security.dated_date, *(coupon.day for coupon in coupons(security))]
        last, following = max(d for d in days if d <= today), min(d for d in days if d > today)
        return OracleQuote(
            *(cusip, plain.clean_e6, plain.yield_e9, plain.duration_e6, plain.maturity, 2),
            coupon_e9=round(security.coupon * 1e9),
            accrual_start=last,
            previous_coupon=last,
            next_coupon=following,
        )

    # --- rules --------------------------------------------------------------------------------------------------

    def mint(self, act: str) -> None:
        asset, to = self.draw.choice(ASSETS), self.draw.choice([*PARTIES, "outsider"])
        key = self.draw.choice(["issuer", "bank", "bank" if asset == "USD" else "issuer"])
        self.attempt(act, self.step(key, asset, "issue", self.address(to), self.amount()))

    def kyc(self, act: str) -> None:
        party, expiry = self.someone(), self.draw.choice([0, FOR_EVER, FOR_EVER, FOR_EVER])
        self.outcome(act, lambda: self.ledger.set_claim(party, expiry))

    def limit(self, act: str) -> None:
        party, units = self.someone(), self.draw.choice([None, None, self.draw.randrange(1, 9_000_000) * DOLLAR])
        changes: list[Callable[[], None]] = [
            lambda: limits.set_trade_limit(self.ledger, units),
            lambda: limits.set_volume_limit(self.ledger, units, WINDOW if units else 0),
            lambda: limits.set_holding_cap(self.ledger, units and 3 * units),
            lambda: limits.set_own_limits(self.ledger, party, units, None),
            lambda: limits.clear_own_limits(self.ledger, party),
        ]
        self.outcome(act, self.draw.choice(changes))

    def freeze(self, act: str) -> None:
        party, cusip, units = self.someone(), self.draw.choice([*SECURITIES]), self.draw.choice([0, self.amount()])
        self.outcome(act, lambda: self.ledger.freeze(party, cusip, units))

    # --- dealing ------------------------------------------------------------------------------------------------

    def transfer(self, act: str) -> None:
        to = self.address(self.draw.choice([*PARTIES, "outsider"]))
        self.attempt(act, self.step(self.someone(), self.draw.choice(ASSETS), "transfer", to, self.amount()))

    def legs(self) -> list[tuple[str, str, str, int]]:
        """Two to twelve, now and then a bad one."""
        most = self.draw.choice([100_000, 6_000_000])
        legs = []
        for _ in range(self.draw.randrange(2, 13)):
            giver, taker = self.draw.sample(PARTIES, 2)
            legs.append((self.draw.choice(ASSETS), giver, taker, self.amount(most)))
        if self.draw.random() < 0.2:
            asset, giver, taker, amount = legs.pop()
            bad = [(asset, giver, taker, 0), (asset, giver, giver, amount), (asset, giver, "outsider", amount)]
            legs.append(self.draw.choice(bad))
        return legs

    def dvp(self, act: str) -> None:
        signed = self.signed(self.instruction(*self.legs()))
        self.attempt(act, *[self.settle(signed)] * self.draw.choice([1, 1, 1, 2]))

    def many(self, act: str) -> None:
        several = [self.signed(self.instruction(*self.legs())) for _ in range(self.draw.randrange(1, 5))]
        self.attempt(act, self.settle(*several, many=True))

    # --- lives --------------------------------------------------------------------------------------------------

    def coupon(self, act: str) -> None:
        self.outcome(act, lambda: self.paid(life.pay_coupon(self.ledger, NOTE, COUPON_DAY)))

    def pass_on(self, act: str) -> None:
        self.outcome(act, lambda: pass_coupon(self.ledger, NOTE, COUPON_DAY))

    def redeem(self, act: str) -> None:
        self.outcome(act, lambda: self.paid(life.redeem(self.ledger, BILL)))

    @staticmethod
    def paid(payment: life.Payment) -> Any:
        found = (dict(payment.paid), dict(payment.blocked), sorted(payment.withheld))
        return (payment.due, payment.returned, payment.complete, *found)

    def lend(self, act: str) -> None:
        """Collateral that covers, to the dollar below it or a little above."""
        lender, borrower = self.draw.sample(PARTIES, 2)
        cusip, face = self.draw.choice([*SECURITIES, NOTE.cusip]), self.draw.randrange(1_000, 1_000_000) * DOLLAR
        rule = self.draw.choice(list(MarginRule))
        margin = self.draw.randrange(40) / 1000 + (rule is MarginRule.MARGIN_RATIO)
        lent = rule.lendable_units(face, self.clean[cusip], round(margin * 1e9))
        terms = Repo(
            cusip=cusip,
            face_units=face,
            cash_units=lent * self.draw.choice([100, 100, 99, 103]) // 100,
            rate=self.draw.randrange(800) / 10_000,
            start_date=self.ledger.market_date,
            end_date=self.ledger.market_date + timedelta(days=self.draw.randrange(1, 6)),
            margin_rule=rule,
            margin=margin,
        )

        def open_it() -> Any:
            quote = self.repos.quote(
                terms, lender=lender, borrower=borrower, nonce=len(self.story), valid_seconds=86_400
            )
            opened = self.repos.open(self.repos.sign(quote, borrower))
            self.opened.append(opened.repo_id)
            return opened

        self.outcome(act, open_it)

    def on_a_repo(self, act: str, change: Callable[[bytes], Any]) -> None:
        """Mostly on one that runs."""
        running = [one for one in self.opened if self.repos.state(one).status is RepoStatus.OPEN]
        if self.opened:
            repo_id = self.draw.choice(running if running and self.draw.random() < 0.9 else self.opened)
            self.outcome(act, lambda: (change(repo_id), self.stands(repo_id)))

    def stands(self, repo_id: bytes) -> Any:
        """A repo without the second in which margin was called."""
        state = self.repos.state(repo_id)
        told = {name: getattr(state, name) for name in state.__slots__ if name != "call_deadline"}
        return {**told, "called": state.call_deadline != 0}

    def mark(self, act: str) -> None:
        def marked(repo_id: bytes) -> Any:
            found = self.repos.mark(repo_id)
            return found.price_e6, found.exposure_units, found.lendable_units

        self.on_a_repo(act, marked)

    def margin(self, act: str) -> None:
        """What is called, in cash or in face enough, or any amount."""
        units, kind = self.amount(200_000), self.draw.choice(["called", "called", "enough", "cash", "face"])

        def delivered(repo_id: bytes) -> None:
            short = self.repos.coverage(repo_id).deficit_units or units
            given = {"called": (0, short), "enough": (2 * short, 0), "cash": (0, units), "face": (units, 0)}
            face, cash = given[kind]
            self.repos.deliver_margin(repo_id, face_units=face, cash_units=cash)

        self.on_a_repo(act, delivered)

    def substitute(self, act: str) -> None:
        cusip, face = self.draw.choice([*SECURITIES]), self.draw.randrange(1_000, 2_500_000) * DOLLAR
        self.on_a_repo(act, lambda repo_id: self.repos.substitute(repo_id, cusip, face) and None)

    def repurchase(self, act: str) -> None:
        self.on_a_repo(act, lambda repo_id: self.repos.repurchase(repo_id) and None)

    def close_out(self, act: str) -> None:
        self.on_a_repo(act, self.repos.close_out)

    def balances(self) -> dict[str, Any]:
        """As of every day; and of those whom nobody signs for."""
        found = super().balances()
        for name in ("treasury", "repo-facility"):
            wallet = self.ledger.wallet(name)
            found[name] = (wallet.cash, dict(wallet.positions))
        return found

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Without what holds the second of an act."""
        return [
            (place, name, {k: v for k, v in arguments.items() if k not in OF_THE_MOMENT})
            for place, name, arguments in super().events()
        ]
