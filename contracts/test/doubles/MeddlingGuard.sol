// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMandateGuard} from "src/interfaces/IMandateGuard.sol";
import {Leg} from "src/settlement/Instruction.sol";

/// @notice A guard that makes a call of its own after the last leg, and agrees whatever comes of it.
/// @dev Its code can be put at a key's address, as an EIP-7702 delegation does: the call is then the key's.
contract MeddlingGuard is IMandateGuard {
    address private _target;
    bytes private _call;

    bool public succeeded;
    bytes public answer;

    function plot(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function check(address, bytes32, Leg[] calldata) external {
        (succeeded, answer) = _target.call(_call);
    }
}
