"""A keeper file: rules of a trigger and an action each, read whole or refused with file, table and field.

[rules.monthly-ladder]
party = "desk"
approval = "key:desk"
trigger = { kind = "schedule", every = "month-start", at = "15:00" }
action = { kind = "rebalance", strategy = "ladder", settings = { rungs = 8 } }
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.core.identifiers import cusip as parse_cusip
from tbill_defi.core.identifiers import party_name
from tbill_defi.core.toml_file import read_toml

MAX_BYTES, MAX_RULES = 2**20, 200
RULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
ASK, KEY = "ask", "key:"
FILE_NAME = "keeper.toml"
MOST_SHOWN = 80
"""Characters of a value that an error repeats."""

Weight = Annotated[float, Field(ge=0, le=1)]


def _name_of_party(value: str) -> str:
    try:
        return party_name(value)
    except ConventionError:
        raise ValueError("expected 1 to 31 letters, digits, '.', '-' or '_'") from None


def _local_time(value: object) -> time:
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, time) or found.microsecond:
        raise ValueError("expected a time of day such as 15:00")
    if found.tzinfo is not None:
        raise ValueError("it is a New York time; give it without an offset")
    return found


class Table(BaseModel):
    """Base of the tables of a keeper file: frozen, no unknown fields, no other type than the one that is expected."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ScheduleTrigger(Table):
    """At a New York time on trading days: each, the first on or after a weekday, the month's first or last."""

    kind: Literal["schedule"] = "schedule"
    every: Literal["daily", "weekly", "month-start", "month-end"]
    at: time = Field(description="New York time such as 15:00")
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday"] | None = None
    late_days: int = Field(0, ge=0, le=31, description="calendar days after which a missed time is let go")

    @field_validator("at", mode="before")
    @classmethod
    def _local(cls, value: object) -> time:
        return _local_time(value)

    @model_validator(mode="after")
    def _weekly(self) -> ScheduleTrigger:
        if (self.weekday is None) == (self.every == "weekly"):
            raise ValueError('weekday goes with every = "weekly" and only with it')
        return self


class DriftTrigger(Table):
    """A weight is further than `tolerance` from its target: that given, else that of the last settled plan."""

    kind: Literal["drift"] = "drift"
    tolerance: float = Field(gt=0, lt=1, description="absolute weight: 0.02 is two percent of NAV")
    targets: Mapping[str, Weight] | None = Field(None, description="CUSIP -> weight; the rest is cash")

    @field_validator("targets")
    @classmethod
    def _whole(cls, value: Mapping[str, float] | None) -> Mapping[str, float] | None:
        for name in value or ():
            parse_cusip(name)
        if value is not None and sum(value.values()) > 1 + 1e-9:
            raise ValueError(f"the weights add up to {sum(value.values()):g}, more than 1")
        return value


class DurationTrigger(Table):
    """Modified duration of the portfolio, cash included, is outside [lower, upper] years."""

    kind: Literal["duration"] = "duration"
    lower: float = Field(ge=0, le=50)
    upper: float = Field(ge=0, le=50)

    @model_validator(mode="after")
    def _band(self) -> DurationTrigger:
        if self.lower > self.upper:
            raise ValueError(f"lower {self.lower} is above upper {self.upper}")
        return self


class MaturityTrigger(Table):
    """A holding matures within so many calendar days (to rebalance), or has matured (to redeem)."""

    kind: Literal["maturity"] = "maturity"
    within_days: int = Field(0, ge=0, le=3660)


class CouponTrigger(Table):
    """A coupon of a security on the ledger can be paid and is not."""

    kind: Literal["coupon"] = "coupon"


class MarginTrigger(Table):
    """Collateral of one of the party's repos is short, or covers again while a call is open."""

    kind: Literal["margin"] = "margin"


class QueueTrigger(Table):
    """From a New York time on, each settlement day: requests for early redemption made before it that can be struck."""

    kind: Literal["queue"] = "queue"
    at: time = Field(description="New York time such as 16:00")

    @field_validator("at", mode="before")
    @classmethod
    def _local(cls, value: object) -> time:
        return _local_time(value)


