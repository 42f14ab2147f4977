// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice An ERC-1271 wallet of one owner that can be told to misbehave.
contract ContractWallet is IERC1271 {
    enum Mood {
        Honest,
        Refuse,
        RevertSilently,
        RevertLoudly,
        BurnGas,
        Reenter
    }

    address private immutable _owner;
    Mood public mood;
    address private _target;
    bytes private _call;

    constructor(address owner) {
        _owner = owner;
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setReentry(address target, bytes calldata call_) external {
        (mood, _target, _call) = (Mood.Reenter, target, call_);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (mood == Mood.Refuse) return 0xffffffff;
        if (mood == Mood.RevertSilently) revert();
        if (mood == Mood.RevertLoudly) revert("not today");
        if (mood == Mood.BurnGas) {
            while (true) {}
        }
        if (mood == Mood.Reenter) {
            (bool success, bytes memory reason) = _target.staticcall(_call);
            require(!success, "re-entered");
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
        (address recovered, , ) = ECDSA.tryRecoverCalldata(hash, signature);
        return recovered == _owner ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
