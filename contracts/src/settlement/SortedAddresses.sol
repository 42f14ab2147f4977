// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";

/// @title SortedAddresses
/// @notice Distinct addresses in memory, ascending.
library SortedAddresses {
    /// @notice An empty list with room for `capacity` addresses.
    function create(uint256 capacity) internal pure returns (uint256[] memory list) {
        list = new uint256[](capacity);
        assembly ("memory-safe") {
            mstore(list, 0)
        }
    }

    /// @notice Puts `account` in its place unless it is there. The caller has made room.
    function insert(uint256[] memory list, address account) internal pure {
        uint256 item = uint160(account);
        uint256 index = Arrays.lowerBoundMemory(list, item);
        uint256 length = list.length;
        if (index < length && list[index] == item) return;
        assembly ("memory-safe") {
            let place := add(add(list, 0x20), mul(index, 0x20))
            mcopy(add(place, 0x20), place, mul(sub(length, index), 0x20))
            mstore(place, item)
            mstore(list, add(length, 1))
        }
    }

    /// @notice The address at `index`.
    function get(uint256[] memory list, uint256 index) internal pure returns (address) {
        return address(uint160(list[index]));
    }
}
