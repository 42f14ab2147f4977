// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {Defaults} from "src/life/Defaults.sol";
import {IndexRatio} from "src/life/IndexRatio.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {LifeDesk} from "./base/LifeDesk.sol";

/// @notice What securities pay that is not a fixed fraction of face: by the index, by a floating rate, on a call.
contract LifeKindsTest is LifeDesk {
    uint64 private constant RECORD = START + 30 days;
    uint64 private constant MATURES = START + 100 days;
    uint64 private constant DATED_CPI = 250e5;
    /// @dev 261.23457 / 250 = 1.04493828, cut to 1.044938 and rounded to 1.04494.
    uint64 private constant CPI = 26_123_457;
    uint64 private constant RATIO = 104_494;
    uint64 private constant LOW_CPI = 249e5;
    SecurityToken private _other;

    function setUp() public override {
        super.setUp();
        security = createMaturing("912828ZZ1", MATURES);
        _other = createMaturing("912828ZZ2", MATURES);
        issue(security, alice, 1_000e6);
        issue(security, bob, 500e6);
    }

    // --- by the index -------------------------------------------------------------------------------------------

    function test_a_coupon_by_the_index() public {
        _setDatedCpi(security);
        bytes32 id = payer.couponIdOf(security, RECORD);
        vm.expectEmit(address(payer));
        emit CouponPayer.CouponIndexed(id, 1, 160, CPI, DATED_CPI, RATIO);
        vm.prank(issuer);
        payer.announceIndexed(security, RECORD, RECORD, 1, 160, CPI);
        vm.warp(RECORD);
        (, uint256 due) = payer.entitlementOf(id, alice);
        assertEq(due, 6_530_875, "1,000 x 1/160 x 1.04494");
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.SecurityIndexed.selector, address(security), DATED_CPI));
        vm.prank(issuer);
        payer.announce(security, RECORD, RECORD, 1, 160);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.SecurityNotIndexed.selector, address(_other)));
        vm.prank(issuer);
        payer.announceIndexed(_other, RECORD, RECORD, 1, 160, CPI);
    }

    function test_an_index_is_set_once_and_within_its_bounds() public {
        uint64[2] memory bad = [uint64(50e5 - 1), 5_000e5 + 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IndexRatio.CpiOutOfRange.selector, bad[i]));
            vm.prank(issuer);
            issuance.setDatedCpi(address(security), bad[i]);
        }
        vm.prank(issuer);
        issuance.setDatedCpi(address(security), 50e5);
        vm.expectEmit(address(issuance));
        emit Redemptions.DatedCpiSet(address(_other), 5_000e5);
        vm.prank(issuer);
        issuance.setDatedCpi(address(_other), 5_000e5);
        vm.expectRevert(
            abi.encodeWithSelector(Redemptions.DatedCpiAlreadySet.selector, address(security), uint64(50e5))
        );
        vm.prank(issuer);
        issuance.setDatedCpi(address(security), 60e5);
    }

    function test_redemption_by_the_index() public {
        _setDatedCpi(security);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.SecurityIndexed.selector, address(security), DATED_CPI));
        vm.prank(issuer);
        issuance.openRedemption(security, MATURES, treasury);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.SecurityIndexed.selector, address(security), DATED_CPI));
        vm.prank(issuer);
        issuance.callSecurity(security, RECORD, RECORD, treasury, 100e6);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.SecurityNotIndexed.selector, address(_other)));
        vm.prank(issuer);
        issuance.openIndexedRedemption(_other, MATURES, treasury, CPI);
        vm.expectEmit(address(issuance));
        emit Redemptions.RedemptionIndexed(address(security), CPI, DATED_CPI, RATIO);
        vm.prank(issuer);
        issuance.openIndexedRedemption(security, MATURES, treasury, CPI);
        assertEq(issuance.endOf(address(security)), MATURES, "at maturity");
        vm.warp(MATURES);
        uint256 before = usd.balanceOf(bob);
        _redeem(1_567_410_000);
        assertEq(usd.balanceOf(alice), 1_044_940_000, "1,000 x 1.04494");
        assertEq(usd.balanceOf(bob) - before, 522_470_000, "500 x 1.04494");
    }

    function test_redemption_is_at_least_par() public {
        _setDatedCpi(security);
        vm.prank(issuer);
        issuance.openIndexedRedemption(security, MATURES, treasury, LOW_CPI);
        assertEq(issuance.redemptionCash(address(security), 1_000e6), 1_000e6, "the floor");
        assertEq(issuance.redemptionCash(address(_other), 7), 7, "par while none is open");
    }

    // --- by a floating rate -------------------------------------------------------------------------------------

    /// @dev 10 days at 5 % + 0.1 %, then 20 at -0.3 % + 0.1 %, which count as nothing.
    function test_a_coupon_by_a_floating_rate() public {
        CouponPayer.Stretch[] memory stretches = _two(10, 50_000_000, 20, -3_000_000);
        bytes32 id = payer.couponIdOf(security, RECORD);
        vm.expectEmit(address(payer));
        emit CouponPayer.CouponFloated(id, START + 1 hours, 1_000_000, stretches);
        _float(START + 1 hours, 1_000_000, stretches);
        assertEq(payer.couponOf(id).numerator, 510_000_000, "10 x 0.051");
        assertEq(payer.couponOf(id).denominator, 360e9, "by 360");
        vm.warp(RECORD);
        (, uint256 due) = payer.entitlementOf(id, alice);
        assertEq(due, 1_416_666, "rounded down");
    }

    function test_every_day_is_named_once() public {
        CouponPayer.Stretch[] memory stretches = _two(10, 50_000_000, 19, 40_000_000);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.DaysMissing.selector, 29, 30));
        _float(START, 0, stretches);
        stretches[1].daysCount = 21;
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.DaysMissing.selector, 31, 30));
        _float(START, 0, stretches);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.DaysMissing.selector, 31, 0));
        _float(RECORD, 0, stretches);
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.DaysMissing.selector, 65, 64));
        _float(START, 0, new CouponPayer.Stretch[](65));
        stretches = new CouponPayer.Stretch[](64);
        stretches[63] = CouponPayer.Stretch(30, 1);
        _float(START, 0, stretches);
        assertEq(payer.couponOf(payer.couponIdOf(security, RECORD)).numerator, 30, "64 are not too many");
    }

    function test_rates_within_their_bounds() public {
        int64[2] memory bad = [int64(1e9 + 1), -1e9 - 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(CouponPayer.RateOutOfRange.selector, bad[i]));
            _float(START, bad[i], _two(10, 0, 20, 0));
            vm.expectRevert(abi.encodeWithSelector(CouponPayer.RateOutOfRange.selector, bad[i]));
            _float(START, 0, _two(10, bad[i], 20, 0));
        }
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponFractionOutOfRange.selector, 0, 360e9));
        _float(START, -1e9, _two(10, 1e9, 20, -1e9));
        _float(START, 1e9, _two(10, 1e9, 20, -1e9));
        assertEq(payer.couponOf(payer.couponIdOf(security, RECORD)).numerator, 20e9, "ten days at 200 %");
    }

    // --- called -------------------------------------------------------------------------------------------------

    function test_called_before_it_matures() public {
        freeze(security, bob, 200e6);
        vm.expectEmit(address(issuance));
        emit Redemptions.SecurityCalled(address(security), RECORD, 101e6);
        _call(RECORD, 101e6);
        assertEq(issuance.endOf(address(security)), RECORD, "interest stops");
        assertEq(issuance.redemptionCash(address(security), 1_000e6), 1_010e6, "at its price");
        vm.expectRevert(abi.encodeWithSelector(CouponPayer.CouponAfterMaturity.selector, RECORD + 1, RECORD));
        vm.prank(issuer);
        payer.announce(security, RECORD + 1, RECORD + 1, 1, 10);
        vm.prank(issuer);
        payer.announce(security, RECORD, RECORD, 1, 10);
        vm.warp(RECORD);
        uint256 before = usd.balanceOf(bob);
        _redeem(1_515e6);
        assertEq(usd.balanceOf(alice), 1_010e6, "all of hers");
        assertEq(usd.balanceOf(bob) - before, 303e6, "what is not frozen of his");
        assertEq(security.balanceOf(bob), 200e6, "the rest waits");
        bytes memory reason = abi.encodeWithSelector(Redemptions.UnitsFrozenUntilMaturity.selector, bob, 200e6);
        vm.expectEmit(address(issuance));
        emit Redemptions.RedemptionWithheld(address(security), bob, 200e6, reason);
        issuance.redeem(security, one(bob));
        vm.warp(MATURES);
        issuance.redeem(security, one(bob));
        assertEq(issuance.blockedOf("bob"), 202e6, "then it is blocked");
    }

    function test_calls_that_cannot_be() public {
        uint64[2] memory times = [START, MATURES];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Redemptions.CallTimeOutOfRange.selector, times[i], MATURES));
            _call(times[i], 100e6);
        }
        uint128[2] memory prices = [uint128(0), 200e6 + 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Redemptions.CallPriceOutOfRange.selector, prices[i]));
            _call(RECORD, prices[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(Redemptions.RedemptionWithoutPayer.selector, address(security)));
        vm.prank(issuer);
        issuance.callSecurity(security, RECORD, RECORD, address(0), 100e6);
        _call(START + 1, 200e6);
        vm.expectRevert(
            abi.encodeWithSelector(Redemptions.RedemptionAlreadyOpened.selector, address(security), START + 1)
        );
        _call(RECORD, 100e6);
    }

    function test_a_default_and_its_cure_are_told() public {
        vm.expectEmit(address(issuance));
        emit Defaults.DefaultDeclared(address(security), "evidence");
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        vm.expectEmit(address(issuance));
        emit Defaults.DefaultCured(address(security), "cured");
        vm.prank(issuer);
        issuance.cureDefault(address(security), "cured");
    }

    function test_a_default_is_declared_once_on_evidence_and_cured_on_evidence() public {
        bytes memory bare = abi.encodeWithSelector(Defaults.DefaultWithoutEvidence.selector, address(security));
        vm.expectRevert(bare);
        vm.prank(issuer);
        issuance.declareDefault(address(security), 0);
        vm.expectRevert(abi.encodeWithSelector(Defaults.SecurityPerforms.selector, address(security)));
        vm.prank(issuer);
        issuance.cureDefault(address(security), "cured");
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        vm.expectRevert(
            abi.encodeWithSelector(Defaults.SecurityInDefault.selector, address(security), bytes32("evidence"))
        );
        vm.prank(issuer);
        issuance.declareDefault(address(security), "more");
        vm.expectRevert(bare);
        vm.prank(issuer);
        issuance.cureDefault(address(security), 0);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _setDatedCpi(SecurityToken token) private {
        vm.prank(issuer);
        issuance.setDatedCpi(address(token), DATED_CPI);
    }

    function _float(uint64 start, int64 spreadE9, CouponPayer.Stretch[] memory stretches) private {
        vm.prank(issuer);
        payer.announceFloating(security, RECORD, RECORD, start, spreadE9, stretches);
    }

    function _two(
        uint32 first,
        int64 firstE9,
        uint32 second,
        int64 secondE9
    ) private pure returns (CouponPayer.Stretch[] memory stretches) {
        stretches = new CouponPayer.Stretch[](2);
        stretches[0] = CouponPayer.Stretch(first, firstE9);
        stretches[1] = CouponPayer.Stretch(second, secondE9);
    }

    function _call(uint64 callTime, uint128 priceE6) private {
        vm.prank(issuer);
        issuance.callSecurity(security, callTime, callTime, treasury, priceE6);
    }

    function _redeem(uint256 funds) private {
        vm.prank(treasury);
        issuance.fundRedemption(security, funds);
        issuance.redeem(security, two(alice, bob));
    }
}
