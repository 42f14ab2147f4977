// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SortedAddresses
/// @notice Distinct addresses in memory, ascending.
/// @dev Written for the hot path of Settlement: a search costs about 70 gas a step. Addresses come as the decoder of
/// an ABI leaves them, with nothing in the upper 96 bits of their words.
library SortedAddresses {
    /// @notice An empty list with room for `capacity` addresses.
    function create(uint256 capacity) internal pure returns (uint256[] memory list) {
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore(list, 0)
            mstore(0x40, add(list, shl(5, add(capacity, 1))))
        }
    }

    /// @notice Puts `account` in its place unless it is there. The caller has made room.
    function insert(uint256[] memory list, address account) internal pure {
        bool behindAll;
        assembly ("memory-safe") {
            let length := mload(list)
            let last := add(list, shl(5, length))
            behindAll := or(iszero(length), gt(account, mload(last)))
            if behindAll {
                mstore(add(last, 0x20), account)
                mstore(list, add(length, 1))
            }
        }
        if (behindAll) return;
        uint256 index = indexOf(list, account);
        assembly ("memory-safe") {
            let length := mload(list)
            let place := add(add(list, 0x20), shl(5, index))
            if iszero(eq(mload(place), account)) {
                mcopy(add(place, 0x20), place, shl(5, sub(length, index)))
                mstore(place, account)
                mstore(list, add(length, 1))
            }
        }
    }

    /// @notice Index of the first address that is not below `account`: its own if it is in the list.
    function indexOf(uint256[] memory list, address account) internal pure returns (uint256 low) {
        assembly ("memory-safe") {
            let high := mload(list)
            for {} lt(low, high) {} {
                let middle := shr(1, add(low, high))
                switch lt(mload(add(add(list, 0x20), shl(5, middle))), account)
                case 0 { high := middle }
                default { low := add(middle, 1) }
            }
        }
    }

    /// @notice The address at `index`, which is less than the list's length.
    function get(uint256[] memory list, uint256 index) internal pure returns (address account) {
        assembly ("memory-safe") {
            account := mload(add(add(list, 0x20), shl(5, index)))
        }
    }
}
