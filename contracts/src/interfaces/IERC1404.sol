// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IERC1404
/// @notice Why a transfer would be refused, as a code and a sentence.
interface IERC1404 {
    /// @notice Code of the rule that refuses this transfer, 0 if none does.
    function detectTransferRestriction(address from, address to, uint256 amount) external view returns (uint8 code);

    /// @notice The sentence that belongs to a code.
    function messageForTransferRestriction(uint8 code) external view returns (string memory message);
}
