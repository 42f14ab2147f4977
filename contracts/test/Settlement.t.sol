// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./base/Vm.sol";
import {Desk} from "./base/Desk.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Settlement} from "src/Settlement.sol";

/// @notice What Settlement does when all is well, and the rules of plans.
contract SettlementTest is Desk {
    function test_dvp_settles_and_says_so() public {
        Instruction memory instruction = dvp(1);
        bytes32 hash = digest(instruction);
        assertEq(settlement.hashInstruction(instruction), hash, "digest by the book");
        vm.expectEmit(address(settlement));
        emit Settlement.Settled(hash, 0, 0, instruction.legs);
        vm.prank(stranger); // anyone may submit
        settlement.settle(instruction, both(hash));
        assertSettledTimes(1);
        assertTrue(settlement.isNonceUsed(alice, 1) && settlement.isNonceUsed(bob, 1), "nonces");
        assertFalse(settlement.isNonceUsed(carol, 1), "nobody else's");
    }

    /// @notice However many legs and instructions a transaction has, the registry is asked once for each token of theirs.
    function test_a_transaction_asks_once_for_a_token() public {
        for (uint256 i = 0; i < 2; ++i) {
            address token = i == 0 ? address(note) : address(usd);
            vm.expectCall(address(assets), abi.encodeCall(assets.assetIdOf, (token)), 1);
        }
        Leg[] memory legs = new Leg[](3);
        legs[0] = Leg(address(note), alice, bob, 60);
        legs[1] = Leg(address(usd), bob, alice, 99);
        legs[2] = Leg(address(note), alice, bob, 40);
        Instruction memory instruction = Instruction(legs, 0, START, 1, 0, 0);
        settlement.settle(instruction, signed(instruction));
        settlement.settle(dvp(2), signed(dvp(2)));
        assertSettledTimes(2);
    }

    function test_payment_versus_payment_and_free_of_payment() public {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(usd), bob, carol, 110);
        legs[1] = Leg(address(eur), carol, bob, 100);
        Instruction memory instruction = Instruction(legs, 0, START, 3, 0, 0);
        bytes[] memory signatures = new bytes[](2);
        bytes32 hash = digest(instruction);
        (signatures[0], signatures[1]) = (signature(bobKey, hash), signature(carolKey, hash));
        if (bob > carol) (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        settlement.settle(instruction, signatures);
        assertEq(usd.balanceOf(carol), 110, "dollars");
        assertEq(eur.balanceOf(bob), 100, "euros");

        legs = new Leg[](1);
        legs[0] = Leg(address(note), alice, carol, 5);
        instruction = Instruction(legs, 0, START, 4, 0, 0);
        signatures = new bytes[](1);
        signatures[0] = signature(aliceKey, digest(instruction));
        settlement.settle(instruction, signatures);
        assertEq(note.balanceOf(carol), 5, "free of payment");
    }

    function test_nonces_are_unordered_and_far_apart() public {
        uint256[4] memory nonces = [uint256(255), 256, type(uint256).max, 0];
        for (uint256 i = 0; i < 4; ++i) settlement.settle(dvp(nonces[i]), signed(dvp(nonces[i])));
        assertSettledTimes(4);
    }

    function test_window_is_inclusive() public {
        vm.warp(START + 60);
        settlement.settle(dvp(1), signed(dvp(1)));
        vm.warp(START);
        settlement.settle(dvp(2), signed(dvp(2)));
        assertSettledTimes(2);
    }

    function test_plan_settles_under_its_own_hash() public {
        Instruction memory instruction = plan(1, "context");
        vm.expectEmit(address(settlement));
        emit Settlement.Settled(digest(instruction), instruction.planHash, "context", instruction.legs);
        settlement.settle(instruction, signed(instruction));
        assertSettledTimes(1);
        assertTrue(settlement.isPlanSettled(alice, instruction.planHash), "alice");
        assertTrue(settlement.isPlanSettled(bob, instruction.planHash), "bob");
        assertFalse(settlement.isPlanSettled(carol, instruction.planHash), "carol");
    }

    /// @notice No address, nonce, time or chain is in a plan's hash: another wallet of the same party has the same.
    function test_plan_hash_knows_parties_not_wallets() public {
        address second = address(0xB0B2);
        vm.prank(registrar);
        identities.registerWallet(second, "bob");
        Instruction memory instruction = plan(1, "context");
        bytes32 expected = instruction.planHash;
        instruction.legs[0].to = second;
        assertEq(planHash("context", instruction.legs), expected, "same plan");
        settlement.settle(instruction, signed(instruction));
        assertEq(note.balanceOf(second), 100, "settled to the second wallet");
    }

    function testFuzz_plan_hash_commits_to_every_word(uint256 amount, uint8 leg, bytes32 context, bytes32 other) public {
        Instruction memory instruction = plan(1, context);
        amount = between(amount, 1, 1_000);
        vm.assume(amount != instruction.legs[leg % 2].amount && context != other);
        instruction.legs[leg % 2].amount = amount;
        _refusedAsMismatch(instruction);
        instruction = plan(1, context);
        instruction.contextHash = other;
        _refusedAsMismatch(instruction);
        instruction = plan(1, context);
        instruction.legs[0].to = carol;
        _refusedAsMismatch(instruction);
    }

    function test_plan_hash_refuses_other_legs() public {
        Instruction memory instruction = plan(1, "context");
        instruction.legs[1].amount = 98;
        bytes32 expected = planHash("context", instruction.legs);
        bytes[] memory signatures = signed(instruction);
        vm.expectRevert(abi.encodeWithSelector(Settlement.PlanMismatch.selector, expected, instruction.planHash));
        settlement.settle(instruction, signatures);
    }

    function test_plan_without_hash_or_context_without_plan() public {
        Instruction memory instruction = dvp(1);
        instruction.contextHash = "context";
        bytes[] memory signatures = signed(instruction);
        vm.expectRevert(abi.encodeWithSelector(Settlement.PlanMismatch.selector, bytes32("context"), bytes32(0)));
        settlement.settle(instruction, signatures);
    }

    function test_plan_settles_once_for_a_giver() public {
        Instruction memory instruction = plan(1, "context");
        settlement.settle(instruction, signed(instruction));
        instruction = plan(2, "context");
        bytes[] memory signatures = signed(instruction);
        vm.expectRevert(
            abi.encodeWithSelector(
                Settlement.PlanAlreadySettled.selector,
                alice < bob ? alice : bob,
                instruction.planHash
            )
        );
        settlement.settle(instruction, signatures);
        instruction = plan(2, "another context");
        settlement.settle(instruction, signed(instruction));
        assertSettledTimes(2);
    }

    function test_plan_legs_must_ascend_strictly() public {
        Instruction memory instruction = plan(1, "context");
        (instruction.legs[0], instruction.legs[1]) = (instruction.legs[1], instruction.legs[0]);
        instruction.planHash = planHash("context", instruction.legs);
        _refusedAsUnsorted(instruction, 1);
        instruction.legs[0] = instruction.legs[1]; // the same leg twice
        instruction.planHash = planHash("context", instruction.legs);
        _refusedAsUnsorted(instruction, 1);
    }

    /// @notice Same asset: ascending by giver, then by taker, is accepted; the other way round is not.
    function test_plan_order_within_an_asset() public {
        Leg[] memory legs = new Leg[](3);
        legs[0] = Leg(address(note), alice, bob, 1);
        legs[1] = Leg(address(note), alice, carol, 2);
        legs[2] = Leg(address(note), bob, carol, 1);
        Instruction memory instruction = Instruction(legs, 0, START, 1, "c", planHash("c", legs));
        settlement.settle(instruction, signed(instruction));
        assertEq(note.balanceOf(carol), 3, "settled");
        (legs[0], legs[1]) = (legs[1], legs[0]);
        _refusedAsUnsorted(Instruction(legs, 0, START, 2, "c", planHash("c", legs)), 1);
        (legs[0], legs[1]) = (legs[1], legs[0]);
        (legs[1], legs[2]) = (legs[2], legs[1]);
        _refusedAsUnsorted(Instruction(legs, 0, START, 2, "c", planHash("c", legs)), 2);
    }

    function test_settle_many_isolates_failures() public {
        Instruction[] memory instructions = new Instruction[](3);
        (instructions[0], instructions[1], instructions[2]) = (dvp(1), dvp(2), dvp(3));
        instructions[1].legs[1].amount = 2_000_000; // bob has not so much
        bytes[][] memory signatures = new bytes[][](3);
        for (uint256 i = 0; i < 3; ++i) signatures[i] = signed(instructions[i]);
        vm.recordLogs();
        settleMany(instructions, signatures);
        assertSettledTimes(2);
        assertFalse(settlement.isNonceUsed(alice, 2), "a failed instruction burns no nonce");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 failures = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Settlement.InstructionFailed.selector) continue;
            ++failures;
            assertEq(logs[i].topics[1], digest(instructions[1]), "which");
        }
        assertEq(failures, 1, "one failure");
    }

    function test_settle_many_refuses_an_empty_list() public {
        vm.expectRevert(Settlement.NothingToSettle.selector);
        settleMany(new Instruction[](0), new bytes[][](0));
    }

    /// @notice Sixty-four legs settle; every giver signs once, whatever the number of legs.
    function test_sixty_four_legs() public {
        Leg[] memory legs = new Leg[](64);
        for (uint256 i = 0; i < 64; ++i) {
            legs[i] = i % 2 == 0 ? Leg(address(note), alice, bob, i + 1) : Leg(address(usd), bob, alice, i + 1);
        }
        Instruction memory instruction = Instruction(legs, 0, START, 1, 0, 0);
        settlement.settle(instruction, signed(instruction));
        assertEq(note.balanceOf(bob), 1_024, "odd numbers up to 63");
        assertEq(usd.balanceOf(alice), 1_056, "even numbers up to 64");
    }

    /// @notice Many givers in any order of legs: one signature each, by ascending address.
    function testFuzz_many_givers(uint256 seed) public {
        uint256 count = between(seed, 1, 12);
        uint256[] memory keys = new uint256[](count);
        Leg[] memory legs = new Leg[](count * 2);
        for (uint256 i = 0; i < count; ++i) {
            keys[i] = between(uint256(keccak256(abi.encode(seed, i))), 1, type(uint128).max);
            issueCash(usd, vm.addr(keys[i]), 10);
            legs[i] = Leg(address(usd), vm.addr(keys[i]), carol, 3);
            legs[2 * count - 1 - i] = Leg(address(usd), vm.addr(keys[i]), bob, 4);
        }
        for (uint256 i = 1; i < count; ++i) {
            for (uint256 k = i; k > 0 && vm.addr(keys[k]) < vm.addr(keys[k - 1]); --k) {
                (keys[k], keys[k - 1]) = (keys[k - 1], keys[k]);
            }
        }
        Instruction memory instruction = Instruction(legs, 0, START, seed, 0, 0);
        bytes[] memory signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) signatures[i] = signature(keys[i], digest(instruction));
        settlement.settle(instruction, signatures);
        assertEq(usd.balanceOf(carol), 3 * count, "taken");
        for (uint256 i = 0; i < count; ++i) assertTrue(settlement.isNonceUsed(vm.addr(keys[i]), seed), "nonce");
    }

    function _refusedAsMismatch(Instruction memory instruction) private {
        bytes[] memory signatures = signed(instruction);
        bytes32 expected = planHash(instruction.contextHash, instruction.legs);
        vm.expectRevert(abi.encodeWithSelector(Settlement.PlanMismatch.selector, expected, instruction.planHash));
        settlement.settle(instruction, signatures);
    }

    function _refusedAsUnsorted(Instruction memory instruction, uint256 leg) private {
        bytes[] memory signatures = signed(instruction);
        vm.expectRevert(abi.encodeWithSelector(Settlement.LegsNotSorted.selector, leg));
        settlement.settle(instruction, signatures);
    }
}
