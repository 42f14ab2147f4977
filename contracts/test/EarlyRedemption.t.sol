// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";
import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {Custody} from "src/repo/Custody.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Roles} from "src/Roles.sol";
import {LifeDesk} from "./base/LifeDesk.sol";
import {Test} from "./base/Test.sol";
import {FixedOracle} from "./doubles/FixedOracle.sol";

/// @notice A window on one security at the oracle's price, with a thousand dollars of face a day. The first cut-off is a
/// second after it opens: what is asked at START is struck from START + 1 on.
abstract contract QueueDesk is LifeDesk {
    uint64 internal constant MATURES = START + 60 days;
    uint88 internal constant DAILY = 1_000e6;
    uint88 internal constant MINIMUM = 10e6;
    EarlyRedemption internal queue;
    FixedOracle internal oracle;

    function setUp() public virtual override {
        super.setUp();
        oracle = new FixedOracle();
        queue = new EarlyRedemption(address(manager), usd, payer, IPriceOracle(address(oracle)), identities);
        manager.grantRole(Roles.ISSUER, address(queue), 0);
        manager.grantRole(Roles.CUSTODIAN, address(queue), 0);
        map(address(queue), EarlyRedemption.setWindow.selector, Roles.ISSUER);
        enrol("early-redemption", address(queue));
        security = createMaturing("912797ZZ1", MATURES);
        oracle.set("912797ZZ1", 99e6);
        address[3] memory holders = [alice, bob, carol];
        for (uint256 i = 0; i < 3; ++i) {
            issue(security, holders[i], 5_000e6);
            vm.prank(holders[i]);
            security.approve(address(queue), type(uint256).max);
        }
        vm.prank(treasury);
        usd.approve(address(queue), type(uint256).max);
        setTerms(0);
        vm.prank(treasury);
        queue.fund(security, 100_000e6);
    }

    function setTerms(uint64 priceE6) internal {
        EarlyRedemption.Terms memory terms = EarlyRedemption.Terms(
            START,
            START + 50 days,
            treasury,
            MINIMUM,
            DAILY,
            priceE6,
            1
        );
        vm.prank(issuer);
        queue.setWindow(security, terms);
    }

    function ask(address holder, uint88 face) internal returns (bytes32 id) {
        vm.prank(holder);
        id = queue.request(security, face);
    }

    function faceOf(bytes32 id) internal view returns (uint256) {
        return queue.requestOf(id).face;
    }
}

