// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAssetRegistry} from "./IAssetRegistry.sol";

/// @title ISecurityLife
/// @notice What other contracts ask of a security's life: when it ends, for how much, what it is indexed to, whether it
/// is in default.
interface ISecurityLife {
    /// @notice Where securities are marked: paused, in default, their denomination.
    function assetRegistry() external view returns (IAssetRegistry);

    /// @notice Unix time at which interest stops and principal is due: the call that was given notice of, or maturity.
    function endOf(address token) external view returns (uint64);

    /// @notice Cash that a face is redeemed for; par while no redemption was opened.
    function redemptionCash(address token, uint256 face) external view returns (uint256);

    /// @notice Reference CPI of the dated date, 10^-5; 0: not indexed.
    function datedCpiOf(address token) external view returns (uint64);

    /// @notice Hash of the evidence of a default; 0: the security performs.
    function defaultOf(address token) external view returns (bytes32);
}
