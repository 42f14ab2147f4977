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
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {Instruction} from "src/settlement/Instruction.sol";
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

    /// @dev Every way in which units of the note could move by alice's will, carol's, whom she approved, or the
    /// issuer's, is refused by one code; a hold by an error of its own.
    function _standsStill(Instruction memory trade, uint8 stopped, bytes4 ofHolds) internal {
        (uint256 largest, uint8 code) = note.largestTransfer(alice, bob);
        assertEq(largest, 0, "nothing");
        assertEq(code, stopped, "code");
        assertEq(note.detectTransferRestriction(alice, bob, 0), stopped, "a zero amount too");
        assertFalse(note.canTransfer(alice, bob, 10), "I3");
        bytes memory refused = _cannotTransfer(alice, bob, 10);
        _reverts(alice, address(note), abi.encodeCall(note.transfer, (bob, 10)), refused);
        _reverts(carol, address(note), abi.encodeCall(note.transferFrom, (alice, bob, 10)), refused);
        (address[] memory to, uint256[] memory amounts) = (new address[](1), new uint256[](1));
        (to[0], amounts[0]) = (bob, 10);
        _reverts(alice, address(note), abi.encodeCall(note.batchTransfer, (to, amounts)), refused);
        _reverts(
            alice,
            address(note),
            abi.encodeCall(note.createHold, ("after", carol, bob, 10, START + 1 days)),
            abi.encodeWithSelector(ofHolds, note)
        );
        _reverts(
            alice,
            address(settlement),
            abi.encodeCall(settlement.settle, (trade, signed(trade))),
            _cannotTransfer(alice, bob, 100)
        );
        _reverts(issuer, address(note), abi.encodeCall(note.issue, (bob, 10)), _cannotTransfer(address(0), bob, 10));
    }

    function _cannotTransfer(address from, address to, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, from, to, amount);
    }

    function _reverts(address caller, address target, bytes memory data, bytes memory reason) internal {
        vm.prank(caller);
        (bool success, bytes memory given) = target.call(data);
        assertFalse(success, "accepted");
        assertEq(given, reason, "reason");
    }
}
