"""The types that givers sign, after the type strings of contracts/src/settlement/Instruction.sol."""

INSTRUCTION_TYPES = {
    "Leg": [
        {"name": "token", "type": "address"},
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "amount", "type": "uint256"},
    ],
    "Instruction": [
        {"name": "legs", "type": "Leg[]"},
        {"name": "notBefore", "type": "uint64"},
        {"name": "deadline", "type": "uint64"},
        {"name": "nonce", "type": "uint256"},
        {"name": "contextHash", "type": "bytes32"},
        {"name": "planHash", "type": "bytes32"},
    ],
}
