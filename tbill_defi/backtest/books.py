"""The desk's books in a backtest: integers, double entry, balanced on every day.

Each line moves units of one asset from one account to another, so the accounts of an asset always sum to zero. The
accounts are "desk", "dealer", "treasury" (the issuer), "investor" (who gave the capital), "receivable" (coupons the
desk is entitled to and has not been paid) and "collateral" (the desk's own units, on hold for calls it has written).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import lru_cache

from tbill_defi.backtest.calls import OpenCall, calls_of, on_hold
from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.errors import PlanError
from tbill_defi.instruments import Security
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan

DESK, DEALER, TREASURY, INVESTOR = "desk", "dealer", "treasury", "investor"
RECEIVABLE, COLLATERAL = "receivable", "collateral"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal.

    Attributes
    ----------
    kind
        "capital", "trade", "entitlement", "coupon", "redemption"; of calls "premium", "hold", "exercise", "release".
    giver, receiver
        Accounts: credited, debited.
    asset
        "USD" or a CUSIP; `units` are 10^-6 dollar, of face for a security.
    reference
        Plan hash of a trade or a premium; CUSIP and date of a coupon or redemption; `OpenCall.name` of a call.
    """

    day: date
    kind: str
    giver: str
    receiver: str
    asset: str
    units: int
    reference: str


@dataclass(frozen=True, slots=True)
class Due:
    """A coupon or principal that the desk is entitled to.

    Attributes
    ----------
    kind
        "coupon" or "redemption".
    nominal, payment
        Date by the terms; the good settlement day it is paid on.
    face, cash
        Base units.
    """

    kind: str
    cusip: str
    nominal: date
    payment: date
    face: int
    cash: int


@lru_cache(maxsize=8192)
def _coupons(security: Security) -> tuple[tuple[date, Fraction], ...]:
    flows = security.resolve()
    shares = {fraction: flows.rate * fraction / 100 for fraction in set(flows.fractions)}
    rates = [shares[fraction] for fraction in flows.fractions]
    return tuple((day, rate) for day, rate in zip(flows.payment_dates, rates, strict=True) if rate)


@lru_cache(maxsize=8192)
def _due_dates(security: Security) -> tuple[date, ...]:
    return (*(day for day, _ in _coupons(security)), security.maturity_date)


def coupons_due(security: Security, face: int, after: date, until: date) -> Iterator[Due]:
    """Coupons with after < date <= until, of a position held at the start of their dates.

    Cash is floor(face x coupon fraction): the holder bears the rounding, as `CouponPayer` does it.
    """
    coupons, days = _coupons(security), _due_dates(security)
    for day, rate in coupons[bisect_right(days, after, 0, len(coupons)) :]:
        if day > until:
            return
        cash = face * rate.numerator // rate.denominator
        yield Due("coupon", security.cusip, day, SETTLEMENT.following(day), face, cash)


