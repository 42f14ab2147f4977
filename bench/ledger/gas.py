"""ledger.gas: what a DvP costs on anvil in a second of its own, bare, with each rule, and each rule of a security."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.ledger.peers import ask, node, versions
from bench.ledger.world import ISSUER, PARTIES, PLENTY, TRADE, VOLUME, WINDOW, World
from bench.rows import Row
from tbill_defi.chain.rpc import open_chain
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import InvestorClass, Topic, issue, trust
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, UNITED_STATES, Ledger
from tbill_defi.ledger.limits import set_countries, set_holding_cap, set_trade_limit, set_volume_limit
from tbill_defi.ledger.token_rules import TokenRules, set_token_rules

RULES: dict[str, Callable[[Ledger], None]] = {
    "country": lambda ledger: set_countries(ledger, "admit", [UNITED_STATES]),
    "trade_limit": lambda ledger: set_trade_limit(ledger, TRADE),
    "window": lambda ledger: set_volume_limit(ledger, VOLUME, WINDOW),
    "holding_cap": lambda ledger: set_holding_cap(ledger, 10 * PLENTY),
}
"""One after the other, beside the claims of both identities, which always hold."""
TOKEN_RULES: dict[str, dict[str, Any]] = {
    "share_of_supply": {"share_of_supply_bp": 10_000},
    "holder_count": {"most_holders": 100},
    "lock_up": {"lock_up_seconds": 1},
    "minimum_holding": {"minimum_holding": 1},
    "required_claims": {"classes": frozenset({InvestorClass.ACCREDITED})},
}
"""Rules of the security, one after the other, on top of all the others. The first costs what the asking itself does."""
WARM = 3
"""Settlements before the one that counts: slots are made, and checkpoints have a predecessor."""


def rows() -> list[Row]:
    """Gas bare, of each rule, and of all of them."""
    release = versions()["anvil"]
    with node() as url:
        world = World.on(chain=open_chain(url))
        ask(url, ("anvil_setBlockTimestampInterval", [1]))
        first = last = _gas(world, 0)
        found = [Row("ledger.gas.identity", first, "gas", peer="anvil", peer_version=release)]
        for place, (name, set_rule) in enumerate(RULES.items(), start=1):
            set_rule(world.ledger)
            now = _gas(world, place)
            found.append(Row(f"ledger.gas.{name}", now - last, "gas more", peer="anvil", peer_version=release))
            last = now
        general = last
        _make_claims(world.ledger)
        rules = TokenRules()
        for place, (name, change) in enumerate(TOKEN_RULES.items(), start=1 + len(RULES)):
            rules = replace(rules, **change)
            set_token_rules(world.ledger, world.cusip, rules)
            now = _gas(world, place)
            found.append(Row(f"ledger.gas.{name}", now - last, "gas more", peer="anvil", peer_version=release))
            last = now
    return [Row("ledger.gas", general, "gas, at most", floor=280_000, peer="anvil", peer_version=release), *found]


def _make_claims(ledger: Ledger) -> None:
    """Both parties are accredited, by an issuer that is trusted with it."""
    trust(ledger, ISSUER, [Topic.INVESTOR])
    for party in PARTIES:
        issue(ledger, party, Topic.INVESTOR, issuer=ISSUER, expiry=2**40, class_=InvestorClass.ACCREDITED)


def _gas(world: World, place: int) -> int:
    """Gas of the last of a few settlements, each in a second of its own."""
    ledger = world.ledger
    for signed in world.signed(range(place * (WARM + 1), (place + 1) * (WARM + 1))):
        call = encode_call("Settlement", "settle", signed.instruction.abi_value(), list(signed.signatures))
        (receipt,) = ledger.send([Step(OPERATOR, ledger.contracts.settlement, call)])
    return receipt.gas_used
