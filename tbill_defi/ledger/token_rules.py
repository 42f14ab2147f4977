"""The rules of one security: which it is under, their numbers, and whom they do not bind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import InvestorClass
from tbill_defi.ledger.deployment import RULE_PLACES, Step
from tbill_defi.ledger.ledger import Ledger

LIMITS_KEY = "compliance"
_FIELDS = {
    "share_of_supply_bp": "ShareOfSupply",
    "most_holders": "HolderCount",
    "lock_up_seconds": "LockUp",
    "minimum_holding": "MinimumHolding",
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules of a security; 0, or no class: that rule does not bind.

    Attributes
    ----------
    share_of_supply_bp
        Most that an identity may receive to, in basis points of the supply.
    most_holders
        Identities that may hold it.
    lock_up_seconds
        How long units stay with who received them.
    minimum_holding
        Base units that an identity has at least, if it has any.
    classes
        Investor classes of which a recipient needs a trusted issuer's claim.
    """

    share_of_supply_bp: int = 0
    most_holders: int = 0
    lock_up_seconds: int = 0
    minimum_holding: int = 0
    classes: frozenset[InvestorClass] = frozenset()


def token_rules(ledger: Ledger, cusip: str) -> TokenRules:
    """The rules that a security on the ledger is under."""
    token = ledger.require_token(cusip)
    entries = ledger.call("AssetRegistry", ledger.contracts.asset_registry, "tokenRulesOf", token)
    under = {(entry % 2**160).to_bytes(20) for entry in entries}

    def value(rule: str) -> int:
        place = _place(ledger, rule)
        return int(ledger.call(rule, place, "valueOf", token)) if place in under else 0

    bits = value("RequiredClaims")
    classes = frozenset(kind for kind in InvestorClass if bits >> kind & 1)
    return TokenRules(**{field: value(rule) for field, rule in _FIELDS.items()}, classes=classes)


def set_token_rules(
    ledger: Ledger, cusip: str, rules: TokenRules, *, exempt: Mapping[str, Collection[str]] | None = None
) -> None:
    """Put a security under these rules and no others.

    Holders are counted first, so that a limit of their number begins with those there are.

    Parameters
    ----------
    exempt
        Rule ("ShareOfSupply", "LockUp", ...) -> parties that it does not bind: dealers, and those that hold for others.
    """
    token, registry = ledger.require_token(cusip), ledger.contracts.asset_registry
    values = {rule: getattr(rules, field) for field, rule in _FIELDS.items()}
    values["RequiredClaims"] = sum(1 << kind for kind in rules.classes)
    steps = [_step(ledger, rule, "setValue", token, value) for rule, value in values.items()]
    for rule, parties in (exempt or {}).items():
        steps += [_step(ledger, rule, "setExempt", token, bytes32(party), True) for party in parties]
    if rules.most_holders:
        steps.append(_step(ledger, "HolderCount", "sync", token, [bytes32(name) for name in ledger.books().parties()]))
    places = sorted(_place(ledger, rule) for rule, value in values.items() if value)
    steps.append(Step(LIMITS_KEY, registry, encode_call("AssetRegistry", "setTokenRules", token, places)))
    ledger.send(steps)


def _place(ledger: Ledger, rule: str) -> bytes:
    place: bytes = getattr(ledger.contracts, RULE_PLACES[rule])
    return place


def _step(ledger: Ledger, rule: str, function: str, *arguments: object) -> Step:
    return Step(LIMITS_KEY, _place(ledger, rule), encode_call(rule, function, *arguments))
