// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InstructionHash} from "./Instruction.sol";

/// @title PackedInstructions
/// @notice Many instructions in a sixth of the bytes that the ABI takes: addresses are places in a table, numbers and
/// hashes are a byte that says how many bytes follow, big-endian, and these.
///
///   count 2, then each instruction:
///   notBefore, deadline, nonce, contextHash, planHash: numbers
///   legs 1, then each leg: token 2, from 2, to 2 (places in the table), amount: a number
///   where each has its own signatures: signatures 1, then each: length 2, and its bytes
///
/// @dev What is signed is not this: an instruction is written out as the ABI has it, and hashed from there. So nothing
/// hangs on a number having one form only; whatever cannot be an instruction is refused whole. Held to a plain twin by
/// a fuzz test.
library PackedInstructions {
    /// @notice Instruction number `instruction` ends too late, or has a time beyond 64 bits or an address not in the
    /// table; or, said of the number of instructions, there is something behind the last one.
    error MalformedInstruction(uint256 instruction);

    /// @dev Where the arguments of a call begin: behind its length and the selector.
    uint256 private constant ARGUMENTS = 0x24;

    /// @dev Where its instruction begins, and where that one's legs do, without their number.
    uint256 private constant HEAD = 0xa4;
    uint256 private constant LEGS = 0x184;

    /// @notice Each instruction as a call of `selector`(bytes32 hash, bool signed, Instruction, bytes[] signatures),
    /// whose hash is yet to be set; and their hashStructs.
    /// @param signed Whether the instructions have no signatures of their own.
    function unpack(
        bytes calldata packed,
        address[] memory table,
        bytes4 selector,
        bool signed
    ) internal pure returns (bytes[] memory calls, bytes32[] memory hashes) {
        uint256 next;
        uint256 end;
        uint256 count;
        assembly ("memory-safe") {
            next := add(packed.offset, 2)
            end := add(packed.offset, packed.length)
            count := shr(240, calldataload(packed.offset))
        }
        if (next > end) revert MalformedInstruction(0);
        (calls, hashes) = (new bytes[](count), new bytes32[](count));
        for (uint256 i = 0; i < count; ++i) {
            bytes memory data = _begin(selector, signed);
            bool sound;
            (next, sound) = _fields(data, next);
            bool known;
            (next, known) = _legs(data, next, table);
            hashes[i] = _hash(data);
            next = _signatures(data, next, signed);
            if (!sound || !known || next > end) revert MalformedInstruction(i);
            calls[i] = data;
        }
        if (next != end) revert MalformedInstruction(count);
    }

    /// @notice Sets the hash that a call tells.
    function setHash(bytes memory data, bytes32 hash) internal pure {
        assembly ("memory-safe") {
            mstore(add(data, ARGUMENTS), hash)
        }
    }

    /// @notice Number of legs of a call's instruction.
    function legsOf(bytes memory data) internal pure returns (uint256 legs) {
        assembly ("memory-safe") {
            legs := mload(add(data, sub(LEGS, 0x20)))
        }
    }

    /// @notice Giver of a leg of a call's instruction, which has that many.
    function giverOf(bytes memory data, uint256 leg) internal pure returns (address giver) {
        assembly ("memory-safe") {
            giver := mload(add(add(data, add(LEGS, 0x20)), shl(7, leg)))
        }
    }

    /// @dev A call is written at the end of memory, which is given to it when its length is known (`_signatures`).
    function _begin(bytes4 selector, bool signed) private pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(add(data, 0x20), selector)
            mstore(add(data, add(ARGUMENTS, 0x20)), signed)
            mstore(add(data, add(ARGUMENTS, 0x40)), 0x80)
        }
    }

    /// @dev Writes the five numbers of the instruction at `place`, and how many legs it has.
    function _fields(bytes memory data, uint256 place) private pure returns (uint256 next, bool sound) {
        assembly ("memory-safe") {
            function expand(at, field) -> behind {
                let size := byte(0, calldataload(at))
                at := add(at, 1)
                mstore(field, shr(sub(256, shl(3, size)), calldataload(at)))
                behind := add(at, size)
            }
            let field := add(data, add(HEAD, 0x20))
            next := expand(place, field)
            next := expand(next, add(field, 0x20))
            next := expand(next, add(field, 0x40))
            next := expand(next, add(field, 0x60))
            next := expand(next, add(field, 0x80))
            mstore(add(field, 0xa0), byte(0, calldataload(next)))
            next := add(next, 1)
            sound := iszero(shr(64, or(mload(field), mload(add(field, 0x20)))))
        }
    }

    /// @dev Writes the legs at `place`.
    function _legs(
        bytes memory data,
        uint256 place,
        address[] memory table
    ) private pure returns (uint256 next, bool known) {
        assembly ("memory-safe") {
            next := place
            known := 1
            let accounts := add(table, 0x20)
            let behind := add(accounts, shl(5, mload(table)))
            let leg := add(data, LEGS)
            let last := add(leg, shl(7, mload(sub(leg, 0x20))))
            for {} lt(leg, last) { leg := add(leg, 0x80) } {
                let word := calldataload(next)
                next := add(next, 7)
                let at := add(accounts, shl(5, shr(240, word)))
                known := and(known, lt(at, behind))
                mstore(leg, mload(at))
                at := add(accounts, and(shr(219, word), 0x1fffe0))
                known := and(known, lt(at, behind))
                mstore(add(leg, 0x20), mload(at))
                at := add(accounts, and(shr(203, word), 0x1fffe0))
                known := and(known, lt(at, behind))
                mstore(add(leg, 0x40), mload(at))
                let size := byte(6, word)
                mstore(add(leg, 0x60), shr(sub(256, shl(3, size)), calldataload(next)))
                next := add(next, size)
            }
        }
    }

    /// @dev hashStruct of the instruction, hashed where it lies: its type's hash stands for a moment in the word before
    /// its first, and that of a leg in the word before the leg.
    function _hash(bytes memory data) private pure returns (bytes32 hash) {
        bytes32 typeHash = InstructionHash.INSTRUCTION_TYPEHASH;
        bytes32 legTypeHash = InstructionHash.LEG_TYPEHASH;
        assembly ("memory-safe") {
            let head := add(data, HEAD)
            let before := add(data, sub(LEGS, 0x20))
            let last := add(before, shl(7, mload(before)))
            let hashes := add(last, 0x20)
            let hashed := hashes
            for {} lt(before, last) { before := add(before, 0x80) } {
                let kept := mload(before)
                mstore(before, legTypeHash)
                mstore(hashed, keccak256(before, 0xa0))
                mstore(before, kept)
                hashed := add(hashed, 0x20)
            }
            mstore(sub(head, 0x20), typeHash)
            mstore(head, keccak256(hashes, sub(hashed, hashes)))
            hash := keccak256(sub(head, 0x20), 0xe0)
            mstore(head, 0xc0)
        }
    }

    /// @dev Writes the signatures at `place` behind the legs, and ends the call there.
    function _signatures(bytes memory data, uint256 place, bool signed) private pure returns (uint256 next) {
        assembly ("memory-safe") {
            next := place
            let list := add(data, LEGS)
            list := add(list, shl(7, mload(sub(list, 0x20))))
            let count := 0
            if iszero(signed) {
                count := byte(0, calldataload(next))
                next := add(next, 1)
            }
            mstore(list, count)
            let offset := add(list, 0x20)
            let offsets := offset
            let last := add(offset, shl(5, count))
            let end := last
            for {} lt(offset, last) { offset := add(offset, 0x20) } {
                let size := shr(240, calldataload(next))
                mstore(offset, sub(end, offsets))
                let behind := add(end, and(add(size, 0x3f), not(0x1f)))
                mstore(sub(behind, 0x20), 0)
                mstore(end, size)
                calldatacopy(add(end, 0x20), add(next, 2), size)
                next := add(add(next, 2), size)
                end := behind
            }
            mstore(add(data, add(ARGUMENTS, 0x60)), sub(list, add(data, ARGUMENTS)))
            mstore(data, sub(end, add(data, 0x20)))
            mstore(0x40, and(add(end, 0x1f), not(0x1f)))
        }
    }
}
