// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Holds} from "src/token/Holds.sol";
import {Positions} from "src/token/Positions.sol";
import {Ledger} from "./base/Ledger.sol";

/// @notice Properties of one call, over amounts, states and parties.
contract SecurityTokenFuzzTest is Ledger {
    struct State {
        uint256 balance;
        uint256 held;
        uint256 frozen;
        uint256 limit;
        uint8 claims;
    }

    address[6] private _wallets;

    function setUp() public override {
        super.setUp();
        _wallets = [alice, bob, carol, stranger, address(0), address(note)];
    }

    /// @notice I3: `canTransfer` is true exactly when `transfer` succeeds: any parties, zero and huge amounts, self
    /// transfers, frozen, held, limited, expired.
    function testFuzz_I3_canTransfer_iff_transfer(State memory state, uint8 from, uint8 to, uint256 amount, uint8 near) public {
        (address giver, address taker) = (_wallets[from % 4], _wallets[to % 6]);
        _arrange(giver, state);
        (uint256 largest, ) = note.largestTransfer(giver, taker);
        amount = _nearTo(amount, near, largest, note.balanceOf(giver), note.availableOf(giver));
        bool expected = note.canTransfer(giver, taker, amount);
        assertTrue(expected == (note.detectTransferRestriction(giver, taker, amount) == 0), "both standards agree");
        vm.prank(giver);
        (bool success, ) = address(note).call(abi.encodeCall(note.transfer, (taker, amount)));
        assertTrue(success == expected, "I3");
    }

    /// @notice I3: the largest amount passes and the next one does not.
    function testFuzz_I3_largest_transfer_is_the_largest(State memory state, uint8 to) public {
        address taker = _wallets[to % 6];
        _arrange(alice, state);
        (uint256 largest, uint8 code) = note.largestTransfer(alice, taker);
        assertTrue(largest == 0 || note.canTransfer(alice, taker, largest), "largest passes");
        assertFalse(note.canTransfer(alice, taker, largest + 1), "the next passes");
        assertTrue(code != 0, "something always binds: at least the balance");
        if (largest != 0) assertTrue(code >= 5, "an identity rule binds at zero only");
    }

    /// @notice I2: available = max(0, balance - frozen - held), held <= balance.
    function testFuzz_I2_available(State memory state) public {
        _arrange(alice, state);
        _assertPosition(alice);
    }

    /// @notice I2: a forced transfer takes free units, then frozen ones, never held ones.
    function testFuzz_I2_forced_transfer_takes_free_then_frozen(State memory state, uint256 amount) public {
        _arrange(alice, state);
        setClaim("bob", type(uint64).max);
        (uint256 balance, uint256 held) = (note.balanceOf(alice), note.heldOf(alice));
        (uint256 frozen, uint256 available) = (note.getFrozenTokens(alice), note.availableOf(alice));
        amount = between(amount, 0, balance + 1);
        vm.prank(enforcer);
        (bool success, ) = address(note).call(abi.encodeCall(note.forcedTransfer, (alice, bob, amount)));
        assertTrue(success == (amount <= balance - held), "never held units");
        if (!success) amount = 0;
        uint256 taken = amount > available ? amount - available : 0;
        assertEq(note.getFrozenTokens(alice), frozen - taken, "frozen falls by what was taken of it");
        assertEq(note.balanceOf(alice), balance - amount, "giver");
        assertEq(note.balanceOf(bob), amount, "taker");
        assertEq(note.heldOf(alice), held, "held stays");
        _assertPosition(alice);
    }

    /// @notice I2: held units move only when their holds are named, and those holds end.
    function testFuzz_I2_forced_transfer_ending_holds(uint256 first, uint256 second, uint256 amount) public {
        issue(note, alice, 1_000);
        (first, second) = (between(first, 1, 500), between(second, 1, 500));
        createHold(alice, "first", carol, bob, first);
        createHold(alice, "second", carol, bob, second);
        amount = between(amount, 0, 1_001);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = holdId(alice, "first");
        bytes memory data = abi.encodeCall(note.forcedTransferEndingHolds, (alice, bob, amount, ids));
        vm.prank(enforcer);
        (bool success, ) = address(note).call(data);
        assertTrue(success == (amount <= 1_000 - second), "all but the hold that was not named");
        assertEq(note.heldOf(alice), success ? second : first + second, "the named hold has ended");
        Holds.HoldStatus expected = success ? Holds.HoldStatus.Released : Holds.HoldStatus.Pending;
        assertTrue(note.hold(holdId(alice, "first")).status == expected, "status");
        assertTrue(note.hold(holdId(alice, "second")).status == Holds.HoldStatus.Pending, "the other is pending");
        _assertPosition(alice);
    }

    /// @notice I4: a forced self-transfer never changes frozen, nor anything else.
    function testFuzz_I4_forced_self_transfer(State memory state, uint256 amount, bool ending) public {
        _arrange(alice, state);
        setClaim("alice", type(uint64).max);
        (uint256 balance, uint256 frozen) = (note.balanceOf(alice), note.getFrozenTokens(alice));
        amount = between(amount, 0, balance + 1);
        bytes32[] memory none = new bytes32[](0);
        bytes memory data = ending
            ? abi.encodeCall(note.forcedTransferEndingHolds, (alice, alice, amount, none))
            : abi.encodeCall(note.forcedTransfer, (alice, alice, amount));
        vm.prank(enforcer);
        (bool success, ) = address(note).call(data);
        assertTrue(success == (amount <= balance - note.heldOf(alice)), "within the units not held");
        assertEq(note.getFrozenTokens(alice), frozen, "I4");
        assertEq(note.balanceOf(alice), balance, "balance");
        assertEq(note.totalSupply(), balance, "supply");
    }

    /// @notice I5: a batch equals the fold of its singles: same success, same balances.
    function testFuzz_I5_batch_equals_fold(State memory state, uint8[5] memory to, uint256[5] memory amounts, uint8 length) public {
        _arrange(alice, state);
        length = uint8(between(length, 0, 5));
        (address[] memory takers, uint256[] memory units) = (new address[](length), new uint256[](length));
        for (uint256 i = 0; i < length; ++i) {
            takers[i] = _wallets[to[i] % 6];
            units[i] = between(amounts[i], 0, note.balanceOf(alice) / 2 + 1);
        }
        uint256 before = vm.snapshotState();
        bool singles = true;
        for (uint256 i = 0; i < length && singles; ++i) {
            vm.prank(alice);
            (singles, ) = address(note).call(abi.encodeCall(note.transfer, (takers[i], units[i])));
        }
        uint256[6] memory expected = _balances();
        vm.revertToState(before);
        if (!singles) expected = _balances();
        vm.prank(alice);
        (bool batch, ) = address(note).call(abi.encodeCall(note.batchTransfer, (takers, units)));
        assertTrue(batch == singles, "I5: success");
        for (uint256 i = 0; i < 6; ++i) assertEq(_balances()[i], expected[i], "I5: balances");
    }

    /// @notice Balance and supply at the end of any second are what they were, whatever came after (record dates).
    function testFuzz_balance_at_a_time(uint16[8] memory steps, uint32[8] memory units) public {
        uint256[8] memory times;
        uint256[8] memory balances;
        uint256[8] memory supplies;
        uint256 time = START;
        for (uint256 i = 0; i < 8; ++i) {
            issue(note, i % 3 == 2 ? bob : alice, units[i]);
            uint256 third = note.balanceOf(alice) / 3;
            vm.prank(alice);
            note.transfer(bob, third);
            (times[i], balances[i], supplies[i]) = (time, note.balanceOf(alice), note.totalSupply());
            time += steps[i] % 3; // often the same second
            vm.warp(time);
        }
        vm.warp(++time);
        for (uint256 i = 0; i < 8; ++i) {
            if (i < 7 && times[i + 1] == times[i]) continue; // the second had not ended
            assertEq(note.balanceOfAt(alice, uint48(times[i])), balances[i], "balance");
            assertEq(note.totalSupplyAt(uint48(times[i])), supplies[i], "supply");
        }
        assertEq(note.balanceOfAt(alice, uint48(START - 1)), 0, "before the first");
        vm.expectRevert(abi.encodeWithSelector(Positions.FutureLookup.selector, time, time));
        note.balanceOfAt(alice, uint48(time));
    }

    function _arrange(address account, State memory state) private {
        uint256 balance = between(state.balance, 0, type(uint88).max);
        if (account != stranger) issue(note, account, balance);
        uint256 held = account == stranger ? 0 : between(state.held, 0, balance);
        if (held != 0) createHold(account, "arranged", carol, bob, held);
        if (state.frozen % 3 != 0) freeze(note, account, state.frozen % 3 == 1 ? state.frozen : between(state.frozen, 0, balance));
        if (state.limit % 2 == 1) setTradeLimit(between(state.limit, 0, balance));
        if (state.claims & 3 == 3) setClaim("alice", START - 1);
        if (state.claims & 12 == 12) setClaim("bob", 0);
    }

    /// @dev Amounts at the edges are tried as often as any.
    function _nearTo(uint256 amount, uint8 near, uint256 largest, uint256 balance, uint256 available) private pure returns (uint256) {
        if (near % 8 == 0) return 0;
        if (near % 8 == 1) return largest;
        if (near % 8 == 2) return largest == type(uint256).max ? largest : largest + 1;
        if (near % 8 == 3) return balance;
        if (near % 8 == 4) return balance + 1;
        if (near % 8 == 5) return available;
        if (near % 8 == 6) return available + 1;
        return amount;
    }

    function _balances() private view returns (uint256[6] memory balances) {
        for (uint256 i = 0; i < 6; ++i) balances[i] = note.balanceOf(_wallets[i]);
    }

    function _assertPosition(address account) private view {
        (uint256 balance, uint256 held) = (note.balanceOf(account), note.heldOf(account));
        uint256 frozen = note.getFrozenTokens(account);
        assertTrue(held <= balance, "I2: held <= balance");
        uint256 unheld = balance - held;
        assertEq(note.availableOf(account), frozen >= unheld ? 0 : unheld - frozen, "I2: available");
    }
}
