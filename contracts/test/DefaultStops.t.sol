// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {ICompliance} from "src/interfaces/ICompliance.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Settlement} from "src/Settlement.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Holds} from "src/token/Holds.sol";
import {RepoDesk} from "./base/RepoDesk.sol";

/// @notice What a default stops, and what goes on: recoveries, a court's word, and what was set aside before.
contract DefaultStopsTest is RepoDesk {
    bytes32 private constant EVIDENCE = keccak256("evidence");

    /// @notice Every way a unit could move by its holder's will while its security is in default.
    function test_no_way_around_a_default() public {
        vm.prank(alice);
        note.approve(carol, 100);
        Instruction memory trade = dvp(1);
        _default(note);
        _standsStill(trade, RestrictionCodes.IN_DEFAULT, ICompliance.SecurityInDefault.selector);
        vm.prank(issuer);
        issuance.cureDefault(address(note), EVIDENCE);
        settlement.settle(trade, signed(trade)); // nothing was used up
        assertEq(note.balanceOf(bob), 100, "goes on");
    }

    /// @notice I3: `judge` says of a plan's leg what settling it would meet.
    function test_I3_judge_names_the_default() public {
        _default(note);
        Settlement.Finding[] memory findings = new Settlement.Finding[](2);
        findings[0] = Settlement.Finding(0, RestrictionCodes.IN_DEFAULT);
        findings[1] = Settlement.Finding(usd.balanceOf(bob), RestrictionCodes.SUCCESS);
        vm.expectRevert(abi.encodeWithSelector(Settlement.Judged.selector, findings));
        settlement.judge(dvp(1).legs);
    }

    /// @notice I3: with a pause, a limit and a default at once, in any state.
    function testFuzz_I3_under_default(uint256 amount, uint256 limit, bool paused, bool inDefault, uint8 lot) public {
        if (limit % 3 != 0) setTradeLimit(between(limit, 0, 2_000_000));
        vm.prank(freezer);
        assets.setPaused(address(note), paused);
        vm.prank(issuer);
        assets.setDenomination(address(note), between(lot, 1, 255));
        if (inDefault) _default(note);
        amount = between(amount, 0, 1_100_000);
        bool expected = note.canTransfer(alice, bob, amount);
        assertTrue(!expected || !(paused || inDefault), "stopped");
        vm.prank(alice);
        (bool success, ) = address(note).call(abi.encodeCall(note.transfer, (bob, amount)));
        assertTrue(success == expected, "I3");
    }

    /// @notice I7: holds from before a default end as they would have: executed, released or expired.
    function test_I7_holds_of_before_come_to_their_end() public {
        createHold(alice, "executed", carol, bob, 10);
        createHold(alice, "released", carol, bob, 20);
        createHold(alice, "expired", carol, bob, 30);
        _default(note);
        vm.prank(carol);
        note.executeHold(holdId(alice, "executed"), 7);
        vm.prank(bob);
        note.releaseHold(holdId(alice, "released"));
        vm.warp(START + 1 days + 1);
        note.expireHold(holdId(alice, "expired"));
        assertEq(note.balanceOf(bob), 7, "to whom they were set aside for");
        assertEq(note.heldOf(alice), 0, "nothing is stuck");
    }

    /// @notice What a default does not stop a lapsed claim does, and a pause.
    function test_holds_of_before_obey_every_other_rule() public {
        createHold(alice, "h", carol, bob, 10);
        _default(note);
        setClaim("bob", 0);
        bytes memory execute = abi.encodeCall(note.executeHold, (holdId(alice, "h"), 10));
        _reverts(
            carol,
            address(note),
            execute,
            abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, bob)
        );
        setClaim("bob", type(uint64).max);
        vm.prank(freezer);
        assets.setPaused(address(note), true);
        _reverts(carol, address(note), execute, _cannotTransfer(alice, bob, 10));
    }

    function test_a_court_and_a_lost_key_are_not_stopped() public {
        _default(note);
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 5);
        address successor = address(0xA11CE2);
        vm.prank(registrar);
        identities.announceRecovery(alice, successor);
        vm.warp(START + 1 days);
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        note.recover(alice, new bytes32[](0));
        assertEq(note.balanceOf(successor), 999_995, "recovered");
        assertEq(note.balanceOf(bob), 5, "forced");
    }

    /// @notice What is recovered is paid to the positions of its record, which cannot move meanwhile.
    function test_recoveries_are_paid() public {
        _default(note);
        vm.prank(issuer);
        bytes32 id = payer.announceRecovery(note, START + 1 days, START + 1 days, 40, 100);
        vm.warp(START + 1 days);
        vm.prank(treasury);
        payer.fund(id);
        payer.pay(id, one(alice));
        assertEq(usd.balanceOf(alice), STOCK + 400_000, "two fifths");
    }

    /// @notice I11: collateral that defaults goes back against the repurchase price.
    function test_I11_collateral_goes_back() public {
        bytes32 id = open(standard(1));
        _default(first);
        vm.warp(START + 30 days);
        uint256 before = first.balanceOf(alice);
        repurchaseAll(id, false);
        assertEq(first.balanceOf(alice), before + 10_000e6, "all of it");
    }

    /// @notice I11: or to the lender, when the borrower does not pay; or out against another.
    function test_I11_collateral_is_closed_out_and_substituted() public {
        bytes32 id = open(standard(1));
        bytes32 other = open(standard(2));
        _default(first);
        uint256 before = first.balanceOf(alice);
        substitute(other, second, 11_000e6);
        assertEq(first.balanceOf(alice), before + 10_000e6, "out");
        vm.warp(START + 32 days);
        vm.prank(bob);
        facility.closeOut(id, today());
        assertTrue(first.balanceOf(bob) > 9_900e6, "the lender's");
        assertEq(first.balanceOf(address(facility)), 0, "nothing is stuck");
    }

    /// @notice Collateral that could not be delivered is collected later, in default too; none is brought in.
    function test_deferred_collateral_is_collected_and_none_comes_in() public {
        bytes32 id = open(standard(1));
        bytes32 other = open(standard(2));
        _default(first);
        vm.warp(START + 30 days);
        vm.prank(freezer);
        assets.setPaused(address(first), true);
        repurchaseAll(id, false);
        uint256 before = first.balanceOf(alice);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, facility, alice, 10_000e6));
        facility.collect(alice, first);
        vm.prank(freezer);
        assets.setPaused(address(first), false);
        facility.collect(alice, first);
        assertEq(first.balanceOf(alice), before + 10_000e6, "collected");
        Instruction memory more = margin(other, address(first), 1e6);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, alice, facility, 1e6));
        facility.deliverMargin(other, today(), more, byAlice(more));
    }

    /// @notice Only Issuance marks a token, with evidence; only custodians deliver past the mark, and only their own.
    function test_who_may() public {
        address[6] memory others = [alice, issuer, freezer, enforcer, registrant, stranger];
        for (uint256 i = 0; i < 6; ++i) {
            bytes memory unauthorised = abi.encodeWithSelector(
                IAccessManaged.AccessManagedUnauthorized.selector,
                others[i]
            );
            _reverts(others[i], address(assets), abi.encodeCall(assets.setInDefault, (address(note), true)), unauthorised);
            _reverts(others[i], address(note), abi.encodeCall(note.deliver, (bob, 1)), unauthorised);
        }
        _reverts(
            address(issuance),
            address(assets),
            abi.encodeCall(assets.setInDefault, (stranger, true)),
            abi.encodeWithSelector(AssetRegistry.UnregisteredAsset.selector, stranger)
        );
        _reverts(
            address(facility),
            address(note),
            abi.encodeCall(note.deliver, (bob, 1)),
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", facility, 0, 1)
        );
    }

    function test_one_default_is_one_securitys() public {
        _default(first);
        vm.prank(alice);
        second.transfer(bob, 1);
        assertEq(second.balanceOf(bob), 1, "another");
        assertEq(assets.assetIdOf(address(first)), FIRST, "the name stands");
        assertEq(assets.denominationOf(address(first)), 1, "and the denomination");
    }

    function _default(SecurityToken token) private {
        vm.prank(issuer);
        issuance.declareDefault(address(token), EVIDENCE);
    }
}
