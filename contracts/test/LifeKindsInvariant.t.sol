// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CouponPayer} from "src/life/CouponPayer.sol";
import {Redemptions} from "src/life/Redemptions.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {LifeKindsHandler} from "./base/LifeKindsHandler.sol";

/// @notice I9 and I10 of indexed, floating and callable securities, with defaults and recoveries in between.
contract LifeKindsInvariantTest is LifeDesk {
    LifeKindsHandler private _handler;
    SecurityToken[3] private _tokens;
    address[3] private _holders;
    uint256[3] private _issued;
    uint256 private _money;

    function setUp() public override {
        super.setUp();
        _holders = [alice, bob, carol];
        bytes32[3] memory cusips = [bytes32("912828ZZ1"), "91282CZZ2", "594918ZZ3"];
        for (uint256 k = 0; k < 3; ++k) {
            _tokens[k] = createMaturing(cusips[k], START + 65 days);
            issue(_tokens[k], alice, 1_000_003);
            issue(_tokens[k], bob, 17);
            issue(_tokens[k], carol, 777_777_777);
            _issued[k] = _tokens[k].totalSupply();
        }
        vm.prank(issuer);
        issuance.setDatedCpi(address(_tokens[0]), 250e5);
        World memory world = World(note, usd, payer, issuance, identities, treasury, issuer, freezer, registrar);
        _handler = new LifeKindsHandler(world, _tokens, _holders, [bytes32("alice"), "bob", "carol"]);
        targetContract(address(_handler));
        _money = _everyonesCash();
    }

    function _everyonesCash() private view returns (uint256 sum) {
        sum = usd.balanceOf(treasury) + usd.balanceOf(address(payer)) + usd.balanceOf(address(issuance));
        for (uint256 i = 0; i < 3; ++i) sum += usd.balanceOf(_holders[i]);
    }

    /// @notice I9: floor(position at record x fraction), once or not yet; the fraction by the index, the days' rates,
    /// or the issuer's word.
    function invariant_I9_each_kind_pays_each_share_once() public view {
        assertEq(_handler.paidTwice(), 0, "I9: paid twice");
        for (uint256 c = 0; c < _handler.count(); ++c) {
            bytes32 id = _handler.ids(c);
            LifeKindsHandler.Payment memory known = _handler.paymentOf(id);
            for (uint256 i = 0; i < 3; ++i) {
                uint256 share = (known.faces[i] * known.numerator) / known.denominator;
                uint256 expected = payer.isPaid(id, _holders[i]) ? share : 0;
                assertEq(_handler.paidTo(id, _holders[i]), expected, "I9: share");
            }
        }
    }

    /// @notice I9: what was funded is paid, unpaid, or dust of less than one unit a holder; the rest went back.
    function invariant_I9_every_unit_of_cash_is_accounted_for() public view {
        uint256 kept = 0;
        for (uint256 c = 0; c < _handler.count(); ++c) {
            bytes32 id = _handler.ids(c);
            CouponPayer.Coupon memory coupon = payer.couponOf(id);
            LifeKindsHandler.Payment memory known = _handler.paymentOf(id);
            if (coupon.payer == address(0)) continue;
            (uint256 face, uint256 unpaid, uint256 paid) = (0, 0, 0);
            for (uint256 i = 0; i < 3; ++i) {
                face += known.faces[i];
                paid += _handler.paidTo(id, _holders[i]);
                if (!payer.isPaid(id, _holders[i])) unpaid += (known.faces[i] * known.numerator) / known.denominator;
            }
            assertEq(coupon.due, (face * known.numerator) / known.denominator, "I9: rate x face");
            assertEq(coupon.paid, paid, "I9: paid");
            assertTrue(coupon.due - paid - unpaid < 3, "I9: dust is less than one unit a holder");
            assertTrue(!coupon.closed || unpaid == 0, "I9: closed means that nobody is left");
            if (!coupon.closed) kept += coupon.due - coupon.paid;
        }
        assertEq(usd.balanceOf(address(payer)), kept, "I9: cash of the payer contract");
        assertEq(_everyonesCash(), _money, "no money comes or goes");
    }

    /// @notice I10: redeemed + outstanding = issued, at the index ratio of at least 1, at par, or at the call's price.
    function invariant_I10_each_kind_is_redeemed_whole() public view {
        uint256 kept = issuance.blockedOf("alice") + issuance.blockedOf("bob") + issuance.blockedOf("carol");
        assertEq(_handler.wronglyRedeemed(), 0, "I10: floor(face x fraction)");
        assertEq(_handler.paidTooEarly(), 0, "I10: not before its day");
        for (uint256 k = 0; k < 3; ++k) {
            Redemptions.Redemption memory redemption = issuance.redemptionOf(address(_tokens[k]));
            assertEq(redemption.redeemed, _handler.redeemed(k), "I10: redeemed");
            assertEq(redemption.redeemed + _tokens[k].totalSupply(), _issued[k], "I10");
            assertTrue(redemption.numerator >= redemption.denominator, "I10: at least par");
            if (_tokens[k].totalSupply() == 0) assertEq(redemption.funds, 0, "I10: dust went back");
            kept += redemption.funds;
        }
        assertEq(usd.balanceOf(address(issuance)), kept, "I10: cash of the issuance contract");
    }

    /// @notice Nothing moves in default, no coupon is announced after the end, and nothing else is refused.
    function invariant_I9_defaults_and_calls_stop_what_they_stop() public view {
        assertEq(_handler.movedInDefault(), 0, "moved in default");
        assertEq(_handler.couponsAfterTheEnd(), 0, "a coupon after the end");
        assertEq(_handler.refusedWhilePerforming(), 0, "refused though nothing stops it");
    }
}
