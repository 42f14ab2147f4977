// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {RuleCalls} from "src/compliance/RuleCalls.sol";
import {Rule} from "src/compliance/rules/Rule.sol";
import {Move} from "src/interfaces/IComplianceRule.sol";
import {AssetRegistry} from "src/AssetRegistry.sol";
import {RestrictionCodes} from "src/RestrictionCodes.sol";
import {RuleDesk} from "./base/RuleDesk.sol";
import {RogueRule} from "./doubles/RogueRule.sol";

/// @notice The rules of one security: each edge by edge, together, and attacked.
contract TokenRulesTest is RuleDesk {
    address private bob2 = address(0xB0B2);

    function setUp() public override {
        super.setUp();
        bind(bob2, "bob");
    }

    // --- each rule ----------------------------------------------------------------------------------------------

    function test_share_of_supply_counts_all_wallets_and_leaves_issuing_alone() public {
        setValue(share, 2_500);
        under(address(share));
        issue(note, alice, 1_000);
        _refused(alice, bob, 251, RestrictionCodes.SHARE_OF_SUPPLY, 250);
        _send(alice, bob, 200);
        _refused(alice, bob2, 51, RestrictionCodes.SHARE_OF_SUPPLY, 50); // another wallet is no other identity
        _send(bob, bob2, 150);
        _send(alice, bob2, 50);
        vm.prank(issuer);
        note.redeem(alice, 500);
        _refused(alice, bob, 1, RestrictionCodes.SHARE_OF_SUPPLY, 0); // a share that grew: nothing more
        exempt(share, "bob");
        _send(alice, bob, 1);
    }

    function test_minimum_holding_of_both_sides() public {
        issue(note, alice, 1_000);
        setValue(minimum, 100);
        under(address(minimum));
        _refused(alice, bob, 99, RestrictionCodes.RECIPIENT_MINIMUM, 0);
        _refused(alice, bob, 901, RestrictionCodes.SENDER_MINIMUM, 900);
        _refused(alice, bob, 999, RestrictionCodes.SENDER_MINIMUM, 900);
        _send(alice, bob, 100);
        _send(alice, bob2, 1); // he has the minimum over both wallets
        _send(alice, bob, 899); // all that is left
        vm.expectRevert();
        issue(note, carol, 99);
        issue(note, carol, 100);
        vm.prank(issuer);
        note.redeem(carol, 50); // a redemption in part asks no rule
        _refused(carol, bob, 49, RestrictionCodes.SENDER_MINIMUM, 0);
        _send(carol, bob, 50);
    }

    function test_lock_up_frees_what_was_there_before_and_time_frees_the_rest() public {
        issue(note, bob, 40);
        setValue(lockUp, 1 days);
        under(address(lockUp));
        issue(note, alice, 100);
        _refused(alice, bob, 1, RestrictionCodes.LOCK_UP, 0);
        exempt(lockUp, "alice");
        _send(alice, bob, 60);
        assertEq(lockUp.lockedOf(address(note), "bob"), 60, "locked");
        _refused(bob, carol, 41, RestrictionCodes.LOCK_UP, 40);
        _send(bob, bob2, 90); // between his own wallets nothing is freed
        _refused(bob2, carol, 41, RestrictionCodes.LOCK_UP, 40);
        vm.warp(START + 1 days - 1);
        _refused(bob2, carol, 41, RestrictionCodes.LOCK_UP, 40);
        vm.warp(START + 1 days);
        _send(bob2, carol, 90);
        _refused(carol, bob, 1, RestrictionCodes.LOCK_UP, 0);
    }

    function test_holders_are_identities_and_a_place_is_free_when_one_leaves_whole() public {
        setValue(holders, 2);
        under(address(holders));
        issue(note, alice, 100);
        _send(alice, bob, 10);
        _send(bob, bob2, 5);
        assertEq(holders.holdersOf(address(note)), 2, "two identities");
        _refused(alice, carol, 89, RestrictionCodes.HOLDER_COUNT, 0);
        vm.expectRevert();
        issue(note, carol, 1);
        _send(alice, carol, 90);
        assertEq(holders.holdersOf(address(note)), 2, "alice left, carol came");
        _send(bob2, carol, 5);
        _send(bob, carol, 5);
        assertEq(holders.holdersOf(address(note)), 1, "bob left");
        vm.prank(issuer);
        note.redeem(carol, 100);
        assertEq(holders.holdersOf(address(note)), 0, "redeemed");
    }

    /// @notice Nobody becomes a holder by nothing: rules are neither asked about it nor told, however full a register is.
    function test_a_transfer_of_nothing_is_no_rules_affair() public {
        setValue(holders, 1);
        under(address(holders));
        issue(note, alice, 100);
        vm.expectCall(address(holders), abi.encodeWithSelector(holders.largestOf.selector), 0);
        vm.expectCall(address(holders), abi.encodeWithSelector(holders.moving.selector), 0);
        _send(alice, carol, 0);
        assertEq(holders.holdersOf(address(note)), 1, "alice");
    }

    function test_holders_of_before_and_the_exempt_are_counted_by_sync() public {
        issue(note, alice, 100);
        issue(note, bob2, 100);
        setValue(holders, 2);
        under(address(holders));
        bytes32[] memory names = new bytes32[](3);
        (names[0], names[1], names[2]) = ("alice", "bob", "carol");
        holders.sync(address(note), names);
        _refused(alice, carol, 1, RestrictionCodes.HOLDER_COUNT, 0);
        exempt(holders, "alice");
        holders.sync(address(note), names);
        assertEq(holders.holdersOf(address(note)), 1, "alice is not counted");
        _send(alice, carol, 1);
        // the registrar moves a wallet with units to another identity
        vm.prank(registrar);
        identities.removeWallet(bob2);
        holders.sync(address(note), names);
        assertEq(holders.holdersOf(address(note)), 1, "bob's wallet went");
    }

    function test_an_identity_named_twice_is_counted_once() public {
        issue(note, alice, 100);
        setValue(holders, 2);
        under(address(holders));
        bytes32[] memory names = new bytes32[](3);
        (names[0], names[1], names[2]) = ("alice", "alice", "alice");
        holders.sync(address(note), names);
        assertEq(holders.holdersOf(address(note)), 1, "one place");
        vm.prank(issuer);
        note.redeem(alice, 100);
        holders.sync(address(note), names);
        assertEq(holders.holdersOf(address(note)), 0, "freed once");
    }

    function test_required_claims_of_the_recipient() public {
        issue(note, alice, 100);
        setValue(required, (1 << 3) | (1 << 4));
        under(address(required));
        classify("bob", 2);
        _refused(alice, bob, 1, RestrictionCodes.REQUIRED_CLAIM, 0);
        classify("bob", 4);
        _send(alice, bob, 50);
        _refused(bob, alice, 1, RestrictionCodes.REQUIRED_CLAIM, 0); // who holds may sell, to the qualified
        classify("carol", 3);
        vm.prank(registrar);
        identities.trustIssuer(agency, 0);
        _refused(alice, carol, 1, RestrictionCodes.REQUIRED_CLAIM, 0); // a revoked issuer's word
    }

    function test_rules_leave_each_other_the_largest_amount_that_all_allow() public {
        issue(note, alice, 1_000);
        classify("bob", 3);
        setValue(share, 5_000);
        setValue(minimum, 300);
        setValue(holders, 9);
        setValue(required, 1 << 3);
        underAll();
        _refused(alice, bob, 900, RestrictionCodes.SHARE_OF_SUPPLY, 500);
        setTradeLimit(450);
        _refused(alice, bob, 900, RestrictionCodes.TRADE_LIMIT, 450);
        setTradeLimit(299);
        _refused(alice, bob, 299, RestrictionCodes.RECIPIENT_MINIMUM, 0);
        setTradeLimit(type(uint256).max);
        vm.prank(issuer);
        assets.setDenomination(address(note), 7);
        _refused(alice, bob, 900, RestrictionCodes.DENOMINATION, 497);
    }

    /// @notice I3 with every rule: the answer is the deed, and the largest amount passes where it is not zero.
    function testFuzz_I3_with_every_rule(uint256[8] memory seeds, uint256 amount) public {
        issue(note, alice, between(seeds[0], 1, 1_000));
        issue(note, bob, between(seeds[1], 1, 1_000));
        vm.warp(START + 100);
        setValue(share, between(seeds[2], 0, 10_000));
        setValue(minimum, between(seeds[3], 0, 400));
        setValue(holders, between(seeds[4], 0, 4));
        setValue(lockUp, between(seeds[5], 0, 99));
        setValue(required, between(seeds[6], 0, 3) << 3);
        classify("bob", 3);
        classify("carol", uint8(seeds[6] >> 8) % 5);
        underAll();
        vm.prank(issuer);
        assets.setDenomination(address(note), between(seeds[7], 1, 5));
        for (uint256 i = 0; i < 4; ++i) {
            address from = i == 1 ? bob : alice;
            address to = i % 2 == 0 ? bob : carol;
            amount = between(uint256(keccak256(abi.encode(amount, i))), 0, 1_100);
            (uint256 largest, ) = note.judge(from, to, amount);
            if (amount > largest && largest != 0) assertTrue(note.canTransfer(from, to, largest), "the largest passes");
            bool can = note.canTransfer(from, to, amount);
            vm.prank(from);
            (bool done, ) = address(note).call(abi.encodeCall(note.transfer, (to, amount)));
            assertTrue(can == done, "I3");
            vm.warp(block.timestamp + between(seeds[5] >> 128, 0, 60));
        }
    }

    // --- attacks ------------------------------------------------------------------------------------------------

    /// @notice Attack: a holder fills the register with a unit each. With a minimum holding a place costs that much.
    /// @notice What is taken out of a security is asked of its holder's rules alone: what he must keep, and for how long.
    function test_removing_asks_the_rules_of_who_has_it() public {
        issue(note, alice, 1_000_000);
        setValue(share, 1);
        setValue(holders, 1);
        setValue(minimum, 100);
        setValue(required, 1);
        underAll();
        uint256 all = note.balanceOf(alice);
        (uint256 largest, uint8 code) = compliance.removable(address(note), alice, all);
        assertEq(largest, all, "all of it");
        assertEq(code, 0, "nothing binds");
        (largest, code) = compliance.removable(address(note), alice, all - 1);
        assertEq(largest, all - 100, "or what leaves the minimum");
        assertEq(code, RestrictionCodes.SENDER_MINIMUM, "which binds");
        (largest, ) = compliance.removable(address(usd), alice, 7);
        assertEq(largest, 7, "no rules");
    }

    function test_dust_does_not_fill_the_register() public {
        issue(note, alice, 1_000);
        setValue(holders, 3);
        setValue(minimum, 400);
        underAll();
        bytes32[] memory names = new bytes32[](1);
        names[0] = "alice";
        holders.sync(address(note), names);
        _refused(alice, bob, 1, RestrictionCodes.RECIPIENT_MINIMUM, 0);
        _send(alice, bob, 400);
        _refused(alice, carol, 400, RestrictionCodes.RECIPIENT_MINIMUM, 0); // and she would keep too little
        assertEq(holders.holdersOf(address(note)), 2, "one place, at its price");
    }

    /// @notice Attack: a hold made while units are free is executed when they are locked, or to one who may not.
    function test_a_hold_is_asked_about_when_it_is_executed() public {
        issue(note, alice, 100);
        createHold(alice, "h", bob, bob, 50);
        setValue(lockUp, 1 days);
        under(address(lockUp));
        vm.prank(bob);
        note.executeHold(holdId(alice, "h"), 50); // had before: free
        createHold(bob, "i", carol, carol, 50);
        vm.expectRevert();
        vm.prank(carol);
        note.executeHold(holdId(bob, "i"), 50); // just received: under lock-up
        vm.prank(address(settlement));
        vm.expectRevert();
        note.settlementTransfer(bob, carol, 1); // into a repo, an option, a queue: all the same
    }

    function test_a_forced_transfer_asks_nobody_and_locks_what_it_brings() public {
        issue(note, alice, 100);
        setValue(lockUp, 1 days);
        setValue(holders, 1);
        underAll();
        vm.prank(enforcer);
        note.forcedTransfer(alice, bob, 30);
        assertEq(lockUp.lockedOf(address(note), "bob"), 30, "locked");
        assertTrue(holders.isCounted(address(note), "bob"), "counted");
    }

    function test_recovery_frees_and_locks_nothing() public {
        issue(note, bob, 40);
        vm.warp(START + 5 days);
        setValue(lockUp, 1 days);
        under(address(lockUp));
        vm.prank(registrar);
        identities.announceRecovery(bob, bob2);
        vm.warp(START + 7 days);
        vm.prank(enforcer);
        identities.confirmRecovery(bob);
        note.recover(bob, new bytes32[](0));
        assertEq(lockUp.lockedOf(address(note), "bob"), 0, "not received anew");
        _send(bob2, carol, 40);
    }

    /// @notice Attack: a rule that fails, burns all its gas or answers too much stops dealing, and not redemption.
    function test_a_rogue_rule_stops_dealing_and_not_redemption() public {
        RogueRule rogue = new RogueRule();
        issue(note, alice, 100);
        under(address(rogue));
        _send(alice, bob, 10);
        for (uint256 way = 1; way < 4; ++way) {
            rogue.act(RogueRule.Way(way), RogueRule.Way(way));
            _refused(alice, bob, 1, RestrictionCodes.RULE, 0);
            vm.expectEmit(address(compliance));
            emit RuleCalls.RuleFailed(address(note), address(rogue));
            vm.prank(issuer);
            note.redeem(alice, 10);
            vm.prank(enforcer);
            note.forcedTransfer(alice, bob, 10);
        }
        rogue.act(RogueRule.Way.Allow, RogueRule.Way.Revert); // it takes back what it allowed: the move is undone
        vm.expectRevert(
            abi.encodeWithSelector(RuleCalls.RuleRefusedMove.selector, address(note), address(rogue))
        );
        vm.prank(alice);
        note.transfer(bob, 1);
        under(new address[](0));
        _send(alice, bob, 1);
    }

    function test_a_rule_speaks_with_codes_of_its_own_alone() public {
        RogueRule rogue = new RogueRule();
        issue(note, alice, 100);
        under(address(rogue));
        rogue.answer(5, RestrictionCodes.SENDER_UNKNOWN);
        _refused(alice, bob, 6, RestrictionCodes.RULE, 5);
        rogue.answer(5, 2 ** 200);
        _refused(alice, bob, 6, RestrictionCodes.RULE, 5);
        rogue.answer(5, RestrictionCodes.LOCK_UP);
        _refused(alice, bob, 6, RestrictionCodes.LOCK_UP, 5);
        rogue.answer(type(uint256).max, 0);
        _send(alice, bob, 100);
    }

    /// @notice Attack: a rule that is told of a move makes another one before it.
    function test_a_rule_cannot_move_under_rules_while_it_is_told() public {
        RogueRule rogue = new RogueRule();
        bind(address(rogue), "carol");
        issue(note, alice, 100);
        issue(note, address(rogue), 100);
        address[] memory both = new address[](2);
        (both[0], both[1]) = (address(rogue), address(share));
        setValue(share, 5_000);
        under(both);
        rogue.callBack(address(note), abi.encodeCall(note.transfer, (bob, 80)));
        _send(alice, bob, 80);
        assertFalse(rogue.succeeded(), "refused");
        assertEq(note.balanceOf(bob), 80, "the share holds");
    }

    // --- who sets and who calls ---------------------------------------------------------------------------------

    function test_authority_and_bounds() public {
        bytes memory why = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.expectRevert(why);
        vm.prank(stranger);
        assets.setTokenRules(address(note), new address[](0));
        Rule[5] memory rules = [Rule(share), holders, lockUp, minimum, required];
        Move memory move = Move(address(note), "alice", "bob", 1, 1, 1);
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(why);
            vm.prank(stranger);
            rules[i].setValue(address(note), 1);
            vm.expectRevert(why);
            vm.prank(stranger);
            rules[i].setExempt(address(note), "alice", true);
            vm.expectRevert(abi.encodeWithSelector(Rule.OnlyCompliance.selector, stranger));
            vm.prank(stranger);
            rules[i].moving(move, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(Rule.RuleValueOutOfRange.selector, 10_001, 10_000));
        setValue(share, 10_001);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.TooManyRules.selector, 9, 8));
        vm.prank(limiter);
        assets.setTokenRules(address(note), new address[](9));
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (address(share), address(share));
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.RulesNotSorted.selector, address(share)));
        vm.prank(limiter);
        assets.setTokenRules(address(note), twice);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _send(address from, address to, uint256 amount) private {
        assertTrue(note.canTransfer(from, to, amount), "can");
        vm.prank(from);
        note.transfer(to, amount);
    }

    /// @dev Refused with this code, the answer and the deed, and the largest amount passes if there is one.
    function _refused(address from, address to, uint256 amount, uint8 code, uint256 largest) private {
        (uint256 found, ) = note.judge(from, to, amount);
        assertEq(note.detectTransferRestriction(from, to, amount), code, "code");
        assertEq(found, largest, "largest");
        if (largest != 0) assertTrue(note.canTransfer(from, to, largest), "the largest passes");
        vm.prank(from);
        (bool done, ) = address(note).call(abi.encodeCall(note.transfer, (to, amount)));
        assertFalse(done, "sent");
    }
}
