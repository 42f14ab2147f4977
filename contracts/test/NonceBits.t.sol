// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {NonceBits} from "src/settlement/NonceBits.sol";
import {Test} from "./base/Test.sol";

/// @notice Where nonces are kept: at the hash of three words, whatever is behind them in memory.
contract NonceBitsTest is Test {
    function _slotOf(address giver, uint256 nonce, uint256 dirt) private pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let place := 0 } lt(place, 0xa0) { place := add(place, 0x20) } { mstore(add(free, place), dirt) }
        }
        StorageSlot.Uint256Slot storage word = NonceBits.wordOf(giver, nonce);
        assembly ("memory-safe") {
            slot := word.slot
        }
    }

    function testFuzz_I6_a_word_is_the_hash_of_three(address giver, uint256 nonce, uint256 dirt) public pure {
        bytes32 namespace = keccak256("tbill_defi.Settlement.nonces");
        bytes32 slot = _slotOf(giver, nonce, dirt);
        assertEq(slot, keccak256(abi.encode(giver, nonce >> 8, namespace)), "three words");
        assertEq(slot, _slotOf(giver, nonce ^ 0xff, ~dirt), "of all that differ in the last 8 bits");
    }
}
