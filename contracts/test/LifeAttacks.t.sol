// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICompliance} from "src/interfaces/ICompliance.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {AuctionBook} from "src/life/AuctionBook.sol";
import {CouponPayer} from "src/life/CouponPayer.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {Stripping} from "src/life/Stripping.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {Roles} from "src/Roles.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Custody} from "src/repo/Custody.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {QueueDesk} from "./EarlyRedemption.t.sol";

/// @notice Attacks on the early redemption queue: pauses, denominations, lost keys, terms that change.
contract QueueAttacksTest is QueueDesk {
    function _lose(address wallet, address successor) private {
        vm.prank(registrar);
        identities.announceRecovery(wallet, successor);
        vm.warp(block.timestamp + identities.RECOVERY_DELAY());
        vm.prank(enforcer);
        identities.confirmRecovery(wallet);
    }

    /// @notice An indexed security below par: whoever leaves early has the price of the day, also in part, and only who
    /// waits the floor. A coupon meanwhile is by the ratio below one, of what was not struck before its record.
    function test_I10_the_floor_is_maturitys_alone() public {
        vm.prank(issuer);
        issuance.setDatedCpi(address(security), 300e5);
        setTerms(90e6);
        ask(alice, 600e6);
        bytes32 second = ask(bob, 600e6);
        uint256 bobs = usd.balanceOf(bob);
        vm.warp(START + 1);
        queue.strike(security, 10);
        assertEq(usd.balanceOf(alice), 540e6, "below par, by the window's price");
        assertEq(usd.balanceOf(bob) - bobs, 360e6, "what the day leaves of his");
        assertEq(faceOf(second), 200e6, "the rest waits");
        uint64 record = uint64(block.timestamp) + 1 days;
        vm.prank(issuer);
        bytes32 coupon = payer.announceIndexed(security, record, record, 1, 100, 270e5); // ratio 0.9
        vm.warp(record);
        vm.prank(treasury);
        payer.fund(coupon);
        payer.pay(coupon, two(alice, address(queue)));
        assertEq(usd.balanceOf(alice), 540e6 + 39_600_000, "4,400 x 1 % x 0.9");
        queue.passCoupon(second, coupon);
        assertEq(usd.balanceOf(bob) - bobs, 360e6 + 1_800_000, "200 x 1 % x 0.9");
        vm.warp(MATURES);
        queue.cancel(second);
        vm.prank(issuer);
        issuance.openIndexedRedemption(security, MATURES, treasury, 270e5);
        uint256 outstanding = security.totalSupply();
        vm.prank(treasury);
        issuance.fundRedemption(security, outstanding);
        bobs = usd.balanceOf(bob);
        issuance.redeem(security, one(bob));
        assertEq(usd.balanceOf(bob) - bobs, 4_600e6, "the floor, of all that he has left");
    }

    /// @notice A rate that rises while a request waits at a fixed price is the holder's up to the record, and he is paid
    /// the price or the interest, not both.
    function test_I9_interest_of_a_floating_rate_in_the_queue() public {
        setTerms(100e6);
        bytes32 struck = ask(alice, 1_000e6);
        vm.warp(START + 1);
        queue.strike(security, 1);
        bytes32 waits = ask(bob, 1_000e6);
        uint64 record = START + 10 days;
        CouponPayer.Stretch[] memory stretches = new CouponPayer.Stretch[](2);
        (stretches[0], stretches[1]) = (CouponPayer.Stretch(4, 10_000_000), CouponPayer.Stretch(6, 90_000_000));
        vm.prank(issuer);
        bytes32 id = payer.announceFloating(security, record, record, START, 0, stretches);
        vm.warp(record);
        vm.prank(treasury);
        payer.fund(id);
        payer.pay(id, two(alice, address(queue)));
        assertEq(usd.balanceOf(alice), 1_000e6 + 6_444_444, "the price, and 4,000 x 0.58 / 360");
        uint256 before = usd.balanceOf(bob);
        vm.prank(bob);
        queue.cancel(waits);
        vm.warp(record + 1); // the next cut-off
        queue.cancel(waits);
        assertEq(security.balanceOf(bob), 5_000e6, "back");
        queue.passCoupon(waits, id);
        assertEq(usd.balanceOf(bob) - before, 1_611_111, "1,000 x 0.58 / 360");
        vm.expectRevert(abi.encodeWithSelector(Custody.CouponAlreadyPassed.selector, id, waits));
        queue.passCoupon(waits, id);
        vm.expectRevert(abi.encodeWithSelector(Custody.NoPositionAtRecord.selector, id, struck));
        queue.passCoupon(struck, id);
    }

    /// @notice Units in the queue are out of the wallet, and come back into it within the holding cap only: the rest
    /// waits until there is room, and is given to nobody else.
    function test_the_queue_is_no_way_around_a_holding_cap() public {
        uint256 notes = note.balanceOf(alice);
        vm.prank(limiter);
        compliance.setHoldingCap(5_000e6 + notes);
        bytes32 id = ask(alice, 1_000e6);
        issue(security, alice, 1_000e6);
        vm.prank(alice);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 5_000e6, "no more than the cap");
        vm.expectPartialRevert(IERC7943Fungible.ERC7943CannotTransfer.selector);
        queue.collect(alice, security);
        vm.prank(issuer);
        security.redeem(alice, 1_000e6);
        queue.collect(alice, security);
        assertEq(security.balanceOf(alice), 5_000e6, "collected when there was room");
    }

    /// @notice A window's last second counts, and the next does not. What is asked after the last cut-off comes back.
    function test_the_windows_edges() public {
        setTerms(99e6);
        vm.warp(START + 49 days);
        ask(alice, MINIMUM);
        vm.warp(START + 50 days - 1);
        assertEq(queue.strike(security, 1), MINIMUM, "struck in the last second");
        bytes32 late = ask(alice, MINIMUM);
        assertEq(queue.strike(security, 1), 0, "asked in it");
        vm.warp(START + 50 days);
        vm.prank(alice);
        queue.cancel(late);
        assertEq(security.balanceOf(alice), 5_000e6 - MINIMUM, "back");
        vm.expectPartialRevert(EarlyRedemption.WindowNotOpen.selector);
        vm.prank(alice);
        queue.request(security, MINIMUM);
        vm.expectPartialRevert(EarlyRedemption.WindowNotOpen.selector);
        queue.strike(security, 1);
    }

    /// @notice A paused security is not turned into cash by what was asked before; whoever asked may leave.
    function test_a_pause_stops_the_queue_and_not_the_way_out() public {
        setTerms(99e6);
        bytes32 id = ask(alice, 100e6);
        vm.warp(START + 1);
        vm.prank(freezer);
        assets.setPaused(address(security), true);
        bytes memory reason = abi.encodeWithSelector(ICompliance.SecurityPaused.selector, security);
        _reverts(stranger, address(queue), abi.encodeCall(queue.strike, (security, 5)), reason);
        _reverts(alice, address(queue), abi.encodeCall(queue.request, (security, 100e6)), reason);
        vm.prank(alice);
        queue.cancel(id);
        assertEq(queue.heldFor(bytes32(uint256(uint160(alice))), security), 100e6, "hers, while nothing moves");
        vm.prank(freezer);
        assets.setPaused(address(security), false);
        queue.collect(alice, security);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    /// @notice A part leaves a rest that can be given back: both are multiples of the denomination.
    function test_a_part_is_a_multiple_of_the_denomination() public {
        setTerms(99e6);
        vm.prank(issuer);
        assets.setDenomination(address(security), 100e6);
        vm.prank(treasury);
        queue.withdrawFunds(security, 100_000e6 - 250e6);
        bytes32 id = ask(alice, 500e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 5), 200e6, "two hundred of the 252 that the cash would pay");
        assertEq(queue.strike(security, 5), 0, "what is left pays for no hundred");
        assertEq(faceOf(id), 300e6, "the rest waits");
        vm.prank(alice);
        queue.cancel(id);
        vm.warp(START + 1 days + 1);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 4_800e6, "and is hers again");
    }

    /// @notice A face that was asked for before denominations grew is struck whole: no rest of it blocks the queue.
    function test_a_whole_request_is_struck_whatever_the_denomination_is() public {
        setTerms(99e6);
        bytes32 id = ask(alice, 150e6);
        ask(bob, 100e6);
        vm.prank(issuer);
        assets.setDenomination(address(security), 100e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 5), 250e6, "all of both");
        assertEq(faceOf(id), 0, "over");
    }

    /// @notice A strike redeems a request once: what a rounding leaves of the cash is for the next one.
    function test_a_part_ends_a_strike() public {
        setTerms(170e6);
        vm.prank(treasury);
        queue.withdrawFunds(security, 100_000e6 - 5);
        ask(alice, 100e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 5), 2, "3 units of cash for 2 of face");
        assertEq(queue.strike(security, 5), 1, "1 of the 2 that are left");
    }

    /// @notice A successor takes back what his lost wallet asked for, though the window has closed.
    function test_a_lost_wallets_request_is_its_successors() public {
        address successor = address(0xA11CE2);
        bytes32 id = ask(alice, 100e6);
        _lose(alice, successor);
        vm.warp(START + 50 days);
        bytes memory reason = abi.encodeWithSelector(EarlyRedemption.NotRequestHolder.selector, id, successor);
        _reverts(alice, address(queue), abi.encodeCall(queue.cancel, (id)), reason);
        vm.prank(successor);
        queue.cancel(id);
        assertEq(security.balanceOf(successor), 100e6, "his");
    }

    /// @notice The place in the queue is his, too.
    function test_a_strike_pays_the_successor() public {
        address successor = address(0xA11CE2);
        ask(alice, 100e6);
        _lose(alice, successor);
        queue.strike(security, 5);
        assertEq(usd.balanceOf(successor), 99e6, "paid");
        assertEq(queue.openRequests(security, alice), 0, "over");
    }

    /// @notice What was struck on a day of earlier terms does not count against a day of others, but on the same day.
    function test_new_terms_do_not_inherit_an_old_days_limit() public {
        setTerms(99e6);
        vm.warp(START + 3 days);
        ask(alice, 2_000e6);
        vm.warp(START + 4 days);
        assertEq(queue.strike(security, 5), DAILY, "the fourth day");
        EarlyRedemption.Terms memory later = EarlyRedemption.Terms(
            START + 10 days, START + 40 days, treasury, MINIMUM, DAILY, 99e6, 1
        );
        vm.prank(issuer);
        queue.setWindow(security, later);
        vm.warp(START + 13 days);
        ask(bob, 2_000e6);
        vm.warp(START + 14 days); // the fourth day of the new window, and the first strike in it
        assertEq(queue.strike(security, 5), DAILY, "a day of its own");
        later.dailyFace += 1_000e6;
        vm.prank(issuer);
        queue.setWindow(security, later);
        assertEq(queue.strike(security, 5), 1_000e6, "terms that change do not begin a day again");
        later.opensAt = START + 11 days;
        vm.prank(issuer);
        queue.setWindow(security, later);
        ask(carol, 100e6);
        assertEq(queue.strike(security, 5), 0, "nor do other days");
    }
}

