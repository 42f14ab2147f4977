// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IManagedAccount
/// @notice An account that names a guard. It is recognised by ERC-165.
interface IManagedAccount {
    /// @notice The contract that is asked after each settlement that touched this account.
    function guard() external view returns (address);
}
