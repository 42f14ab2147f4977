"""A firing: one event at which one rule acts, and the name it has on the ledger for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tbill_defi.automation.rules import Rule
from tbill_defi.core.errors import TbillError
from tbill_defi.core.hashing import json_hash
from tbill_defi.ledger.ledger import Ledger


@dataclass(frozen=True)
class Firing:
    """One event of one rule.

    Attributes
    ----------
    event
        What it is for: a market date, a security's coupon or maturity, a repo.
    reason
        Why, in the words of a desk.
    subject
        What the action needs to know.
    """

    rule: Rule
    event: str
    reason: str
    subject: Any = None

    def id(self, ledger: Ledger) -> bytes:
        """Keccak-256 of rule, ledger and event.

        Of the rule it covers name, party, and kinds of trigger and action: changed settings or approval are the same
        rule, which does not act twice for one event; a renamed rule is another.
        """
        return json_hash(
            {
                "keeper": 1,
                "rule": self.rule.name,
                "party": self.rule.party,
                "trigger": self.rule.trigger.kind,
                "action": self.rule.action.kind,
                "chain_id": str(ledger.chain.chain_id),
                "settlement": "0x" + ledger.contracts.settlement.hex(),
                "event": self.event,
            }
        )


@dataclass(frozen=True)
class Evaluation:
    """What a rule says now.

    Attributes
    ----------
    firings
        What is due and not done.
    why
        The figures behind it, whether due or not.
    next
        When it is next due, as far as that can be known: an ISO time or date.
    problems
        What stands in the way of knowing.
    """

    firings: tuple[Firing, ...]
    why: str
    next: str | None = None
    problems: tuple[TbillError, ...] = field(default=())
