"""What a ledger lets a party deal with its counterparty now, as limits on a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tbill_defi.ledger.settlement import MAX_LEGS
from tbill_defi.portfolio.mandate import MandateLimits, mandate_limits

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger

TRADE, VOLUME, HOLDING, COUNTERPARTY = (
    "ledger trade limit",
    "ledger volume",
    "ledger holding cap",
    "counterparty's holding cap",
)
"""Names of the limits in a plan's reports."""
_AMOUNTS = ("trade", "volume", "holding", "counterparty_holding")


@dataclass(frozen=True)
class DealingLimits:
    """Largest amounts, base units of face; None is no limit.

    Attributes
    ----------
    trade
        Of one order.
    volume
        Of all orders together: what the window leaves to the party or to its counterparty, whichever is less.
    holding
        What the party may receive more than it has given, at any moment while the legs move in their order.
    counterparty_holding
        Of all orders together: the counterparty may first have to register what it delivers.
    mandate
        What a managed account's guard will hold the plan to; None for a party that deals for itself.
    legs
        Most of one instruction. It refuses a plan and changes none, so no hash covers it.
    rule_gas
        Gas that an order in a security under rules of its own costs more, by CUSIP; as `legs`, no hash covers it.
    """

    trade: int | None = None
    volume: int | None = None
    holding: int | None = None
    counterparty_holding: int | None = None
    mandate: MandateLimits | None = None
    legs: int = field(default=MAX_LEGS, compare=False)
    rule_gas: Mapping[str, int] = field(default_factory=dict, compare=False)

    def content(self) -> dict[str, Any]:
        """What of the limits the plan's context hash covers: amounts as decimal text."""
        amounts = {name: None if (u := getattr(self, name)) is None else str(u) for name in _AMOUNTS}
        return {**amounts, "mandate": self.mandate.content() if self.mandate else None}

    @classmethod
    def from_content(cls, raw: Mapping[str, Any] | None) -> DealingLimits | None:
        """The limits of a plan's context."""
        if raw is None:
            return None
        trade, volume, holding, counterparty = (None if raw[name] is None else int(raw[name]) for name in _AMOUNTS)
        return cls(trade, volume, holding, counterparty, MandateLimits.from_content(raw["mandate"]))


def dealing_limits(ledger: Ledger, party: str, counterparty: str) -> DealingLimits:
    """The limits between two parties on a ledger now.

    Whether they may deal at all (identity, claim, country) is not among them: a plan can be made, and is refused when
    it is to settle.
    """
    from tbill_defi.ledger import limits as rules
    from tbill_defi.ledger.token_rules import rule_gas

    found = rules.standings(ledger, (party, counterparty))
    mandate = mandate_limits(ledger, party)
    volumes = [standing.volume_left for standing in found.values() if standing.volume_left is not None]
    return DealingLimits(
        trade=rules.limits(ledger).trade,
        volume=min(volumes, default=None),
        holding=found[party].holding_left,
        counterparty_holding=found[counterparty].holding_left,
        mandate=mandate,
        legs=rules.most_legs(ledger, managed=mandate is not None),
        rule_gas=rule_gas(ledger),
    )
