// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice `amount` units of `token` from `from` to `to`.
struct Leg {
    address token;
    address from;
    address to;
    uint256 amount;
}

/// @notice Legs that settle together or not at all, signed by every giver.
/// @param notBefore First second (Unix time) at which it may settle.
/// @param deadline Last one.
/// @param nonce Any number the givers have not used.
/// @param contextHash What a plan was made from; zero for a plain exchange.
/// @param planHash Commitment to context and legs; zero for a plain exchange.
struct Instruction {
    Leg[] legs;
    uint64 notBefore;
    uint64 deadline;
    uint256 nonce;
    bytes32 contextHash;
    bytes32 planHash;
}

/// @title InstructionHash
/// @notice EIP-712 struct hash of an Instruction.
library InstructionHash {
    bytes32 internal constant LEG_TYPEHASH =
        keccak256("Leg(address token,address from,address to,uint256 amount)");
    bytes32 internal constant INSTRUCTION_TYPEHASH =
        keccak256(
            "Instruction(Leg[] legs,uint64 notBefore,uint64 deadline,uint256 nonce,bytes32 contextHash,bytes32 planHash)"
            "Leg(address token,address from,address to,uint256 amount)"
        );

    /// @notice hashStruct(instruction).
    function structHash(Instruction calldata instruction) internal pure returns (bytes32) {
        Leg[] calldata legs = instruction.legs;
        bytes32[] memory hashes = new bytes32[](legs.length);
        for (uint256 i = 0; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            hashes[i] = keccak256(abi.encode(LEG_TYPEHASH, leg.token, leg.from, leg.to, leg.amount));
        }
        return
            keccak256(
                abi.encode(
                    INSTRUCTION_TYPEHASH,
                    keccak256(abi.encodePacked(hashes)),
                    instruction.notBefore,
                    instruction.deadline,
                    instruction.nonce,
                    instruction.contextHash,
                    instruction.planHash
                )
            );
    }
}
