// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../../RestrictionCodes.sol";
import {Rule} from "./Rule.sol";

/// @title ShareOfSupply
/// @notice An identity may receive no more of a security than makes a share of its supply, in basis points.
/// @dev Issuing is not bound: the seller of an issue has all of it for a moment. A share that grew because others were
/// redeemed stays, and nothing is added to it.
contract ShareOfSupply is Rule {
    constructor(address authority_, address compliance_) Rule(authority_, compliance_) {}

    /// @inheritdoc IComplianceRule
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256, uint8) {
        uint256 share = valueOf[move.token];
        if (share == 0 || move.from == 0 || move.to == 0 || isExempt[move.token][move.to]) return (amount, 0);
        uint256 left = Math.saturatingSub((move.supply * share) / 10_000, move.toUnits);
        return left < amount ? (left, RestrictionCodes.SHARE_OF_SUPPLY) : (amount, 0);
    }

    function _most() internal pure override returns (uint256) {
        return 10_000;
    }
}
