// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IComplianceRule, Move} from "src/interfaces/IComplianceRule.sol";

/// @notice A rule that answers as it is told to, fails, eats gas, floods memory, or calls back when it is told of a move.
contract RogueRule is IComplianceRule {
    enum Way {
        Allow,
        Revert,
        Burn,
        Flood,
        Call
    }

    Way public asked;
    Way public told;
    uint256 public allowed = type(uint256).max;
    uint256 public code;
    address private _target;
    bytes private _data;
    bool public succeeded;

    function act(Way asked_, Way told_) external {
        (asked, told) = (asked_, told_);
    }

    function answer(uint256 allowed_, uint256 code_) external {
        (allowed, code) = (allowed_, code_);
    }

    function callBack(address target, bytes calldata data) external {
        (told, _target, _data) = (Way.Call, target, data);
    }

    function largestOf(Move calldata, uint256) external view returns (uint256, uint8) {
        _misbehave(asked);
        (uint256 first, uint256 second) = (allowed, code);
        assembly ("memory-safe") {
            mstore(0x00, first)
            mstore(0x20, second)
            return(0x00, 0x40)
        }
    }

    function moving(Move calldata, uint256) external {
        if (told == Way.Call) (succeeded, ) = _target.call(_data);
        else _misbehave(told);
    }

    function counts() external pure returns (bool) {
        return true;
    }

    function _misbehave(Way way) private pure {
        if (way == Way.Revert) revert("rogue");
        if (way == Way.Flood) {
            assembly ("memory-safe") {
                revert(0, 20000)
            }
        }
        while (way == Way.Burn) {}
    }
}
