// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bytes32Text
/// @notice ASCII identifiers kept in a word, padded right with zeros.
library Bytes32Text {
    /// @notice The text before the padding.
    function toText(bytes32 word) internal pure returns (string memory) {
        uint256 length = 0;
        while (length < 32 && word[length] != 0) ++length;
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; ++i) text[i] = word[i];
        return string(text);
    }
}
