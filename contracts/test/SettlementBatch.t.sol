// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {GuardCalls} from "src/settlement/GuardCalls.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Settlement} from "src/Settlement.sol";
import {Vm} from "./base/Vm.sol";
import {Desk} from "./base/Desk.sol";
import {ContractWallet} from "./doubles/ContractWallet.sol";
import {FloorGuard, GuardedAccount} from "./doubles/GuardedAccount.sol";

/// @notice Instructions that were signed as one list, and attacks on it: what was not signed so does not settle (I6).
contract SettlementBatchTest is Desk {

    // --- what settles -------------------------------------------------------------------------------------------

    function test_a_list_settles_and_says_so() public {
        Instruction[] memory list = _list(3);
        bytes32 hash = listDigest(list);
        assertEq(settlement.hashBatch(list), hash, "digest by the book");
        vm.recordLogs();
        vm.prank(stranger); // anyone may submit
        settleBatch(list, both(hash));
        assertSettledTimes(3);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 settled = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != Settlement.Settled.selector) continue;
            assertEq(logs[i].topics[1], digest(list[settled]), "under the instruction's own hash");
            ++settled;
        }
        assertEq(settled, 3, "each");
        for (uint256 i = 0; i < 3; ++i) {
            assertTrue(settlement.isNonceUsed(alice, i) && settlement.isNonceUsed(bob, i), "nonces");
        }
    }

    /// @notice I5: the same as each by itself, whatever fails.
    function testFuzz_I5_a_list_is_the_fold_of_its_instructions(uint256 seed) public {
        Instruction[] memory list = _list(6);
        for (uint256 i = 0; i < 6; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            list[i].legs[0].amount = dice % 400_000;
            if (dice % 7 == 0) list[i].nonce = 0;
            if (dice % 5 == 0) list[i].deadline = START - 1;
            if (dice % 11 == 0) list[i].legs = new Leg[](0);
        }
        uint256 state = vm.snapshotState();
        for (uint256 i = 0; i < 6; ++i) {
            bytes[] memory signatures = list[i].legs.length == 0 ? new bytes[](0) : signed(list[i]);
            (bool done, ) = address(settlement).call(abi.encodeCall(settlement.settle, (list[i], signatures)));
            done;
        }
        bytes32 expected = _state();
        assertTrue(vm.revertToState(state), "back");
        settleBatch(list, both(listDigest(list)));
        assertEq(_state(), expected, "I5");
    }

    /// @notice A list of several pairs is signed by all who give in it.
    function test_a_list_of_three_parties() public {
        Instruction[] memory list = _list(2);
        list[1].legs[1] = Leg(address(eur), carol, alice, 50);
        list[1].legs[0].to = carol;
        bytes32 hash = listDigest(list);
        bytes[] memory two = both(hash);
        vm.expectRevert(abi.encodeWithSelector(Settlement.SignatureCountMismatch.selector, 3, 2));
        settleBatch(list, two);
        settleBatch(list, _three(hash));
        assertEq(note.balanceOf(carol), 100, "carol's");
        assertEq(note.balanceOf(bob), 100, "bob's");
    }

    // --- replay -------------------------------------------------------------------------------------------------

    function test_I6_a_list_again_settles_nothing_twice() public {
        Instruction[] memory list = _list(2);
        list[1].legs[1].amount = 1_000_001; // bob has not so much, yet
        bytes[] memory signatures = both(listDigest(list));
        settleBatch(list, signatures);
        assertSettledTimes(1);
        assertFalse(settlement.isNonceUsed(alice, 1), "a failed instruction burns no nonce");
        issueCash(usd, bob, 100);
        vm.expectEmit(address(settlement));
        emit Settlement.InstructionFailed(digest(list[0]), _nonceUsed(0));
        settleBatch(list, signatures);
        assertEq(note.balanceOf(bob), 200, "the one that had failed, and no other");
        settleBatch(list, signatures);
        assertEq(note.balanceOf(bob), 200, "nothing any more");
    }

    function test_I6_one_instruction_twice_in_a_list() public {
        Instruction[] memory list = _list(2);
        list[1] = list[0];
        bytes[] memory signatures = both(listDigest(list));
        vm.expectEmit(address(settlement));
        emit Settlement.InstructionFailed(digest(list[0]), _nonceUsed(0));
        settleBatch(list, signatures);
        assertSettledTimes(1);
    }

    function test_I6_a_list_and_its_instruction_share_the_nonce() public {
        Instruction[] memory list = _list(2);
        settlement.settle(list[0], signed(list[0]));
        settleBatch(list, both(listDigest(list)));
        assertSettledTimes(2);
        vm.prank(bob);
        settlement.cancel(9);
        list = _list(1);
        list[0].nonce = 9;
        settleBatch(list, both(listDigest(list)));
        assertSettledTimes(2);
    }

    // --- what was not signed ------------------------------------------------------------------------------------

    /// @notice Cut, sorted otherwise, added to, one in another's place, any word changed: nobody signed that.
    function testFuzz_I6_the_signature_is_of_the_list(uint8 what, uint256 value) public {
        Instruction[] memory list = _list(3);
        bytes[] memory signatures = both(listDigest(list));
        uint256 which = value % 3;
        what = what % 10;
        if (what == 0) list = _without(list, which);
        if (what == 1) (list[which], list[(which + 1) % 3]) = (list[(which + 1) % 3], list[which]);
        if (what == 2) list[which] = list[(which + 1) % 3];
        if (what == 3) list = _with(list, list[which]);
        if (what == 4) list = _with(list, dvp(77));
        if (what == 5) list[which].nonce = between(value, 3, type(uint256).max);
        if (what == 6) list[which].deadline += 1;
        if (what == 7) list[which].legs[0].amount = between(value, 1, 99);
        if (what == 8) list[which].legs[0].to = carol;
        if (what == 9) list[which].contextHash = "context";
        _refused(list, signatures);
    }

    function test_I6_a_signature_of_an_instruction_is_none_of_a_list_and_the_other_way_round() public {
        Instruction[] memory list = _list(1);
        _refused(list, signed(list[0]));
        bytes[] memory signatures = both(listDigest(list));
        vm.expectRevert(_invalid(_first()));
        settlement.settle(list[0], signatures);
    }

    function test_I6_a_list_for_another_chain_or_contract() public {
        Instruction[] memory list = _list(2);
        _refused(list, both(listDigestFor(list, block.chainid + 1, address(settlement))));
        _refused(list, both(listDigestFor(list, block.chainid, address(new Settlement(assets, identities)))));
        bytes[] memory signatures = both(listDigest(list));
        vm.chainId(block.chainid + 1);
        _refused(list, signatures);
    }

    function test_I6_signatures_of_a_list_bent_missing_reordered_or_twice() public {
        Instruction[] memory list = _list(2);
        bytes[] memory right = both(listDigest(list));
        bytes[] memory two = new bytes[](2);
        (two[0], two[1]) = (right[1], right[0]);
        _refused(list, two);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_first() == alice ? aliceKey : bobKey, listDigest(list));
        two[1] = right[1];
        two[0] = bent(v, r, s);
        _refused(list, two);
        two[0] = compact(v, r, s);
        _refused(list, two);
        two[0] = "";
        _refused(list, two);
        vm.expectRevert(abi.encodeWithSelector(Settlement.SignatureCountMismatch.selector, 2, 0));
        settleBatch(list, new bytes[](0));
        vm.expectRevert(Settlement.NothingToSettle.selector);
        settleBatch(new Instruction[](0), new bytes[](0));
        assertNothingMoved();
    }

    /// @notice An operator settles what was agreed elsewhere; a list is settled by signatures alone.
    function test_I6_an_operator_needs_the_signatures_of_a_list() public {
        vm.prank(alice);
        settlement.setOperator(address(this), true);
        vm.prank(bob);
        settlement.setOperator(address(this), true);
        settlement.settle(dvp(50), new bytes[](2));
        _listRefused(_list(2), new bytes[](2));
        assertSettledTimes(1);
    }

    /// @notice Words that are no addresses go no further than the decoder.
    function testFuzz_I6_words_that_are_no_addresses_in_a_list(uint8 word, uint96 dirt) public {
        vm.assume(dirt != 0);
        Instruction[] memory list = _list(1);
        bytes memory data = batchCall(list, both(listDigest(list)));
        // behind the length: selector, three offsets, the number of accounts
        uint256 place = 0x20 + 4 + 0x60 + 0x20 + uint256(word % 4) * 0x20;
        assembly ("memory-safe") {
            let at := add(data, place)
            mstore(at, or(mload(at), shl(160, dirt)))
        }
        (bool done, bytes memory reason) = address(settlement).call(data);
        assertFalse(done, "settled");
        assertEq(reason.length, 0, "no answer but the decoder's");
        assertNothingMoved();
    }

    // --- contracts ----------------------------------------------------------------------------------------------

    /// @notice A wallet's manager signs the list; its guard is asked after each instruction, and fails that one alone.
    function test_a_guard_is_asked_after_each_instruction() public {
        FloorGuard guard = new FloorGuard(IERC20(address(note)), 750);
        GuardedAccount account = new GuardedAccount(alice, address(guard));
        Instruction[] memory list = _sells(address(account), 4);
        settleBatch(list, withBob(address(account), aliceKey, listDigest(list)));
        assertEq(guard.checks(), 2, "what a refusal undid is undone");
        assertEq(note.balanceOf(address(account)), 800, "down to the floor and no further");
    }

    function test_a_signer_that_refuses_or_eats_gas_settles_nothing() public {
        ContractWallet wallet = new ContractWallet(alice);
        Instruction[] memory list = _sells(address(wallet), 2);
        bytes[] memory signatures = withBob(address(wallet), aliceKey, listDigest(list));
        for (uint256 mood = 1; mood < 4; ++mood) {
            wallet.setMood(ContractWallet.Mood(mood));
            vm.expectRevert(_invalid(address(wallet)));
            settleBatch(list, signatures);
        }
        wallet.setMood(ContractWallet.Mood.BurnGas);
        bytes memory data = batchCall(list, signatures);
        (bool success, ) = address(settlement).call{gas: 2 ** 24}(data);
        assertFalse(success, "gas eaten");
        assertEq(note.balanceOf(bob), 0, "nothing");
    }

    /// @notice Whatever gas the submitter gives, every sound instruction of a list settles or none does.
    function testFuzz_I6_a_starved_list_settles_whole_or_not_at_all(uint256 gas_) public {
        Instruction[] memory list = _list(3);
        gas_ = between(gas_, 40_000, 1_200_000);
        bytes memory data = batchCall(list, both(listDigest(list)));
        (bool success, ) = address(settlement).call{gas: gas_}(data);
        for (uint256 i = 0; i < 3; ++i) assertTrue(settlement.isNonceUsed(alice, i) == success, "together");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _list(uint256 count) private view returns (Instruction[] memory list) {
        list = new Instruction[](count);
        for (uint256 i = 0; i < count; ++i) list[i] = dvp(i);
    }

    function _sells(address seller, uint256 count) private returns (Instruction[] memory list) {
        enrol("seller", seller);
        issue(note, seller, 1_000);
        list = _list(count);
        for (uint256 i = 0; i < count; ++i) (list[i].legs[0].from, list[i].legs[1].to) = (seller, seller);
    }

    function _with(Instruction[] memory list, Instruction memory one) private pure returns (Instruction[] memory more) {
        more = new Instruction[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) more[i] = list[i];
        more[list.length] = one;
    }

    function _without(Instruction[] memory list, uint256 which) private pure returns (Instruction[] memory less) {
        less = new Instruction[](list.length - 1);
        for (uint256 i = 0; i < less.length; ++i) less[i] = list[i < which ? i : i + 1];
    }

    function _three(bytes32 hash) private view returns (bytes[] memory signatures) {
        (address[3] memory who, uint256[3] memory keys) = ([alice, bob, carol], [aliceKey, bobKey, carolKey]);
        signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 place = 0;
            for (uint256 k = 0; k < 3; ++k) if (who[k] < who[i]) ++place;
            signatures[place] = signature(keys[i], hash);
        }
    }

    function _state() private view returns (bytes32) {
        bytes memory nonces;
        for (uint256 i = 0; i < 6; ++i) {
            nonces = abi.encode(nonces, settlement.isNonceUsed(alice, i), settlement.isNonceUsed(bob, i));
        }
        return keccak256(abi.encode(note.balanceOf(alice), note.balanceOf(bob), usd.balanceOf(alice), nonces));
    }

    function _refused(Instruction[] memory list, bytes[] memory signatures) private {
        _listRefused(list, signatures);
        assertNothingMoved();
    }

    function _listRefused(Instruction[] memory list, bytes[] memory signatures) private {
        vm.expectRevert(_invalid(_first()));
        settleBatch(list, signatures);
    }

    function _first() private view returns (address) {
        return alice < bob ? alice : bob;
    }

    function _invalid(address giver) private pure returns (bytes memory) {
        return abi.encodeWithSelector(GuardCalls.InvalidSignature.selector, giver);
    }

    function _nonceUsed(uint256 nonce) private view returns (bytes memory) {
        return abi.encodeWithSelector(Settlement.NonceAlreadyUsed.selector, _first(), nonce);
    }
}
