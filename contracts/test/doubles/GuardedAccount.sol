// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IManagedAccount} from "src/interfaces/IManagedAccount.sol";
import {IMandateGuard} from "src/interfaces/IMandateGuard.sol";
import {Leg} from "src/settlement/Instruction.sol";
import {ContractWallet} from "./ContractWallet.sol";

/// @notice A managed account: a contract wallet that names a guard.
contract GuardedAccount is ContractWallet, ERC165, IManagedAccount {
    address public guard;

    constructor(address owner, address guard_) ContractWallet(owner) {
        guard = guard_;
    }

    function setGuard(address guard_) external {
        guard = guard_;
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IManagedAccount).interfaceId || super.supportsInterface(interfaceId);
    }
}

/// @notice A guard that wants at least some units of an asset to be left, or misbehaves as told.
contract FloorGuard is IMandateGuard {
    enum Mood {
        Honest,
        RevertSilently,
        RevertWithMuch,
        BurnGas,
        Reenter
    }

    error BelowFloor(uint256 balance, uint256 floor);

    IERC20 private immutable _asset;
    uint256 private immutable _floor;
    Mood public mood;
    address private _target;
    bytes private _call;

    bytes32 public lastPlan;
    address public lastAccount;
    uint256 public checks;

    constructor(IERC20 asset, uint256 floor) {
        (_asset, _floor) = (asset, floor);
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setReentry(address target, bytes calldata call_) external {
        (mood, _target, _call) = (Mood.Reenter, target, call_);
    }

    function check(address account, bytes32 planHash, Leg[] calldata) external {
        (lastAccount, lastPlan) = (account, planHash);
        ++checks;
        if (mood == Mood.RevertSilently) revert();
        if (mood == Mood.RevertWithMuch) {
            assembly ("memory-safe") {
                revert(0, 2000)
            }
        }
        if (mood == Mood.BurnGas) {
            while (true) {}
        }
        if (mood == Mood.Reenter) {
            (bool success, bytes memory reason) = _target.call(_call);
            require(!success, "re-entered");
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        uint256 balance = _asset.balanceOf(account);
        if (balance < _floor) revert BelowFloor(balance, _floor);
    }
}
