"""From a target to a plan: exact lots, orders at the dealer's prices, cash that suffices, figures before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbill_defi.core.errors import Infeasible, PlanError
from tbill_defi.ledger.settlement import MAX_LEGS
from tbill_defi.portfolio import mandate_rows
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.dealing_rows import reports
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.lots import lots_from_weights
from tbill_defi.portfolio.mandate import MAX_POSITIONS, NAMES, MandateLimits, judge
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.orders import Order, make_order, require_cash
from tbill_defi.portfolio.plan import RebalancePlan, StrategyIdentity
from tbill_defi.portfolio.target import Lots, Optimize, Overlay, Target, Weights
from tbill_defi.portfolio.view import View
from tbill_defi.portfolio.writes import make_writes, with_writes

Ints = npt.NDArray[np.int64]

LEG_GAS = 2**22 // MAX_LEGS
"""Gas of a leg of a security without rules of its own."""
NEGLIGIBLE = 1e-9
"""A shadow price that is noise."""


def build_plan(
    target: Target,
    view: View,
    holdings: Holdings,
    *,
    strategy: StrategyIdentity,
    counterparty: str,
    dealing: DealingLimits | None = None,
    whole: bool = True,
) -> RebalancePlan:
    """The plan that brings `holdings` to `target` at the view's prices.

    Parameters
    ----------
    dealing
        A ledger's limits, which the plan is made within.
    whole
        Whether it must fit into one Instruction; else it can be more than a ledger settles (`parts.in_parts`).

    Raises
    ------
    UnknownSecurity
        If a held security is not in the view.
    Infeasible
        If the limits cannot be met.
    PlanError
        If cash, lots, offers or the number of legs stand in the way.
    """
    if holdings.party == counterparty:
        raise PlanError(f"counterparty: {counterparty} cannot deal with itself")
    if not holdings.positions and not holdings.cash_units:
        raise PlanError(f"holdings: {holdings.party} has neither securities nor cash; there is nothing to invest")
    for cusip in holdings.positions:
        view.index(cusip)
    if dealing is not None and dealing.mandate is not None:
        dealing.mandate.require_marks(holdings.party, tuple(holdings.positions))
    overlay = target if isinstance(target, Overlay) else None
    draft = _Draft((), (), {}) if isinstance(target, Overlay) else _draft(target, view, holdings, dealing)
    writes = make_writes(overlay, view, holdings, dealing) if overlay else ()
    orders, limits = draft.orders, draft.limits
    if dealing is not None and dealing.mandate is not None and overlay is None:
        limits += _within(dealing.mandate, draft, holdings, target.lots)
    cash_after = require_cash(orders, holdings.cash_units)
    if whole:
        _require_one_instruction(orders, dealing or DealingLimits())
    positions = {cusip: face for cusip, face in _after(holdings, orders).items() if face}
    return RebalancePlan(
        party=holdings.party,
        counterparty=counterparty,
        trade_date=view.date,
        settlement_date=view.settlement_date,
        market_settlement_date=view.market_settlement_date,
        strategy=strategy,
        market_hash=view.market_hash,
        repo_rate=view.repo_rate,
        repo_source=view.repo_source,
        repo_date=view.repo_date,
        holdings=holdings,
        orders=orders,
        limits=limits,
        before=measure(view, holdings.positions, holdings.cash_units),
        after=with_writes(measure(view, positions, cash_after), view, writes),
        lot_units=target.lots.units,
        dealing=dealing,
        writes=writes,
    )


@dataclass(frozen=True)
class _Draft:
    """Orders and what is reported of the limits they were made within; the mandate's shadow prices."""

    orders: tuple[Order, ...]
    limits: tuple[LimitReport, ...]
    shadow_prices: dict[str, float]


def _draft(target: Weights | Optimize, view: View, holdings: Holdings, dealing: DealingLimits | None) -> _Draft:
    lot = target.lots.units
    if isinstance(target, Weights):
        lots, reasons = lots_from_weights(target, view, holdings, dealing), target.reasons
        if dealing is not None and dealing.mandate is not None:
            lots, reasons = _cut(lots, target, view, holdings, dealing)
        return _Draft(_orders(view, lots, lot, reasons), tuple(reports(dealing, view, lots, lot)), {})
    from tbill_defi.portfolio.optimiser import solve

    found = solve(target, view, holdings, dealing)
    return _Draft(_orders(view, found.lots, lot, {}), found.limits, found.shadow_prices)


