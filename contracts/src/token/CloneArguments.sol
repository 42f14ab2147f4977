// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title CloneArguments
/// @notice Words that stand in a clone's own code, behind the 45 bytes of the ERC-1167 proxy.
/// @dev Layout of OpenZeppelin's `cloneDeterministicWithImmutableArgs` with `abi.encode(...)` of static values as
/// arguments. A word is read without copying the rest. The implementation itself has no arguments: it reads zeros, so
/// that it has no authority and no compliance, and nothing can be issued on it.
abstract contract CloneArguments {
    uint256 private constant PROXY_BYTES = 0x2d;
    address private immutable _implementation = address(this);

    /// @dev The contract whose code every clone runs.
    function _sharedImplementation() internal view returns (address) {
        return _implementation;
    }

    function _argument(uint256 index) internal view returns (bytes32 word) {
        if (address(this) == _implementation) return 0;
        uint256 offset = PROXY_BYTES + 32 * index;
        assembly ("memory-safe") {
            extcodecopy(address(), 0x00, offset, 0x20)
            word := mload(0x00)
        }
    }
}
