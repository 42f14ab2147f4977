// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ISettlementAsset
/// @notice What Settlement and the AssetRegistry ask of a token: who it is, and a move that only Settlement may make.
interface ISettlementAsset {
    /// @notice Only the Settlement fixed at deployment may call this.
    error NotSettlement(address caller);

    /// @notice CUSIP or ISO 4217 code, ASCII, padded right with zeros.
    function assetId() external view returns (bytes32);

    /// @notice The largest amount that `from` can send to `to` now, and the code of the rule that refuses `amount`.
    /// @dev Code 0: it passes. Of a refused amount smaller than some that pass, the largest that passes below it.
    function judge(address from, address to, uint256 amount) external view returns (uint256 largest, uint8 code);

    /// @notice Moves units without an allowance; every rule of a transfer applies. Reverts or succeeds whole.
    function settlementTransfer(address from, address to, uint256 amount) external;
}
