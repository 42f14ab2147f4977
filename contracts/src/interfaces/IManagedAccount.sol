// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IManagedAccount
/// @notice An account that names a guard. It is recognised by ERC-165.
interface IManagedAccount {
    /// @notice The contract that is asked after each settlement that touched this account.
    function guard() external view returns (address);
}

/// @title IAccountRoles
/// @notice Whose money an account holds, who deals with it, and how long the owner's loosening takes.
interface IAccountRoles {
    /// @notice Sets the guard's limits; withdraws, after the delay.
    function owner() external view returns (address);

    /// @notice Signs instructions.
    function manager() external view returns (address);

    /// @notice Seconds between the announcement of a loosening and its effect.
    function delay() external view returns (uint64);
}
