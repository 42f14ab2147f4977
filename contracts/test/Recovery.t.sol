// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Holds} from "src/token/Holds.sol";
import {LifeDesk} from "./base/LifeDesk.sol";

/// @notice A lost key: two roles, a delay, and all that the wallet had at its successor.
contract RecoveryTest is LifeDesk {
    address private alice2 = address(0xA11CE2);
    bytes32[] private none;

    function test_everything_moves_and_limits_stay() public {
        freeze(note, alice, 300_000);
        createHold(alice, "out", carol, bob, 200_000);
        vm.prank(limiter);
        compliance.setVolumeLimit(500_000, 1 hours);
        vm.warp(START + 10);
        vm.prank(alice);
        note.transfer(bob, 100_000);
        (, uint256 used, uint256 left, , uint256 held, ) = compliance.standing("alice");
        _lose(alice, alice2);
        vm.warp(START + 20); // the day that the recovery took is over the window: look back to it
        note.recover(alice, _ids(holdId(alice, "out")));
        assertEq(note.balanceOf(alice), 0, "nothing is left behind");
        assertEq(note.balanceOf(alice2), 900_000, "balance");
        assertEq(note.getFrozenTokens(alice), 0, "frozen is not left behind");
        assertEq(note.getFrozenTokens(alice2), 300_000, "frozen");
        assertEq(note.heldOf(alice2), 200_000, "held");
        assertEq(note.availableOf(alice2), 400_000, "available");
        (, uint256 usedNow, uint256 leftNow, , uint256 heldNow, ) = compliance.standing("alice");
        assertEq(usedNow, used, "volume is the identity's");
        assertEq(leftNow, left, "and so is what it leaves");
        assertEq(heldNow, held, "and what it holds");
        assertEq(note.balanceOfAt(alice, uint48(START)), 1_000_000, "what was, was");
    }

    function test_holds_go_on_for_the_successor() public {
        createHold(alice, "out", carol, bob, 200_000);
        _lose(alice, alice2);
        note.recover(alice, _ids(holdId(alice, "out")));
        Holds.Hold memory found = note.hold(holdId(alice, "out"));
        assertEq(found.holder, alice2, "holder");
        assertTrue(found.status == Holds.HoldStatus.Pending, "pending");
        vm.warp(START + 1 days);
        vm.prank(carol);
        note.executeHold(holdId(alice, "out"), 150_000);
        assertEq(note.balanceOf(bob), 150_000, "executed");
        assertEq(note.heldOf(alice2), 0, "over");
        (, , , , uint256 held, ) = compliance.standing("bob");
        assertEq(held, 150_000, "pending in is no longer counted");
    }

    function test_recipient_and_notary_are_followed_too() public {
        createHold(alice, "in", carol, bob, 10);
        createHold(alice, "by", bob, carol, 20);
        address bob2 = address(0xB0B2);
        _lose(bob, bob2);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (holdId(alice, "in"), holdId(alice, "by"));
        note.recover(bob, ids);
        assertEq(note.hold(holdId(alice, "in")).to, bob2, "recipient");
        assertEq(note.hold(holdId(alice, "by")).notary, bob2, "notary");
        vm.warp(START + 1 days);
        vm.prank(carol);
        note.executeHold(holdId(alice, "in"), 10);
        vm.prank(bob2);
        note.executeHold(holdId(alice, "by"), 20);
        assertEq(note.balanceOf(bob2), 10, "received");
    }

    function test_every_hold_must_be_named() public {
        createHold(alice, "a", carol, bob, 200);
        createHold(alice, "b", carol, bob, 300);
        _lose(alice, alice2);
        vm.expectRevert(abi.encodeWithSelector(SecurityToken.HoldsNotNamed.selector, alice, 300));
        note.recover(alice, _ids(holdId(alice, "a")));
        bytes32[] memory ids = new bytes32[](3);
        (ids[0], ids[1], ids[2]) = (holdId(alice, "a"), holdId(alice, "b"), holdId(alice, "a")); // a duplicate changes nothing
        note.recover(alice, ids);
        assertEq(note.heldOf(alice2), 500, "once each");
    }

    function test_of_another_and_over_holds() public {
        createHold(alice, "h", carol, bob, 200);
        issue(note, carol, 50);
        vm.prank(carol);
        note.createHold("c", bob, bob, 50, START + 1 days);
        vm.prank(bob);
        note.releaseHold(holdId(alice, "h"));
        _lose(alice, alice2);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldNotPending.selector, holdId(alice, "h"), Holds.HoldStatus.Released));
        note.recover(alice, _ids(holdId(alice, "h")));
        note.recover(alice, _ids(holdId(carol, "c"))); // has nothing to do with alice: left as it is
        assertEq(note.hold(holdId(carol, "c")).holder, carol, "hers");
        assertEq(note.heldOf(carol), 50, "held");
    }

    /// @notice Neither a pause, nor a limit, nor a lapsed claim is in the way; and what is recovered twice moves once.
    function test_nothing_stands_in_the_way() public {
        createHold(alice, "h", carol, bob, 200);
        _lose(alice, alice2);
        vm.prank(freezer);
        assets.setPaused(address(note), true);
        setTradeLimit(0);
        setClaim("alice", 0);
        note.recover(alice, _ids(holdId(alice, "h")));
        note.recover(alice, none);
        assertEq(note.balanceOf(alice2), 1_000_000, "once");
    }

    function test_a_frozen_amount_beyond_any_balance_adds_up() public {
        freeze(note, alice, type(uint256).max);
        vm.prank(registrar);
        identities.registerWallet(alice2, "alice");
        freeze(note, alice2, 7);
        _lose(alice, alice2);
        note.recover(alice, none);
        assertEq(note.getFrozenTokens(alice2), type(uint256).max, "frozen");
        assertEq(note.availableOf(alice2), 0, "nothing available");
    }

    function test_only_what_the_registry_says() public {
        vm.expectRevert(abi.encodeWithSelector(SecurityToken.WalletNotRecovered.selector, alice));
        note.recover(alice, none);
        vm.prank(registrar);
        identities.announceRecovery(alice, alice2);
        vm.warp(START + 2 days);
        vm.expectRevert(abi.encodeWithSelector(SecurityToken.WalletNotRecovered.selector, alice));
        note.recover(alice, none);
    }

    /// @notice Neither of the two roles can do it alone, nor anyone else.
    function test_two_roles() public {
        address[4] memory others = [issuer, freezer, limiter, alice];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, others[i]));
            vm.prank(others[i]);
            identities.announceRecovery(bob, alice2);
        }
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, enforcer));
        vm.prank(enforcer);
        identities.announceRecovery(alice, alice2);
        vm.prank(registrar);
        identities.announceRecovery(alice, alice2);
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, registrar));
        vm.prank(registrar);
        identities.confirmRecovery(alice);
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        assertEq(identities.currentWallet(alice), alice2, "successor");
    }

    function test_who_still_has_the_key_says_so() public {
        vm.prank(registrar);
        identities.announceRecovery(alice, stranger);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.RecoveryNotAnnounced.selector, bob));
        vm.prank(bob);
        identities.contestRecovery(); // his own only
        vm.prank(alice);
        identities.contestRecovery();
        vm.warp(START + 2 days);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.RecoveryNotAnnounced.selector, alice));
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
    }

    function test_delay_to_the_second() public {
        vm.prank(registrar);
        identities.announceRecovery(alice, alice2);
        assertEq(identities.recoveryOf(alice).from, START + 1 days, "from");
        vm.warp(START + 1 days - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IdentityRegistry.RecoveryTooEarly.selector, alice, START + 1 days)
        );
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        vm.prank(registrar);
        identities.withdrawRecovery(alice);
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.RecoveryNotAnnounced.selector, alice));
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
    }

    function test_successors_that_cannot_be() public {
        vm.startPrank(registrar);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.InvalidWallet.selector, address(0)));
        identities.announceRecovery(alice, address(0));
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.InvalidWallet.selector, alice));
        identities.announceRecovery(alice, alice);
        vm.expectRevert(
            abi.encodeWithSelector(IdentityRegistry.WalletOfAnotherIdentity.selector, bob, bytes32("bob"))
        );
        identities.announceRecovery(alice, bob);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.UnknownWallet.selector, stranger));
        identities.announceRecovery(stranger, alice2);
        vm.stopPrank();
        _lose(alice, alice2);
        vm.startPrank(registrar);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.WalletWasRecovered.selector, alice, alice2));
        identities.registerWallet(alice, "alice");
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.WalletWasRecovered.selector, alice, alice2));
        identities.announceRecovery(alice2, alice);
        vm.stopPrank();
    }

    /// @notice Somebody else's wallet, bound between announcement and confirmation, is found out.
    function test_a_successor_that_was_bound_elsewhere_meanwhile() public {
        vm.prank(registrar);
        identities.announceRecovery(alice, alice2);
        vm.prank(registrar);
        identities.registerWallet(alice2, "bob");
        vm.warp(START + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(IdentityRegistry.WalletOfAnotherIdentity.selector, alice2, bytes32("bob"))
        );
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
    }

    /// @notice What was announced of a party's wallet takes nothing of the party whose it has become meanwhile.
    function test_a_wallet_that_changed_hands_meanwhile_is_not_recovered() public {
        vm.startPrank(registrar);
        identities.announceRecovery(alice, alice2);
        identities.removeWallet(alice);
        vm.stopPrank();
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IdentityRegistry.UnknownWallet.selector, alice));
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        vm.prank(registrar);
        identities.registerWallet(alice, "bob");
        vm.expectRevert(
            abi.encodeWithSelector(IdentityRegistry.WalletOfAnotherIdentity.selector, alice, bytes32("bob"))
        );
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        vm.startPrank(registrar);
        identities.removeWallet(alice);
        identities.registerWallet(alice, "alice");
        vm.stopPrank();
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        assertEq(identities.currentWallet(alice), alice2, "hers again");
    }

    /// @notice The lost key of a notary or a recipient ends no hold once the hold has followed; its successor does.
    function test_a_lost_notary_delivers_nothing() public {
        createHold(alice, "h", carol, bob, 100);
        address carol2 = address(0xCA201);
        _lose(carol, carol2);
        bytes32 id = holdId(alice, "h");
        note.recover(carol, _ids(id));
        vm.expectRevert(abi.encodeWithSelector(Holds.NotHoldNotary.selector, id, carol));
        vm.prank(carol);
        note.executeHold(id, 100);
        vm.prank(carol2);
        note.executeHold(id, 100);
        assertEq(note.balanceOf(bob), 100, "delivered");
    }

    function test_lost_again() public {
        _lose(alice, alice2);
        address alice3 = address(0xA11CE3);
        _lose(alice2, alice3);
        assertEq(identities.currentWallet(alice), alice3, "the last of them");
        note.recover(alice, none);
        assertEq(note.balanceOf(alice3), 1_000_000, "straight to it");
    }

    function test_the_lost_key_is_good_for_nothing() public {
        _lose(alice, alice2);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, alice));
        vm.prank(alice);
        note.transfer(bob, 1);
        note.recover(alice, none);
        issue(note, alice2, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, alice));
        issue(note, alice, 1);
    }

    function test_a_coupon_of_before_is_paid_to_the_successor() public {
        vm.prank(issuer);
        bytes32 id = payer.announce(note, START + 100, START + 100, 1, 50);
        vm.warp(START + 100);
        vm.prank(treasury);
        payer.fund(id);
        _lose(alice, alice2);
        note.recover(alice, none);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice2), 20_000, "his coupon");
        assertEq(usd.balanceOf(alice), 0, "not to a lost key");
        payer.pay(id, two(alice, alice2));
        assertEq(usd.balanceOf(alice2), 20_000, "once");
    }

    /// @notice I1, I2, I7 of any state that a wallet can be lost in.
    function testFuzz_I2_recovery_moves_all(uint256 balance, uint256 held, uint256 frozen, uint256 own) public {
        vm.prank(registrar);
        identities.registerWallet(alice2, "alice");
        balance = between(balance, 1_000_000, 1e20);
        issue(note, alice, balance - 1_000_000);
        issue(note, alice2, between(own, 0, 1e20));
        held = between(held, 1, balance);
        createHold(alice, "h", carol, bob, held);
        freeze(note, alice, between(frozen, 0, 2 * balance));
        uint256 supply = note.totalSupply();
        uint256 sum = balance + note.balanceOf(alice2);
        _lose(alice, alice2);
        note.recover(alice, _ids(holdId(alice, "h")));
        assertEq(note.totalSupply(), supply, "I1");
        assertEq(note.balanceOf(alice2), sum, "I1");
        assertEq(note.heldOf(alice2), held, "I7");
        assertTrue(note.heldOf(alice) + note.balanceOf(alice) + note.getFrozenTokens(alice) == 0, "all of it");
        uint256 unheld = sum - held;
        uint256 stays = note.getFrozenTokens(alice2);
        assertEq(note.availableOf(alice2), stays > unheld ? 0 : unheld - stays, "I2");
    }

    function _lose(address wallet, address successor) private {
        vm.prank(registrar);
        identities.announceRecovery(wallet, successor);
        uint256 now_ = block.timestamp;
        vm.warp(now_ + 1 days);
        vm.prank(enforcer);
        identities.confirmRecovery(wallet);
        vm.warp(now_ + 1);
    }

    function _ids(bytes32 id) private pure returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = id;
    }
}
