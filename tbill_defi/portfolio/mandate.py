"""A managed account's mandate as a plan meets it: the limits, what is left of them, and the guard's own arithmetic.

All numbers are the contract's integers, and so are the roundings of `judge` (contracts/src/mandate/MandateGuard.sol):
what it finds within the mandate, the guard lets settle at the same prices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tbill_defi.core.errors import PlanError
from tbill_defi.core.frozen import FrozenMap
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.orders import Order

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger

DURATION, ISSUE_CAP, TURNOVER, SLIPPAGE = (
    "mandate duration",
    "mandate issue cap",
    "mandate turnover",
    "mandate slippage",
)
"""Names of the limits in a plan's reports."""
NAMES = (DURATION, ISSUE_CAP, TURNOVER, SLIPPAGE)
FULL_BP = 10_000
MAX_POSITIONS = 64
"""Most securities of an account (Books.MAX_POSITIONS)."""
CURE = "publish prices first: `tbill oracle publish`, with --all for securities that are not on the ledger yet"


@dataclass(frozen=True)
class Mark:
    """What the oracle says of a security: dirty price per 100 face in 10^-6, modified duration in 10^-6 years."""

    dirty_e6: int
    duration_e6: int


@dataclass(frozen=True)
class MandateLimits:
    """The mandate in force and the prices it is judged at.

    Attributes
    ----------
    duration_min_e6, duration_max_e6
        Band of the portfolio's modified duration, 10^-6 years; cash counts with 0.
    issue_cap_bp
        Greatest share of one security in the portfolio's value after the trade.
    turnover_bp, turned_units
        Half of what may be bought and sold in the mandate's window, of the value after the trade; what of it is used,
        units of cash. A window slides, so at settlement no more of it is used than now.
    slippage_bp
        What a plan may cost against the oracle's prices, of the securities it trades.
    marks
        CUSIP -> fresh price; what has none cannot be bought, and if it is held, nothing can be dealt.
    """

    duration_min_e6: int
    duration_max_e6: int
    issue_cap_bp: int
    turnover_bp: int
    slippage_bp: int
    turned_units: int
    marks: Mapping[str, Mark]

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", FrozenMap(self.marks))

    def content(self) -> dict[str, Any]:
        """What of it the plan's context hash covers: integers as decimal text, marks as (price, duration)."""
        numbers = {name: str(getattr(self, name)) for name in self.__dataclass_fields__ if name != "marks"}
        return numbers | {"marks": {c: [str(m.dirty_e6), str(m.duration_e6)] for c, m in self.marks.items()}}

    @classmethod
    def from_content(cls, raw: Mapping[str, Any] | None) -> MandateLimits | None:
        """The mandate of a plan's context."""
        if raw is None:
            return None
        marks = {cusip: Mark(int(dirty), int(duration)) for cusip, (dirty, duration) in raw["marks"].items()}
        numbers = {name: int(raw[name]) for name in cls.__dataclass_fields__ if name != "marks"}
        return cls(**numbers, marks=marks)

    def require_marks(self, party: str, cusips: Sequence[str]) -> None:
        """Raise `PlanError` if one of these securities has no fresh price: the guard would refuse any plan with it."""
        if missing := [cusip for cusip in cusips if cusip not in self.marks]:
            named = ", ".join(missing[:6]) + (" ..." if len(missing) > 6 else "")
            raise PlanError(f"{party} is held to a mandate and the oracle has no fresh price of {named}; {CURE}")


@dataclass(frozen=True)
class Verdict:
    """The portfolio after a plan as the guard sees it, units of cash.

    Attributes
    ----------
    value
        Securities at the oracle's prices, and cash.
    weighted
        Sum of each security's value times its duration in 10^-6 years.
    largest
        Value of the security that is most of it.
    traded, loss
        Of the plan: bought and sold, and what it gives up, at the oracle's prices.
    turned
        Half of what was traded in the window, this plan included.
    positions
        How many securities are held.
    breaches
        Names of the limits it is outside of.
    """

    value: int
    weighted: int
    largest: int
    traded: int
    loss: int
    turned: int
    positions: int
    breaches: tuple[str, ...]


def judge(mandate: MandateLimits, holdings: Holdings, orders: Sequence[Order]) -> Verdict:
    """The guard's answer to a plan of these orders; all that is held or traded must have a mark."""

    def worth(cusip: str, units: int) -> int:
        return units * mandate.marks[cusip].dirty_e6 // 10**8

    units: dict[str, int] = defaultdict(int, holdings.positions)
    paid = gained = spent = 0
    for order in orders:
        amount = worth(order.cusip, order.face_units)
        if order.side == "buy":
            units[order.cusip] += order.face_units
            paid, gained = paid + order.cash_units, gained + amount
        else:
            units[order.cusip] -= order.face_units
            paid, spent = paid - order.cash_units, spent + amount
    traded, loss = gained + spent, max(0, spent - gained + paid)
    values = {cusip: worth(cusip, face) for cusip, face in units.items() if face}
    value = holdings.cash_units - paid + sum(values.values())
    weighted = sum(amount * mandate.marks[cusip].duration_e6 for cusip, amount in values.items())
    largest, turned = max(values.values(), default=0), mandate.turned_units + traded // 2
    outside = {
        DURATION: not mandate.duration_min_e6 * value <= weighted <= mandate.duration_max_e6 * value,
        ISSUE_CAP: largest > value * mandate.issue_cap_bp // FULL_BP,
        TURNOVER: turned > value * mandate.turnover_bp // FULL_BP,
        SLIPPAGE: loss > traded * mandate.slippage_bp // FULL_BP,
    }
    breaches = tuple(name for name, broken in outside.items() if broken)
    return Verdict(value, weighted, largest, traded, loss, turned, len(values), breaches)


def mandate_limits(ledger: Ledger, party: str) -> MandateLimits | None:
    """The mandate a party's plans are held to on a ledger now; None if it has none (`NoMandate` stops its dealing)."""
    from tbill_defi.ledger.mandate import managed_account
    from tbill_defi.ledger.oracle import Oracle

    account = managed_account(ledger, party)
    if account is None or account.mandate is None:
        return None
    found = account.mandate
    return MandateLimits(
        duration_min_e6=found.duration_min_e6,
        duration_max_e6=found.duration_max_e6,
        issue_cap_bp=found.issue_cap_bp,
        turnover_bp=found.turnover_bp,
        slippage_bp=found.slippage_bp,
        turned_units=account.turnover,
        marks={cusip: Mark(*mark) for cusip, mark in Oracle(ledger).marks().items()},
    )
