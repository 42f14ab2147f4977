// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "src/repo/Custody.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {QueueDesk} from "./EarlyRedemption.t.sol";

/// @notice What a sanctioned holder has: redeemed at maturity alone, into a blocked account; nothing is paid to him.
contract SanctionedLifeTest is QueueDesk {
    uint256 private _before;

    function setUp() public override {
        super.setUp();
        _before = usd.balanceOf(bob);
    }

    function test_matured_units_go_into_a_blocked_account() public {
        _open();
        freeze(security, alice, 1_000e6);
        setSanctioned("alice", true);
        vm.warp(MATURES);
        issuance.redeem(security, two(alice, bob));
        assertEq(security.balanceOf(alice), 0, "redeemed");
        assertEq(usd.balanceOf(alice), 0, "not paid");
        assertEq(issuance.blockedOf("alice"), 5_000e6, "all of it blocked");
        assertEq(usd.balanceOf(bob) - _before, 5_000e6, "bob is paid");
        vm.expectRevert(abi.encodeWithSelector(Redemptions.IdentitySanctioned.selector, bytes32("alice")));
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", alice, 1);
        setSanctioned("alice", false);
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", alice, 5_000e6);
        assertEq(usd.balanceOf(alice), 5_000e6, "released when off the list");
    }

    /// @notice Attack: a holder, or one whose cash is blocked, twice in one redemption.
    function test_a_holder_named_twice_is_redeemed_once() public {
        _open();
        setSanctioned("alice", true);
        vm.warp(MATURES);
        issuance.redeem(security, two(alice, alice));
        issuance.redeem(security, two(bob, bob));
        assertEq(issuance.blockedOf("alice"), 5_000e6, "blocked once");
        assertEq(usd.balanceOf(bob) - _before, 5_000e6, "paid once");
        assertEq(security.totalSupply(), 5_000e6, "carol's");
    }

    function test_a_called_security_keeps_them_until_maturity() public {
        vm.prank(issuer);
        issuance.callSecurity(security, START + 20 days, START + 20 days, treasury, 100e6);
        vm.prank(treasury);
        issuance.fundRedemption(security, 15_000e6);
        setSanctioned("alice", true);
        vm.warp(START + 20 days);
        issuance.redeem(security, one(alice));
        assertEq(security.balanceOf(alice), 5_000e6, "waits");
        vm.warp(MATURES);
        issuance.redeem(security, one(alice));
        assertEq(issuance.blockedOf("alice"), 5_000e6, "blocked");
    }

    function test_the_early_window_passes_him_over_and_pays_the_next() public {
        bytes32 id = ask(alice, 100e6);
        ask(bob, 100e6);
        setSanctioned("alice", true);
        vm.warp(START + 1);
        queue.strike(security, 5);
        assertEq(usd.balanceOf(alice), 0, "alice is not paid");
        assertEq(usd.balanceOf(bob) - _before, 99e6, "bob is");
        assertEq(queue.requestOf(id).face, 0, "her request is over");
        assertEq(queue.heldFor(bytes32(uint256(uint160(alice))), security), 100e6, "her units wait in her name");
        vm.expectRevert(abi.encodeWithSelector(Custody.BeneficiarySanctioned.selector));
        queue.collect(alice, security);
        // redeemed with the queue at maturity, the cash waits too
        _open();
        vm.warp(MATURES);
        issuance.redeem(security, one(address(queue)));
        vm.expectRevert(abi.encodeWithSelector(Custody.BeneficiarySanctioned.selector));
        queue.collect(alice, security);
        setSanctioned("alice", false);
        queue.collect(alice, security);
        assertEq(usd.balanceOf(alice), 100e6, "off the list");
    }

    /// @notice Attack: a request that stands at maturity is cancelled by a stranger, to have its cash paid out.
    function test_cancelling_after_maturity_pays_nothing_to_him() public {
        bytes32 id = ask(alice, 100e6);
        setSanctioned("alice", true);
        _open();
        vm.warp(MATURES);
        issuance.redeem(security, one(address(queue)));
        vm.prank(stranger);
        queue.cancel(id);
        assertEq(usd.balanceOf(alice), 0, "nothing");
        assertEq(queue.heldFor(bytes32(uint256(uint160(alice))), security), 100e6, "in her name");
    }

    function test_a_coupon_is_withheld_until_he_is_off_the_list() public {
        vm.prank(issuer);
        bytes32 id = payer.announce(security, START + 10 days, START + 10 days, 1, 100);
        ask(alice, 100e6);
        setSanctioned("alice", true);
        vm.warp(START + 10 days);
        vm.prank(treasury);
        payer.fund(id);
        payer.pay(id, two(alice, bob));
        payer.pay(id, one(address(queue)));
        assertEq(usd.balanceOf(alice), 0, "withheld");
        assertEq(usd.balanceOf(bob) - _before, 50e6, "bob's");
        vm.expectRevert(abi.encodeWithSelector(Custody.BeneficiarySanctioned.selector));
        queue.passCoupon(keccak256(abi.encode(address(queue), 1)), id);
        setSanctioned("alice", false);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice), 49e6, "her own units'");
    }

    /// @notice A holder whose claim lapsed is redeemed to his registered wallet.
    function test_a_lapsed_claim_does_not_stand_in_the_way_of_redemption() public {
        _open();
        setClaim("alice", 0);
        vm.warp(MATURES);
        issuance.redeem(security, one(alice));
        assertEq(usd.balanceOf(alice), 5_000e6, "paid");
    }

    function _open() private {
        vm.prank(issuer);
        issuance.openRedemption(security, MATURES, treasury);
        uint256 outstanding = security.totalSupply();
        vm.prank(treasury);
        issuance.fundRedemption(security, outstanding);
    }
}
