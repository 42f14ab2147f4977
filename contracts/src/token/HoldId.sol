// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title HoldId
/// @notice Name of a hold: its holder's own, so that nobody takes it before him.
library HoldId {
    function derive(address holder, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(holder, salt));
    }
}
