// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {EmergencyStop} from "src/compliance/EmergencyStop.sol";
import {IEmergencyStop} from "src/interfaces/IEmergencyStop.sol";
import {IERC7943Fungible} from "src/interfaces/IERC7943.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {Settlement} from "src/Settlement.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Governed} from "./base/Governed.sol";

/// @notice Everything stands still for 72 hours at most, and then goes on by itself.
contract EmergencyStopTest is Governed {
    uint40 private constant END = uint40(START + 72 hours);

    function stop() internal {
        vm.prank(guardian);
        compliance.stop();
    }

    function resume() internal {
        vm.prank(guardian);
        compliance.resume();
    }

    function test_it_ends_by_itself() public {
        vm.expectEmit(address(compliance));
        emit EmergencyStop.Stopped(END);
        stop();
        Instruction memory made = dvp(1);
        made.deadline = END;
        bytes[] memory by = signed(made);
        vm.warp(END - 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, alice, bob, 100));
        settlement.settle(made, by);
        (uint256 largest, uint8 code) = usd.judge(bob, alice, 1);
        assertEq(largest, 0, "no cash in its last second");
        assertEq(code, RestrictionCodes.STOPPED, "stopped");
        vm.warp(END);
        (largest, code) = usd.judge(bob, alice, 1);
        assertEq(largest, usd.balanceOf(bob), "cash once it is over");
        assertEq(code, RestrictionCodes.SUCCESS, "over");
        settlement.settle(made, by);
        assertEq(note.balanceOf(bob), 100, "settled");
        vm.prank(guardian);
        vm.expectRevert(EmergencyStop.StopUsedUp.selector);
        compliance.stop();
    }

    /// @dev 72 hours in all, in as many pieces as he likes.
    function testFuzz_I15_the_guardian_has_72_hours(uint32[6] memory pieces) public {
        uint256 stood;
        for (uint256 i = 0; i < pieces.length; ++i) {
            vm.prank(guardian);
            (bool done, ) = address(compliance).call(abi.encodeCall(compliance.stop, ()));
            if (!done) break;
            uint256 piece = between(pieces[i], 1, 80 hours);
            uint256 end = compliance.stoppedUntil();
            uint256 now_ = block.timestamp;
            vm.warp(now_ + piece);
            stood += piece < end - now_ ? piece : end - now_;
            if (block.timestamp < end) resume();
        }
        assertTrue(stood <= 72 hours, "in all");
        assertEq(compliance.stopLeft(), 72 hours - stood, "left");
    }

    function test_only_the_timelock_renews() public {
        address[] memory people = everyone();
        for (uint256 i = 0; i < people.length; ++i) {
            vm.prank(people[i]);
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, people[i]));
            compliance.renewStop();
            if (people[i] == guardian) continue;
            vm.prank(people[i]);
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, people[i]));
            compliance.stop();
        }
        stop();
        decide(address(compliance), abi.encodeCall(compliance.renewStop, ()));
        assertEq(compliance.stoppedUntil(), block.timestamp + 72 hours, "from now");
        vm.warp(block.timestamp + 72 hours);
        vm.prank(guardian);
        vm.expectRevert(EmergencyStop.StopUsedUp.selector);
        compliance.stop();
        decide(address(compliance), abi.encodeCall(compliance.renewStop, ()));
        assertEq(compliance.stopLeft(), 72 hours, "again");
        stop();
    }

    function test_no_stop_of_a_stop() public {
        vm.prank(guardian);
        vm.expectRevert(EmergencyStop.NotStopped.selector);
        compliance.resume();
        stop();
        vm.warp(START + 1 hours);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IEmergencyStop.LedgerStopped.selector, END));
        compliance.stop();
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        compliance.resume();
        vm.expectEmit(address(compliance));
        emit EmergencyStop.Resumed(71 hours);
        resume();
        assertEq(compliance.stoppedUntil(), 0, "lifted");
    }

    function test_nothing_moves() public {
        createHold(alice, "before", carol, bob, 1_000);
        vm.warp(START + 1);
        stop();
        bytes memory stopped = abi.encodeWithSelector(IEmergencyStop.LedgerStopped.selector, END + 1);
        _refused(alice, address(note), abi.encodeCall(note.transfer, (bob, 1)));
        _refused(alice, address(note), abi.encodeCall(note.transfer, (bob, 0)));
        _refused(issuer, address(note), abi.encodeCall(note.issue, (alice, 1)));
        _refused(carol, address(note), abi.encodeCall(note.executeHold, (holdId(alice, "before"), 1)));
        _refusedWith(stopped, issuer, address(note), abi.encodeCall(note.redeem, (alice, 1)));
        _refusedWith(stopped, alice, address(note), abi.encodeCall(note.createHold, ("n", carol, bob, 1, START + 1 days)));
        _refusedWith(stopped, bob, address(usd), abi.encodeCall(usd.transfer, (alice, 1)));
        _refusedWith(stopped, cashIssuer, address(usd), abi.encodeCall(usd.issue, (alice, 1)));
        _refusedWith(stopped, cashIssuer, address(eur), abi.encodeCall(eur.redeem, (carol, 1)));
        _refusedWith(stopped, address(settlement), address(usd), abi.encodeCall(usd.settlementTransfer, (bob, alice, 1)));
    }

    function test_no_redemption_at_maturity_either() public {
        vm.warp(MATURITY);
        stop();
        bytes memory reason = abi.encodeWithSelector(IEmergencyStop.LedgerStopped.selector, MATURITY + 72 hours);
        _refusedWith(reason, issuer, address(note), abi.encodeCall(note.redeemMatured, (alice, 1)));
    }

    /// @dev What is done against the cause of a stop: freezing, forcing, recovering, unholding, registering.
    function test_the_remedies_go_on() public {
        createHold(alice, "h", carol, bob, 1_000);
        stop();
        freeze(note, alice, 5_000);
        vm.prank(enforcer);
        note.forcedTransfer(alice, carol, 100);
        vm.prank(carol);
        note.releaseHold(holdId(alice, "h"));
        setClaim("bob", 0);
        vm.prank(registrar);
        identities.announceRecovery(alice, address(0xA11));
        vm.warp(START + 1 days);
        vm.prank(enforcer);
        identities.confirmRecovery(alice);
        note.recover(alice, new bytes32[](0));
        assertEq(note.balanceOf(address(0xA11)), 999_900, "recovered");
        vm.prank(alice);
        settlement.cancel(7);
    }

    /// @dev I3 while stopped: each question says so, with the code of the stop.
    function testFuzz_I3_stopped(uint256 amount) public {
        stop();
        assertFalse(note.canTransfer(alice, bob, amount), "canTransfer");
        assertEq(note.detectTransferRestriction(alice, bob, amount), RestrictionCodes.STOPPED, "code");
        (uint256 largest, uint8 code) = note.largestTransfer(alice, bob);
        assertEq(largest, 0, "largest");
        assertEq(code, RestrictionCodes.STOPPED, "binds");
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(note), alice, bob, amount);
        legs[1] = Leg(address(usd), bob, alice, amount);
        (bool success, bytes memory answer) = address(settlement).call(abi.encodeCall(settlement.judge, (legs)));
        Settlement.Finding[] memory findings = new Settlement.Finding[](2);
        for (uint256 i = 0; i < 2; ++i) findings[i] = Settlement.Finding(0, RestrictionCodes.STOPPED);
        assertFalse(success, "judge reverts always");
        assertEq(answer, abi.encodeWithSelector(Settlement.Judged.selector, findings), "judged");
        vm.prank(alice);
        (success, ) = address(note).call(abi.encodeCall(note.transfer, (bob, amount)));
        assertFalse(success, "transferred");
    }

    /// @dev Whatever the trade limit, down to none at all, a stop is what is told, and nothing passes.
    function testFuzz_a_stop_binds_before_the_trade_limit(uint128 trade, bool nothing) public {
        setTradeLimit(nothing ? 0 : trade);
        stop();
        vm.prank(address(note));
        (uint256 largest, uint8 code) = compliance.transferring(alice, bob, 0);
        assertEq(largest, 0, "largest");
        assertEq(code, RestrictionCodes.STOPPED, "code");
    }

    /// @dev A stop that is over, by itself or not, leaves every limit as it was.
    function testFuzz_limits_survive(uint128 trade, uint40 window, bool lifted) public {
        vm.assume(trade != type(uint128).max);
        window = uint40(between(window, 0, 366 days));
        setTradeLimit(trade);
        vm.prank(limiter);
        compliance.setVolumeLimit(5, window);
        stop();
        if (lifted) resume();
        vm.warp(END);
        assertEq(compliance.tradeLimit(), trade, "trade");
        (, uint40 found) = compliance.volumeLimit();
        assertEq(found, window, "window");
        assertTrue(compliance.countsIdentities() == (window != 0), "counts");
        setTradeLimit(type(uint256).max);
        vm.prank(limiter);
        compliance.setVolumeLimit(0, 0);
        vm.prank(alice);
        note.transfer(bob, 1);
    }

    function _refused(address who, address target, bytes memory data) private {
        vm.prank(who);
        (bool success, ) = target.call(data);
        assertFalse(success, "moved");
    }

    function _refusedWith(bytes memory reason, address who, address target, bytes memory data) private {
        vm.prank(who);
        vm.expectRevert(reason);
        (bool success, ) = target.call(data);
        assertTrue(success, "expected");
    }
}
