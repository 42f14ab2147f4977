// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leg} from "../settlement/Instruction.sol";

/// @title IMandateGuard
/// @notice Judges the state an account is in after a settlement.
interface IMandateGuard {
    /// @notice Reverts if the account is now outside its mandate: the whole instruction is then undone.
    /// @param legs All legs of the instruction, which have moved.
    function check(address account, bytes32 planHash, Leg[] calldata legs) external;
}

/// @title IMandateBooks
/// @notice The part of a guard that an account tells of units that left it on another way.
interface IMandateBooks {
    /// @notice Lowers what is accounted of a token to what the account has.
    function sync(address account, address token) external;
}
