"""The rules of one security: which it is under, their numbers, and whom they do not bind."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tbill_defi.chain.types import Call
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.claims import InvestorClass
from tbill_defi.ledger.deployment import RULE_PLACES, Step
from tbill_defi.ledger.early_redemption import QUEUE
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import TREASURY
from tbill_defi.ledger.repo_terms import FACILITY
from tbill_defi.ledger.securities import required_security

LIMITS_KEY = "compliance"
CUSTODIANS = (TREASURY, FACILITY, QUEUE)
"""Parties that hold for others, or for a moment: no rule of a security binds them."""
MOVE_GAS = 13_000
RULE_GAS = {
    "ShareOfSupply": 4_000,
    "HolderCount": 85_000,
    "LockUp": 40_000,
    "MinimumHolding": 4_000,
    "RequiredClaims": 8_000,
}
UNKNOWN_RULE_GAS = 400_000
"""What a leg under rules costs more, whatever the rules; for each rule; and for one that is not of this ledger: all
that it is asked and told with."""
_AT_ONCE = 32
"""Parties counted in one transaction, with up to 16 wallets each: under a quarter of the gas limit."""
MOST_LOCK_UP_SECONDS = 10 * 366 * 86_400
"""Longest lock-up, as in contracts/src/compliance/rules/LockUp.sol."""
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

    def count(self) -> int:
        """How many rules bind."""
        values = (self.share_of_supply_bp, self.most_holders, self.lock_up_seconds, self.minimum_holding, self.classes)
        return sum(1 for value in values if value)

    def figure(self, code: int) -> str:
        """What the rule of a restriction code (20 to 25) allows, in words; the empty string for any other."""
        match code:
            case 20:
                return " or ".join(kind.label for kind in sorted(self.classes))
            case 21:
                return f"{percent(self.share_of_supply_bp)} of it at most"
            case 22:
                return f"{self.most_holders:,} at most"
            case 23:
                return f"{span(self.lock_up_seconds)} from receipt"
            case 24 | 25:
                return f"{format_units(self.minimum_holding)} or nothing"
        return ""


def percent(basis_points: int) -> str:
    """Basis points as percent, exact: 2500 is "25%", 2505 is "25.05%"."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}{f'.{rest:02d}'.rstrip('0') if rest else ''}%"


def span(seconds: int) -> str:
    """A length in the largest unit that divides it: "30 days", "36 h", "90 s"."""
    for unit, words in ((86_400, "days"), (3_600, "h")):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit:,} {words}"
    return f"{seconds:,} s"


def token_rules(ledger: Ledger, cusip: str) -> TokenRules:
    """The rules that a security on the ledger is under; LedgerError "UnknownAsset" if it has no token."""
    token = required_security(ledger, cusip)
    entries = ledger.call("AssetRegistry", ledger.contracts.asset_registry, "tokenRulesOf", token)
    under = {(entry % 2**160).to_bytes(20) for entry in entries}

    def value(rule: str) -> int:
        place = _place(ledger, rule)
        return int(ledger.call(rule, place, "valueOf", token)) if place in under else 0

    bits = value("RequiredClaims")
    classes = frozenset(kind for kind in InvestorClass if bits >> kind & 1)
    return TokenRules(**{field: value(rule) for field, rule in _FIELDS.items()}, classes=classes)


def exempt_parties(ledger: Ledger, cusip: str) -> tuple[str, ...]:
    """Parties that no rule of a security binds, but its custodians; sorted by name."""
    names = sorted(set(ledger.books().parties()) - set(CUSTODIANS))
    found = _exemptions(ledger, required_security(ledger, cusip), names)
    return tuple(name for name in names if all(found[name, rule] for rule in RULE_PLACES))


