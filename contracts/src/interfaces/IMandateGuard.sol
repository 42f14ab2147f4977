// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IMandateGuard
/// @notice Judges the state an account is in after a settlement.
interface IMandateGuard {
    /// @notice Reverts if the account is now outside its mandate: the whole instruction is then undone.
    function check(address account, bytes32 planHash) external;
}
