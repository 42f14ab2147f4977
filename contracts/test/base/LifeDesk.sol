// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {Defaults} from "src/life/Defaults.sol";
import {Issuance} from "src/life/Issuance.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {CashToken} from "src/CashToken.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Desk} from "./Desk.sol";

/// @notice A desk with the contracts of a security's life, and a Treasury with cash that lets them take it.
abstract contract LifeDesk is Desk {
    struct World {
        SecurityToken token;
        CashToken usd;
        CouponPayer payer;
        Issuance issuance;
        IdentityRegistry identities;
        address treasury;
        address issuer;
        address freezer;
        address registrar;
    }

    uint256 internal treasuryKey = 0x7EA5;
    address internal treasury;
    CouponPayer internal payer;
    Issuance internal issuance;
    SecurityToken internal security;

    function setUp() public virtual override {
        super.setUp();
        treasury = vm.addr(treasuryKey);
        enrol("treasury", treasury);
        issuance = new Issuance(address(manager), settlement, usd, identities);
        payer = new CouponPayer(address(manager), usd, identities, issuance);
        manager.grantRole(Roles.ISSUER, address(issuance), 0);
        manager.grantRole(Roles.DEFAULTS, address(issuance), 0);
        map(address(payer), CouponPayer.announce.selector, Roles.ISSUER);
        map(address(payer), CouponPayer.announceIndexed.selector, Roles.ISSUER);
        map(address(payer), CouponPayer.announceFloating.selector, Roles.ISSUER);
        map(address(payer), CouponPayer.announceRecovery.selector, Roles.ISSUER);
        map(address(issuance), Issuance.issue.selector, Roles.ISSUER);
        map(address(issuance), Redemptions.setDatedCpi.selector, Roles.ISSUER);
        map(address(issuance), Redemptions.openRedemption.selector, Roles.ISSUER);
        map(address(issuance), Redemptions.openIndexedRedemption.selector, Roles.ISSUER);
        map(address(issuance), Redemptions.callSecurity.selector, Roles.ISSUER);
        map(address(issuance), Defaults.declareDefault.selector, Roles.ISSUER);
        map(address(issuance), Defaults.cureDefault.selector, Roles.ISSUER);
        map(address(issuance), Redemptions.releaseBlocked.selector, Roles.ENFORCER);
        issueCash(usd, treasury, 1e18);
        vm.prank(treasury);
        usd.approve(address(payer), type(uint256).max);
        vm.prank(treasury);
        usd.approve(address(issuance), type(uint256).max);
    }

    function one(address holder) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = holder;
    }

    function two(address first, address second) internal pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (first, second);
    }
}
