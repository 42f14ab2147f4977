// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {IMandateGuard} from "../interfaces/IMandateGuard.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "./Instruction.sol";

/// @title OwnEntries
/// @notice A party whose instructions settle through its own functions only, past its books never.
/// @dev It is a managed account that guards itself: Settlement asks it after every instruction that touched it, and it
/// agrees to the one that it is settling itself. Whoever holds all signatures can so do nothing else with them.
abstract contract OwnEntries is IManagedAccount, IMandateGuard, ERC165 {
    /// @notice Where parties' assets move.
    Settlement public immutable settlement;

    /// @dev The plan that is being settled by a function of this contract.
    bytes32 private transient _planHash;

    constructor(Settlement settlement_) {
        settlement = settlement_;
    }

    /// @inheritdoc IManagedAccount
    function guard() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc IMandateGuard
    /// @dev Called after every instruction that touched this contract.
    function check(address, bytes32 planHash, Leg[] calldata) external view {
        if (planHash == 0 || planHash != _planHash) _refuse(planHash);
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view virtual override returns (bool) {
        return interfaceId == type(IManagedAccount).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev Settles one instruction from inside a function of this contract, which may not be entered again meanwhile.
    function _settle(Instruction calldata instruction, bytes[] calldata signatures) internal {
        _planHash = instruction.planHash;
        settlement.settle(instruction, signatures);
        _planHash = 0;
    }

    /// @dev Reverts with the contract's own error.
    function _refuse(bytes32 planHash) internal pure virtual;
}