class TradesTrigger(Table):
    """The settlement date of one of the party's trades has come, and it is open."""

    kind: Literal["trades"] = "trades"


class RebalanceAction(Table):
    """Plan with a strategy at the market of the day and settle it."""

    kind: Literal["rebalance"] = "rebalance"
    strategy: str
    settings: Mapping[str, Any] = Field(default_factory=dict)
    counterparty: str = "dealer"

    @field_validator("counterparty")
    @classmethod
    def _party(cls, value: str) -> str:
        return _name_of_party(value)


class PayCouponAction(Table):
    """Announce, fund and pay, and pass on what collateral earned."""

    kind: Literal["pay-coupon"] = "pay-coupon"


class RedeemAction(Table):
    """Redeem at par."""

    kind: Literal["redeem"] = "redeem"


class StrikeAction(Table):
    """Redeem from the front of the early redemption queue, as far as the day's limit and the cash go."""

    kind: Literal["strike"] = "strike"


class SettleTradesAction(Table):
    """Settle the trade, whole or the largest part that its terms allow; after its date, record the fail."""

    kind: Literal["settle-trades"] = "settle-trades"


class MarginCallAction(Table):
    """Mark on the ledger; as the borrower deliver cash or more of the collateral, as the lender close out."""

    kind: Literal["margin-call"] = "margin-call"
    deliver: Literal["nothing", "cash", "face"] = Field("nothing", description="what the borrower meets a call with")
    unmet: Literal["nothing", "close-out"] = Field("nothing", description="what the lender does on default")


Trigger = (
    ScheduleTrigger
    | DriftTrigger
    | DurationTrigger
    | MaturityTrigger
    | CouponTrigger
    | MarginTrigger
    | QueueTrigger
    | TradesTrigger
)
Action = RebalanceAction | PayCouponAction | RedeemAction | StrikeAction | SettleTradesAction | MarginCallAction
TRIGGERS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "schedule": (ScheduleTrigger, ("rebalance",)),
    "drift": (DriftTrigger, ("rebalance",)),
    "duration": (DurationTrigger, ("rebalance",)),
    "maturity": (MaturityTrigger, ("redeem", "rebalance")),
    "coupon": (CouponTrigger, ("pay-coupon",)),
    "margin": (MarginTrigger, ("margin-call",)),
    "queue": (QueueTrigger, ("strike",)),
    "trades": (TradesTrigger, ("settle-trades",)),
}
"""Kind of trigger -> its table, and the actions it can have."""
ACTIONS: dict[str, type[Any]] = {
    "pay-coupon": PayCouponAction,
    "redeem": RedeemAction,
    "strike": StrikeAction,
    "settle-trades": SettleTradesAction,
    "margin-call": MarginCallAction,
    "rebalance": RebalanceAction,
}
"""Kind of action -> its table, in the order in which rules are carried out: cash comes in before it is invested."""


class Rule(Table):
    """One rule of a keeper file; `approval` is "ask" or "key:NAME"."""

    name: str
    trigger: Trigger
    action: Action
    party: str = "desk"
    approval: str = ASK

    @field_validator("party")
    @classmethod
    def _party(cls, value: str) -> str:
        return _name_of_party(value)

    @field_validator("approval")
    @classmethod
    def _approval(cls, value: str) -> str:
        try:
            if value != ASK:
                party_name(value.removeprefix(KEY) if value.startswith(KEY) else "")
        except ConventionError:
            raise ValueError('expected "ask", or "key:" and the name of a key, such as "key:desk"') from None
        return value

    @model_validator(mode="after")
    def _sensible(self) -> Rule:
        if isinstance(self.action, RebalanceAction) and self.action.counterparty == self.party:
            raise ValueError(f"counterparty {self.party!r} is the party itself; name another")
        if isinstance(self.action, RedeemAction) and "within_days" in self.trigger.model_fields_set:
            raise ValueError("within_days goes with rebalance; what has matured is redeemed on its day")
        return self

    @property
    def key(self) -> str | None:
        """Name of the key that approves without being asked; None: a person is asked."""
        return None if self.approval == ASK else self.approval.removeprefix(KEY)


