"""The rebalance plan: a hashed object, and what settles is this object.

    planHash    = keccak256(contextHash ++ legsHash)
    contextHash = keccak256(RFC 8785 JSON of `context`)
    legsHash    = keccak256 over the sorted legs, four words each (`ledger.settlement.legs_hash`)

No address, chain id, nonce, deadline or signature is in it: the same plan has the same hash in a dry run, a
backtest and on any ledger. docs/plan-hash.md is the recipe for outsiders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbill_defi.core.hashing import json_hash
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.ledger.settlement import PlanLeg, plan_hash
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.metrics import Metrics
from tbill_defi.portfolio.orders import Order
from tbill_defi.portfolio.writes import Write

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.portfolio.execution import Execution

CURRENCY = "USD"
PLAN_VERSION = 2


@dataclass(frozen=True)
class StrategyIdentity:
    """Which strategy made a plan: its name, the hash of its source file, its configuration."""

    name: str
    source_hash: bytes
    config: Mapping[str, Any]


@dataclass(frozen=True)
class RebalancePlan:
    """Orders of one party with one dealer, priced and hashed.

    Attributes
    ----------
    party, counterparty
        Names on the ledger.
    trade_date, settlement_date, market_settlement_date
        The plan settles atomically on `settlement_date`, which is the trade date; T+1 is for comparison.
    holdings
        What the party held when the plan was made.
    orders
        Whole lots, ordered by (maturity, CUSIP).
    limits
        Each limit after the trade; empty for a target of weights.
    before, after
        Metrics at the same mid prices.
    lot_units
        Every order's face is a multiple of it.
    dealing
        The ledger's limits it was made within; None for a plan made without a ledger.
    writes
        Calls written on what is held and sold to the counterparty; a plan has orders or writes, not both.
    """

    party: str
    counterparty: str
    trade_date: date
    settlement_date: date
    market_settlement_date: date
    strategy: StrategyIdentity
    market_hash: bytes
    repo_rate: float
    repo_source: str
    repo_date: date
    holdings: Holdings
    orders: tuple[Order, ...]
    limits: tuple[LimitReport, ...]
    before: Metrics
    after: Metrics
    lot_units: int
    dealing: DealingLimits | None = None
    writes: tuple[Write, ...] = ()

    @cached_property
    def legs(self) -> tuple[PlanLeg, ...]:
        """Security legs and the net cash leg, in the order that is hashed and settled; of writes the premiums."""
        legs = [PlanLeg(o.cusip, *self._direction(buys=o.side == "buy"), o.face_units) for o in self.orders]
        net = self.net_cash_units
        if net:
            giver, receiver = self._direction(buys=net < 0)
            legs.append(PlanLeg(CURRENCY, giver, receiver, abs(net)))
        return tuple(sorted(legs))

    def _direction(self, *, buys: bool) -> tuple[str, str]:
        return (self.counterparty, self.party) if buys else (self.party, self.counterparty)

    @property
    def net_cash_units(self) -> int:
        """What the party pays, base units; negative if it receives."""
        premiums = sum(write.premium_units for write in self.writes)
        return sum(o.cash_units if o.side == "buy" else -o.cash_units for o in self.orders) - premiums

    @property
    def cost_units(self) -> int:
        """Half spreads paid against mid, base units of cash."""
        return sum(o.cost_units for o in self.orders)

    @property
    def traded_face_units(self) -> int:
        """Face bought and sold, base units."""
        return sum(o.face_units for o in self.orders)

    @property
    def cost_32nds(self) -> float:
        """Cost per 100 face traded, in 32nds of a point."""
        return self.cost_units / self.traded_face_units * 3200 if self.orders else 0.0

    @property
    def cost_bp(self) -> float:
        """Cost in basis points of NAV before the trade."""
        return self.cost_units / UNITS_PER_DOLLAR / self.before.nav * 1e4 if self.before.nav else 0.0

    @property
    def breakeven_days(self) -> float | None:
        """Days until the gain in yield has earned the cost back; None if there is no gain."""
        gain = (self.after.yield_ - self.before.yield_) * self.after.nav
        return self.cost_units / UNITS_PER_DOLLAR / gain * 365 if gain > 0 else None

    @cached_property
    def context(self) -> dict[str, Any]:
        """What the context hash covers: the JSON value that is canonicalised and hashed."""
        found: dict[str, Any] = {
            "version": PLAN_VERSION,
            "party": self.party,
            "counterparty": self.counterparty,
            "trade_date": self.trade_date.isoformat(),
            "settlement_date": self.settlement_date.isoformat(),
            "market_hash": "0x" + self.market_hash.hex(),
            "holdings_hash": "0x" + self.holdings.content_hash().hex(),
            "strategy": self.strategy.name,
            "strategy_source_hash": "0x" + self.strategy.source_hash.hex(),
            "config_hash": "0x" + json_hash(self.strategy.config).hex(),
            "repo_rate": self.repo_rate,
            "lot": str(self.lot_units),
            "dealing_limits": self.dealing.content() if self.dealing else None,
            "orders": [order.content() for order in self.orders],
        }
        return found | ({"writes": [write.content() for write in self.writes]} if self.writes else {})

    @cached_property
    def context_hash(self) -> bytes:
        """32 bytes; carried by the Instruction."""
        return json_hash(self.context)

    @cached_property
    def hash(self) -> str:
        """The plan's name everywhere: 0x and 64 hex digits."""
        return "0x" + plan_hash(self.context_hash, self.legs).hex()

    def to_json(self) -> dict[str, Any]:
        """Every input and figure of the plan; integers of base units as decimal text."""
        from tbill_defi.portfolio.plan_file import dump

        return dump(self)

    def save(self, path: str | Path) -> Path:
        """Write the plan as JSON; `RebalancePlan.load` reads it back and recomputes the hash."""
        from tbill_defi.portfolio.plan_file import write

        return write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> RebalancePlan:
        """Read a plan and check that it is the plan its hash names.

        Raises
        ------
        DataError
            If the file is not a plan.
        PlanError
            If the recomputed hash differs, or an order contradicts its own price or lot.
        """
        from tbill_defi.portfolio.plan_file import read

        return read(Path(path))

    def execute(self, ledger: Ledger, *, approve_by: str, keys: Any = None, dry_run: bool = False) -> Execution:
        """Settle the plan on a ledger as one Instruction; see `portfolio.execution.execute`."""
        from tbill_defi.portfolio.execution import execute

        return execute(self, ledger, approve_by=approve_by, keys=keys, dry_run=dry_run)
