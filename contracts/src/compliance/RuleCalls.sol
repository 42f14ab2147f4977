// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IComplianceRule, Move} from "../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../RestrictionCodes.sol";

/// @dev Set above a rule's address in a list if it is to be told of moves.
uint256 constant COUNTS_BIT = 1 << 160;

/// @title RuleCalls
/// @notice Asks the rules of a security, and tells them of moves, whatever they do: each with a bound on its gas and on
/// what it answers.
library RuleCalls {
    /// @notice A rule that was told of a redemption, a forced transfer or a recovery failed; these go on without it.
    event RuleFailed(address indexed token, address indexed rule);

    error RuleRefusedMove(address token, address rule);

    uint256 private constant ASKING_GAS = 200_000;
    uint256 private constant TELLING_GAS = 200_000;

    /// @notice The largest amount, at most `wanted`, that all rules allow and that is a multiple of the denomination,
    /// and the code of what binds.
    /// @dev Each rule gives the largest of its own amounts below what is left, until none takes any more away. What
    /// they do not agree on after so many rounds as there are rules and two more is nothing.
    function least(
        Move memory move,
        uint256[] memory rules,
        uint256 denomination,
        uint256 wanted
    ) internal view returns (uint256 largest, uint8 code) {
        largest = wanted;
        for (uint256 round = 0; round < rules.length + 2; ++round) {
            uint256 before = largest;
            for (uint256 i = 0; i < rules.length && largest != 0; ++i) {
                (uint256 allowed, uint8 why) = _ask(rules[i], move, largest);
                if (allowed < largest) (largest, code) = (allowed, why);
            }
            uint256 odd = largest % denomination;
            if (odd != 0) (largest, code) = (largest - odd, RestrictionCodes.DENOMINATION);
            if (largest == before || largest == 0) return (largest, code);
        }
        return (0, RestrictionCodes.RULE);
    }

    /// @notice Tells the rules that count; `mustPass`: one that fails undoes the move.
    function tell(Move memory move, uint256[] memory rules, uint256 amount, bool mustPass) internal {
        for (uint256 i = 0; i < rules.length; ++i) {
            if (rules[i] & COUNTS_BIT == 0) continue;
            address rule = address(uint160(rules[i]));
            bytes memory data = abi.encodeCall(IComplianceRule.moving, (move, amount));
            bool done;
            assembly ("memory-safe") {
                done := call(TELLING_GAS, rule, 0, add(data, 0x20), mload(data), 0, 0)
            }
            if (done) continue;
            if (mustPass) revert RuleRefusedMove(move.token, rule);
            emit RuleFailed(move.token, rule);
        }
    }

    function _ask(uint256 entry, Move memory move, uint256 amount) private view returns (uint256 allowed, uint8 code) {
        bytes memory data = abi.encodeCall(IComplianceRule.largestOf, (move, amount));
        uint256 why;
        bool answered;
        assembly ("memory-safe") {
            let rule := and(entry, 0xffffffffffffffffffffffffffffffffffffffff)
            answered := staticcall(ASKING_GAS, rule, add(data, 0x20), mload(data), 0x00, 0x40)
            answered := and(answered, gt(returndatasize(), 0x3f))
            allowed := mload(0x00)
            why := mload(0x20)
        }
        if (!answered) return (0, RestrictionCodes.RULE);
        bool known = why >= RestrictionCodes.REQUIRED_CLAIM && why <= RestrictionCodes.RULE;
        code = known ? uint8(why) : RestrictionCodes.RULE;
    }
}
