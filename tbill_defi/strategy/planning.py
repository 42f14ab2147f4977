"""`plan(strategy, view, book)`: the one way from a strategy to a plan, in a script, a desk and a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tbill_defi.core.errors import DataError, StrategyError, TbillError
from tbill_defi.portfolio.dealing import DealingLimits, dealing_limits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import RebalancePlan, StrategyIdentity
from tbill_defi.portfolio.planner import build_plan
from tbill_defi.portfolio.target import Optimize, Overlay, Target, Weights
from tbill_defi.portfolio.view import View

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger

DEALER = "dealer"


class Decider(Protocol):
    """A strategy, or what stands for one: `Strategy` here, `IsolatedStrategy` in a process of its own."""

    def decide(self, view: View, book: Holdings) -> Target:
        """The target for a view and holdings."""
        ...

    def identity(self) -> StrategyIdentity:
        """Name, source hash and configuration."""
        ...

    def name(self) -> str:
        """The strategy's name."""
        ...


def plan(
    strategy: Decider,
    view: View,
    book: Holdings,
    *,
    counterparty: str = DEALER,
    ledger: Ledger | None = None,
    dealing: DealingLimits | None = None,
) -> RebalancePlan:
    """The plan a strategy makes of a view and holdings.

    Parameters
    ----------
    ledger
        The plan stays within what it lets the party deal with the counterparty now, its mandate included.
    dealing
        The same, as it was read before (`portfolio.dealing.dealing_limits`).

    Raises
    ------
    StrategyError
        If the strategy's own code fails, exits, or answers something that is not a target.
    DataError
        If the view has no security.
    TbillError
        What `portfolio.planner.build_plan` raises.
    """
    if not view.securities:
        raise DataError(f"date: no security is known on {view.date}; import auction results or a price sheet first")
    target = decided(strategy, view, book)
    if dealing is None and ledger is not None:
        dealing = dealing_limits(ledger, book.party, counterparty)
    return build_plan(target, view, book, strategy=strategy.identity(), counterparty=counterparty, dealing=dealing)


def decided(strategy: Decider, view: View, book: Holdings) -> Target:
    """The target a strategy answers, its own errors named.

    Raises
    ------
    StrategyError
        If the strategy's own code fails, exits, or answers something that is not a target.
    """
    try:
        target = strategy.decide(view, book)
    except TbillError:
        raise
    except SystemExit as error:
        raise StrategyError(f"strategy {strategy.name()} calls sys.exit({error.code!r}); it is to answer") from error
    except Exception as error:
        raise StrategyError(f"strategy {strategy.name()} failed: {type(error).__name__}: {error}") from error
    if not isinstance(target, Weights | Optimize | Overlay):
        raise StrategyError(
            f"strategy {strategy.name()} answered a {type(target).__name__}; expected Weights.of(...), "
            "maximize(...) or Overlay.of(...)"
        )
    return target
