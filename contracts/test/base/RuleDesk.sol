// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HolderCount} from "src/compliance/rules/HolderCount.sol";
import {LockUp} from "src/compliance/rules/LockUp.sol";
import {MinimumHolding} from "src/compliance/rules/MinimumHolding.sol";
import {RequiredClaims} from "src/compliance/rules/RequiredClaims.sol";
import {Rule} from "src/compliance/rules/Rule.sol";
import {ShareOfSupply} from "src/compliance/rules/ShareOfSupply.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Ledger} from "./Ledger.sol";

/// @notice A ledger with every rule that a security can be put under.
abstract contract RuleDesk is Ledger {
    uint8 internal constant CLASS_TOPIC = 2;
    ShareOfSupply internal share;
    HolderCount internal holders;
    LockUp internal lockUp;
    MinimumHolding internal minimum;
    RequiredClaims internal required;
    address internal agency = address(0xA6E);

    function setUp() public virtual override {
        super.setUp();
        share = new ShareOfSupply(address(manager), address(compliance));
        holders = new HolderCount(address(manager), address(compliance), identities);
        lockUp = new LockUp(address(manager), address(compliance));
        minimum = new MinimumHolding(address(manager), address(compliance));
        required = new RequiredClaims(address(manager), address(compliance), identities, CLASS_TOPIC);
        Rule[5] memory rules = [Rule(share), holders, lockUp, minimum, required];
        for (uint256 i = 0; i < 5; ++i) {
            map(address(rules[i]), Rule.setValue.selector, Roles.LIMITS);
            map(address(rules[i]), Rule.setExempt.selector, Roles.LIMITS);
        }
        vm.prank(registrar);
        identities.trustIssuer(agency, 1 << CLASS_TOPIC);
    }

    function under(address[] memory rules) internal {
        under(note, rules);
    }

    /// @dev Puts a security under rules, in whatever order.
    function under(SecurityToken token, address[] memory rules) internal {
        for (uint256 i = 1; i < rules.length; ++i) {
            for (uint256 j = i; j != 0 && rules[j] < rules[j - 1]; --j) (rules[j], rules[j - 1]) = (rules[j - 1], rules[j]);
        }
        vm.prank(limiter);
        assets.setTokenRules(address(token), rules);
    }

    function under(address rule) internal {
        address[] memory rules = new address[](1);
        rules[0] = rule;
        under(rules);
    }

    function underAll() internal {
        address[] memory rules = new address[](5);
        rules[0] = address(share);
        rules[1] = address(holders);
        rules[2] = address(lockUp);
        rules[3] = address(minimum);
        rules[4] = address(required);
        under(rules);
    }

    function setValue(Rule rule, uint256 value) internal {
        vm.prank(limiter);
        rule.setValue(address(note), value);
    }

    function exempt(Rule rule, bytes32 identity) internal {
        vm.prank(limiter);
        rule.setExempt(address(note), identity, true);
    }

    function classify(bytes32 identity, uint8 class) internal {
        vm.prank(agency);
        identities.issueClaim(identity, CLASS_TOPIC, class, 0, type(uint64).max);
    }

    function bind(address wallet, bytes32 identity) internal {
        vm.prank(registrar);
        identities.registerWallet(wallet, identity);
    }
}