class KeeperFile(Table):
    """Rules in the order of the file, and the seconds between two passes."""

    path: Path
    every_seconds: int = Field(60, ge=1, le=86_400)
    rules: tuple[Rule, ...] = ()

    @property
    def in_order(self) -> list[Rule]:
        """Rules in the order in which they are carried out."""
        order = list(ACTIONS)
        return sorted(self.rules, key=lambda rule: order.index(rule.action.kind))


def read_keeper_file(path: str | Path) -> KeeperFile:
    """Read a keeper file and check all of it but the strategies, which `strategies.require_strategies` tries.

    Raises
    ------
    DataError
        Naming file, table, field, value and what is known.
    """
    file = Path(path)
    raw = read_toml(file, what="a keeper file", max_bytes=MAX_BYTES)
    tables = raw.get("rules")
    if known := [name for name in raw if name not in ("rules", "every_seconds")]:
        raise DataError(f"{file}: {known[0]!r} is not known; at the top are every_seconds and [rules.NAME]")
    if not isinstance(tables, dict) or not 0 < len(tables) <= MAX_RULES:
        raise DataError(f"{file}: expected 1 to {MAX_RULES} tables [rules.NAME], each with a trigger and an action")
    rules = tuple(_rule(file, name, table) for name, table in tables.items())
    head = {key: value for key, value in raw.items() if key != "rules"}
    return KeeperFile(path=file, rules=rules, **_checked(file, "", _Head, head).model_dump())


class _Head(Table):
    every_seconds: int = Field(60, ge=1, le=86_400)


def _rule(file: Path, name: str, table: Any) -> Rule:
    if not RULE_NAME.fullmatch(name):
        raise DataError(f"{file}, [rules]: {name!r} is no name of a rule; 1 to 64 letters, digits, - and _")
    where = f"rules.{name}"
    if not isinstance(table, dict):
        raise DataError(f"{file}, {where}: {table!r} is not a table with a trigger and an action")
    parts: dict[str, Any] = {}
    trigger, action = (_kind(file, where, table, part) for part in ("trigger", "action"))
    model, allowed = TRIGGERS[trigger]
    if action not in allowed:
        raise DataError(
            f'{file}, [{where}.action], field "kind": {action!r} does not go with a {trigger} trigger; '
            f"known: {', '.join(allowed)}"
        )
    parts["trigger"] = _checked(file, f"{where}.trigger", model, table["trigger"])
    parts["action"] = _checked(file, f"{where}.action", ACTIONS[action], table["action"])
    rest = {key: value for key, value in table.items() if key not in parts}
    if "name" in rest:
        raise DataError(f'{file}, [{where}], field "name": a rule is named by its table; leave it out')
    rule: Rule = _checked(file, where, Rule, {"name": name, **rest, **parts})
    return rule


def _kind(file: Path, where: str, table: dict[str, Any], part: str) -> str:
    known = TRIGGERS if part == "trigger" else ACTIONS
    value = table.get(part)
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in known:
        said = f"{kind!r} is not known" if kind is not None else "it is missing"
        raise DataError(f'{file}, [{where}.{part}], field "kind": {said}; known: {", ".join(known)}')
    return kind


def _checked(file: Path, where: str, model: type[Any], value: dict[str, Any]) -> Any:
    """The table as its model, or the first thing that is wrong with it."""
    place = f"{file}, [{where}]" if where else str(file)
    try:
        return model.model_validate(value)
    except ConventionError as error:
        raise DataError(f"{place}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = ", ".join(name for name in model.model_fields if name != "name")
        match first["type"]:
            case "extra_forbidden":
                said = f"is not known; known: {known}"
            case "missing":
                said = f"is missing; known: {known}"
            case _:
                reason = str(first["msg"]).removeprefix("Value error, ")
                said = f"{_shown(first['input'])}: {reason}" if field else reason
        name = f", field {json.dumps(field)}" if field else ""
        raise DataError(f"{place}{name}: {said}") from None


def _shown(value: Any) -> str:
    """A value as in the file, and not too long."""
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
