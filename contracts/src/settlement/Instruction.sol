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
/// @notice EIP-712 struct hashes of an Instruction and of a list of them.
library InstructionHash {
    bytes32 internal constant LEG_TYPEHASH =
        keccak256("Leg(address token,address from,address to,uint256 amount)");

    bytes32 internal constant INSTRUCTION_TYPEHASH =
        keccak256(
            "Instruction(Leg[] legs,uint64 notBefore,uint64 deadline,uint256 nonce,"
            "bytes32 contextHash,bytes32 planHash)"
            "Leg(address token,address from,address to,uint256 amount)"
        );

    bytes32 internal constant BATCH_TYPEHASH =
        keccak256(
            "Batch(Instruction[] instructions)"
            "Instruction(Leg[] legs,uint64 notBefore,uint64 deadline,uint256 nonce,"
            "bytes32 contextHash,bytes32 planHash)"
            "Leg(address token,address from,address to,uint256 amount)"
        );

    /// @notice hashStruct of a list of instructions, which is signed as one, by their hashStructs.
    function batchHash(bytes32[] memory hashes) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_TYPEHASH, keccak256(abi.encodePacked(hashes))));
    }

    /// @notice hashStruct(instruction).
    function structHash(Instruction calldata instruction) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    INSTRUCTION_TYPEHASH,
                    legsHash(instruction.legs),
                    instruction.notBefore,
                    instruction.deadline,
                    instruction.nonce,
                    instruction.contextHash,
                    instruction.planHash
                )
            );
    }

    /// @notice Hash of the concatenated hashStruct of each leg.
    /// @dev A leg is four words in calldata, in the order of its type: they are hashed where they lie, behind the type
    /// hash. Words that are no addresses make a hash like any other here; Settlement refuses to read them.
    function legsHash(Leg[] calldata legs) internal pure returns (bytes32 hash) {
        bytes32 typeHash = LEG_TYPEHASH;
        assembly ("memory-safe") {
            let hashes := mload(0x40)
            let size := mul(legs.length, 0x20)
            let leg := add(hashes, size)
            mstore(leg, typeHash)
            for {
                let done := 0
            } lt(done, size) {
                done := add(done, 0x20)
            } {
                calldatacopy(add(leg, 0x20), add(legs.offset, mul(done, 4)), 0x80)
                mstore(add(hashes, done), keccak256(leg, 0xa0))
            }
            hash := keccak256(hashes, size)
        }
    }
}