/// @notice The early redemption queue: order, limits, and what griefers try.
contract EarlyRedemptionTest is QueueDesk {
    function test_first_come_first_served_up_to_the_days_limit() public {
        bytes32 first = ask(alice, 700e6);
        bytes32 second = ask(bob, 700e6);
        vm.warp(START + 1);
        uint256 before = usd.balanceOf(bob);
        queue.strike(security, 20);
        assertEq(usd.balanceOf(alice), 693e6, "all of the first, at 99");
        assertEq(usd.balanceOf(bob) - before, 297e6, "what the day leaves of the second");
        assertEq(faceOf(first), 0, "over");
        assertEq(faceOf(second), 400e6, "the rest waits");
        assertEq(queue.strike(security, 20), 0, "no more today");
        vm.warp(START + 1 days);
        assertEq(queue.strike(security, 20), 0, "nor until the next cut-off");
        vm.warp(START + 1 days + 1);
        assertEq(queue.strike(security, 20), 400e6, "tomorrow");
        assertEq(security.balanceOf(address(queue)), 0, "nothing is left here");
        assertEq(security.totalSupply(), 15_000e6 - 1_400e6, "destroyed");
    }

    /// @dev Of what is asked in the last second before a cut-off the price is observed at it, or later.
    function test_a_price_from_before_the_cut_off_does_not_count() public {
        ask(alice, 100e6);
        assertEq(queue.strike(security, 20), 0, "observed in the same second");
        vm.warp(START + 1);
        oracle.observe("912797ZZ1", START);
        assertEq(queue.strike(security, 20), 0, "observed a second before the cut-off");
        oracle.observe("912797ZZ1", START + 1);
        assertEq(queue.strike(security, 20), 100e6, "observed at it");
    }

    function test_clean_and_accrued_and_clean_alone_after_the_coupon() public {
        oracle.setAccruing("912797ZZ1", 99e6, 2e6, START + 10 days);
        ask(alice, 100e6);
        ask(alice, 100e6);
        vm.warp(START + 1);
        queue.strike(security, 1);
        assertEq(usd.balanceOf(alice), 101e6, "dirty");
        vm.warp(START + 10 days);
        queue.strike(security, 1);
        assertEq(usd.balanceOf(alice), 200e6, "the coupon is the record holder's");
    }

    function test_the_windows_own_price() public {
        setTerms(100_500_000);
        ask(alice, 100e6);
        assertEq(queue.strike(security, 20), 0, "not before the cut-off");
        vm.warp(START + 1);
        queue.strike(security, 20);
        assertEq(usd.balanceOf(alice), 100_500_000, "whatever the oracle says");
    }

    function test_in_part_where_the_cash_ends() public {
        vm.prank(treasury);
        queue.withdrawFunds(security, 100_000e6 - 50);
        bytes32 id = ask(alice, 100e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 20), 50, "50 units of cash at 99 pay for 50 of face");
        assertEq(usd.balanceOf(alice), 49, "rounded down");
        assertEq(faceOf(id), 100e6 - 50, "the rest waits");
        assertEq(queue.strike(security, 20), 0, "the unit of cash that is left buys none: it would pay nothing");
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.FundsExceeded.selector, address(security), 1, 2));
        vm.prank(treasury);
        queue.withdrawFunds(security, 2);
    }

    function test_cancelled_requests_leave_nothing_to_step_over() public {
        bytes32[] memory mine = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) mine[i] = ask(alice, MINIMUM);
        bytes32 other = ask(bob, 100e6);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.NotRequestHolder.selector, mine[1], alice));
        vm.prank(bob);
        queue.cancel(mine[1]);
        vm.prank(alice);
        queue.cancel(mine[1]);
        vm.prank(alice);
        queue.cancel(mine[0]);
        vm.prank(alice);
        queue.cancel(mine[2]);
        assertEq(security.balanceOf(alice), 5_000e6, "units are back");
        vm.warp(START + 1);
        assertEq(queue.strike(security, 1), 100e6, "one step");
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.RequestUnknown.selector, other));
        vm.prank(bob);
        queue.cancel(other);
    }

    function test_a_holder_who_cannot_be_paid_stops_nobody() public {
        bytes32 id = ask(alice, 100e6);
        ask(bob, 100e6);
        vm.prank(registrar);
        identities.removeWallet(alice);
        vm.warp(START + 1);
        vm.expectEmit(address(queue));
        emit EarlyRedemption.EarlyRedemptionEnded(id, alice, 100e6);
        assertEq(queue.strike(security, 20), 100e6, "bob's");
        assertEq(queue.heldFor(bytes32(uint256(uint160(alice))), security), 100e6, "hers wait in her name");
        vm.prank(registrar);
        identities.registerWallet(alice, "alice");
        vm.expectEmit(address(queue));
        emit Custody.DeliveryCollected(alice, address(security), 100e6);
        queue.collect(alice, security);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    /// @dev Of a day's face and a unit the unit is left. It is worth less than a unit of cash, so it cannot be struck.
    function test_queue_griefing_by_a_rest_that_is_worth_nothing() public {
        bytes32 id = ask(alice, DAILY + 1);
        ask(bob, 100e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 20), DAILY, "the day's face");
        assertEq(queue.strike(security, 20), 0, "no more today");
        assertEq(faceOf(id), 1, "the unit waits");
        vm.warp(START + 1 days + 1);
        vm.expectEmit(address(queue));
        emit EarlyRedemption.EarlyRedemptionEnded(id, alice, 1);
        assertEq(queue.strike(security, 20), 100e6, "who is behind it is paid");
        assertEq(security.balanceOf(alice), 5_000e6 - DAILY, "the unit went back");
        assertEq(queue.openRequests(security, alice), 0, "and nothing of her waits");
    }

    /// @dev Eight least requests each are all they can put before another.
    function test_queue_griefing_by_many_small_requests() public {
        for (uint256 i = 0; i < 8; ++i) ask(alice, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.TooManyRequests.selector, alice, 8));
        ask(alice, MINIMUM);
        for (uint256 i = 0; i < 8; ++i) ask(bob, MINIMUM);
        ask(carol, 500e6);
        vm.warp(START + 1);
        assertEq(queue.strike(security, 16), 16 * uint256(MINIMUM), "theirs, which cost them their units");
        assertEq(queue.strike(security, 1), 500e6, "hers on the same day");
    }

    function test_nobody_collects_what_is_in_the_queue() public {
        ask(alice, 100e6);
        vm.expectRevert();
        queue.collect(alice, security);
    }

    function test_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.RequestTooSmall.selector, MINIMUM - 1, MINIMUM));
        ask(alice, MINIMUM - 1);
        for (uint256 i = 0; i < 8; ++i) ask(alice, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.TooManyRequests.selector, alice, 8));
        ask(alice, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.StepsOutOfRange.selector, 21, 20));
        queue.strike(security, 21);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.StepsOutOfRange.selector, 0, 20));
        queue.strike(security, 0);
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.NotWindowPayer.selector, address(security), treasury));
        vm.prank(bob);
        queue.fund(security, 1);
        EarlyRedemption.Terms memory terms = EarlyRedemption.Terms(START, START + 1, bob, 1, 1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        queue.setWindow(security, terms);
        vm.expectRevert(
            abi.encodeWithSelector(EarlyRedemption.WindowHasFunds.selector, address(security), 100_000e6)
        );
        vm.prank(issuer);
        queue.setWindow(security, terms);
        terms.dailyFace = 0;
        vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.InvalidWindow.selector, address(security)));
        vm.prank(issuer);
        queue.setWindow(security, terms);
        vm.warp(START + 50 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                EarlyRedemption.WindowNotOpen.selector,
                address(security),
                START,
                START + 50 days
            )
        );
        queue.strike(security, 1);
    }

    function test_windows_that_are_none() public {
        for (uint256 i = 0; i < 7; ++i) {
            EarlyRedemption.Terms memory bad =
                EarlyRedemption.Terms(START, START + 1, treasury, 2, 2, 1_000e6, 1 days - 1);
            if (i == 0) bad.opensAt = 0;
            if (i == 1) bad.closesAt = START;
            if (i == 2) bad.payer = address(0);
            if (i == 3) bad.minimumFace = 0;
            if (i == 4) bad.minimumFace = 3;
            if (i == 5) ++bad.priceE6;
            if (i == 6) ++bad.cutOff;
            vm.expectRevert(abi.encodeWithSelector(EarlyRedemption.InvalidWindow.selector, address(security)));
            vm.prank(issuer);
            queue.setWindow(security, bad);
        }
        EarlyRedemption.Terms memory terms =
            EarlyRedemption.Terms(START, START + 1, treasury, 2, 2, 1_000e6, 1 days - 1);
        vm.expectEmit(address(queue));
        emit EarlyRedemption.WindowSet(address(security), terms);
        vm.prank(issuer);
        queue.setWindow(security, terms);
        (, EarlyRedemption.Queue memory state) = queue.windowOf(security);
        assertEq(state.funds, 100_000e6, "what the same payer paid in stays");
    }

    function test_a_default_stops_the_queue_and_not_the_way_out() public {
        bytes32 id = ask(alice, 100e6);
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        vm.warp(START + 1);
        vm.expectRevert(
            abi.encodeWithSelector(EarlyRedemption.SecurityInDefault.selector, address(security), bytes32("evidence"))
        );
        queue.strike(security, 1);
        vm.prank(alice);
        queue.cancel(id);
        assertEq(security.balanceOf(alice), 5_000e6, "back");
    }

    function test_a_coupon_of_queued_units_is_who_askeds() public {
        bytes32 id = ask(alice, 100e6);
        vm.prank(issuer);
        bytes32 coupon = payer.announce(security, START + 5 days, START + 5 days, 1, 10);
        vm.warp(START + 5 days);
        vm.prank(treasury);
        payer.fund(coupon);
        queue.strike(security, 20);
        payer.pay(coupon, one(address(queue)));
        queue.passCoupon(id, coupon);
        assertEq(usd.balanceOf(alice), 99e6 + 10e6, "redemption and coupon");
    }

    function test_what_is_in_the_queue_at_maturity_is_paid_at_par() public {
        bytes32 id = ask(alice, 100e6);
        vm.prank(issuer);
        issuance.openRedemption(security, MATURES, treasury);
        vm.prank(treasury);
        issuance.fundRedemption(security, 15_000e6);
        vm.warp(MATURES);
        issuance.redeem(security, one(address(queue)));
        queue.cancel(id); // anyone may
        assertEq(usd.balanceOf(alice), 100e6, "par");
    }
}

