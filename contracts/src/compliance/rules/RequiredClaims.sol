// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "../../identity/Claims.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../../RestrictionCodes.sol";
import {Rule} from "./Rule.sol";

/// @title RequiredClaims
/// @notice Who receives a security has a claim of a topic, of one of the classes that its number has a bit for.
/// @dev The number has classes 1 to 87, a bit each from the low end. Whoever holds already may sell: the claim is asked
/// of the recipient alone, when he receives.
contract RequiredClaims is Rule {
    /// @notice Who keeps claims.
    Claims public immutable claims;

    /// @notice Topic that the classes are of.
    uint8 public immutable topic;

    constructor(address authority_, address compliance_, Claims claims_, uint8 topic_) Rule(authority_, compliance_) {
        claims = claims_;
        topic = topic_;
    }

    /// @inheritdoc IComplianceRule
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256, uint8) {
        uint256 classes = valueOf[move.token];
        if (classes == 0 || move.to == 0 || isExempt[move.token][move.to]) return (amount, 0);
        if (claims.claimHolds(move.to, topic, classes, 0) != 0) return (amount, 0);
        return (0, RestrictionCodes.REQUIRED_CLAIM);
    }
}
