// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title PlanWords
/// @notice What a plan's legs hash is made of: per leg (asset id, giver's id, taker's id, amount), nothing between.
library PlanWords {
    /// @notice Room for `legs` legs.
    function create(uint256 legs) internal pure returns (bytes memory words) {
        words = new bytes(128 * legs);
    }

    /// @notice Writes leg number `leg`; legs are written in order.
    /// @return ascends Whether its ids come strictly after those of the leg before.
    function put(
        bytes memory words,
        uint256 leg,
        bytes32 assetId,
        bytes32 fromId,
        bytes32 toId,
        uint256 amount
    ) internal pure returns (bool ascends) {
        assembly ("memory-safe") {
            let place := add(add(words, 0x20), shl(7, leg))
            mstore(place, assetId)
            mstore(add(place, 0x20), fromId)
            mstore(add(place, 0x40), toId)
            mstore(add(place, 0x60), amount)
            ascends := 1
            if leg {
                let before := sub(place, 0x80)
                ascends := gt(assetId, mload(before))
                if eq(assetId, mload(before)) {
                    ascends := gt(fromId, mload(add(before, 0x20)))
                    if eq(fromId, mload(add(before, 0x20))) {
                        ascends := gt(toId, mload(add(before, 0x40)))
                    }
                }
            }
        }
    }
}
