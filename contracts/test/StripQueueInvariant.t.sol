// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {CouponPayer} from "src/life/CouponPayer.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {Stripping} from "src/life/Stripping.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Roles} from "src/Roles.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {StripQueueHandler} from "./base/StripQueueHandler.sol";
import {FixedOracle} from "./doubles/FixedOracle.sol";

/// @notice I9 and I10 of a bond that is stripped, put together and redeemed early.
contract StripQueueInvariantTest is LifeDesk {
    uint64 private constant MATURES = START + 60 days;
    uint256 private constant ISSUED = 20_000;
    Stripping private _stripping;
    EarlyRedemption private _queue;
    StripQueueHandler private _handler;
    SecurityToken[4] private _strips;
    address[3] private _holders;
    uint256 private _money;

    function setUp() public override {
        super.setUp();
        _holders = [alice, bob, carol];
        FixedOracle oracle = new FixedOracle();
        _stripping = new Stripping(address(manager), issuance);
        _queue = new EarlyRedemption(address(manager), usd, payer, IPriceOracle(address(oracle)), identities);
        manager.grantRole(Roles.ISSUER, address(_stripping), 0);
        manager.grantRole(Roles.ISSUER, address(_queue), 0);
        manager.grantRole(Roles.CUSTODIAN, address(_queue), 0);
        map(address(_stripping), Stripping.namePieces.selector, Roles.ISSUER);
        map(address(_queue), EarlyRedemption.setWindow.selector, Roles.ISSUER);
        enrol("early-redemption", address(_queue));
        security = createMaturing("912810ZZ1", MATURES);
        for (uint256 i = 0; i < 3; ++i) {
            issue(security, _holders[i], i == 0 ? ISSUED - 10_000 : 5_000);
            vm.prank(_holders[i]);
            security.approve(address(_queue), type(uint256).max);
        }
        _namePieces();
        vm.prank(issuer);
        _queue.setWindow(
            security, EarlyRedemption.Terms(START, START + 50 days, treasury, 1, 1_000, 45_000_000, 12 hours)
        );
        vm.prank(treasury);
        usd.approve(address(_queue), type(uint256).max);
        World memory world = World(security, usd, payer, issuance, identities, treasury, issuer, freezer, registrar);
        _handler = new StripQueueHandler(world, _stripping, _queue, _holders, [bytes32("alice"), "bob", "carol"]);
        targetContract(address(_handler));
        _money = _everyonesCash();
    }

    function _namePieces() private {
        bytes32[4] memory cusips = [bytes32("912833ZZ1"), "912833ZZ2", "912833ZZ3", "912803ZZ4"];
        Stripping.Piece[] memory pieces = new Stripping.Piece[](4);
        for (uint64 i = 0; i < 4; ++i) {
            _strips[i] = createMaturing(cusips[i], i < 2 ? START + (i + 1) * 20 days : MATURES);
            pieces[i] = Stripping.Piece(_strips[i], i < 3 ? 3 : 1, i < 3 ? 200 : 1);
        }
        vm.prank(issuer);
        _stripping.namePieces(security, pieces);
    }

    function _everyonesCash() private view returns (uint256 sum) {
        sum = usd.balanceOf(treasury) + usd.balanceOf(address(payer)) + usd.balanceOf(address(_queue));
        for (uint256 i = 0; i < 3; ++i) sum += usd.balanceOf(_holders[i]);
    }

    /// @notice I10: of every piece there is what acts delivered and did not take in, to the unit.
    function invariant_I10_strips_are_what_was_taken_apart() public view {
        for (uint256 i = 0; i < 4; ++i) {
            int256 face = _handler.delivered(i);
            assertTrue(face >= 0, "I10: more taken in than delivered");
            uint256 expected = i < 3 ? (uint256(face) * 3) / 200 : uint256(face);
            assertEq(_strips[i].totalSupply(), expected, "I10: strips");
        }
        assertEq(_handler.wronglyActed(), 0, "I10: an act that should not have gone on, or should have");
    }

    /// @notice I10: bonds and what was redeemed early are what was issued, less what was taken apart and not put together.
    function invariant_I10_bonds_are_conserved() public view {
        int256 left = int256(ISSUED) + _handler.bonds();
        assertTrue(left >= 0, "I10");
        assertEq(security.totalSupply() + _handler.struck(), uint256(left), "I10");
    }

    /// @notice I10: units in the queue are those of its requests and of holders who could not be given theirs back;
    /// its cash is its funds, and coupons that wait to be passed on.
    function invariant_I10_the_queue_has_what_it_owes() public view {
        uint256 units = 0;
        for (uint256 r = 0; r < _handler.requestCount(); ++r) {
            bytes32 id = _handler.requests(r);
            units += _queue.requestOf(id).face;
            assertEq(_queue.requestOf(id).face, _queue.heldFor(id, security), "held for a request");
        }
        for (uint256 i = 0; i < 3; ++i) units += _queue.heldFor(bytes32(uint256(uint160(_holders[i]))), security);
        assertEq(security.balanceOf(address(_queue)), units, "units");
        (, EarlyRedemption.Queue memory found) = _queue.windowOf(security);
        uint256 received = 0;
        for (uint256 c = 0; c < _handler.couponCount(); ++c) {
            bytes32 id = _handler.coupons(c);
            if (!payer.isPaid(id, address(_queue))) continue;
            (, uint256 amount) = payer.entitlementOf(id, address(_queue));
            received += amount;
        }
        assertEq(usd.balanceOf(address(_queue)), found.funds + received - _handler.passedOn(), "cash");
        assertEq(_everyonesCash(), _money, "no money comes or goes");
    }

    /// @notice I9: what a coupon was funded with is paid or unpaid, to the unit; dust goes back.
    function invariant_I9_coupons_of_bonds_and_of_what_is_asked_for() public view {
        uint256 kept = 0;
        for (uint256 c = 0; c < _handler.couponCount(); ++c) {
            CouponPayer.Coupon memory coupon = payer.couponOf(_handler.coupons(c));
            assertTrue(coupon.paid <= coupon.due, "I9");
            if (!coupon.closed) kept += coupon.due - coupon.paid;
            else assertTrue(coupon.due - coupon.paid < 4, "I9: dust is less than one unit a holder");
        }
        assertEq(usd.balanceOf(address(payer)), kept, "I9: cash of the payer contract");
        assertEq(_handler.passedTwice(), 0, "I9: passed on twice");
    }

    /// @notice The queue is served in order, at its price, within the day, and never stands still with cash at hand;
    /// what is asked is final from its cut-off until the next after it was to leave; nothing moves in default.
    function invariant_I10_the_queue_never_blocks() public view {
        assertEq(_handler.wronglyPaid(), 0, "I10: floor(face x price)");
        assertEq(_handler.wronglyReturned(), 0, "given back, and could be paid");
        assertEq(_handler.notFinal(), 0, "struck before its cut-off or after it left; or left when it was final");
        assertEq(_handler.outOfOrder(), 0, "out of order");
        assertEq(_handler.stuck(), 0, "stuck");
        assertEq(_handler.overTheDay(), 0, "over the day's limit");
        assertEq(_handler.movedInDefault(), 0, "moved in default");
    }
}
