// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {CouponPayer} from "src/life/CouponPayer.sol";
import {Issuance} from "src/life/Issuance.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {PaymentWindow} from "src/life/PaymentWindow.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Settlement} from "src/Settlement.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Roles} from "src/Roles.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {StubbornCash} from "./doubles/StubbornCash.sol";

/// @notice Coupons, issue and redemption: what is done, and what is refused.
contract LifeTest is LifeDesk {
    uint64 private constant RECORD = START + 30 days;
    uint64 private constant MATURES = START + 60 days;

    function setUp() public override {
        super.setUp();
        security = createMaturing("912797ZZ1", MATURES);
    }

    function _announce(uint128 numerator, uint128 denominator) private returns (bytes32 id) {
        vm.prank(issuer);
        id = payer.announce(security, RECORD, RECORD, numerator, denominator);
    }

    function _fund(bytes32 id) private {
        vm.prank(treasury);
        payer.fund(id);
    }

    // --- coupons ------------------------------------------------------------------------------------------------

    /// @notice A transfer in the last second before the record time counts, one at the record time does not.
    function test_record_is_the_end_of_the_second_before() public {
        issue(security, alice, 1_000);
        bytes32 id = _announce(1, 10);
        vm.warp(RECORD - 1);
        vm.prank(alice);
        security.transfer(bob, 400);
        vm.warp(RECORD);
        vm.prank(alice);
        security.transfer(carol, 600);
        (uint256 face, uint256 amount) = payer.entitlementOf(id, alice);
        assertEq(face, 600, "alice's position");
        assertEq(amount, 60, "alice's coupon");
        (face, amount) = payer.entitlementOf(id, bob);
        assertEq(face, 400, "bob's position");
        (face, amount) = payer.entitlementOf(id, carol);
        assertEq(face, 0, "carol came too late");
    }

    function test_announced_once_and_within_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        payer.announce(security, RECORD, RECORD, 1, 10);
        bytes32 id = _announce(1, 10);
        _refuseAnnouncement(RECORD, RECORD, 1, 10, abi.encodeWithSelector(CouponPayer.CouponAlreadyAnnounced.selector, id));
        bytes4 fraction = CouponPayer.CouponFractionOutOfRange.selector;
        _refuseAnnouncement(RECORD + 1, RECORD + 1, 0, 10, abi.encodeWithSelector(fraction, 0, 10));
        _refuseAnnouncement(RECORD + 1, RECORD + 1, 11, 10, abi.encodeWithSelector(fraction, 11, 10));
        bytes4 late = CouponPayer.CouponAfterMaturity.selector;
        _refuseAnnouncement(MATURES + 1, MATURES + 1, 1, 10, abi.encodeWithSelector(late, MATURES + 1, MATURES));
        bytes4 window = PaymentWindow.PaymentTimeOutOfRange.selector;
        _refuseAnnouncement(RECORD + 1, RECORD, 1, 10, abi.encodeWithSelector(window, RECORD + 1, RECORD));
        uint64 tooLate = RECORD + 1 + 7 days + 1;
        _refuseAnnouncement(RECORD + 1, tooLate, 1, 10, abi.encodeWithSelector(window, RECORD + 1, tooLate));
        _refuseAnnouncement(0, 0, 1, 10, abi.encodeWithSelector(late, 0, MATURES));
        // the last of each that can be
        vm.prank(issuer);
        payer.announce(security, MATURES, MATURES + 7 days, 10, 10);
    }

    function _refuseAnnouncement(uint64 record, uint64 payable_, uint128 top, uint128 bottom, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(issuer);
        payer.announce(security, record, payable_, top, bottom);
    }

    function test_nothing_is_paid_before_it_is_funded_and_due() public {
        issue(security, alice, 1_000);
        vm.prank(issuer);
        bytes32 id = payer.announce(security, RECORD, RECORD + 2 days, 1, 10);
        vm.warp(RECORD - 1);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.RecordTimeNotPassed.selector, RECORD));
        _fund(id);
        vm.warp(RECORD + 2 days - 1);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponNotFunded.selector, id));
        payer.pay(id, one(alice));
        _fund(id);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponAlreadyFunded.selector, id));
        _fund(id);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponNotPayable.selector, RECORD + 2 days));
        payer.pay(id, one(alice));
        vm.warp(RECORD + 2 days);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice), 100, "coupon");
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponUnknown.selector, bytes32(0)));
        payer.pay(0, one(alice));
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponUnknown.selector, bytes32(0)));
        payer.fund(0);
    }

    function test_dust_goes_back_to_the_payer_with_the_last_payment() public {
        issue(security, alice, 12);
        issue(security, bob, 13);
        issue(security, carol, 15);
        bytes32 id = _announce(3, 10);
        vm.warp(RECORD);
        _fund(id);
        assertEq(payer.couponOf(id).due, 12, "all of it is funded");
        uint256 before = usd.balanceOf(treasury);
        vm.prank(stranger); // anyone may push
        payer.pay(id, two(alice, alice));
        assertEq(usd.balanceOf(alice), 3, "floor of 3.6, once");
        payer.pay(id, two(stranger, bob));
        payer.pay(id, one(treasury));
        assertFalse(payer.isPaid(id, treasury), "nothing is due to the treasury");
        assertEq(usd.balanceOf(bob), 1_000_003, "floor of 3.9");
        assertEq(usd.balanceOf(treasury), before, "not yet");
        vm.expectEmit(address(payer));
        emit CouponPayer.CouponClosed(id, 10, 2);
        payer.pay(id, one(carol));
        assertEq(usd.balanceOf(carol), 4, "floor of 4.5");
        assertEq(usd.balanceOf(treasury) - before, 2, "dust");
        payer.pay(id, two(alice, carol));
        assertEq(usd.balanceOf(alice) + usd.balanceOf(carol), 7, "nobody is paid twice");
        assertEq(usd.balanceOf(address(payer)), 0, "nothing is left");
    }

    function test_unregistered_wallet_is_passed_over_and_paid_later() public {
        issue(security, alice, 1_000);
        issue(security, bob, 1_000);
        bytes32 id = _announce(1, 10);
        vm.warp(RECORD);
        _fund(id);
        vm.prank(registrar);
        identities.removeWallet(alice);
        vm.expectEmit(address(payer));
        emit CouponPayer.CouponWithheld(id, alice, 1_000, 100);
        payer.pay(id, two(alice, bob));
        assertEq(usd.balanceOf(bob), 1_000_100, "bob");
        assertFalse(payer.isPaid(id, alice) || payer.couponOf(id).closed, "alice is due hers");
        vm.prank(registrar);
        identities.registerWallet(alice, "alice");
        setClaim("alice", 0);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice), 100, "alice, whose claim has lapsed");
        assertTrue(payer.couponOf(id).closed, "closed");
    }

    /// @notice Half a unit rounds to nothing: it is not paid to nobody all the same.
    function test_a_share_of_nothing_waits_for_a_registered_wallet_too() public {
        issue(security, alice, 5);
        issue(security, bob, 1_005);
        bytes32 id = _announce(1, 10);
        vm.warp(RECORD);
        _fund(id);
        vm.prank(registrar);
        identities.removeWallet(alice);
        vm.expectEmit(address(payer));
        emit CouponPayer.CouponWithheld(id, alice, 5, 0);
        payer.pay(id, two(alice, bob));
        assertFalse(payer.isPaid(id, alice) || payer.couponOf(id).closed, "alice's is open");
    }

    /// @notice A holder whose payment fails stops nobody, and is due what he was.
    function test_a_payment_that_fails_is_made_later() public {
        StubbornCash cash = new StubbornCash();
        CouponPayer other = new CouponPayer(address(manager), cash, identities, issuance);
        map(address(other), CouponPayer.announce.selector, Roles.ISSUER);
        issue(security, alice, 1_000);
        issue(security, bob, 1_000);
        vm.prank(issuer);
        bytes32 id = other.announce(security, RECORD, RECORD, 1, 10);
        vm.warp(RECORD);
        cash.issue(address(this), 200);
        cash.approve(address(other), 200);
        other.fund(id);
        cash.bar(alice);
        vm.expectEmit(address(other));
        emit CouponPayer.CouponWithheld(id, alice, 1_000, 100);
        other.pay(id, two(alice, bob));
        CouponPayer.Coupon memory coupon = other.couponOf(id);
        assertEq(coupon.facePaid, 1_000, "face paid");
        assertEq(coupon.paid, 100, "cash paid");
        assertFalse(other.isPaid(id, alice) || coupon.closed, "alice is due hers");
        cash.bar(address(0));
        other.pay(id, two(alice, bob));
        assertEq(cash.balanceOf(alice), 100, "alice");
        assertEq(cash.balanceOf(bob), 100, "bob");
        assertTrue(other.couponOf(id).closed, "closed");
    }

    function test_a_coupon_on_nothing_is_closed_when_funded() public {
        bytes32 id = _announce(1, 10);
        vm.warp(RECORD);
        _fund(id);
        assertTrue(payer.couponOf(id).closed, "closed");
    }

    function test_held_frozen_and_redeemed_units_count() public {
        issue(security, alice, 1_000);
        vm.prank(alice);
        security.createHold("h", bob, bob, 300, MATURES);
        freeze(security, alice, 500);
        bytes32 id = _announce(1, 10);
        vm.warp(RECORD);
        _fund(id);
        vm.prank(issuer);
        security.redeem(alice, 200);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice), 100, "all of the record");
    }

    /// @notice I9 for any positions and any fraction.
    function testFuzz_I9(uint80[3] memory faces, uint128 top, uint128 bottom) public {
        bottom = uint128(between(bottom, 1, type(uint128).max));
        top = uint128(between(top, 1, bottom));
        address[3] memory holders = [alice, bob, carol];
        uint256[3] memory before;
        uint256 supply = 0;
        issueCash(usd, treasury, 3 * uint256(type(uint80).max));
        for (uint256 i = 0; i < 3; ++i) {
            if (faces[i] != 0) issue(security, holders[i], faces[i]);
            before[i] = usd.balanceOf(holders[i]);
            supply += faces[i];
        }
        bytes32 id = _announce(top, bottom);
        vm.warp(RECORD);
        uint256 funds = usd.balanceOf(treasury);
        _fund(id);
        uint256 due = (supply * top) / bottom;
        assertEq(funds - usd.balanceOf(treasury), due, "funded in full");
        uint256 paid = 0;
        for (uint256 i = 0; i < 3; ++i) {
            payer.pay(id, one(holders[i]));
            uint256 got = usd.balanceOf(holders[i]) - before[i];
            assertEq(got, (uint256(faces[i]) * top) / bottom, "floor");
            paid += got;
        }
        assertTrue(due - paid < 3, "dust");
        assertEq(funds - usd.balanceOf(treasury), paid, "dust is back");
        assertEq(usd.balanceOf(address(payer)), 0, "nothing is left");
    }

    // --- issue --------------------------------------------------------------------------------------------------

    function _sale(uint256 face, uint256 price) private view returns (Instruction memory instruction) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(security), treasury, bob, face);
        legs[1] = Leg(address(usd), bob, treasury, price);
        instruction = Instruction(legs, START, START + 90 days, 1, 0, 0);
    }

    function _sell(Instruction memory instruction) private {
        bytes[] memory signatures = withBob(treasury, treasuryKey, digest(instruction));
        vm.prank(issuer);
        issuance.issue(security, instruction, signatures);
    }

    function test_issue_against_payment() public {
        Instruction memory instruction = _sale(1_000, 990);
        uint256 before = usd.balanceOf(treasury);
        vm.expectEmit(address(issuance));
        emit Issuance.Issued(address(security), treasury, digest(instruction), 1_000, 990);
        _sell(instruction);
        assertEq(security.balanceOf(bob), 1_000, "delivered");
        assertEq(security.balanceOf(treasury), 0, "nothing stays with the seller");
        assertEq(security.totalSupply(), 1_000, "supply");
        assertEq(usd.balanceOf(treasury) - before, 990, "paid");
        assertEq(issuance.issuedOf(address(security)), 1_000, "counted");
        instruction.nonce = 2;
        _sell(instruction);
        assertEq(issuance.issuedOf(address(security)), 2_000, "a reopening adds");
    }

    function test_issue_refusals() public {
        Instruction memory instruction = _sale(1_000, 990);
        bytes[] memory signatures = withBob(treasury, treasuryKey, digest(instruction));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        issuance.issue(security, instruction, signatures);
        instruction.legs[1].to = carol;
        _refuseSale(instruction, abi.encodeWithSelector(Issuance.IssueWithoutPayment.selector, address(security)));
        instruction = _sale(1_000, 990);
        instruction.legs[1].token = address(eur);
        _refuseSale(instruction, abi.encodeWithSelector(Issuance.IssueWithoutPayment.selector, address(security)));
        instruction = _sale(1_000, 990);
        instruction.legs[0].token = address(note);
        _refuseSale(instruction, abi.encodeWithSelector(Issuance.NothingToIssue.selector, address(security)));
        instruction = _sale(1_000, 990);
        instruction.legs[1] = Leg(address(security), carol, treasury, 1);
        _refuseSale(instruction, abi.encodeWithSelector(Issuance.IssuedFromTwoAccounts.selector, treasury, carol));
        instruction = _sale(1_000, 1_000_001); // more than bob has: nothing is created either
        signatures = withBob(treasury, treasuryKey, digest(instruction));
        vm.expectRevert();
        vm.prank(issuer);
        issuance.issue(security, instruction, signatures);
        assertEq(security.totalSupply(), 0, "nothing was created");
        vm.warp(MATURES);
        bytes memory why = abi.encodeWithSelector(Issuance.SecurityMatured.selector, address(security), MATURES);
        _refuseSale(_sale(1_000, 990), why);
    }

    function _refuseSale(Instruction memory instruction, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(issuer);
        issuance.issue(security, instruction, new bytes[](2));
    }

    // --- redemption ---------------------------------------------------------------------------------------------

    function _open(uint64 payableFrom) private {
        vm.prank(issuer);
        issuance.openRedemption(security, payableFrom, treasury);
    }

    function _fundRedemption(uint256 amount) private {
        vm.prank(treasury);
        issuance.fundRedemption(security, amount);
    }

    function test_redemption_waits_for_its_time_and_for_all_of_its_money() public {
        issue(security, alice, 1_000);
        issue(security, bob, 500);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.RedemptionNotOpen.selector, address(security), 0));
        issuance.redeem(security, one(alice));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        issuance.openRedemption(security, MATURES, treasury);
        vm.expectRevert(
            abi.encodeWithSelector(PaymentWindow.PaymentTimeOutOfRange.selector, MATURES, MATURES - 1)
        );
        _open(MATURES - 1);
        _open(MATURES + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(Redemptions.RedemptionAlreadyOpened.selector, address(security), MATURES + 1 days)
        );
        _open(MATURES);
        _fundRedemption(1_499);
        vm.warp(MATURES + 1 days - 1);
        vm.expectRevert(
            abi.encodeWithSelector(Redemptions.RedemptionNotOpen.selector, address(security), MATURES + 1 days)
        );
        issuance.redeem(security, one(alice));
        vm.warp(MATURES + 1 days);
        vm.expectRevert(
            abi.encodeWithSelector(Redemptions.RedemptionUnderfunded.selector, address(security), 1_499, 1_500)
        );
        issuance.redeem(security, one(alice));
        vm.expectRevert(abi.encodeWithSelector(Redemptions.RedemptionOverfunded.selector, address(security), 2, 1));
        _fundRedemption(2);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.NotRedemptionPayer.selector, address(security), treasury));
        issuance.fundRedemption(security, 1);
        _fundRedemption(1);
        vm.prank(issuer);
        security.redeem(bob, 100); // there is more now than is needed
        vm.expectRevert(abi.encodeWithSelector(Redemptions.RedemptionOverfunded.selector, address(security), 1, 0));
        _fundRedemption(1);
        issue(security, bob, 100);
        vm.prank(stranger); // anyone may push
        issuance.redeem(security, two(alice, stranger));
        assertEq(usd.balanceOf(alice), 1_000, "face in cash");
        vm.expectEmit(address(issuance));
        emit Redemptions.RedemptionCompleted(address(security), 1_500, 0);
        issuance.redeem(security, two(alice, bob));
        assertEq(usd.balanceOf(bob), 1_000_500, "face in cash");
        assertEq(security.totalSupply(), 0, "nothing is outstanding");
    }

    /// @notice Who funds a cent of a redemption first does not shut its payer out.
    function test_nobody_takes_the_payers_place() public {
        issue(security, alice, 1_000);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.RedemptionWithoutPayer.selector, address(security)));
        vm.prank(issuer);
        issuance.openRedemption(security, MATURES, address(0));
        _open(MATURES);
        bytes memory why = abi.encodeWithSelector(
            Redemptions.NotRedemptionPayer.selector,
            address(security),
            treasury
        );
        for (uint256 amount = 0; amount < 2; ++amount) {
            vm.expectRevert(why);
            vm.prank(bob);
            issuance.fundRedemption(security, amount);
        }
        _fundRedemption(1_000);
        vm.warp(MATURES);
        issuance.redeem(security, one(alice));
        assertEq(usd.balanceOf(alice), 1_000, "face in cash");
    }

    function test_lapsed_frozen_held_and_unregistered() public {
        issue(security, alice, 1_000);
        issue(security, bob, 1_000);
        issue(security, carol, 1_000);
        setClaim("alice", 0);
        freeze(security, alice, 400);
        vm.prank(bob);
        security.createHold("h", carol, carol, 300, MATURES + 1);
        vm.prank(registrar);
        identities.removeWallet(carol);
        _open(MATURES);
        _fundRedemption(3_000);
        vm.warp(MATURES);
        address[] memory all = new address[](3);
        (all[0], all[1], all[2]) = (carol, alice, bob);
        bytes memory why = abi.encodeWithSelector(Redemptions.WalletNotRegistered.selector, carol);
        vm.expectEmit(address(issuance));
        emit Redemptions.RedemptionWithheld(address(security), carol, 1_000, why);
        vm.expectEmit(address(issuance));
        emit Redemptions.Redeemed(address(security), alice, 1_000, 600, 400);
        issuance.redeem(security, all);
        assertEq(usd.balanceOf(alice), 600, "free units, claim lapsed");
        assertEq(issuance.blockedOf("alice"), 400, "frozen units");
        assertEq(security.getFrozenTokens(alice), 0, "no longer");
        assertEq(security.balanceOf(bob), 300, "on hold");
        vm.expectEmit(address(issuance));
        why = abi.encodeWithSelector(Redemptions.AllUnitsOnHold.selector, bob, 300);
        emit Redemptions.RedemptionWithheld(address(security), bob, 300, why);
        issuance.redeem(security, one(bob));
        vm.warp(MATURES + 2);
        security.expireHold(holdId(bob, "h"));
        issuance.redeem(security, one(bob));
        assertEq(usd.balanceOf(bob), 1_001_000, "hold ended");
        vm.prank(registrar);
        identities.registerWallet(carol, "carol");
        issuance.redeem(security, one(carol));
        assertEq(security.totalSupply(), 0, "all");
    }

    function test_blocked_cash_is_released_by_the_enforcer_to_its_owner() public {
        test_lapsed_frozen_held_and_unregistered();
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        vm.prank(alice);
        issuance.releaseBlocked("alice", alice, 400);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.WalletOfAnotherIdentity.selector, bob, bytes32("alice")));
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", bob, 400);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.BlockedAmountExceeded.selector, bytes32("alice"), 400, 401));
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", alice, 401);
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", alice, 400);
        assertEq(usd.balanceOf(alice), 1_000, "released");
        assertEq(usd.balanceOf(address(issuance)), 0, "nothing is left");
        issueCash(usd, address(issuance), 400); // of others
        vm.expectRevert(abi.encodeWithSelector(Redemptions.BlockedAmountExceeded.selector, bytes32("alice"), 0, 1));
        vm.prank(enforcer);
        issuance.releaseBlocked("alice", alice, 1);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.WalletOfAnotherIdentity.selector, stranger, bytes32(0)));
        vm.prank(enforcer);
        issuance.releaseBlocked(0, stranger, 0);
    }

    /// @notice Frozen units of two securities are one identity's blocked cash.
    function test_blocked_cash_adds_up() public {
        for (uint256 i = 0; i < 2; ++i) {
            if (i == 1) security = createMaturing("912797ZZ2", MATURES);
            issue(security, alice, 500);
            freeze(security, alice, 300);
            _open(MATURES);
            _fundRedemption(500);
        }
        vm.warp(MATURES);
        issuance.redeem(security, one(alice));
        issuance.redeem(SecurityToken(assets.tokenOf("912797ZZ1")), one(alice));
        assertEq(issuance.blockedOf("alice"), 600, "both");
        assertEq(usd.balanceOf(alice), 400, "free units");
    }

    function test_units_destroyed_elsewhere_leave_a_surplus_for_the_payer() public {
        issue(security, alice, 1_000);
        _open(MATURES);
        _fundRedemption(1_000);
        vm.prank(issuer);
        security.redeem(alice, 1_000);
        vm.warp(MATURES);
        uint256 before = usd.balanceOf(treasury);
        issuance.redeem(security, one(alice));
        assertEq(usd.balanceOf(treasury) - before, 1_000, "surplus");
        issueCash(usd, address(issuance), 1_000); // of others
        issuance.redeem(security, one(alice));
        assertEq(usd.balanceOf(treasury) - before, 1_000, "once");
    }

    function test_only_issuance_takes_units_of_a_matured_security() public {
        issue(security, alice, 1_000);
        vm.expectRevert(abi.encodeWithSelector(SecurityToken.NotMatured.selector, MATURES));
        vm.prank(issuer);
        security.redeemMatured(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.OnlyIssuance.selector, stranger));
        vm.prank(stranger);
        issuance.redeemOne(security, alice);
    }

    /// @notice I10 for any split of a position into free, frozen and held units.
    function testFuzz_I10(uint64 face, uint256 held, uint256 frozen) public {
        face = uint64(between(face, 1, type(uint64).max - 1));
        held = between(held, 0, face);
        frozen = between(frozen, 0, 2 * uint256(face));
        issue(security, alice, face);
        if (held != 0) {
            vm.prank(alice);
            security.createHold("h", bob, bob, held, MATURES);
        }
        freeze(security, alice, frozen);
        uint256 free = held + frozen < face ? face - held - frozen : 0;
        issueCash(usd, treasury, face);
        _open(MATURES);
        _fundRedemption(face);
        vm.warp(MATURES);
        issuance.redeem(security, one(alice));
        assertEq(usd.balanceOf(alice), free, "free");
        assertEq(issuance.blockedOf("alice"), face - held - free, "frozen");
        assertEq(security.balanceOf(alice), held, "held");
        assertEq(issuance.redemptionOf(address(security)).redeemed + security.totalSupply(), face, "I10");
    }
}