def _orders(view: View, lots: Ints, lot: int, reasons: Mapping[str, str]) -> tuple[Order, ...]:
    return tuple(
        make_order(view, i, int(lots[i]) * lot, reasons.get(view.cusips[i]) or _reason(int(lots[i]), view, i))
        for i in np.flatnonzero(lots).tolist()
    )


def _cut(
    wanted: Ints, target: Weights, view: View, holdings: Holdings, dealing: DealingLimits
) -> tuple[Ints, Mapping[str, str]]:
    """Lots of given weights brought within the mandate, and why each order is smaller than wanted."""
    mandate = dealing.mandate
    assert mandate is not None
    traded = [view.cusips[i] for i in np.flatnonzero(wanted)]
    mandate.require_marks(holdings.party, traded)
    orders = _orders(view, wanted, target.lots.units, target.reasons)
    if not orders or not judge(mandate, holdings, orders).breaches:
        return wanted, target.reasons
    from tbill_defi.portfolio.optimiser import cut_to_mandate

    found = cut_to_mandate(wanted, target.lots, view, holdings, dealing)
    binding = ", ".join(name for name in NAMES if found.shadow_prices.get(name, 0.0) > NEGLIGIBLE)
    reasons = dict(target.reasons)
    for i in np.flatnonzero(found.lots != wanted).tolist():
        cusip, face = view.cusips[i], abs(int(wanted[i])) * target.lots.face
        reason = reasons.get(cusip) or _reason(int(wanted[i]), view, i)
        reasons[cusip] = f"{reason}; cut from ${face:,} by the {binding}"
    return found.lots, reasons


def _within(mandate: MandateLimits, draft: _Draft, holdings: Holdings, lots: Lots) -> tuple[LimitReport, ...]:
    """The mandate's reports, if the guard will agree; a plan without orders moves nothing, so nobody asks it."""
    verdict = judge(mandate, holdings, draft.orders)
    if draft.orders and verdict.breaches:
        raise Infeasible(
            f"whole lots of ${lots.face:,} do not fit within the {', '.join(verdict.breaches)}; use smaller lots"
        )
    if draft.orders and verdict.positions > MAX_POSITIONS:
        raise PlanError(
            f"{verdict.positions} securities after the trade are more than the {MAX_POSITIONS} a managed account may "
            "hold; give the strategy fewer"
        )
    return tuple(mandate_rows.reports(mandate, verdict, draft.shadow_prices))


def _reason(lots: int, view: View, index: int) -> str:
    side = "adds" if lots > 0 else "frees"
    return f"{side} {view.modified_duration[index]:.2f} y of duration at {view.yield_[index] * 100:.3f}%"


def _after(holdings: Holdings, orders: Sequence[Order]) -> dict[str, int]:
    positions = dict(holdings.positions)
    for order in orders:
        signed = order.face_units if order.side == "buy" else -order.face_units
        positions[order.cusip] = positions.get(order.cusip, 0) + signed
    return positions


def _require_one_instruction(orders: Sequence[Order], dealing: DealingLimits) -> None:
    """A plan is one Instruction: its orders and one net cash leg; what rules of securities cost counts as more legs."""
    most = dealing.legs - 1
    more = -(-sum(dealing.rule_gas.get(order.cusip, 0) for order in orders) // LEG_GAS)
    if len(orders) + more <= most:
        return
    sells = sum(o.side == "sell" for o in orders)
    parts = -(-(len(orders) + more) // most)
    why = " under the rules of this ledger" if dealing.legs < MAX_LEGS else ""
    if more:
        why = f" under the rules of their securities, which take the room of {more} more"
        most = len(orders) // parts
    raise PlanError(
        f"{len(orders)} orders and a cash leg are more than the {dealing.legs} legs of one instruction"
        f"{why}; {parts} plans fit: "
        f"give the strategy fewer securities, or split sales ({sells}) and purchases ({len(orders) - sells}) into "
        f"parts of at most {most}, sales first"
    )