/// @notice Attacks on stripping: round a pause, a list, a denomination, with a lost key.
contract StrippingAttacksTest is LifeDesk {
    uint64 private constant FIRST = START + 30 days;
    uint64 private constant LAST = START + 60 days;
    Stripping private _desk;
    SecurityToken[3] private _strips;

    function setUp() public override {
        super.setUp();
        _desk = new Stripping(address(manager), issuance);
        manager.grantRole(Roles.ISSUER, address(_desk), 0);
        map(address(_desk), Stripping.namePieces.selector, Roles.ISSUER);
        security = createMaturing("912810ZZ1", LAST);
        _strips[0] = createMaturing("912833ZZ1", FIRST);
        _strips[1] = createMaturing("912833ZZ2", LAST);
        _strips[2] = createMaturing("912803ZZ3", LAST);
        Stripping.Piece[] memory pieces = new Stripping.Piece[](3);
        for (uint256 i = 0; i < 3; ++i) pieces[i] = Stripping.Piece(_strips[i], i < 2 ? 3 : 1, i < 2 ? 200 : 1);
        vm.prank(issuer);
        _desk.namePieces(security, pieces);
        issue(security, alice, 1_000);
    }

    function _pause(SecurityToken token, bool paused) private {
        vm.prank(freezer);
        assets.setPaused(address(token), paused);
    }

    function _restricted(uint8 code) private view returns (bytes memory) {
        return abi.encodeWithSelector(Stripping.DealingRestricted.selector, security, alice, code);
    }

    /// @notice The strips of a paused bond would be its mirror: what stands still cannot be dealt in under other names.
    function test_no_way_around_a_pause_by_its_pieces() public {
        _pause(security, true);
        bytes memory strip = abi.encodeCall(_desk.strip, (security, 200, 10));
        _reverts(alice, address(_desk), strip, _restricted(RestrictionCodes.PAUSED));
        _pause(security, false);
        vm.prank(alice);
        _desk.strip(security, 600, 10);
        _pause(_strips[1], true);
        _reverts(
            alice,
            address(_desk),
            abi.encodeCall(_desk.reconstitute, (security, 200, 10)),
            abi.encodeWithSelector(ICompliance.SecurityPaused.selector, _strips[1])
        );
        _pause(_strips[1], false);
        vm.prank(alice);
        bytes32 id = _desk.reconstitute(security, 200, 1);
        _pause(security, true);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.carryOn, (id, 10)), _restricted(RestrictionCodes.PAUSED));
    }

    /// @notice Nobody takes a bond apart to keep it from a court: an act that delivers nothing yet is in no wallet.
    function test_a_sanctioned_holder_takes_nothing_apart() public {
        vm.prank(alice);
        bytes32 id = _desk.strip(security, 200, 0);
        vm.prank(alice);
        _desk.strip(security, 200, 10);
        setSanctioned("alice", true);
        bytes memory reason = _restricted(RestrictionCodes.SENDER_SANCTIONED);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.strip, (security, 200, 0)), reason);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.reconstitute, (security, 200, 0)), reason);
        bytes memory unpaid = abi.encodeCall(_desk.carryOn, (id, 10));
        vm.prank(stranger);
        (bool done, ) = address(_desk).call(unpaid);
        assertFalse(done, "nothing is delivered to him");
        setSanctioned("alice", false);
        _desk.carryOn(id, 10);
        assertEq(_strips[2].balanceOf(alice), 400, "what he has comes when he is off the list");
    }

    /// @notice Pieces that a lost wallet is due, or has brought in, are its successor's.
    function test_a_lost_wallets_acts_are_its_successors() public {
        address successor = address(0xA11CE2);
        vm.prank(alice);
        bytes32 apart = _desk.strip(security, 400, 1);
        vm.prank(alice);
        _desk.strip(security, 200, 10);
        vm.prank(alice);
        bytes32 joining = _desk.reconstitute(security, 200, 1);
        vm.prank(registrar);
        identities.announceRecovery(alice, successor);
        vm.warp(block.timestamp + identities.RECOVERY_DELAY());
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        _desk.carryOn(apart, 10);
        assertEq(_strips[2].balanceOf(successor), 400, "delivered");
        for (uint256 i = 0; i < 3; ++i) _strips[i].recover(alice, new bytes32[](0));
        bytes memory reason = abi.encodeWithSelector(Stripping.NotActHolder.selector, joining, successor);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.carryOn, (joining, 10)), reason);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.giveUp, (joining)), reason);
        vm.prank(successor);
        _desk.carryOn(joining, 10);
        assertEq(security.balanceOf(successor), 200, "whole, and his");
    }

    /// @notice A bond is taken apart only if every piece can be delivered: in its own denomination.
    function test_pieces_are_multiples_of_their_denomination() public {
        vm.prank(issuer);
        assets.setDenomination(address(_strips[1]), 6);
        bytes memory reason = abi.encodeWithSelector(Stripping.FractionOfUnit.selector, _strips[1], 200);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.strip, (security, 200, 0)), reason);
        vm.prank(issuer);
        assets.setDenomination(address(security), 300);
        reason = abi.encodeWithSelector(Stripping.FractionOfUnit.selector, security, 400);
        _reverts(alice, address(_desk), abi.encodeCall(_desk.strip, (security, 400, 0)), reason);
        vm.prank(issuer);
        assets.setDenomination(address(security), 100);
        vm.prank(alice);
        _desk.strip(security, 400, 10);
        assertEq(_strips[1].balanceOf(alice), 6, "a multiple");
    }
}

/// @notice Attacks on sealed bids.
contract AuctionAttacksTest is LifeDesk {
    /// @notice Whoever copies a seal before it is on the ledger seals nothing of another's, and keeps nobody out.
    function test_a_copied_seal_keeps_nobody_out() public {
        AuctionBook book = new AuctionBook(address(manager), identities);
        map(address(book), AuctionBook.announce.selector, Roles.ISSUER);
        vm.prank(issuer);
        bytes32 id = book.announce("912797ZZ1", "terms", START + 1 hours, START + 2 hours);
        vm.prank(bob); // has seen alice's transaction
        book.seal(id, "alice's bid", false);
        vm.prank(alice);
        book.seal(id, "alice's bid", true);
        vm.prank(bob);
        book.withdraw(id, "alice's bid");
        (bool isSealed, bool competitive) = book.sealOf(id, alice, "alice's bid");
        assertTrue(isSealed && competitive, "hers stands, as she made it");
        (isSealed, ) = book.sealOf(id, bob, "alice's bid");
        assertFalse(isSealed, "his is gone");
    }
}
