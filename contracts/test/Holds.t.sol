// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {Holds} from "src/token/Holds.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice A hold is pending, then executed, released or expired: once, and by whom it may be.
contract HoldsTest is Ledger {
    bytes32 private constant SALT = "hold";
    bytes32 private ID;
    uint64 private constant EXPIRY = START + 1 days;

    function setUp() public override {
        super.setUp();
        issue(note, alice, 1_000);
        ID = note.holdIdOf(alice, SALT);
        createHold(alice, SALT, carol, bob, 400);
    }

    function test_created() public view {
        Holds.Hold memory made = note.hold(ID);
        assertEq(made.holder, alice, "holder");
        assertEq(made.notary, carol, "notary");
        assertEq(made.to, bob, "recipient");
        assertEq(made.amount, 400, "amount");
        assertEq(made.expiry, EXPIRY, "expiry");
        assertTrue(made.status == Holds.HoldStatus.Pending, "pending");
        assertEq(note.heldOf(alice), 400, "held");
        assertEq(note.balanceOf(alice), 1_000, "still the holder's");
        assertEq(note.availableOf(alice), 600, "available");
    }

    /// @notice Nobody takes the id of another's hold before him: neither its salt nor the id itself gives it to him.
    function test_an_id_is_its_holders_own() public {
        issue(note, carol, 10);
        bytes32 wanted = note.holdIdOf(alice, "next");
        vm.startPrank(carol);
        bytes32 other = note.createHold("next", carol, carol, 1, EXPIRY);
        note.createHold(wanted, carol, carol, 1, EXPIRY);
        vm.stopPrank();
        assertTrue(note.hold(wanted).status == Holds.HoldStatus.None, "still free");
        vm.prank(alice);
        assertEq(note.createHold("next", carol, bob, 5, EXPIRY), wanted, "hers");
        assertEq(note.hold(wanted).holder, alice, "holder");
        assertEq(note.hold(other).holder, carol, "carol's own");
        assertEq(other, holdId(carol, "next"), "named by her");
    }

    /// @notice A hold for oneself makes and frees nothing: units, volume and what is pending are as before.
    function testFuzz_I7_a_hold_for_oneself(uint256 amount, uint256 moved) public {
        amount = between(amount, 1, 600);
        vm.prank(limiter);
        compliance.setVolumeLimit(1_000, 1 days);
        createHold(alice, "own", alice, alice, amount);
        assertEq(note.heldOf(alice), 400 + amount, "both");
        bytes32 id = holdId(alice, "own");
        vm.prank(alice);
        note.executeHold(id, between(moved, 1, amount));
        assertEq(note.balanceOf(alice), 1_000, "I1");
        assertEq(note.heldOf(alice), 400, "I7");
        assertEq(note.availableOf(alice), 600, "I2");
        (uint256 left, ) = note.largestTransfer(alice, bob);
        vm.prank(alice);
        note.transfer(bob, left);
        assertTrue(left <= 600, "no more than is free");
    }

    /// @notice I4: forced to himself out of his own holds, a holder has all that he had, as frozen as it was.
    function testFuzz_I4_forced_to_oneself_out_of_a_hold(uint256 amount, uint256 frozen) public {
        frozen = between(frozen, 0, 1_500);
        freeze(note, alice, frozen);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = ID;
        vm.prank(enforcer);
        note.forcedTransferEndingHolds(alice, alice, between(amount, 1, 1_000), ids);
        assertEq(note.balanceOf(alice), 1_000, "I1");
        assertEq(note.getFrozenTokens(alice), frozen, "I4");
        assertEq(note.heldOf(alice), 0, "I7");
        _ended(Holds.HoldStatus.Released);
    }

    function test_executed_in_part_frees_the_rest() public {
        vm.prank(carol);
        note.executeHold(ID, 250);
        assertEq(note.balanceOf(bob), 250, "delivered");
        assertEq(note.availableOf(alice), 750, "the rest is free");
        _ended(Holds.HoldStatus.Executed);
    }

    function test_executed_by_the_notary_only() public {
        address[3] memory callers = [alice, bob, stranger];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Holds.NotHoldNotary.selector, ID, callers[i]));
            vm.prank(callers[i]);
            note.executeHold(ID, 1);
        }
    }

    function test_execution_obeys_amount_and_compliance() public {
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldAmountExceeded.selector, ID, 400, 401));
        vm.prank(carol);
        note.executeHold(ID, 401);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldWithoutAmount.selector, ID));
        vm.prank(carol);
        note.executeHold(ID, 0);
        setClaim("bob", 0);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob));
        vm.prank(carol);
        note.executeHold(ID, 400);
        setClaim("bob", type(uint64).max);
        freeze(note, alice, 601);
        vm.expectRevert(
            abi.encodeWithSelector(IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector, alice, 400, 399)
        );
        vm.prank(carol);
        note.executeHold(ID, 400);
        assertEq(note.heldOf(alice), 400, "still held");
    }

    function test_released_by_notary_or_recipient_not_by_the_holder() public {
        vm.expectRevert(abi.encodeWithSelector(Holds.NotHoldNotary.selector, ID, alice));
        vm.prank(alice);
        note.releaseHold(ID);
        vm.prank(bob);
        note.releaseHold(ID);
        assertEq(note.availableOf(alice), 1_000, "free again");
        _ended(Holds.HoldStatus.Released);
    }

    function test_expired_by_anyone_after_expiry() public {
        vm.warp(EXPIRY);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldNotExpired.selector, ID, EXPIRY));
        note.expireHold(ID);
        vm.warp(EXPIRY + 1);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldExpiryPassed.selector, ID, EXPIRY));
        vm.prank(carol);
        note.executeHold(ID, 1);
        vm.prank(stranger);
        note.expireHold(ID);
        assertEq(note.availableOf(alice), 1_000, "free again");
        _ended(Holds.HoldStatus.Expired);
    }

    function test_what_cannot_be_held() public {
        bytes32 b = holdId(alice, "b");
        _notCreated(SALT, carol, bob, 1, EXPIRY, abi.encodeWithSelector(Holds.HoldAlreadyExists.selector, ID));
        _notCreated("b", carol, bob, 0, EXPIRY, abi.encodeWithSelector(Holds.HoldWithoutAmount.selector, b));
        _notCreated(
            "b",
            address(0),
            bob,
            1,
            EXPIRY,
            abi.encodeWithSelector(Holds.HoldWithoutParty.selector, b, address(0), bob)
        );
        _notCreated(
            "b",
            carol,
            address(0),
            1,
            EXPIRY,
            abi.encodeWithSelector(Holds.HoldWithoutParty.selector, b, carol, address(0))
        );
        _notCreated(
            "b",
            carol,
            bob,
            1,
            START - 1,
            abi.encodeWithSelector(Holds.HoldExpiryPassed.selector, b, START - 1)
        );
        _notCreated(
            "b",
            carol,
            bob,
            601,
            EXPIRY,
            abi.encodeWithSelector(IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector, alice, 601, 600)
        );
    }

    function test_holds_of_another_holder_cannot_be_ended_by_force() public {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = ID;
        issue(note, bob, 10);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldOfAnotherHolder.selector, ID, alice, bob));
        vm.prank(enforcer);
        note.forcedTransferEndingHolds(bob, alice, 10, ids);
    }

    function test_a_hold_cannot_be_ended_twice_by_force() public {
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (ID, ID);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldNotPending.selector, ID, Holds.HoldStatus.Released));
        vm.prank(enforcer);
        note.forcedTransferEndingHolds(alice, bob, 1, ids);
    }

    function _notCreated(
        bytes32 salt,
        address notary,
        address to,
        uint256 amount,
        uint64 expiry,
        bytes memory reason
    ) private {
        vm.expectRevert(reason);
        vm.prank(alice);
        note.createHold(salt, notary, to, amount, expiry);
    }

    /// @dev Nothing can be done with it any more, and its id is used for ever.
    function _ended(Holds.HoldStatus status) private {
        bytes memory reason = abi.encodeWithSelector(Holds.HoldNotPending.selector, ID, status);
        assertTrue(note.hold(ID).status == status, "status");
        vm.expectRevert(reason);
        vm.prank(carol);
        note.executeHold(ID, 1);
        vm.expectRevert(reason);
        vm.prank(bob);
        note.releaseHold(ID);
        vm.expectRevert(reason);
        note.expireHold(ID);
        vm.expectRevert(abi.encodeWithSelector(Holds.HoldAlreadyExists.selector, ID));
        vm.prank(alice);
        note.createHold(SALT, carol, bob, 1, type(uint64).max);
    }
}
