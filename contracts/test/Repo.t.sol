// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "src/repo/Custody.sol";
import {RepoBook} from "src/repo/RepoBook.sol";
import {RepoFacility} from "src/repo/RepoFacility.sol";
import {MarginRule, RepoHash, RepoTerms} from "src/repo/RepoTerms.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Settlement} from "src/Settlement.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice What the repo facility refuses, and its arithmetic by a second route.
contract RepoTest is RepoDesk {
    function test_opening_moves_both_sides_or_nothing() public {
        bytes32 id = open(standard(0));
        assertEq(first.balanceOf(address(facility)), 10_000e6, "collateral is really held");
        assertEq(facility.heldFor(id, first), 10_000e6, "for this repo");
        assertEq(usd.balanceOf(alice), STOCK + 9_900e6, "cash");
        RepoTerms memory rich = standard(1);
        (rich.cash, rich.face) = (2 * STOCK, 3 * STOCK);
        Instruction memory made = opening(rich);
        bytes[] memory signatures = signed(made);
        vm.expectRevert();
        facility.open(rich, made, signatures);
        assertEq(uint256(facility.repoOf(facility.hashTerms(rich)).status), 0, "nothing is recorded");
    }

    /// @notice The signatures cover the terms: with any other terms the same Instruction opens nothing.
    function testFuzz_signed_terms_are_the_terms(uint8 field, uint64 other) public {
        RepoTerms memory terms = standard(0);
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        other = uint64(between(other, 1, 1e9));
        field = field % 8;
        if (field == 0) terms.rateE9 ^= other;
        if (field == 1) terms.end += other;
        if (field == 2) terms.marginE9 ^= other;
        if (field == 3) terms.callSeconds ^= uint32(other);
        if (field == 4) terms.face -= other;
        if (field == 5) terms.cash -= other;
        if (field == 6) terms.nonce = other;
        if (field == 7) terms.marginRule = MarginRule.MarginRatio;
        bytes32 expected = facility.hashTerms(terms);
        vm.expectRevert(
            abi.encodeWithSelector(RepoFacility.ContextMismatch.selector, expected, made.contextHash)
        );
        facility.open(terms, made, signatures);
    }

    function test_legs_are_exactly_those_of_the_terms() public {
        RepoTerms memory terms = standard(0);
        for (uint256 i = 0; i < 4; ++i) {
            Instruction memory made = opening(terms);
            if (i == 0) made.legs[0].amount += 1;
            if (i == 1) made.legs[1].amount -= 1;
            if (i == 2) made.legs[0].to = carol;
            if (i == 3) made.legs[1].token = address(eur);
            made.planHash = planHash(made.contextHash, made.legs);
            bytes[] memory signatures = signed(made);
            vm.expectRevert(abi.encodeWithSelector(RepoFacility.UnexpectedLeg.selector, i % 2));
            facility.open(terms, made, signatures);
        }
    }

    function test_terms_that_make_no_sense() public {
        for (uint256 i = 0; i < 8; ++i) {
            RepoTerms memory terms = standard(i);
            if (i == 0) terms.end = terms.start;
            if (i == 1) terms.end = terms.start + 732 days;
            if (i == 2) terms.end += 2 hours;
            if (i == 3) terms.marginE9 = 1e9;
            if (i == 4) (terms.marginRule, terms.marginE9) = (MarginRule.MarginRatio, 1e9 - 1);
            if (i == 5) (terms.marginRule, terms.marginE9) = (MarginRule.MarginRatio, 10e9 + 1);
            if (i == 6) terms.rateE9 = 1e9 + 1;
            if (i == 7) terms.lender = terms.borrower;
            Instruction memory made = opening(terms);
            bytes32 id = facility.hashTerms(terms);
            vm.expectRevert(abi.encodeWithSelector(RepoFacility.InvalidRepoTerms.selector, id));
            facility.open(terms, made, new bytes[](2));
        }
        RepoTerms memory late = standard(9);
        late.start -= 1 days;
        Instruction memory instruction = opening(late);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, late.start));
        facility.open(late, instruction, new bytes[](2));
    }

    function test_ineligible_and_short_collateral() public {
        RepoTerms memory terms = standard(0);
        terms.cash += 1;
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.CollateralShort.selector, 9_900e6, 9_900e6 + 1));
        facility.open(terms, made, signatures);
        oracle.set("91282CPZ8", 100e6);
        terms = standard(1);
        terms.token = address(createMaturing("912797CC3", terms.end));
        oracle.set("912797CC3", 100e6);
        made = opening(terms);
        vm.expectRevert(
            abi.encodeWithSelector(RepoBook.CollateralIneligible.selector, terms.token, terms.end, terms.end)
        );
        facility.open(terms, made, signatures);
    }

    function test_once() public {
        RepoTerms memory terms = standard(0);
        bytes32 id = open(terms);
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.RepoAlreadyExists.selector, id));
        facility.open(terms, made, signatures);
    }

    /// @notice A day is today's: not yesterday's, not tomorrow's, not half a day.
    function test_acts_are_dated_today() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 5 days + 7 hours);
        facility.mark(id, START + 5 days);
        uint64[3] memory wrong = [START + 4 days, START + 6 days, START + 5 days + 3 hours];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, wrong[i]));
            facility.mark(id, wrong[i]);
        }
        facility.mark(id, START + 5 days + 1 hours); // a clock change
    }

    function test_margin_call_and_default_on_it() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        vm.expectEmit(address(facility));
        emit RepoFacility.MarginCalled(id, 9_900e6 - 9_801e6, uint64(block.timestamp) + 1 hours);
        facility.mark(id, today());
        vm.warp(START + 30 minutes);
        facility.mark(id, today());
        assertEq(facility.repoOf(id).callDeadline, START + 1 hours, "a call keeps its deadline");
        vm.warp(START + 1 hours);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(RepoFacility.NotInDefault.selector, id, START + 1 hours, START + 30 days)
        );
        facility.closeOut(id, today());
        vm.warp(START + 1 hours + 1);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.NotLender.selector, alice, bob));
        vm.prank(alice);
        facility.closeOut(id, today());
        vm.prank(bob);
        facility.closeOut(id, today());
        assertEq(first.balanceOf(bob), 10_000e6, "9,900 at 99: all");
        RepoBook.Repo memory repo = facility.repoOf(id);
        assertEq(repo.shortfall, 0, "exactly");
        vm.expectRevert(abi.encodeWithSelector(RepoBook.RepoNotOpen.selector, id, RepoBook.Status.ClosedOut));
        vm.prank(bob);
        facility.closeOut(id, today());
    }

    function test_only_what_was_signed_for_this_act() public {
        bytes32 id = open(standard(0));
        Instruction memory made = margin(id, address(first), 5);
        bytes[] memory signatures = byAlice(made);
        facility.deliverMargin(id, today(), made, signatures);
        bytes32 next = RepoHash.ofMargin(id, actsOf(id), today());
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.ContextMismatch.selector, next, made.contextHash));
        facility.deliverMargin(id, today(), made, signatures); // again
    }

    function test_consent_of_the_lender() public {
        bytes32 id = open(standard(0));
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.LenderHasNotSigned.selector, bob));
        this.early(id);
        Instruction memory made = substitution(id, second, 20_000e6);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.LenderHasNotSigned.selector, bob));
        facility.substitute(id, today(), second, 20_000e6, made, signatures, signatures[0]);
        vm.warp(START + 30 days);
        repurchaseAll(id, false); // on its date it is the borrower's right
    }

    function early(bytes32 id) external {
        repurchaseAll(id, false);
    }

    function test_repurchase_pays_exactly_what_is_due() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 30 days);
        uint256 interest = 29_700_000; // 9,900 x 3.6% x 30 / 360
        vm.expectRevert(
            abi.encodeWithSelector(
                RepoFacility.RepurchaseAmountMismatch.selector,
                9_900e6 + interest,
                9_900e6 + interest - 1
            )
        );
        this.pay(id, 9_900e6 + interest - 1);
        this.pay(id, 9_900e6 + interest);
        assertEq(first.balanceOf(alice), STOCK, "collateral is back");
        assertEq(usd.balanceOf(bob), STOCK + 1_000_000 + interest, "paid");
    }

    function pay(bytes32 id, uint256 amount) external {
        repurchase(id, 9_900e6, 0, amount, false);
    }

    /// @notice I11: interest is the exact sum over intervals of outstanding cash, rounded half up once.
    function testFuzz_I11_interest(uint64 rate, uint40[3] memory parts, uint8[4] memory days_) public {
        RepoTerms memory terms = standard(0);
        terms.rateE9 = uint64(between(rate, 0, 1e9));
        terms.end = terms.start + 700 days;
        terms.face = STOCK / 2;
        bytes32 id = open(terms);
        uint256 outstanding = terms.cash;
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 length = between(days_[i], 0, 100);
            vm.warp(block.timestamp + length * 1 days);
            sum += outstanding * length * terms.rateE9;
            if (i == 3) break;
            uint256 part = between(parts[i], 1, outstanding / 3);
            repurchase(id, part, 0, part, true);
            outstanding -= part;
        }
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        assertEq(principal, outstanding, "outstanding");
        assertEq(interest, (2 * sum + 360e9) / (2 * 360e9), "half up, once");
        uint256 before = usd.balanceOf(bob);
        repurchaseAll(id, true);
        assertEq(usd.balanceOf(bob) - before, principal + interest, "paid to the unit");
    }

    /// @notice I11: the largest cash that can be lent is market value by the rule, rounded down; one unit more is not.
    function testFuzz_I11_margin_rule(uint64 face, uint64 price, uint64 margin, bool ratio) public {
        RepoTerms memory terms = standard(0);
        terms.face = between(face, 1e6, STOCK);
        uint256 mark = between(price, 1e6, 300e6);
        oracle.set(FIRST, mark);
        terms.marginRule = ratio ? MarginRule.MarginRatio : MarginRule.Haircut;
        terms.marginE9 = uint64(ratio ? between(margin, 1e9, 10e9) : between(margin, 0, 0.9e9));
        uint256 value = terms.face * mark; // 10^-8
        uint256 most = ratio
            ? (value * 1e9) / (uint256(terms.marginE9) * 1e8)
            : (value * (1e9 - terms.marginE9)) / 1e17;
        if (most == 0 || most > STOCK) return;
        terms.cash = most + 1;
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.CollateralShort.selector, most, most + 1));
        facility.open(terms, made, signatures);
        terms.cash = most;
        open(terms);
    }

    /// @notice A close-out shares the collateral out: the lender never gets less than the debt at the mark, nor a unit
    /// more than rounding, and what he lacks is his claim.
    function testFuzz_close_out(uint64 price, uint8 late) public {
        bytes32 id = open(standard(0));
        uint256 mark = between(price, 1e6, 300e6);
        vm.warp(START + 31 days + uint256(late) * 1 days);
        oracle.set(FIRST, mark);
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        uint256 debt = principal + interest;
        vm.prank(bob);
        facility.closeOut(id, today());
        uint256 taken = first.balanceOf(bob);
        assertEq(taken + first.balanceOf(alice), STOCK, "shared out");
        uint256 shortfall = facility.repoOf(id).shortfall;
        if (shortfall == 0) {
            assertTrue(taken * mark >= debt * 1e8 && (taken - 1) * mark < debt * 1e8, "the debt, rounded up");
        } else {
            assertEq(taken, 10_000e6, "all");
            assertEq(shortfall, debt - (10_000e6 * mark) / 1e8, "the rest");
        }
        assertEq(facility.heldFor(id, first), 0, "nothing is kept");
    }

    function test_coupon_of_two_repos_goes_to_the_borrowers_to_the_unit() public {
        RepoTerms memory terms = standard(0);
        terms.face = 10_000e6 + 1;
        bytes32 one_ = open(terms);
        terms.nonce = 1;
        terms.face = 10_000e6 + 2;
        bytes32 two_ = open(terms);
        vm.prank(issuer);
        bytes32 coupon = payer.announce(first, START + 10 days, START + 10 days, 1, 7);
        vm.warp(START + 10 days);
        vm.expectRevert(abi.encodeWithSelector(Custody.CouponNotReceived.selector, coupon));
        facility.passCoupon(one_, coupon);
        vm.prank(treasury);
        payer.fund(coupon);
        payer.pay(coupon, one(address(facility)));
        uint256 before = usd.balanceOf(alice);
        substitute(one_, second, 20_000e6); // what counts is the record
        facility.passCoupon(one_, coupon);
        facility.passCoupon(two_, coupon);
        assertEq(usd.balanceOf(alice) - before, (20_000e6 + 3) / uint256(7), "all of it");
        assertEq(usd.balanceOf(address(facility)), 0, "no dust stays");
        vm.expectRevert(abi.encodeWithSelector(Custody.CouponAlreadyPassed.selector, coupon, two_));
        facility.passCoupon(two_, coupon);
        vm.expectRevert(abi.encodeWithSelector(Custody.NoPositionAtRecord.selector, coupon, bytes32("none")));
        facility.passCoupon("none", coupon);
    }

    function test_units_nobody_can_take_wait_for_their_owner() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 31 days);
        oracle.set(FIRST, 200e6);
        setClaim("alice", 0);
        vm.prank(bob);
        facility.closeOut(id, today());
        bytes32 name = bytes32(uint256(uint160(alice)));
        uint256 waiting = facility.heldFor(name, first);
        assertEq(waiting, 10_000e6 - first.balanceOf(bob), "hers");
        vm.expectRevert(abi.encodeWithSelector(Custody.NothingToCollect.selector, bob, address(first)));
        facility.collect(bob, first);
        setClaim("alice", type(uint64).max);
        facility.collect(alice, first);
        assertEq(first.balanceOf(address(facility)), 0, "delivered");
    }
}
