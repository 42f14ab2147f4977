// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ICompliance
/// @notice Rules that answer with the largest amount they allow, not with yes or no.
interface ICompliance {
    /// @notice The least amount any rule allows, and the code of the rule that binds (0: no rule does).
    function largestAmount(address token, address from, address to) external view returns (uint256 largest, uint8 code);

    /// @notice Whether a wallet has an identity with a valid claim.
    function isVerified(address wallet) external view returns (bool);
}
