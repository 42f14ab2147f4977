// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "src/repo/Custody.sol";
import {RepoBook} from "src/repo/RepoBook.sol";
import {RepoFacility} from "src/repo/RepoFacility.sol";
import {RepoHash, RepoTerms} from "src/repo/RepoTerms.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice Each rule of the repo facility at its edge: the last second, the last unit, who may, what ends.
contract RepoRulesTest is RepoDesk {
    // --- days ---------------------------------------------------------------------------------------------------

    function test_a_day_ends_after_24_hours() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 6 days - 1);
        facility.mark(id, START + 5 days);
        vm.warp(START + 6 days);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, START + 5 days));
        facility.mark(id, START + 5 days);
    }

    function test_no_act_is_dated_before_the_last_change() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 5 days + 2 hours);
        Instruction memory made =
            alone(address(usd), 100e6, RepoHash.ofRepurchase(id, 0, START + 5 days + 1 hours, 100e6, 0));
        facility.repurchase(id, START + 5 days + 1 hours, 100e6, 0, made, byAlice(made), byBob(made));
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, START + 5 days));
        facility.mark(id, START + 5 days);
    }

    function test_no_repo_starts_tomorrow() public {
        RepoTerms memory terms = standard(0);
        terms.start += 1 days;
        Instruction memory made = opening(terms);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, terms.start));
        facility.open(terms, made, signatures);
    }

    // --- opening ------------------------------------------------------------------------------------------------

    function test_no_third_leg() public {
        RepoTerms memory terms = standard(0);
        Instruction memory made = opening(terms);
        Leg[] memory legs = new Leg[](3);
        (legs[0], legs[1], legs[2]) = (made.legs[0], made.legs[1], Leg(address(usd), bob, alice, 1));
        made = under(legs, made.contextHash);
        bytes[] memory signatures = signed(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.UnexpectedLeg.selector, 3));
        facility.open(terms, made, signatures);
    }

    function test_the_facility_is_no_side() public {
        for (uint256 i = 0; i < 2; ++i) {
            RepoTerms memory terms = standard(i);
            if (i == 0) terms.lender = address(facility);
            else terms.borrower = address(facility);
            Instruction memory made = opening(terms);
            bytes[] memory signatures = new bytes[](2);
            vm.expectRevert(
                abi.encodeWithSelector(RepoFacility.InvalidRepoTerms.selector, facility.hashTerms(terms))
            );
            facility.open(terms, made, signatures);
        }
    }

    /// @notice 180,000 at a rate of 10^-9 for a day is half a unit of interest: it counts as one.
    function test_half_a_unit_of_interest_is_one() public {
        RepoTerms memory terms = standard(0);
        (terms.face, terms.cash, terms.rateE9) = (200_000e6, 180_000e6, 1);
        bytes32 id = open(terms);
        vm.warp(START + 1 days);
        (, uint256 interest) = facility.exposureOf(id, today());
        assertEq(interest, 1, "half up");
    }

    function test_a_price_without_a_next_coupon_counts_dirty() public {
        oracle.setAccruing(FIRST, 98e6, 2e6, 0);
        assertEq(facility.priceOf(first), 100e6, "dirty");
    }

    // --- margin -------------------------------------------------------------------------------------------------

    function test_margin_in_cash_is_what_was_called() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        Instruction memory made = margin(id, address(usd), 99e6);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.CashNotCalled.selector, 99e6, 99e6));
        facility.deliverMargin(id, today(), made, signatures); // short, and nobody has called
        facility.mark(id, today());
        made = margin(id, address(usd), 99e6 + 1);
        signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.CashNotCalled.selector, 99e6 + 1, 99e6));
        facility.deliverMargin(id, today(), made, signatures);
        deliver(id, address(usd), 33e6);
        assertEq(facility.repoOf(id).callDeadline, START + 1 hours, "a part leaves the call open");
        vm.warp(START + 2 hours);
        deliver(id, address(usd), 66e6);
        assertEq(facility.repoOf(id).callDeadline, 0, "the rest ends it, late as it is");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.NotInDefault.selector, id, 0, START + 30 days));
        facility.closeOut(id, today());
    }

    /// @notice Collateral that covers again takes no cash, though the call stands until somebody marks.
    function test_no_margin_in_cash_while_the_collateral_covers() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        facility.mark(id, today());
        oracle.set(FIRST, 102e6);
        Instruction memory made = margin(id, address(usd), 1);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.CashNotCalled.selector, 1, 0));
        facility.deliverMargin(id, today(), made, signatures);
    }

    function test_margin_in_cash_ends_an_interval() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 10 days);
        oracle.set(FIRST, 99e6);
        facility.mark(id, today());
        deliver(id, address(usd), 100e6);
        vm.warp(START + 20 days);
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        assertEq(principal, 9_800e6, "outstanding");
        assertEq(interest, 9_900_000 + 9_800_000, "ten days of 9,900 and ten of 9,800 at 0.01% a day");
    }

    function test_margin_is_the_borrowers_to_give() public {
        bytes32 id = open(standard(0));
        issue(first, carol, 100e6);
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(first), carol, address(facility), 100e6);
        Instruction memory made = under(legs, RepoHash.ofMargin(id, 0, today()));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(carolKey, digest(made));
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.UnexpectedLeg.selector, 0));
        facility.deliverMargin(id, today(), made, signatures);
        assertEq(first.balanceOf(carol), 100e6, "hers still");
    }

    function test_matured_paper_is_no_margin() public {
        bytes32 id = _untilMaturity();
        Instruction memory made = margin(id, address(first), 1e6);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(
            abi.encodeWithSelector(RepoBook.CollateralIneligible.selector, address(first), MATURES, block.timestamp)
        );
        facility.deliverMargin(id, today(), made, signatures);
    }

    function test_only_the_lender_releases_and_only_what_is_not_needed() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 110e6); // 9,000 of face lend 9,801, 9,091 lend 9,900.099
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.NotLender.selector, alice, bob));
        vm.prank(alice);
        facility.releaseCollateral(id, today(), 1e6);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.RepurchaseExceedsRepo.selector, 0, 0));
        vm.prank(bob);
        facility.releaseCollateral(id, today(), 0);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.CollateralShort.selector, 9_801e6, 9_900e6));
        vm.prank(bob);
        facility.releaseCollateral(id, today(), 1_000e6);
        vm.prank(bob);
        facility.releaseCollateral(id, today(), 909e6);
        assertEq(facility.repoOf(id).face, 9_091e6, "what is needed stays");
    }

    // --- substitution -------------------------------------------------------------------------------------------

    function test_a_substitute_outlives_the_repo() public {
        bytes32 id = open(standard(0));
        SecurityToken shorter = createMaturing("912797CC3", START + 30 days);
        oracle.set("912797CC3", 100e6);
        issue(shorter, alice, 20_000e6);
        Instruction memory made = substitution(id, shorter, 20_000e6);
        (bytes[] memory hers, bytes memory his) = (byAlice(made), byBob(made));
        vm.expectRevert(
            abi.encodeWithSelector(
                RepoBook.CollateralIneligible.selector,
                address(shorter),
                START + 30 days,
                START + 30 days
            )
        );
        facility.substitute(id, today(), shorter, 20_000e6, made, hers, his);
    }

    function test_a_substitution_is_dated_today() public {
        bytes32 id = open(standard(0));
        uint64 yesterday = today();
        bytes32 context = RepoHash.ofSubstitution(id, actsOf(id), yesterday, address(second), 20_000e6);
        Instruction memory made = alone(address(second), 20_000e6, context);
        (bytes[] memory hers, bytes memory his) = (byAlice(made), byBob(made));
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, yesterday));
        facility.substitute(id, yesterday, second, 20_000e6, made, hers, his);
    }

    function test_a_substitute_that_covers_ends_the_call() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        facility.mark(id, today());
        substitute(id, second, 20_000e6);
        assertEq(facility.repoOf(id).callDeadline, 0, "covered");
        assertEq(facility.heldFor(id, first), 0, "the old is not held for it");
        assertEq(facility.heldFor(id, second), 20_000e6, "the new is");
    }

    /// @notice Of two substitutions, or two repurchases, signed for the same act, one is done.
    function test_one_act_each() public {
        bytes32 id = open(standard(0));
        Instruction memory made = substitution(id, second, 20_000e6);
        Instruction memory other = substitution(id, second, 21_000e6);
        (bytes[] memory hers, bytes memory his) = (byAlice(other), byBob(other));
        facility.substitute(id, today(), second, 20_000e6, made, byAlice(made), byBob(made));
        bytes32 next = RepoHash.ofSubstitution(id, 1, today(), address(second), 21_000e6);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.ContextMismatch.selector, next, other.contextHash));
        facility.substitute(id, today(), second, 21_000e6, other, hers, his);
        made = repayment(id, 100e6, 0, 100e6);
        other = repayment(id, 200e6, 0, 200e6);
        (hers, his) = (byAlice(other), byBob(other));
        facility.repurchase(id, today(), 100e6, 0, made, byAlice(made), byBob(made));
        next = RepoHash.ofRepurchase(id, 2, today(), 200e6, 0);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.ContextMismatch.selector, next, other.contextHash));
        facility.repurchase(id, today(), 200e6, 0, other, hers, his);
    }

    // --- the end ------------------------------------------------------------------------------------------------

    function test_a_day_early_takes_the_lenders_signature() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 30 days - 1);
        (uint256 principal, uint256 interest) = facility.exposureOf(id, today());
        Instruction memory made = repayment(id, principal, 0, principal + interest);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.LenderHasNotSigned.selector, bob));
        facility.repurchase(id, today(), principal, 0, made, signatures, "");
    }

    /// @notice A part takes the lender's signature on the date too, and all never names a face.
    function test_a_part_takes_the_lenders_signature_on_the_date_too() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 30 days);
        Instruction memory made = repayment(id, 100e6, 0, 100e6);
        bytes[] memory signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.LenderHasNotSigned.selector, bob));
        facility.repurchase(id, today(), 100e6, 0, made, signatures, "");
        made = repayment(id, 9_900e6, 1, 9_929_700_000);
        signatures = byAlice(made);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.RepurchaseExceedsRepo.selector, 9_900e6, 1));
        facility.repurchase(id, today(), 9_900e6, 1, made, signatures, "");
    }

    /// @notice Or the lender would take collateral for interest of days that have not passed.
    function test_a_close_out_is_dated_today() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 31 days);
        uint64 tomorrow = today() + 1 days;
        vm.expectRevert(abi.encodeWithSelector(RepoBook.NotToday.selector, tomorrow));
        vm.prank(bob);
        facility.closeOut(id, tomorrow);
    }

    function test_no_more_is_repaid_than_was_lent() public {
        bytes32 id = open(standard(0));
        uint256 more = 9_900e6 + 1;
        Instruction memory made = repayment(id, more, 0, more);
        (bytes[] memory hers, bytes memory his) = (byAlice(made), byBob(made));
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.RepurchaseExceedsRepo.selector, more, 0));
        facility.repurchase(id, today(), more, 0, made, hers, his);
    }

    function test_a_part_leaves_the_rest_covered_and_ends_the_call() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        facility.mark(id, today());
        Instruction memory made = repayment(id, 99e6, 1, 99e6);
        (bytes[] memory hers, bytes memory his) = (byAlice(made), byBob(made));
        // 9,999.999999 at 99, less 1%, is 9,800.999999
        vm.expectRevert(abi.encodeWithSelector(RepoBook.CollateralShort.selector, 9_800_999_999, 9_801e6));
        facility.repurchase(id, today(), 99e6, 1, made, hers, his);
        repurchase(id, 99e6, 0, 99e6, true);
        assertEq(facility.repoOf(id).callDeadline, 0, "covered");
    }

    function test_a_repurchase_pays_nobody_else() public {
        bytes32 id = open(standard(0));
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(usd), alice, address(facility), 9_900e6);
        legs[1] = Leg(address(usd), alice, carol, 5);
        Instruction memory made = under(legs, RepoHash.ofRepurchase(id, 0, today(), 9_900e6, 0));
        (bytes[] memory hers, bytes memory his) = (byAlice(made), byBob(made));
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.UnexpectedLeg.selector, 2));
        facility.repurchase(id, today(), 9_900e6, 0, made, hers, his);
    }

    function test_an_end_ends_the_call() public {
        oracle.set(FIRST, 100e6);
        bytes32[2] memory ids = [open(standard(0)), open(standard(1))];
        oracle.set(FIRST, 99e6);
        for (uint256 i = 0; i < 2; ++i) facility.mark(ids[i], today());
        repurchaseAll(ids[0], true);
        vm.warp(START + 2 days);
        vm.prank(bob);
        facility.closeOut(ids[1], today());
        for (uint256 i = 0; i < 2; ++i) assertEq(facility.repoOf(ids[i]).callDeadline, 0, "no call of what is over");
        (, uint256 interest) = facility.exposureOf(ids[1], facility.repoOf(ids[1]).accruedTo);
        assertEq(interest, 1_980_000, "two days of 9,900 stay on record");
    }

    /// @notice A deadline that passed is no default where the collateral covers again, marked or not.
    function test_no_default_while_the_collateral_covers() public {
        bytes32 id = open(standard(0));
        oracle.set(FIRST, 99e6);
        facility.mark(id, today());
        vm.warp(START + 1 days);
        oracle.set(FIRST, 100_020_000); // 9,900 and a day's 0.99 of interest, less 1%, need 100.01
        vm.expectRevert(
            abi.encodeWithSelector(RepoFacility.NotInDefault.selector, id, START + 1 hours, START + 30 days)
        );
        vm.prank(bob);
        facility.closeOut(id, today());
    }

    /// @notice Through the repurchase date there is no default; 24 hours after its midnight there is.
    function test_overdue_to_the_second() public {
        bytes32 id = open(standard(0));
        vm.warp(START + 31 days - 1);
        vm.expectRevert(abi.encodeWithSelector(RepoFacility.NotInDefault.selector, id, 0, START + 30 days));
        vm.prank(bob);
        facility.closeOut(id, today());
        vm.warp(START + 31 days);
        vm.prank(bob);
        facility.closeOut(id, today());
    }

    // --- custody ------------------------------------------------------------------------------------------------

    /// @notice Paper that has matured counts at par whatever the oracle says, and is delivered until it is redeemed.
    function test_matured_and_not_redeemed_is_delivered() public {
        bytes32 id = _untilMaturity();
        oracle.set(FIRST, 90e6);
        assertEq(facility.priceOf(first), 100e6, "par");
        uint256 before = usd.balanceOf(bob);
        vm.prank(bob);
        facility.closeOut(id, today());
        assertEq(usd.balanceOf(bob), before, "no cash");
        assertEq(first.balanceOf(bob), 10_000e6, "the paper");
    }

    function test_what_waits_adds_up_and_is_collected_once() public {
        bytes32[2] memory ids = [open(standard(0)), open(standard(1))];
        vm.warp(START + 31 days);
        oracle.set(FIRST, 200e6);
        setClaim("alice", 0);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(bob);
            facility.closeOut(ids[i], today());
        }
        uint256 waiting = 20_000e6 - first.balanceOf(bob);
        assertEq(facility.heldFor(bytes32(uint256(uint160(alice))), first), waiting, "of both");
        setClaim("alice", type(uint64).max);
        facility.collect(alice, first);
        assertEq(first.balanceOf(alice), STOCK - 20_000e6 + waiting, "delivered");
        vm.expectRevert(abi.encodeWithSelector(Custody.NothingToCollect.selector, alice, address(first)));
        facility.collect(alice, first);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev A repo that nobody has ended when its collateral matures.
    function _untilMaturity() private returns (bytes32 id) {
        RepoTerms memory terms = standard(0);
        terms.end = START + 700 days;
        id = open(terms);
        vm.warp(MATURES);
    }
}