contract QueueHandler is Test {
    EarlyRedemption private immutable _queue;
    SecurityToken private immutable _token;
    address[3] private _holders;
    bytes32[] public ids;
    mapping(uint256 day => uint256) public struckOn;
    uint256 public struck;
    uint64 private immutable _start = uint64(block.timestamp);

    constructor(EarlyRedemption queue_, SecurityToken token_, address[3] memory holders_) {
        (_queue, _token, _holders) = (queue_, token_, holders_);
    }

    function ask(uint8 who, uint88 face) external {
        vm.prank(_holders[who % 3]);
        try _queue.request(_token, uint88(between(face, 1, 2_000e6))) returns (bytes32 id) {
            ids.push(id);
        } catch {}
    }

    function cancel(uint256 which) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        vm.prank(_queue.requestOf(id).holder);
        try _queue.cancel(id) {} catch {}
    }

    function strike(uint8 steps) external {
        try _queue.strike(_token, between(steps, 1, 20)) returns (uint256 face) {
            struckOn[today()] += face;
            struck += face;
        } catch {}
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 1, 12 hours));
    }

    /// @dev Dealing days begin a second after the window opened.
    function today() public view returns (uint256) {
        return (block.timestamp + 1 days - 1 - _start) / 1 days;
    }
}

/// @notice The queue's books, whatever is asked, cancelled and struck.
contract EarlyRedemptionInvariantTest is QueueDesk {
    QueueHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new QueueHandler(queue, security, [alice, bob, carol]);
        targetContract(address(_handler));
    }

    /// @notice The list holds every open request once, forwards and backwards, and its faces are the units here.
    function invariant_I10_the_queue_is_what_lies_here() public view {
        (, EarlyRedemption.Queue memory found) = queue.windowOf(security);
        uint256 sum = 0;
        uint256 count = 0;
        bytes32 before = 0;
        for (bytes32 id = found.first; id != 0; id = queue.requestOf(id).next) {
            EarlyRedemption.Request memory entry = queue.requestOf(id);
            assertEq(entry.before, before, "linked both ways");
            assertEq(queue.heldFor(id, security), entry.face, "custody");
            sum += entry.face;
            before = id;
            ++count;
        }
        assertEq(found.last, before, "last");
        assertEq(security.balanceOf(address(queue)), sum, "units");
        uint256 open = queue.openRequests(security, alice) + queue.openRequests(security, bob);
        assertEq(open + queue.openRequests(security, carol), count, "open requests");
        assertEq(security.totalSupply() + _handler.struck(), 15_000e6, "I10: redeemed + outstanding = issued");
        assertEq(usd.balanceOf(address(queue)), found.funds, "cash");
    }

    function invariant_no_day_passes_its_limit() public view {
        for (uint256 day = 0; day <= _handler.today(); ++day) {
            assertTrue(_handler.struckOn(day) <= DAILY, "the day's limit");
        }
    }
}
