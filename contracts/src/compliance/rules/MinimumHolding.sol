// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../../RestrictionCodes.sol";
import {Rule} from "./Rule.sol";

/// @title MinimumHolding
/// @notice An identity has nothing of a security, or at least so many units: it receives no less, and leaves no less.
/// @dev Whoever has less already, after a redemption in part, may send all or nothing.
contract MinimumHolding is Rule {
    constructor(address authority_, address compliance_) Rule(authority_, compliance_) {}

    /// @inheritdoc IComplianceRule
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256 largest, uint8 code) {
        uint256 minimum = valueOf[move.token];
        largest = amount;
        if (move.from != 0 && largest < move.fromUnits && !isExempt[move.token][move.from]) {
            uint256 spare = Math.saturatingSub(move.fromUnits, minimum);
            if (spare < largest) (largest, code) = (spare, RestrictionCodes.SENDER_MINIMUM);
        }
        if (largest != 0 && move.to != 0 && move.toUnits + Math.min(largest, type(uint128).max) < minimum) {
            if (!isExempt[move.token][move.to]) (largest, code) = (0, RestrictionCodes.RECIPIENT_MINIMUM);
        }
    }
}