def rule_gas(ledger: Ledger) -> dict[str, int]:
    """Gas that a leg of each security under rules costs more than one of a security without, by CUSIP.

    Where a leg of one wallet a side meets the dearest state: a new holder, a sender who leaves. Empty on a node, where
    all legs of an instruction fit.
    """
    if ledger.chain.shared:
        return {}
    names, place = ledger.books().securities(), ledger.contracts.asset_registry
    calls = [
        Call(bytes(20), place, encode_call("AssetRegistry", "tokenRulesOf", required_security(ledger, name)))
        for name in names
    ]
    receipts = ledger.simulate((), then=calls)
    ledger.require_success(receipts)
    gas_of = {_place(ledger, rule): gas for rule, gas in RULE_GAS.items()}
    found = {}
    for name, receipt in zip(names, receipts, strict=True):
        (entries,) = decode_result("AssetRegistry", "tokenRulesOf", receipt.return_data)
        if entries:
            places = ((entry % 2**160).to_bytes(20) for entry in entries)
            found[name] = MOVE_GAS + sum(gas_of.get(one, UNKNOWN_RULE_GAS) for one in places)
    return found


def holders_of(ledger: Ledger, cusip: str) -> int:
    """Identities that a security's rule on holders counts; 0 while it is not under that rule."""
    token = required_security(ledger, cusip)
    return int(ledger.call("HolderCount", _place(ledger, "HolderCount"), "holdersOf", token))


def set_token_rules(
    ledger: Ledger, cusip: str, rules: TokenRules, *, exempt: Collection[str] = (), bind: Collection[str] = ()
) -> None:
    """Put a security under these rules and no others.

    Holders are counted first, so that a limit of their number begins with those there are.

    Parameters
    ----------
    exempt
        Parties that no rule binds from now on: dealers, and those that hold for others. `CUSTODIANS` are always.
    bind
        Parties that the rules bind again.

    Raises
    ------
    LedgerError
        If the ledger has no such security or party, or a number is more than its rule takes.
    """
    token, registry = required_security(ledger, cusip), ledger.contracts.asset_registry
    known = ledger.books().parties()
    for party in (*exempt, *bind):
        if party not in known:
            raise LedgerError(f"party {party!r} is not on this ledger; parties: {', '.join(known)}", "UnknownParty")
    values = {rule: getattr(rules, field) for field, rule in _FIELDS.items()}
    values["RequiredClaims"] = sum(1 << kind for kind in rules.classes)
    steps = [_step(ledger, rule, "setValue", token, value) for rule, value in values.items()]
    flags = {**dict.fromkeys((*CUSTODIANS, *exempt), True), **dict.fromkeys(bind, False)}
    now = _exemptions(ledger, token, flags)
    steps += [
        _step(ledger, rule, "setExempt", token, bytes32(party), flags[party])
        for (party, rule), flag in now.items()
        if flag != flags[party]
    ]
    if rules.most_holders:
        names = [bytes32(name) for name in dict.fromkeys((*known, *CUSTODIANS))]
        steps += [
            _step(ledger, "HolderCount", "sync", token, names[at : at + _AT_ONCE])
            for at in range(0, len(names), _AT_ONCE)
        ]
    places = sorted(_place(ledger, rule) for rule, value in values.items() if value)
    steps.append(Step(LIMITS_KEY, registry, encode_call("AssetRegistry", "setTokenRules", token, places)))
    ledger.send(steps)


def _exemptions(ledger: Ledger, token: bytes, parties: Iterable[str]) -> dict[tuple[str, str], bool]:
    """(party, rule) -> whether the rule does not bind it."""
    pairs = [(party, rule) for party in parties for rule in RULE_PLACES]
    calls = [
        Call(bytes(20), _place(ledger, rule), encode_call(rule, "isExempt", token, bytes32(party)))
        for party, rule in pairs
    ]
    receipts = ledger.simulate((), then=calls)
    ledger.require_success(receipts)
    answers = (bool(decode_result("LockUp", "isExempt", receipt.return_data)[0]) for receipt in receipts)
    return dict(zip(pairs, answers, strict=True))


def _place(ledger: Ledger, rule: str) -> bytes:
    place: bytes = getattr(ledger.contracts, RULE_PLACES[rule])
    return place


def _step(ledger: Ledger, rule: str, function: str, *arguments: object) -> Step:
    return Step(LIMITS_KEY, _place(ledger, rule), encode_call(rule, function, *arguments))
