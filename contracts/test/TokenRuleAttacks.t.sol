// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HolderCount} from "src/compliance/rules/HolderCount.sol";
import {Rule} from "src/compliance/rules/Rule.sol";
import {Move} from "src/interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {RuleDesk} from "./base/RuleDesk.sol";
import {RogueRule} from "./doubles/RogueRule.sol";

/// @notice What holders, callers and rules try against the rules of a security.
contract TokenRuleAttacksTest is RuleDesk {
    address private bob2 = address(0xB0B2);

    function setUp() public override {
        super.setUp();
        bind(bob2, "bob");
        issue(note, alice, 1_000);
        setValue(holders, 2);
    }

    function _names() private pure returns (bytes32[] memory names) {
        names = new bytes32[](3);
        (names[0], names[1], names[2]) = ("alice", "bob", "carol");
    }

    function _alsoRogue(Rule rule) private returns (RogueRule rogue) {
        rogue = new RogueRule();
        address[] memory both = new address[](2);
        (both[0], both[1]) = (address(rule), address(rogue));
        under(both);
    }

    /// @notice Attack: between the confirmation of a recovery and the return of its units the successor is emptied, so
    /// that the party is no holder any more when they come back.
    function test_a_recovered_party_is_counted() public {
        under(address(holders));
        holders.sync(address(note), _names());
        vm.prank(alice);
        note.transfer(bob, 400);
        address next = address(0xB0B3);
        vm.prank(registrar);
        identities.announceRecovery(bob, next);
        vm.warp(START + 2 days);
        vm.prank(enforcer);
        identities.confirmRecovery(bob);
        vm.prank(alice);
        note.transfer(next, 10);
        vm.prank(next);
        note.transfer(alice, 10);
        assertEq(holders.holdersOf(address(note)), 1, "bob has nothing now");
        note.recover(bob, new bytes32[](0));
        assertEq(holders.holdersOf(address(note)), 2, "bob again");
        (uint256 largest, uint8 code) = note.judge(alice, carol, 1);
        assertEq(largest, 0, "no third");
        assertEq(code, RestrictionCodes.HOLDER_COUNT, "code");
    }

    /// @notice Attack: a second wallet of a holder is no second place, and emptying one frees none.
    function test_wallets_of_one_party_neither_take_nor_free_places() public {
        under(address(holders));
        holders.sync(address(note), _names());
        vm.prank(alice);
        note.transfer(bob, 400);
        vm.prank(alice);
        note.transfer(bob2, 400);
        vm.prank(bob);
        note.transfer(bob2, 400);
        assertEq(holders.holdersOf(address(note)), 2, "two parties");
        assertFalse(note.canTransfer(alice, carol, 1), "no third");
        assertFalse(note.canTransfer(bob2, carol, 799), "bob stays");
        assertTrue(note.canTransfer(bob2, carol, 800), "bob goes whole");
    }

    /// @notice Attack: a rule that is told of a move counts its recipient out before the units are there.
    function test_nobody_counts_holders_before_a_move_that_is_told() public {
        RogueRule rogue = _alsoRogue(holders);
        rogue.callBack(address(holders), abi.encodeCall(HolderCount.sync, (address(note), _names())));
        vm.prank(alice);
        note.transfer(bob, 400);
        assertFalse(rogue.succeeded(), "refused");
        assertTrue(holders.isCounted(address(note), "bob"), "counted");
        holders.sync(address(note), _names()); // after it, anyone may
        assertEq(holders.holdersOf(address(note)), 2, "the same");
    }

    /// @notice Attack: a rule tells other rules of moves that there are not.
    function test_a_rule_cannot_speak_for_compliance() public {
        setValue(lockUp, 1 days);
        RogueRule rogue = _alsoRogue(lockUp);
        Move memory made = Move(address(note), "alice", "carol", 1, 1, 1);
        rogue.callBack(address(lockUp), abi.encodeCall(Rule.moving, (made, 100)));
        vm.prank(alice);
        note.transfer(bob, 400);
        assertFalse(rogue.succeeded(), "refused");
        assertEq(lockUp.lockedOf(address(note), "carol"), 0, "nothing was received");
        assertEq(lockUp.lockedOf(address(note), "bob"), 400, "and this was");
    }

    /// @notice Attack: a redemption that is given just so little gas that a rule which must be told runs out of it, and
    /// the redemption, which no rule may stop, goes on without it.
    function test_no_gas_lets_a_redemption_past_a_rule_that_counts() public {
        under(address(holders));
        holders.sync(address(note), _names());
        uint256 whole = vm.snapshotState();
        bool went;
        for (uint256 gas_ = 30_000; gas_ < 260_000; gas_ += 333) {
            vm.prank(issuer);
            (bool done, ) = address(note).call{gas: gas_}(abi.encodeCall(note.redeem, (alice, 1_000)));
            bool counted = holders.isCounted(address(note), "alice");
            assertTrue(counted == (note.balanceOf(alice) != 0), "counted is who holds");
            if (!done) continue;
            went = true;
            vm.revertToState(whole);
        }
        assertTrue(went, "with enough it does");
    }

    /// @notice Attack: units under lock-up go out as a hold that another executes, by an approval, in a batch, or to
    /// the holder's second wallet first.
    function test_no_way_of_sending_gets_round_a_lock_up() public {
        setValue(lockUp, 1 days);
        under(address(lockUp));
        vm.prank(alice);
        note.transfer(bob, 400);
        vm.prank(bob);
        note.transfer(bob2, 400);
        vm.prank(bob2);
        note.approve(carol, 400);
        createHold(bob2, "h", carol, carol, 50);
        (address[] memory to, uint256[] memory amounts) = (new address[](1), new uint256[](1));
        (to[0], amounts[0]) = (carol, 1);
        _refuses(carol, abi.encodeCall(note.transferFrom, (bob2, carol, 1)));
        _refuses(carol, abi.encodeCall(note.executeHold, (holdId(bob2, "h"), 1)));
        _refuses(bob2, abi.encodeCall(note.batchTransfer, (to, amounts)));
        _refuses(address(settlement), abi.encodeCall(note.settlementTransfer, (bob2, carol, 1)));
        vm.warp(START + 1 days);
        vm.prank(carol);
        note.executeHold(holdId(bob2, "h"), 50);
        assertEq(note.balanceOf(carol), 50, "free");
    }

    function _refuses(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool done, ) = address(note).call(data);
        assertFalse(done, "went round");
    }
}