@dataclass
class Books:
    """Balances and what is due; every change is a `Line`.

    Attributes
    ----------
    balances
        Asset -> account -> units; each asset sums to zero.
    securities
        Terms of what the desk holds.
    dues
        Entitlements not yet paid.
    calls
        Written and not ended.
    """

    balances: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    securities: dict[str, Security] = field(default_factory=dict)
    dues: list[Due] = field(default_factory=list)
    calls: list[OpenCall] = field(default_factory=list)
    _live: dict[str, int] | None = field(default=None, repr=False, compare=False)
    _next_due: date = field(default=date.min, repr=False, compare=False)

    @property
    def cash(self) -> int:
        """The desk's dollars, base units."""
        return self.balances[CURRENCY][DESK]

    @property
    def receivable(self) -> int:
        """Coupons entitled to and unpaid, base units."""
        return self.balances[CURRENCY][RECEIVABLE]

    def positions(self) -> dict[str, int]:
        """CUSIP -> face of everything the desk holds, matured and unpaid and on hold included, by CUSIP."""
        return {cusip: self._face(cusip) for cusip in sorted(self.securities)}

    def _face(self, cusip: str) -> int:
        accounts = self.balances[cusip]
        return accounts[DESK] + accounts[COLLATERAL]

    def held(self) -> dict[str, int]:
        """CUSIP -> face that is on hold, by CUSIP."""
        return {cusip: face for cusip in sorted(self.securities) if (face := self.balances[cusip][COLLATERAL])}

    def live_positions(self) -> dict[str, int]:
        """CUSIP -> face of what has not matured, by CUSIP; the same object while nothing changes."""
        if self._live is None:
            matured = {due.cusip for due in self.dues if due.kind == "redemption"}
            self._live = {cusip: face for cusip, face in self.positions().items() if cusip not in matured}
        return self._live

    @property
    def matured(self) -> int:
        """Principal that has matured and is not yet paid, base units."""
        return sum(due.cash for due in self.dues if due.kind == "redemption")

    # --- what happens ---------------------------------------------------------------------------------------------

    def capital(self, day: date, units: int) -> list[Line]:
        """The investor's cash arrives."""
        return [self._move(Line(day, "capital", INVESTOR, DESK, CURRENCY, units, ""))]

    def entitle(self, after: date, until: date) -> tuple[list[Line], list[Due]]:
        """Coupons and maturities with after < date <= until, for the positions of now."""
        lines: list[Line] = []
        found: list[Due] = []
        if until < self._next_due:
            return lines, found
        for cusip, face in self.live_positions().items():
            security = self.securities[cusip]
            for due in coupons_due(security, face, after, until):
                reference = f"{cusip} {due.nominal}"
                if due.cash:
                    line = Line(until, "entitlement", TREASURY, RECEIVABLE, CURRENCY, due.cash, reference)
                    lines.append(self._move(line))
                found.append(due)
            if after < security.maturity_date <= until:
                payment = SETTLEMENT.following(security.maturity_date)
                found.append(Due("redemption", cusip, security.maturity_date, payment, face, face))
        self.dues += found
        self._live = None
        schedules = map(_due_dates, self.securities.values())
        self._next_due = min(
            (days[place] for days in schedules if (place := bisect_right(days, until)) < len(days)), default=date.max
        )
        return lines, found

    def pay(self, day: date) -> tuple[list[Line], list[Due]]:
        """Everything that is payable on or before a day is paid."""
        if not self.dues:
            return [], []
        paid = sorted(
            (due for due in self.dues if due.payment <= day), key=lambda due: (due.nominal, due.kind, due.cusip)
        )
        lines = []
        for due in paid:
            reference = f"{due.cusip} {due.nominal}"
            if due.kind == "coupon":
                if due.cash:
                    lines.append(self._move(Line(day, "coupon", RECEIVABLE, DESK, CURRENCY, due.cash, reference)))
                continue
            lines.append(self._move(Line(day, "redemption", DESK, TREASURY, due.cusip, due.face, reference)))
            lines.append(self._move(Line(day, "redemption", TREASURY, DESK, CURRENCY, due.cash, reference)))
            del self.securities[due.cusip]
        self.dues = [due for due in self.dues if due.payment > day]
        return lines, paid

    def trade(self, plan: RebalancePlan) -> list[Line]:
        """The legs of a plan, all at once."""
        for order in plan.orders:
            if order.side == "buy":
                self.securities[order.cusip] = order.security
        name = plan.hash
        lines = [
            self._move(Line(plan.trade_date, "trade", leg.from_party, leg.to_party, leg.asset, leg.amount, name))
            for leg in plan.legs
        ]
        self._forget_empty()
        return lines

    def write(self, plan: RebalancePlan) -> list[Line]:
        """The calls of a plan: each one's premium, and its face on hold."""
        lines = []
        for write, call in zip(plan.writes, calls_of(plan), strict=True):
            day, premium = plan.trade_date, write.premium_units
            lines.append(self._move(Line(day, "premium", DEALER, DESK, CURRENCY, premium, plan.hash)))
            lines.append(self._move(Line(day, "hold", DESK, COLLATERAL, call.cusip, call.face_units, call.name)))
            self.calls.append(call)
        return lines

    def exercise(self, day: date, call: OpenCall) -> list[Line]:
        """The dealer pays strike and accrued interest, and gets what was on hold."""
        self.calls.remove(call)
        lines = [
            self._move(Line(day, "exercise", COLLATERAL, DEALER, call.cusip, call.face_units, call.name)),
            self._move(Line(day, "exercise", DEALER, DESK, CURRENCY, call.payment_units, call.name)),
        ]
        self._forget_empty()
        return lines

    def release(self, day: date, call: OpenCall) -> list[Line]:
        """A call that lapsed no longer holds anything."""
        self.calls.remove(call)
        return [self._move(Line(day, "release", COLLATERAL, DESK, call.cusip, call.face_units, call.name))]

    def _forget_empty(self) -> None:
        for cusip in [cusip for cusip in self.securities if not self._face(cusip)]:
            del self.securities[cusip]

    def _move(self, line: Line) -> Line:
        self._live, self._next_due = None, date.min
        accounts = self.balances[line.asset]
        accounts[line.giver] -= line.units
        accounts[line.receiver] += line.units
        return line

    def check(self, day: date, lines: Sequence[Line] | None = None) -> None:
        """Debits equal credits in each asset, and the desk owes nothing.

        Parameters
        ----------
        lines
            The changes since the last check, whose assets alone are looked at; None: all are.

        Raises
        ------
        PlanError
            If they do not: the run stops before anything more is built on it.
        """
        for asset in self.balances if lines is None else {line.asset for line in lines}:
            accounts = self.balances[asset]
            if sum(accounts.values()) or min(accounts[name] for name in (DESK, RECEIVABLE, COLLATERAL)) < 0:
                raise PlanError(f"books of {day}: {asset} does not balance: {dict(accounts)}")
        if sum(due.cash for due in self.dues if due.kind == "coupon") != self.receivable:
            raise PlanError(f"books of {day}: receivables are not the coupons due")
        if on_hold(self.calls) != self.held():
            raise PlanError(f"books of {day}: what is on hold is not what the calls cover")

    # --- storing --------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, object]:
        """JSON form; base units as text."""
        return {
            "balances": {
                asset: {account: str(units) for account, units in accounts.items() if units}
                for asset, accounts in self.balances.items()
                if any(accounts.values())
            },
            "securities": [s.model_dump(mode="json", exclude_none=True) for s in self.securities.values()],
            "dues": [
                [d.kind, d.cusip, d.nominal.isoformat(), d.payment.isoformat(), str(d.face), str(d.cash)]
                for d in self.dues
            ],
            "calls": [call.to_json() for call in self.calls],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Books:
        """The books that `to_json` wrote."""
        from tbill_defi.instruments import SECURITY

        books = cls()
        raw: dict[str, dict[str, str]] = value["balances"]  # type: ignore[assignment]
        for asset, accounts in raw.items():
            for account, units in accounts.items():
                books.balances[asset][account] = int(units)
        terms: list[dict[str, object]] = value["securities"]  # type: ignore[assignment]
        for security in map(SECURITY.validate_python, terms):
            books.securities[security.cusip] = security
        dues: list[list[str]] = value["dues"]  # type: ignore[assignment]
        books.dues = [
            Due(kind, cusip, date.fromisoformat(nominal), date.fromisoformat(payment), int(face), int(cash))
            for kind, cusip, nominal, payment, face, cash in dues
        ]
        calls: list[list[object]] = value["calls"]  # type: ignore[assignment]
        books.calls = [OpenCall.from_json(call) for call in calls]
        return books
