"""Repos in plain integers: what every balance, call and refusal must be, computed without the product's code.

Amounts are base units; prices 10^-6 per 100 face, rates and margins 10^-9; days are New York's. An act changes the
model or raises `Refused` with the contract's error name, and then nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

FACILITY, TREASURY = "repo-facility", "treasury"
PAR = 100_000_000
E9, YEAR = 10**9, 360
MAX_AGE, MAX_MOVE_BP, CONFIRMED_BY = 4 * 86_400, 300, 3


def midnight(day: date) -> int:
    """Unix seconds at which a New York day starts."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York")).timestamp())


class Refused(Exception):
    """The contracts must refuse, with this error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Paper:
    """A security; `coupon_days` ascend from the first, `coupon_e9` a year is paid in halves, issued on `dated`."""

    cusip: str
    dated: date
    maturity: date
    coupon_e9: int = 0
    coupon_days: tuple[date, ...] = ()

    def coupon_units(self, face: int) -> int:
        return face * self.coupon_e9 // (2 * E9)

    def accrued_e6(self, day: date) -> int:
        """Per 100 face, rounded half up; of regular periods."""
        if not self.coupon_e9:
            return 0
        past = [self.dated, *(d for d in self.coupon_days if d <= day)][-1]
        period = (self.next_coupon(day) - past).days
        return (2 * self.coupon_e9 * (day - past).days + 20 * period) // (40 * period)

    def next_coupon(self, day: date) -> date:
        return next(d for d in self.coupon_days if d > day)


@dataclass(frozen=True)
class Price:
    clean_e6: int
    day: date
    observed: int


@dataclass
class Running:
    """A repo; `numerator` is the sum of outstanding cash x rate x days of the intervals that are over."""

    number: int
    lender: str
    borrower: str
    cusip: str
    face: int
    principal: int
    rate_e9: int
    ratio: bool
    margin_e9: int
    start: date
    end: date
    call_seconds: int
    since: date
    status: str = "open"
    numerator: int = 0
    deadline: int = 0
    shortfall: int = 0

    def sum_e9(self, today: date) -> int:
        return self.numerator + self.principal * self.rate_e9 * (today - self.since).days

    def interest(self, today: date) -> int:
        return (2 * self.sum_e9(today) + YEAR * E9) // (2 * YEAR * E9)

    def exposure(self, today: date) -> int:
        return self.principal + self.interest(today)

    def accrue(self, today: date) -> None:
        self.numerator, self.since = self.sum_e9(today), today


def lendable(face: int, price_e6: int, ratio: bool, margin_e9: int) -> int:
    """What collateral lends, rounded down."""
    if ratio:
        return face * price_e6 * E9 // (PAR * margin_e9)
    return face * price_e6 * (E9 - margin_e9) // (PAR * E9)


@dataclass
class Model:
    """All parties, all repos, the oracle; `now` and `today` are set by who moves time."""

    papers: dict[str, Paper]
    cash: dict[str, int]
    face: dict[tuple[str, str], int]
    now: int = 0
    today: date = date.min
    prices: dict[str, Price] = field(default_factory=dict)
    repos: dict[int, Running] = field(default_factory=dict)
    records: dict[tuple[str, date], dict[str, int]] = field(default_factory=dict)
    pledged_at_record: dict[tuple[str, date], list[tuple[int, int]]] = field(default_factory=dict)
    received: set[tuple[str, date]] = field(default_factory=set)
    passed: set[tuple[str, date]] = field(default_factory=set)

    # --- prices -------------------------------------------------------------------------------------------------

    def publish(self, clean: dict[str, int], signers: int) -> None:
        for cusip, price in sorted(clean.items()):
            last = self.prices.get(cusip)
            if last and signers < CONFIRMED_BY and abs(price - last.clean_e6) * 10_000 > last.clean_e6 * MAX_MOVE_BP:
                raise Refused("PriceMoveTooLarge")
        self.prices |= {cusip: Price(price, self.today, self.now) for cusip, price in clean.items()}

    def quoted(self, cusip: str) -> int:
        """At the oracle: dirty, or clean if the coupon after the price's day has gone."""
        price, paper = self.prices.get(cusip), self.papers[cusip]
        if price is None:
            raise Refused("PriceMissing")
        if self.now > price.observed + MAX_AGE:
            raise Refused("StalePrice")
        if paper.coupon_e9 and self.now >= midnight(paper.next_coupon(price.day)):
            return price.clean_e6
        return price.clean_e6 + paper.accrued_e6(price.day)

    def price(self, cusip: str) -> int:
        return PAR if self.now >= midnight(self.papers[cusip].maturity) else self.quoted(cusip)

    def eligible(self, cusip: str, end: int) -> int:
        price = self.quoted(cusip)
        if midnight(self.papers[cusip].maturity) <= end:
            raise Refused("CollateralIneligible")
        return price

    # --- a life -------------------------------------------------------------------------------------------------

    def running(self, number: int) -> Running:
        repo = self.repos[number]
        if repo.status != "open":
            raise Refused("RepoNotOpen")
        return repo

    def lent(self, repo: Running) -> int:
        return lendable(repo.face, self.price(repo.cusip), repo.ratio, repo.margin_e9)

    def open(self, repo: Running) -> None:
        if repo.number in self.repos:
            raise Refused("RepoAlreadyExists")
        price = self.eligible(repo.cusip, midnight(repo.end))
        if lendable(repo.face, price, repo.ratio, repo.margin_e9) < repo.principal:
            raise Refused("CollateralShort")
        self.require(repo.face <= self.face[repo.borrower, repo.cusip])
        self.pay(repo.lender, repo.borrower, repo.principal)
        self.move(repo.borrower, FACILITY, repo.cusip, repo.face)
        self.repos[repo.number] = repo

    def mark(self, number: int) -> None:
        repo = self.running(number)
        self.judge(repo, self.lent(repo))

    def judge(self, repo: Running, lent: int) -> None:
        """Short, and a call is open; or neither (I11)."""
        if lent >= repo.exposure(self.today):
            repo.deadline = 0
        elif not repo.deadline:
            repo.deadline = self.now + repo.call_seconds

    def deliver(self, number: int, face: int, cash: int) -> None:
        repo = self.running(number)
        deficit = max(0, repo.exposure(self.today) - self.lent(repo))
        if face:
            self.eligible(repo.cusip, self.now)
        if cash and (not repo.deadline or cash > deficit or cash >= repo.principal):
            raise Refused("CashNotCalled")
        self.require(face <= self.face[repo.borrower, repo.cusip])
        self.require(cash <= self.cash[repo.borrower])
        self.move(repo.borrower, FACILITY, repo.cusip, face)
        repo.face += face
        if cash:
            repo.accrue(self.today)
            repo.principal -= cash
            self.pay(repo.borrower, repo.lender, cash)
        self.judge(repo, self.lent(repo))

    def release(self, number: int, face: int) -> None:
        repo = self.running(number)
        if not 0 < face <= repo.face:
            raise Refused("RepurchaseExceedsRepo")
        self.require_covered(repo, repo.face - face, repo.exposure(self.today))
        repo.face -= face
        repo.deadline = 0
        self.move(FACILITY, repo.borrower, repo.cusip, face)

    def substitute(self, number: int, cusip: str, face: int) -> None:
        repo = self.running(number)
        price = self.eligible(cusip, midnight(repo.end))
        if lendable(face, price, repo.ratio, repo.margin_e9) < repo.exposure(self.today):
            raise Refused("CollateralShort")
        self.move(repo.borrower, FACILITY, cusip, face)
        self.move(FACILITY, repo.borrower, repo.cusip, repo.face)
        repo.cusip, repo.face, repo.deadline = cusip, face, 0

    def repurchase(self, number: int, principal: int, face: int) -> None:
        repo = self.running(number)
        whole = principal == repo.principal
        if principal > repo.principal or face > repo.face:
            raise Refused("RepurchaseExceedsRepo")
        interest = repo.interest(self.today) if whole else 0
        back = repo.face if whole else face
        if not whole:
            self.require_covered(repo, repo.face - back, repo.exposure(self.today) - principal)
        self.pay(repo.borrower, repo.lender, principal + interest)
        repo.accrue(self.today)
        repo.principal -= principal
        repo.face -= back
        repo.deadline = 0
        repo.status = "repurchased" if whole else "open"
        self.move(FACILITY, repo.borrower, repo.cusip, back)

    def close_out(self, number: int, by: str) -> tuple[int, int, int, int, int]:
        """Price, debt, face to the lender, face back to the borrower, shortfall."""
        repo = self.running(number)
        if by != repo.lender:
            raise Refused("NotLender")
        price, debt = self.price(repo.cusip), repo.exposure(self.today)
        missed = repo.deadline and self.now > repo.deadline and self.lent(repo) < debt
        if not missed and self.now < midnight(repo.end) + 86_400:
            raise Refused("NotInDefault")
        taken = min(repo.face, -(-debt * PAR // price))
        back = repo.face - taken
        repo.shortfall = max(0, debt - repo.face * price // PAR)
        repo.accrue(self.today)
        repo.face, repo.status, repo.deadline = 0, "closed", 0
        self.move(FACILITY, repo.lender, repo.cusip, taken)
        self.move(FACILITY, repo.borrower, repo.cusip, back)
        return price, debt, taken, back, repo.shortfall

    # --- coupons ------------------------------------------------------------------------------------------------

    def record(self, cusip: str, day: date) -> None:
        """What each has when a coupon date starts."""
        self.records[cusip, day] = {who: face for (who, held), face in self.face.items() if held == cusip and face}
        pledged = [(r.number, r.face) for r in self.repos.values() if r.cusip == cusip and r.face]
        self.pledged_at_record[cusip, day] = pledged

    def pay_coupon(self, cusip: str, day: date) -> None:
        """All holders of record, once; what rounding leaves is the Treasury's, which mints what it lacks."""
        if (cusip, day) in self.received:
            return
        paper, holders = self.papers[cusip], self.records[cusip, day]
        due = paper.coupon_units(sum(holders.values()))
        self.cash[TREASURY] = max(self.cash[TREASURY], due) - due
        shares = {who: paper.coupon_units(face) for who, face in holders.items()}
        for who, share in shares.items():
            self.cash[who] += share
        self.cash[TREASURY] += due - sum(shares.values())
        self.received.add((cusip, day))

    def pass_coupon(self, cusip: str, day: date, order: list[int]) -> dict[str, int]:
        """To each repo's borrower its share, in that order of repos, the rest to the last; once."""
        pledged = dict(self.pledged_at_record[cusip, day])
        if (cusip, day) in self.passed or not pledged:
            return {}
        if (cusip, day) not in self.received:
            raise Refused("CouponNotReceived")
        paper, shares = self.papers[cusip], {}
        total = paper.coupon_units(sum(pledged.values()))
        for number in (n for n in order if n in pledged):
            shares[number] = paper.coupon_units(pledged[number])
        shares[number] += total - sum(shares.values())
        found: dict[str, int] = {}
        for number, share in shares.items():
            borrower = self.repos[number].borrower
            found[borrower] = found.get(borrower, 0) + share
            self.pay(FACILITY, borrower, share)
        self.passed.add((cusip, day))
        return found

    # --- what moves ---------------------------------------------------------------------------------------------

    @staticmethod
    def require(enough: bool) -> None:
        if not enough:
            raise Refused("ERC20InsufficientBalance")

    def require_covered(self, repo: Running, face: int, exposure: int) -> None:
        if lendable(face, self.price(repo.cusip), repo.ratio, repo.margin_e9) < exposure:
            raise Refused("CollateralShort")

    def pay(self, giver: str, taker: str, cash: int) -> None:
        self.require(cash <= self.cash[giver])
        self.cash[giver] -= cash
        self.cash[taker] += cash

    def move(self, giver: str, taker: str, cusip: str, face: int) -> None:
        self.require(face <= self.face[giver, cusip])
        self.face[giver, cusip] -= face
        self.face[taker, cusip] += face
