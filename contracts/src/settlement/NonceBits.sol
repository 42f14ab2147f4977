// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";

/// @title NonceBits
/// @notice Where a giver's used nonces are kept: a word of 256 bits for those that agree in all but their last 8 bits.
/// @dev One hash finds the word, where a mapping of mappings takes two. It is of three words and a mapping's is of two:
/// no input is both, so that no two words share a place.
library NonceBits {
    bytes32 private constant NAMESPACE = keccak256("tbill_defi.Settlement.nonces");

    /// @notice The word with the bit of this nonce.
    function wordOf(address giver, uint256 nonce) internal pure returns (StorageSlot.Uint256Slot storage word) {
        bytes32 namespace = NAMESPACE;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, giver)
            mstore(add(data, 0x20), shr(8, nonce))
            mstore(add(data, 0x40), namespace)
            word.slot := keccak256(data, 0x60)
        }
    }
}
