"""The hashes of an instruction, by other people's code and by the recipe of contracts/README.md."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32
from tests.unit.contracts.eip712 import INSTRUCTION_TYPES

CHAIN_ID = 31_337_001
TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    **INSTRUCTION_TYPES,
}
DEALER, CLIENT = "0x" + "d1" * 20, "0x" + "c1" * 20


@pytest.mark.parametrize("legs", [0, 1, 2, 64])
def test_instruction_hash_is_the_typed_data_hash_of_eth_account(world: Any, legs: int) -> None:
    settlement = world.contracts["Settlement"]
    rows = [(f"0x{i + 1:040x}", DEALER, CLIENT, 10**9 + i) for i in range(legs)]
    instruction = (rows, 5, 2**63, 2**255 + 7, b"\x0c" * 32, b"\x0d" * 32)
    message = {
        "types": TYPES,
        "primaryType": "Instruction",
        "domain": {
            "name": "tbill_defi Settlement",
            "version": "1",
            "chainId": CHAIN_ID,
            "verifyingContract": settlement.address,
        },
        "message": {
            "legs": [dict(zip(("token", "from", "to", "amount"), row, strict=True)) for row in rows],
            "notBefore": 5,
            "deadline": 2**63,
            "nonce": 2**255 + 7,
            "contextHash": b"\x0c" * 32,
            "planHash": b"\x0d" * 32,
        },
    }
    signable = encode_typed_data(full_message=message)
    expected = keccak256(b"\x19\x01" + signable.header + signable.body)
    assert settlement.view("hashInstruction", instruction) == expected


def test_plan_hash_recipe(world: Any) -> None:
    """The contract names the hash it expects: it is the recipe's."""
    world.enrol("dealer", DEALER)
    world.enrol("client", CLIENT)
    note = world.create("91282CPZ8")
    cash = world.contracts["CashToken"]
    settlement = world.contracts["Settlement"]
    context = keccak256(b"context")
    legs = [(note.address, DEALER, CLIENT, 10**9), (cash.address, CLIENT, DEALER, 99 * 10**7)]
    words = [
        bytes32("91282CPZ8") + bytes32("dealer") + bytes32("client") + (10**9).to_bytes(32, "big"),
        bytes32("USD") + bytes32("client") + bytes32("dealer") + (99 * 10**7).to_bytes(32, "big"),
    ]
    plan = keccak256(context + keccak256(b"".join(words)))
    data = settlement.refusal("settle", (legs, 0, 2**63, 1, context, b"\x01" * 32), [])
    assert data == settlement.interface.selector_of_error("PlanMismatch") + plan + b"\x01" * 32
    data = settlement.refusal("settle", (legs, 0, 2**63, 1, context, plan), [])
    assert data[:4] == settlement.interface.selector_of_error("SignatureCountMismatch")
