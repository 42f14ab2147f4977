"""The largest instructions fit the embedded chain's limit of a quarter of 2^24 gas, under whatever rules."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from coincurve import PrivateKey
from eth_abi import encode

from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.limits import COUNTED_LEGS
from tbill_defi.ledger.settlement import MAX_LEGS
from tests.unit.contracts.conftest import World, word


def address_of(key: PrivateKey) -> str:
    return "0x" + keccak256(key.public_key.format(compressed=False)[1:])[12:].hex()


def sign(key: PrivateKey, digest: bytes) -> bytes:
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


@dataclass
class Trade:
    """A dealer sells many securities to a client for cash, as a plan that both signed."""

    world: World
    legs: int

    def __post_init__(self) -> None:
        world = self.world
        self.keys = sorted((PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)), key=address_of)
        self.dealer, self.client = map(address_of, self.keys)
        world.enrol("dealer", self.dealer)
        world.enrol("client", self.client)
        cash = world.contracts["CashToken"]
        cash.send("issue", self.client, 10**12)
        names = [f"91282C{i:03d}" for i in range(self.legs - 1)]
        self.tokens = [world.create(name) for name in names]
        for token in self.tokens:
            token.send("issue", self.dealer, 2 * 10**9)
        self.moves = [(t.address, self.dealer, self.client, 10**9) for t in self.tokens]
        self.moves.append((cash.address, self.client, self.dealer, len(names) * 10**9))
        ids = {self.dealer: word("dealer"), self.client: word("client")}
        self.words = b"".join(
            word(asset) + ids[giver] + ids[taker] + amount.to_bytes(32, "big")
            for asset, (_, giver, taker, amount) in zip([*names, "USD"], self.moves, strict=True)
        )

    def settle(self, times: int) -> int:
        """Gas that it uses, in a second of its own."""
        self.world.set_time(self.world.now + 1)
        context = keccak256(bytes([times]))
        plan = keccak256(encode(["bytes32", "bytes32"], [context, keccak256(self.words)]))
        instruction = (self.moves, 0, 2**63, times, context, plan)
        settlement = self.world.contracts["Settlement"]
        digest = settlement.view("hashInstruction", instruction)
        settlement.send("settle", instruction, [sign(key, digest) for key in self.keys])
        gas = self.world.gas_used
        assert all(t.view("balanceOf", self.client) == times * 10**9 for t in self.tokens)
        assert settlement.view("isPlanSettled", self.client, plan)
        return gas


def rules_of(world: World, *names: str) -> None:
    """Limits that nobody reaches, on everybody or (own) on both parties."""
    compliance, much = world.contracts["Compliance"], 10**18
    if "trade" in names:
        compliance.send("setTradeLimit", much)
    if "country" in names:
        compliance.send("setCountries", 1, [840])
    if "volume" in names:
        compliance.send("setVolumeLimit", much, 86_400)
    if "cap" in names:
        compliance.send("setHoldingCap", much)
    for party in ("dealer", "client") if "own" in names else ():
        compliance.send("setOwnLimits", word(party), True, much, much)


@pytest.mark.parametrize(
    ("legs", "rules"),
    [
        (MAX_LEGS, ()),
        (MAX_LEGS, ("trade", "country")),
        (COUNTED_LEGS, ("trade", "country", "volume", "cap", "own")),
    ],
)
def test_the_legs_that_are_allowed_use_less_than_a_quarter_of_the_gas_limit(
    world: World, legs: int, rules: tuple[str, ...]
) -> None:
    trade = Trade(world, legs)
    rules_of(world, *rules)
    assert world.contracts["Compliance"].view("countsIdentities") == ("cap" in rules)
    assert trade.settle(1) < 2**22, "to new holders"
    assert trade.settle(2) < 2**22, "to holders whose earlier balance must be kept"


def test_a_busy_day_costs_no_more(world: World) -> None:
    """What an exchange costs under every rule does not grow with the entries inside the window."""
    trade = Trade(world, 2)
    rules_of(world, "trade", "country", "volume", "cap", "own")
    trade.tokens[0].send("issue", trade.dealer, 10**12)
    found = [trade.settle(times) for times in range(1, 130)]
    assert max(found[2:]) - min(found[2:]) < 1_000
    assert max(found[2:]) < 280_000
