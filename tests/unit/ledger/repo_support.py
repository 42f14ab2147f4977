"""A ledger with two parties, collateral and an oracle whose prices are set by the test."""

from __future__ import annotations

from datetime import date

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.instruments import Bill, Note
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger import life
from tbill_defi.ledger.coupons import coupons
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.oracle import Oracle, OracleQuote, OracleRound
from tbill_defi.ledger.repo import Repos
from tests.unit.ledger.support import DOLLAR, make_ledger

TODAY = date(2021, 3, 19)
LENDER, BORROWER = "lender", "borrower"
FIRST = Bill(cusip="9127962A1", issue_date=date(2021, 3, 4), maturity_date=date(2022, 3, 3))
SECOND = Bill(cusip="9127962B2", issue_date=date(2021, 3, 4), maturity_date=date(2022, 2, 24))
NOTE = Note(cusip="91282CFF6", coupon=0.0225, dated_date=date(2021, 3, 15), maturity_date=date(2024, 3, 15))
SECURITIES = (FIRST, SECOND, NOTE)


class RepoBench:
    """`repos` on `ledger`, with 30 million of each security and of cash at each party."""

    def __init__(self, at: date = TODAY) -> None:
        self.ledger: Ledger = make_ledger(LENDER, BORROWER, at=new_york_midnight(at) + 9 * 3600)
        for party in (LENDER, BORROWER):
            self.ledger.set_claim(party, 2**40)
            self.ledger.deposit(party, dict.fromkeys(SECURITIES, 30_000_000 * DOLLAR), 30_000_000 * DOLLAR)
        self.repos = Repos(self.ledger)
        self.repos.ensure_facility()
        life.ensure_treasury(self.ledger)
        self.oracle = Oracle(self.ledger)
        self.oracle.own_pricers()
        self.oracle.set_rules(max_move_bp=60_000, interval=0, max_age=4 * 86_400)
        self._round = 0

    def price(
        self, *, first: int = 100_750_000, second: int = 98_500_000, note: int = 100_000_000, signers: int = 3
    ) -> None:
        """Publish clean prices, 10^-6 per 100 face, signed by so many pricers."""
        self._round += 1
        day = self.ledger.market_date
        days = [c.day for c in coupons(NOTE)]
        previous = max([d for d in (NOTE.dated_date, *days) if d <= day])
        following = min([d for d in days if d > day], default=None)
        quotes = [
            OracleQuote(s.cusip, clean, 4_000_000, 900_000, s.maturity_date, 2)
            for s, clean in ((FIRST, first), (SECOND, second))
            if s.maturity_date > day
        ]
        if following is not None:
            quotes.append(
                OracleQuote(
                    cusip=NOTE.cusip,
                    clean_e6=note,
                    yield_e9=22_500_000,
                    duration_e6=2_900_000,
                    maturity=NOTE.maturity_date,
                    rating=2,
                    coupon_e9=22_500_000,
                    accrual_start=NOTE.dated_date,
                    previous_coupon=previous,
                    next_coupon=following,
                )
            )
        round_ = OracleRound(self._round, day, self.ledger.chain.now(), tuple(sorted(quotes, key=lambda q: q.cusip)))
        self.oracle.publish([(round_, self.oracle.sign(round_, self.oracle.own_pricers()[:signers]))])

    def go_to(self, day: date, hours: int = 9) -> None:
        moment = new_york_midnight(day) + hours * 3600
        self.ledger.chain.advance_clock(moment - self.ledger.chain.now())
        assert market_date(self.ledger.chain.now()) == day

    def terms(self, **changes: object) -> Repo:
        """The repo of the CDM example: 10 million at 100.75, haircut 1%, 0.4%, over a weekend."""
        values = {
            "cusip": FIRST.cusip,
            "face_units": 10_000_000 * DOLLAR,
            "cash_units": 9_974_250 * DOLLAR,
            "rate": 0.004,
            "start_date": TODAY,
            "end_date": date(2021, 3, 22),
            "margin_rule": MarginRule.HAIRCUT,
            "margin": 0.01,
        }
        return Repo(**{**values, **changes})

    def opened(self, *, call_seconds: int = 86_400, nonce: int = 0, **changes: object) -> bytes:
        quote = self.repos.quote(
            self.terms(**changes), lender=LENDER, borrower=BORROWER, call_seconds=call_seconds, nonce=nonce
        )
        return self.repos.open(self.repos.sign(quote, BORROWER)).repo_id

    def balances(self) -> dict[str, int]:
        """Cash and face of both parties, the facility's, and what it holds for whom."""
        found = {}
        for party in (LENDER, BORROWER, "repo-facility"):
            wallet = self.ledger.wallet(party)
            found[f"{party} cash"] = wallet.cash
            for security in SECURITIES:
                found[f"{party} {security.cusip}"] = wallet.positions.get(security.cusip, 0)
        return found
