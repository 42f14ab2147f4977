"""A plan as a JSON file: written whole, read back as data, and believed only if it writes the same file again.

The plan's hash covers context and legs. The figures beside them (before, after, limits, reasons) are for people;
`figures_hash` covers them, so that a changed figure is noticed, but nobody signs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from tbill_defi.core.errors import ConventionError, DataError, PlanError
from tbill_defi.core.files import read_text, write_output
from tbill_defi.core.hashing import json_hash
from tbill_defi.core.json_text import parse_json
from tbill_defi.core.money import cash_from_price
from tbill_defi.instruments import SECURITY
from tbill_defi.ledger.settlement import legs_hash
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.metrics import Metrics
from tbill_defi.portfolio.orders import Order
from tbill_defi.portfolio.plan import RebalancePlan, StrategyIdentity
from tbill_defi.portfolio.writes import Write

MAX_BYTES = 16 * 2**20
LineT = TypeVar("LineT", Order, Write)


def dump(plan: RebalancePlan) -> dict[str, Any]:
    """The plan's JSON value: hashes with everything they are made of, then the figures."""
    value = {
        "hash": plan.hash,
        "context_hash": "0x" + plan.context_hash.hex(),
        "legs_hash": "0x" + legs_hash(plan.legs).hex(),
        "context": plan.context,
        "legs": [
            {"asset": leg.asset, "from": leg.from_party, "to": leg.to_party, "amount": str(leg.amount)}
            for leg in plan.legs
        ],
        "inputs": {
            "holdings": plan.holdings.content(),
            "cost_prices": {cusip: str(price) for cusip, price in plan.holdings.cost_prices.items()},
            "config": dict(plan.strategy.config),
            "market_settlement_date": plan.market_settlement_date.isoformat(),
            "repo": {"rate": plan.repo_rate, "source": plan.repo_source, "date": plan.repo_date.isoformat()},
        },
        "orders": [_texts(order) for order in plan.orders],
        **({"writes": [_texts(write) for write in plan.writes]} if plan.writes else {}),
        "limits": [_finite(asdict(limit)) for limit in plan.limits],
        "before": plan.before.as_dict(),
        "after": plan.after.as_dict(),
        "cost": {
            "cash": str(plan.cost_units),
            "bp": plan.cost_bp,
            "thirty_seconds": plan.cost_32nds,
            "breakeven_days": plan.breakeven_days,
        },
        "net_cash": str(plan.net_cash_units),
    }
    return value | {"figures_hash": "0x" + json_hash(value).hex()}


def _texts(line: Order | Write) -> dict[str, Any]:
    row = {f.name: getattr(line, f.name) for f in fields(line) if f.name != "security"}
    text = {
        name: value.isoformat() if isinstance(value, date) else "" if value is None else str(value)
        for name, value in row.items()
    }
    return {"cusip": line.cusip, **text, "security": line.security.model_dump(mode="json", exclude_none=True)}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: an open bound is null."""
    return {k: None if isinstance(v, float) and abs(v) == float("inf") else v for k, v in row.items()}


def write(plan: RebalancePlan, path: Path) -> Path:
    """Write the plan so that a file is never half a plan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, (json.dumps(dump(plan), indent=1) + "\n").encode())
    return path


def read(path: Path) -> RebalancePlan:
    """See `RebalancePlan.load`."""
    try:
        raw = parse_json(read_text(path, MAX_BYTES))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}); expected a plan written by `tbill plan --out`") from None
    try:
        plan = _plan(raw)
        for order in plan.orders:
            _check(order, plan.lot_units)
        for write in plan.writes:
            write.check(plan.lot_units)
        written = dump(plan)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, ConventionError) as error:
        raise DataError(f"{path}: is not a plan of this version: {error!r}") from None
    if written["hash"] != raw.get("hash"):
        raise PlanError(f"{path}: the content hashes to {plan.hash}, the file says {raw.get('hash')}; it was changed")
    if changed := [name for name in {**written, **raw} if written.get(name) != raw.get(name)]:
        raise PlanError(f"{path}: {', '.join(changed)}: not what the plan says; the file was changed")
    return plan


def _check(order: Order, lot_units: int) -> None:
    """An order agrees with its own price, side and lot."""
    if order.face_units <= 0 or order.face_units % lot_units:
        raise PlanError(f"{order.cusip}: face {order.face_units} is not a whole number of lots of {lot_units} units")
    if order.side not in ("buy", "sell"):
        raise PlanError(f"{order.cusip}: side {order.side!r} is not buy or sell")
    if order.clean_price + order.accrued != order.dirty_price:
        raise PlanError(f"{order.cusip}: clean {order.clean_price} + accrued {order.accrued} != {order.dirty_price}")
    cash = cash_from_price(order.face_units, order.dirty_price)
    if cash != order.cash_units:
        raise PlanError(f"{order.cusip}: cash {order.cash_units} is not face x dirty price / 100 = {cash}")


def _plan(raw: dict[str, Any]) -> RebalancePlan:
    context, inputs = raw["context"], raw["inputs"]
    return RebalancePlan(
        party=context["party"],
        counterparty=context["counterparty"],
        trade_date=date.fromisoformat(context["trade_date"]),
        settlement_date=date.fromisoformat(context["settlement_date"]),
        market_settlement_date=date.fromisoformat(inputs["market_settlement_date"]),
        strategy=StrategyIdentity(context["strategy"], _bytes(context["strategy_source_hash"]), inputs["config"]),
        market_hash=_bytes(context["market_hash"]),
        repo_rate=context["repo_rate"],
        repo_source=inputs["repo"]["source"],
        repo_date=date.fromisoformat(inputs["repo"]["date"]),
        holdings=_holdings(inputs),
        orders=tuple(_read_line(Order, row) for row in raw["orders"]),
        writes=tuple(_read_line(Write, row) for row in raw.get("writes", ())),
        limits=tuple(LimitReport(**_open(row)) for row in raw["limits"]),
        before=Metrics(**raw["before"]),
        after=Metrics(**raw["after"]),
        lot_units=int(context["lot"]),
        dealing=DealingLimits.from_content(context["dealing_limits"]),
    )


def _open(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "lower": float("-inf") if row["lower"] is None else row["lower"],
        "upper": float("inf") if row["upper"] is None else row["upper"],
    }


def _bytes(text: str) -> bytes:
    raw = bytes.fromhex(text.removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError(f"{text!r} is not 32 bytes")
    return raw


def _holdings(inputs: dict[str, Any]) -> Holdings:
    raw = inputs["holdings"]
    return Holdings(
        party=raw["party"],
        positions={cusip: int(face) for cusip, face in raw["positions"].items()},
        cash_units=int(raw["cash"]),
        unavailable={cusip: int(face) for cusip, face in raw["unavailable"].items()},
        cost_prices={cusip: Decimal(price) for cusip, price in inputs["cost_prices"].items()},
    )


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "Side": str,
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "Decimal | None": lambda text: Decimal(text) if text else None,
    "date": date.fromisoformat,
}


def _read_line(kind: type[LineT], row: dict[str, Any]) -> LineT:
    texts = {f.name: _READERS[str(f.type)](row[f.name]) for f in fields(kind) if f.name != "security"}
    return kind(security=SECURITY.validate_python(row["security"]), **texts)
