// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../../RestrictionCodes.sol";
import {VolumeLog} from "../VolumeLog.sol";
import {Rule} from "./Rule.sol";

/// @title LockUp
/// @notice Units of a security stay with who received them for so many seconds; what he had before goes first.
/// @dev Counted per identity: units received within the period, in (now - period, now], are locked. A transfer is one
/// however it is made: by settlement, by executing a hold, as collateral of a repo, into a redemption queue. A forced
/// transfer locks what it brings. What was received before the rule was set is free.
contract LockUp is Rule {
    using VolumeLog for VolumeLog.Log;

    mapping(address token => mapping(bytes32 identity => VolumeLog.Log)) private _received;

    constructor(address authority_, address compliance_) Rule(authority_, compliance_) {}

    /// @inheritdoc IComplianceRule
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256, uint8) {
        if (move.from == 0 || isExempt[move.token][move.from]) return (amount, 0);
        uint256 free = Math.saturatingSub(move.fromUnits, lockedOf(move.token, move.from));
        return free < amount && amount != 0 ? (free, RestrictionCodes.LOCK_UP) : (amount, 0);
    }

    /// @notice Units that an identity has received within the period.
    function lockedOf(address token, bytes32 identity) public view returns (uint256 units) {
        uint256 period = valueOf[token];
        if (period != 0) (units, ) = _received[token][identity].within(period);
    }

    /// @inheritdoc IComplianceRule
    function moving(Move calldata move, uint256 amount) external override onlyCompliance {
        if (move.to == 0 || move.from == move.to) return;
        VolumeLog.Log storage log = _received[move.token][move.to];
        (, uint256 first) = log.within(valueOf[move.token]);
        log.add(SafeCast.toUint128(amount), first);
    }

    /// @inheritdoc IComplianceRule
    function counts() external pure override returns (bool) {
        return true;
    }

    function _most() internal pure override returns (uint256) {
        return 10 * 366 days;
    }
}
