"""The largest instruction fits the embedded chain's limit of a quarter of 2^24 gas."""

from __future__ import annotations

from typing import Any

from coincurve import PrivateKey
from eth_abi import encode

from tbill_defi.core.hashing import keccak256

LEGS = 64


def word(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


def address_of(key: PrivateKey) -> str:
    return "0x" + keccak256(key.public_key.format(compressed=False)[1:])[12:].hex()


def sign(key: PrivateKey, digest: bytes) -> bytes:
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def test_64_legs_use_less_than_a_quarter_of_the_gas_limit(world: Any) -> None:
    dealer, client = sorted((PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)), key=address_of)
    world.enrol("dealer", address_of(dealer))
    world.enrol("client", address_of(client))
    cash = world.contracts["CashToken"]
    cash.send("issue", address_of(client), 10**12)
    tokens = [world.create(f"91282C{i:03d}") for i in range(LEGS - 1)]
    for token in tokens:
        token.send("issue", address_of(dealer), 2 * 10**9)
    world.set_time(world.now + 1)
    settlement = world.contracts["Settlement"]

    legs = [(t.address, address_of(dealer), address_of(client), 10**9) for t in tokens]
    legs.append((cash.address, address_of(client), address_of(dealer), 63 * 10**9))
    ids = [word(f"91282C{i:03d}") for i in range(LEGS - 1)] + [word("USD")]
    parties = {address_of(dealer): word("dealer"), address_of(client): word("client")}
    words = b"".join(
        asset + parties[giver] + parties[taker] + amount.to_bytes(32, "big")
        for asset, (_, giver, taker, amount) in zip(ids, legs, strict=True)
    )
    for times in (1, 2):  # to new holders, and to holders whose earlier balance must be kept
        context = keccak256(bytes([times]))
        plan = keccak256(encode(["bytes32", "bytes32"], [context, keccak256(words)]))
        instruction = (legs, 0, 2**63, times, context, plan)
        digest = settlement.view("hashInstruction", instruction)
        settlement.send("settle", instruction, [sign(key, digest) for key in (dealer, client)])
        assert world.gas_used < 2**22
        assert all(t.view("balanceOf", address_of(client)) == times * 10**9 for t in tokens)
        assert settlement.view("isPlanSettled", address_of(client), plan)
        world.set_time(world.now + 1)
