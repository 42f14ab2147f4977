// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Two holders' balances at any record, for what is shown of a contract's own arithmetic.
contract TwoHolders {
    address private constant ALICE = address(0xA11CE);
    uint256 private _first;
    uint256 private _second;

    function set(uint256 first, uint256 second) external {
        (_first, _second) = (first, second);
    }

    function balanceOfAt(address holder, uint48) external view returns (uint256) {
        return holder == ALICE ? _first : _second;
    }

    function totalSupplyAt(uint48) external view returns (uint256) {
        return _first + _second;
    }
}
