// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {GuardCalls} from "src/settlement/GuardCalls.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Settlement} from "src/Settlement.sol";
import {ContractWallet} from "./doubles/ContractWallet.sol";
import {FloorGuard, GuardedAccount} from "./doubles/GuardedAccount.sol";
import {Desk} from "./base/Desk.sol";

/// @notice Attacks on Settlement: each is refused with an error of its own and leaves everything as it was (I6).
contract SettlementAttacksTest is Desk {

    /// @dev Hashes and the event take legs as they lie in calldata: what is no address must go no further.
    function testFuzz_I6_words_that_are_no_addresses(bool second, uint8 word, uint96 dirt) public {
        vm.assume(dirt != 0);
        bytes memory data = abi.encodeCall(Settlement.settle, (dvp(1), signed(dvp(1))));
        uint256 place = 0x20 + 4 + 0x120 + (second ? 0x80 : 0) + 0x20 * (word % 3); // legs lie behind 4 + 0x120 bytes
        (bool done, ) = address(settlement).call(data);
        assertTrue(done, "clean");
        data = abi.encodeCall(Settlement.settle, (dvp(2), signed(dvp(2))));
        assembly ("memory-safe") {
            let at := add(data, place)
            mstore(at, or(mload(at), shl(160, dirt)))
        }
        bytes memory reason;
        (done, reason) = address(settlement).call(data);
        assertFalse(done, "settled");
        assertEq(reason.length, 0, "no answer but the decoder's");
        assertSettledTimes(1);
    }

    // --- replay and time ----------------------------------------------------------------------------------------

    function test_I6_replay() public {
        bytes[] memory signatures = signed(dvp(1));
        settlement.settle(dvp(1), signatures);
        vm.expectRevert(_nonceUsed(_first(), 1));
        settlement.settle(dvp(1), signatures);
        assertSettledTimes(1);
    }

    function test_I6_replay_inside_one_batch() public {
        Instruction[] memory twice = new Instruction[](2);
        bytes[][] memory signatures = new bytes[][](2);
        (twice[0], twice[1]) = (dvp(1), dvp(1));
        (signatures[0], signatures[1]) = (signed(dvp(1)), signed(dvp(1)));
        vm.expectEmit(address(settlement));
        emit Settlement.InstructionFailed(digest(dvp(1)), _nonceUsed(_first(), 1));
        settleMany(twice, signatures);
        assertSettledTimes(1);
    }

    function test_I6_nonce_is_not_shared_between_instructions() public {
        settlement.settle(dvp(1), signed(dvp(1)));
        Instruction memory other = dvp(1);
        other.legs[0].amount = 50;
        _refused(other, signed(other), _nonceUsed(_first(), 1));
    }

    function test_I6_too_early_and_expired() public {
        vm.warp(START - 1);
        _refused(dvp(1), signed(dvp(1)), abi.encodeWithSelector(Settlement.TooEarly.selector, START));
        vm.warp(START + 61);
        _refused(dvp(1), signed(dvp(1)), abi.encodeWithSelector(Settlement.InstructionExpired.selector, START + 60));
        assertNothingMoved();
    }

    /// @notice I6: never outside [notBefore, deadline].
    function testFuzz_I6_window(uint64 notBefore, uint64 deadline, uint64 time) public {
        vm.warp(time);
        Instruction memory instruction = dvp(1);
        (instruction.notBefore, instruction.deadline) = (notBefore, deadline);
        bytes[] memory signatures = signed(instruction);
        bool inside = notBefore <= time && time <= deadline;
        (bool success, ) = address(settlement).call(abi.encodeCall(settlement.settle, (instruction, signatures)));
        assertTrue(success == inside, "I6");
    }

    // --- signatures ---------------------------------------------------------------------------------------------

    function test_foreign_chain_and_foreign_contract() public {
        address other = address(new Settlement(assets, identities));
        _refused(dvp(1), both(digestFor(dvp(1), block.chainid + 1, address(settlement))), _invalid(_first()));
        _refused(dvp(1), both(digestFor(dvp(1), block.chainid, other)), _invalid(_first()));
        bytes[] memory signatures = signed(dvp(1));
        vm.chainId(block.chainid + 1); // a fork of the chain: what was signed for the old one is void
        _refused(dvp(1), signatures, _invalid(_first()));
        assertNothingMoved();
    }

    function test_missing_extra_reordered_and_duplicated_signatures() public {
        bytes[] memory right = signed(dvp(1));
        _refused(dvp(1), new bytes[](0), abi.encodeWithSelector(Settlement.SignatureCountMismatch.selector, 2, 0));
        bytes[] memory one = new bytes[](1);
        one[0] = right[0];
        _refused(dvp(1), one, abi.encodeWithSelector(Settlement.SignatureCountMismatch.selector, 2, 1));
        bytes[] memory three = new bytes[](3);
        (three[0], three[1], three[2]) = (right[0], right[1], right[1]);
        _refused(dvp(1), three, abi.encodeWithSelector(Settlement.SignatureCountMismatch.selector, 2, 3));
        bytes[] memory two = new bytes[](2);
        (two[0], two[1]) = (right[1], right[0]);
        _refused(dvp(1), two, _invalid(_first()));
        (two[0], two[1]) = (right[0], right[0]);
        _refused(dvp(1), two, _invalid(_second()));
        (two[0], two[1]) = (right[0], bytes(""));
        _refused(dvp(1), two, _invalid(_second()));
        assertNothingMoved();
    }

    function test_signature_of_someone_else() public {
        bytes[] memory signatures = signed(dvp(1));
        signatures[0] = signature(carolKey, digest(dvp(1)));
        _refused(dvp(1), signatures, _invalid(_first()));
    }

    function test_malleable_and_compact_signatures() public {
        bytes32 hash = digest(dvp(1));
        uint256 key = _first() == alice ? aliceKey : bobKey;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        bytes[] memory signatures = both(hash);
        signatures[0] = bent(v, r, s);
        _refused(dvp(1), signatures, _invalid(_first()));
        signatures[0] = compact(v, r, s);
        _refused(dvp(1), signatures, _invalid(_first()));
        assertNothingMoved();
    }

    function test_zero_address_cannot_give() public {
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(usd), address(0), carol, 1);
        Instruction memory instruction = Instruction(legs, 0, START, 1, 0, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = new bytes(65); // recovers to the zero address
        _refused(instruction, signatures, _invalid(address(0)));
    }

    /// @notice Nothing that was signed can be changed: a leg, a date, a nonce.
    function testFuzz_signature_covers_everything(uint8 what, uint256 value) public {
        Instruction memory instruction = dvp(7);
        bytes[] memory signatures = signed(instruction);
        what = what % 7;
        if (what == 0) instruction.legs[0].amount = between(value, 1, 99);
        if (what == 1) instruction.legs[0].to = carol;
        if (what == 2) instruction.legs[1].token = address(eur);
        if (what == 3) instruction.notBefore -= 1;
        if (what == 4) instruction.deadline += uint64(between(value, 1, 1_000));
        if (what == 5) instruction.nonce = between(value, 8, type(uint256).max);
        if (what == 6) (instruction.legs[0], instruction.legs[1]) = (instruction.legs[1], instruction.legs[0]);
        _refused(instruction, signatures, _invalid(_first()));
        assertNothingMoved();
    }

    function test_leg_cut_out_of_an_instruction() public {
        bytes[] memory both_ = signed(dvp(1));
        Instruction memory cut = dvp(1);
        Leg[] memory legs = new Leg[](1);
        legs[0] = cut.legs[0];
        cut.legs = legs;
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = alice < bob ? both_[0] : both_[1];
        _refused(cut, signatures, _invalid(alice));
        assertNothingMoved();
    }

    // --- legs ---------------------------------------------------------------------------------------------------

    function test_zero_legs() public {
        Instruction memory instruction = dvp(1);
        instruction.legs = new Leg[](0);
        _refused(instruction, new bytes[](0), abi.encodeWithSelector(Settlement.NothingToSettle.selector));
        instruction.planHash = planHash("c", instruction.legs);
        instruction.contextHash = "c";
        _refused(instruction, new bytes[](0), abi.encodeWithSelector(Settlement.NothingToSettle.selector));
        _refused(instruction, signed(instruction), abi.encodeWithSelector(Settlement.NothingToSettle.selector));
    }

    function test_zero_amount_self_leg_unregistered_token() public {
        Instruction memory instruction = dvp(1);
        instruction.legs[1].amount = 0;
        _refused(instruction, signed(instruction), abi.encodeWithSelector(Settlement.ZeroAmount.selector, 1));
        instruction = dvp(1);
        instruction.legs[1].to = bob;
        _refused(instruction, signed(instruction), abi.encodeWithSelector(Settlement.SelfLeg.selector, 1));
        address[3] memory tokens = [address(0), address(implementation), address(0x1234)];
        for (uint256 i = 0; i < 3; ++i) {
            instruction = dvp(1);
            instruction.legs[0].token = tokens[i];
            bytes memory reason = abi.encodeWithSelector(Settlement.UnregisteredToken.selector, tokens[i]);
            _refused(instruction, signed(instruction), reason);
        }
        assertNothingMoved();
    }

    function test_sixty_five_legs() public {
        Instruction memory instruction = dvp(1);
        Leg[] memory legs = new Leg[](65);
        for (uint256 i = 0; i < 65; ++i) legs[i] = Leg(address(note), alice, bob, 1);
        instruction.legs = legs;
        _refused(instruction, signed(instruction), abi.encodeWithSelector(Settlement.TooManyLegs.selector, 65, 64));
    }

    /// @notice I6: all legs or none: one bad leg, wherever it is, undoes the rest, nonces included.
    function testFuzz_I6_one_bad_leg_undoes_all(uint8 bad, uint8 count) public {
        count = uint8(between(count, 2, 20));
        bad = bad % count;
        Leg[] memory legs = new Leg[](count);
        for (uint256 i = 0; i < count; ++i) {
            legs[i] = i % 2 == 0 ? Leg(address(note), alice, bob, 10) : Leg(address(usd), bob, alice, 9);
        }
        legs[bad].amount = 2_000_000;
        Instruction memory instruction = Instruction(legs, 0, START, 1, 0, 0);
        address giver = legs[bad].from;
        uint256 had = 1_000_000 - (bad / 2) * (bad % 2 == 0 ? 10 : 9);
        _refused(
            instruction,
            signed(instruction),
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, giver, had, 2_000_000)
        );
        assertNothingMoved();
        assertFalse(settlement.isNonceUsed(alice, 1) || settlement.isNonceUsed(bob, 1), "nonces stay");
    }

    function test_frozen_expired_and_unknown_parties_do_not_settle() public {
        freeze(note, alice, 999_901);
        _fails(dvp(1));
        freeze(note, alice, 0);
        setClaim("bob", START - 1);
        _fails(dvp(1));
        setClaim("bob", START);
        vm.prank(registrar);
        identities.removeWallet(bob);
        _fails(dvp(1));
        assertNothingMoved();
    }

    // --- nonces -------------------------------------------------------------------------------------------------

    function test_I6_cancelled_nonce() public {
        bytes[] memory signatures = signed(dvp(1));
        vm.expectEmit(address(settlement));
        emit Settlement.NonceCancelled(bob, 1);
        vm.prank(bob);
        settlement.cancel(1);
        _refused(dvp(1), signatures, _nonceUsed(bob, 1));
        vm.expectRevert(_nonceUsed(bob, 1));
        vm.prank(bob);
        settlement.cancel(1);
        assertNothingMoved();
        assertFalse(settlement.isNonceUsed(alice, 1), "alice's is hers");
    }

    /// @notice I6: nobody but a giver can burn his nonce: not by cancelling, not with instructions he did not sign,
    /// not with instructions of one's own under the same number, not in front of his own cancel.
    function testFuzz_I6_nobody_else_burns_a_nonce(uint256 nonce) public {
        vm.prank(stranger);
        settlement.cancel(nonce);
        vm.prank(carol);
        settlement.cancel(nonce);
        assertFalse(settlement.isNonceUsed(alice, nonce) || settlement.isNonceUsed(bob, nonce), "by cancelling");

        Instruction memory forged = dvp(nonce);
        bytes32 hash = digest(forged);
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (signature(carolKey, hash), signature(carolKey, hash));
        _refused(forged, signatures, _invalid(_first()));
        Instruction[] memory batch = new Instruction[](1);
        bytes[][] memory lists = new bytes[][](1);
        (batch[0], lists[0]) = (forged, signatures);
        settleMany(batch, lists);
        assertFalse(settlement.isNonceUsed(alice, nonce) || settlement.isNonceUsed(bob, nonce), "by forgery");

        Leg[] memory legs = new Leg[](1); // carol gives to alice, unasked
        legs[0] = Leg(address(usd), bob, alice, 1);
        Instruction memory gift = Instruction(legs, 0, START, nonce, 0, 0);
        signatures = new bytes[](1);
        signatures[0] = signature(bobKey, digest(gift));
        settlement.settle(gift, signatures);
        assertFalse(settlement.isNonceUsed(alice, nonce), "by a gift");
        vm.prank(alice);
        settlement.cancel(nonce);
        assertTrue(settlement.isNonceUsed(alice, nonce), "only she");
    }

    /// @notice A counterparty cannot use up a plan for the other side by settling something else under its hash.
    function test_plan_cannot_be_burnt_for_someone_else() public {
        Instruction memory real = plan(1, "context");
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(usd), bob, alice, 1);
        Instruction memory decoy = Instruction(legs, 0, START, 2, "context", real.planHash);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(bobKey, digest(decoy));
        bytes memory reason = abi.encodeWithSelector(
            Settlement.PlanMismatch.selector,
            planHash("context", legs),
            real.planHash
        );
        _refused(decoy, signatures, reason);
        settlement.settle(real, signed(real));
        assertSettledTimes(1);
    }

    // --- entries ------------------------------------------------------------------------------------------------

    function test_settle_one_is_not_for_outsiders() public {
        bytes[] memory signatures = signed(dvp(1));
        address[3] memory callers = [alice, stranger, address(this)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Settlement.OnlySettlement.selector, callers[i]));
            vm.prank(callers[i]);
            settlement.settleOne(digest(dvp(1)), i == 0, dvp(1), signatures);
        }
        assertNothingMoved();
    }

    function test_no_allowance_and_no_admin_moves_money() public {
        vm.prank(issuer);
        vm.expectRevert();
        usd.settlementTransfer(bob, issuer, 1);
        vm.prank(stranger);
        vm.expectRevert();
        usd.transferFrom(bob, stranger, 1);
        assertNothingMoved();
    }

    // --- contract givers ----------------------------------------------------------------------------------------

    function test_erc1271_giver_settles() public {
        (ContractWallet wallet, Instruction memory instruction) = _walletSells();
        bytes32 hash = digest(instruction);
        settlement.settle(instruction, withBob(address(wallet), aliceKey, hash));
        assertEq(note.balanceOf(bob), 100, "settled");
        assertTrue(settlement.isNonceUsed(address(wallet), 1), "the wallet's nonce");
        assertFalse(settlement.isNonceUsed(alice, 1), "not its owner's");
    }

    function test_erc1271_giver_that_refuses() public {
        (ContractWallet wallet, Instruction memory instruction) = _walletSells();
        bytes[] memory signatures = withBob(address(wallet), aliceKey, digest(instruction));
        for (uint256 mood = 1; mood < 4; ++mood) {
            wallet.setMood(ContractWallet.Mood(mood));
            _refused(instruction, signatures, _invalid(address(wallet)));
        }
        assertEq(note.balanceOf(bob), 0, "nothing");
    }

    function test_contract_without_erc1271_cannot_give() public {
        issueCash(usd, address(factory), 10);
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(usd), address(factory), carol, 1);
        Instruction memory instruction = Instruction(legs, 0, START, 1, 0, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(aliceKey, digest(instruction));
        _refused(instruction, signatures, _invalid(address(factory)));
    }

    function test_reentry_from_an_erc1271_giver() public {
        (ContractWallet wallet, Instruction memory instruction) = _walletSells();
        bytes[] memory signatures = withBob(address(wallet), aliceKey, digest(instruction));
        bytes[4] memory calls = _entries();
        for (uint256 i = 0; i < calls.length; ++i) {
            wallet.setReentry(address(settlement), calls[i]);
            _refused(instruction, signatures, _invalid(address(wallet)));
        }
        assertNothingMoved();
    }

    // --- guards -------------------------------------------------------------------------------------------------

    function test_guard_is_asked_after_the_last_leg() public {
        (GuardedAccount account, FloorGuard guard, Instruction memory instruction) = _accountSells(900);
        settlement.settle(instruction, withBob(address(account), aliceKey, digest(instruction)));
        assertEq(guard.checks(), 1, "once");
        assertEq(guard.lastAccount(), address(account), "for the account");
        assertEq(guard.lastPlan(), instruction.planHash, "with the plan");
    }

    function test_guard_of_a_taker_is_asked_too() public {
        (GuardedAccount account, FloorGuard guard, ) = _accountSells(0);
        Leg[] memory legs = new Leg[](1);
        legs[0] = Leg(address(usd), bob, address(account), 1);
        Instruction memory instruction = Instruction(legs, 0, START, 9, 0, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature(bobKey, digest(instruction));
        settlement.settle(instruction, signatures);
        assertEq(guard.checks(), 1, "once");
    }

    function test_guard_that_reverts_undoes_all_with_its_reason() public {
        (GuardedAccount account, , Instruction memory instruction) = _accountSells(901);
        bytes[] memory signatures = withBob(address(account), aliceKey, digest(instruction));
        _refused(instruction, signatures, abi.encodeWithSelector(FloorGuard.BelowFloor.selector, 900, 901));
        assertEq(note.balanceOf(bob), 0, "undone");
        assertFalse(settlement.isNonceUsed(address(account), 1), "nonce stays");
    }

    function test_guard_without_a_reason_with_too_much_of_one_or_without_code() public {
        (GuardedAccount account, FloorGuard guard, Instruction memory instruction) = _accountSells(0);
        bytes[] memory signatures = withBob(address(account), aliceKey, digest(instruction));
        bytes memory reason = abi.encodeWithSelector(GuardCalls.GuardRefused.selector, account, guard);
        guard.setMood(FloorGuard.Mood.RevertSilently);
        _refused(instruction, signatures, reason);
        guard.setMood(FloorGuard.Mood.RevertWithMuch);
        _refused(instruction, signatures, reason);
        account.setGuard(address(0));
        reason = abi.encodeWithSelector(GuardCalls.GuardRefused.selector, account, address(0));
        _refused(instruction, signatures, reason);
    }

    function test_reentry_from_a_guard() public {
        (GuardedAccount account, FloorGuard guard, Instruction memory instruction) = _accountSells(0);
        bytes[] memory signatures = withBob(address(account), aliceKey, digest(instruction));
        bytes[4] memory calls = _entries();
        for (uint256 i = 0; i < calls.length; ++i) {
            guard.setReentry(address(settlement), calls[i]);
            _refused(
                instruction,
                signatures,
                i == 2
                    ? abi.encodeWithSelector(Settlement.OnlySettlement.selector, guard)
                    : abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
        }
        assertEq(note.balanceOf(alice), 1_000_000, "nothing of alice's moved");
    }

    // --- batches and gas ----------------------------------------------------------------------------------------

    /// @notice A silent refusal is a refusal: it is isolated. Running out of gas is not: it reverts the whole.
    function test_batch_with_a_silent_guard_settles_the_rest() public {
        (GuardedAccount account, FloorGuard guard, Instruction memory bad) = _accountSells(0);
        guard.setMood(FloorGuard.Mood.RevertSilently);
        _batch(bad, withBob(address(account), aliceKey, digest(bad)), 2 ** 24, true);
    }

    function test_batch_with_a_silent_signer_settles_the_rest() public {
        (ContractWallet wallet, Instruction memory bad) = _walletSells();
        wallet.setMood(ContractWallet.Mood.RevertSilently);
        _batch(bad, withBob(address(wallet), aliceKey, digest(bad)), 2 ** 24, true);
    }

    function test_batch_with_a_guard_that_eats_gas_reverts_whole() public {
        (GuardedAccount account, FloorGuard guard, Instruction memory bad) = _accountSells(0);
        guard.setMood(FloorGuard.Mood.BurnGas);
        _batch(bad, withBob(address(account), aliceKey, digest(bad)), 2 ** 24, false);
    }

    function test_batch_with_a_signer_that_eats_gas_reverts_whole() public {
        (ContractWallet wallet, Instruction memory bad) = _walletSells();
        wallet.setMood(ContractWallet.Mood.BurnGas);
        _batch(bad, withBob(address(wallet), aliceKey, digest(bad)), 2 ** 24, false);
    }

    /// @notice Whatever gas the submitter gives, a sound instruction settles or the whole batch reverts: he cannot make
    /// it fail by itself.
    function testFuzz_starved_batch_never_reports_a_sound_instruction_as_failed(uint256 gas_) public {
        (GuardedAccount account, , Instruction memory guarded) = _accountSells(0);
        gas_ = between(gas_, 40_000, 1_200_000);
        Instruction[] memory batch = new Instruction[](2);
        bytes[][] memory lists = new bytes[][](2);
        (batch[0], lists[0]) = (dvp(11), signed(dvp(11)));
        (batch[1], lists[1]) = (guarded, withBob(address(account), aliceKey, digest(guarded)));
        bytes memory data = manyCall(batch, lists);
        (bool success, ) = address(settlement).call{gas: gas_}(data);
        assertTrue(settlement.isNonceUsed(alice, 11) == success, "first");
        assertTrue(settlement.isNonceUsed(address(account), 1) == success, "second");
    }

    /// @notice Nor can he starve the question whether an account has a guard, so that the guard is passed over.
    function testFuzz_starved_settlement_never_passes_over_a_guard(uint256 gas_) public {
        (GuardedAccount account, , Instruction memory refused) = _accountSells(901);
        gas_ = between(gas_, 40_000, 600_000);
        bytes[] memory signatures = withBob(address(account), aliceKey, digest(refused));
        bytes memory data = abi.encodeCall(settlement.settle, (refused, signatures));
        (bool success, ) = address(settlement).call{gas: gas_}(data);
        assertFalse(success, "settled below the floor");
        assertEq(note.balanceOf(address(account)), 1_000, "nothing moved");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _batch(Instruction memory bad, bytes[] memory signatures, uint256 gas_, bool isolated) private {
        Instruction[] memory batch = new Instruction[](3);
        bytes[][] memory lists = new bytes[][](3);
        (batch[0], lists[0]) = (dvp(11), signed(dvp(11)));
        (batch[1], lists[1]) = (bad, signatures);
        (batch[2], lists[2]) = (dvp(12), signed(dvp(12)));
        bytes memory data = manyCall(batch, lists);
        (bool success, bytes memory reason) = address(settlement).call{gas: gas_}(data);
        assertTrue(success == isolated, "isolated");
        if (!success) assertEq(reason, abi.encodeWithSelector(Settlement.InnerCallOutOfGas.selector, 1), "reason");
        assertTrue(settlement.isNonceUsed(alice, 11) == isolated, "before it");
        assertTrue(settlement.isNonceUsed(alice, 12) == isolated, "after it");
        assertFalse(settlement.isNonceUsed(bad.legs[0].from, bad.nonce), "itself");
    }

    /// @dev Every entry, and what they call themselves, with an instruction that is good in itself.
    function _entries() private view returns (bytes[4] memory calls) {
        Instruction[] memory batch = new Instruction[](1);
        bytes[][] memory lists = new bytes[][](1);
        (batch[0], lists[0]) = (dvp(5), signed(dvp(5)));
        calls[0] = abi.encodeCall(settlement.settle, (batch[0], lists[0]));
        calls[1] = manyCall(batch, lists);
        calls[2] = abi.encodeCall(settlement.settleOne, (digest(batch[0]), true, batch[0], lists[0]));
        calls[3] = batchCall(batch, both(listDigest(batch)));
    }

    function _walletSells() private returns (ContractWallet wallet, Instruction memory instruction) {
        wallet = new ContractWallet(alice);
        instruction = _sells(address(wallet));
    }

    function _accountSells(
        uint256 floor
    ) private returns (GuardedAccount account, FloorGuard guard, Instruction memory instruction) {
        guard = new FloorGuard(IERC20(address(note)), floor);
        account = new GuardedAccount(alice, address(guard));
        instruction = _sells(address(account));
        instruction.contextHash = "context";
        instruction.planHash = planHash("context", instruction.legs);
    }

    function _sells(address seller) private returns (Instruction memory instruction) {
        enrol("seller", seller);
        issue(note, seller, 1_000);
        instruction = dvp(1);
        (instruction.legs[0].from, instruction.legs[1].to) = (seller, seller);
    }

    function _fails(Instruction memory instruction) private {
        bytes[] memory signatures = signed(instruction);
        vm.expectRevert();
        settlement.settle(instruction, signatures);
    }

    function _refused(Instruction memory instruction, bytes[] memory signatures, bytes memory reason) private {
        vm.expectRevert(reason);
        settlement.settle(instruction, signatures);
    }

    function _first() private view returns (address) {
        return alice < bob ? alice : bob;
    }

    function _second() private view returns (address) {
        return alice < bob ? bob : alice;
    }

    function _invalid(address giver) private pure returns (bytes memory) {
        return abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, giver);
    }

    function _nonceUsed(address giver, uint256 nonce) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Settlement.NonceAlreadyUsed.selector, giver, nonce);
    }
}
