// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HolderVotes} from "src/life/HolderVotes.sol";
import {ManagedAccount} from "src/mandate/ManagedAccount.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {ContractWallet} from "./doubles/ContractWallet.sol";
import {VoteDesk} from "./base/VoteDesk.sol";

/// @notice Votes of holders: whose, with what weight, until when, and what carries.
contract HolderVotesTest is VoteDesk {
    // --- opening ------------------------------------------------------------------------------------------------

    function test_what_is_asked_and_of_how_much() public {
        vm.warp(RECORD);
        bytes32 id = votes.voteIdOf(security, RECORD, TEXT);
        vm.expectEmit(address(votes));
        emit HolderVotes.VoteOpened(id, address(security), majority(), ALL);
        assertEq(ask(majority()), id, "id");
        (HolderVotes.Terms memory terms, HolderVotes.Stage stage, HolderVotes.Tally memory tally) = votes.voteOf(id);
        assertEq(abi.encode(terms), abi.encode(majority()), "terms");
        assertTrue(stage == HolderVotes.Stage.Open, "open");
        assertEq(tally.silent, ALL, "the issuer's own 50 are not outstanding");
    }

    function test_terms_that_nobody_could_vote_on() public {
        vm.warp(RECORD);
        HolderVotes.Terms memory terms = majority();
        bytes4 invalid = HolderVotes.VoteTermsInvalid.selector;
        terms.numerator = 0;
        _refusedTerms(terms, invalid);
        (terms.numerator, terms.denominator) = (3, 2);
        _refusedTerms(terms, invalid);
        (terms.numerator, terms.denominator) = (2, 2);
        _refusedTerms(terms, invalid); // more than all
        terms = majority();
        terms.quorumBp = 10_001;
        _refusedTerms(terms, invalid);
        terms = majority();
        terms.textHash = 0;
        _refusedTerms(terms, invalid);
        terms = majority();
        terms.token = SecurityToken(address(0xDEAD));
        _refusedTerms(terms, invalid);
        terms = majority();
        terms.token = createMaturing("912797ZZ9", MATURES);
        _refusedTerms(terms, HolderVotes.NothingOutstanding.selector);
        issue(terms.token, treasury, 10);
        vm.warp(RECORD + 1);
        terms.recordTime = RECORD + 1;
        _refusedTerms(terms, HolderVotes.NothingOutstanding.selector);
    }

    function test_unanimity_can_be_asked_for() public {
        vm.warp(RECORD);
        HolderVotes.Terms memory terms = majority();
        (terms.numerator, terms.denominator, terms.moreThan, terms.ofOutstanding) = (1, 1, false, true);
        terms.quorumBp = 10_000;
        bytes32 id = ask(terms);
        yes(id, alice);
        yes(id, bob);
        assertFalse(votes.carries(terms, tallyOf(id)), "not all");
        yes(id, carol);
        assertTrue(votes.carries(terms, tallyOf(id)), "all");
    }

    function test_the_record_lies_behind_and_not_far() public {
        HolderVotes.Terms memory terms = majority();
        bytes4 wrong = HolderVotes.RecordTimeOutOfRange.selector;
        vm.warp(RECORD - 1);
        _refusedTerms(terms, wrong);
        terms.recordTime = 0;
        _refusedTerms(terms, wrong);
        vm.warp(RECORD + 60 days + 1);
        terms = majority();
        terms.deadline = RECORD + 90 days;
        _refusedTerms(terms, wrong);
        vm.warp(RECORD + 60 days);
        ask(terms);
    }

    function test_a_vote_takes_a_day_at_least_and_half_a_year_at_most() public {
        HolderVotes.Terms memory terms = majority();
        bytes4 wrong = HolderVotes.DeadlineOutOfRange.selector;
        vm.warp(RECORD);
        terms.deadline = RECORD + 1 days - 1;
        _refusedTerms(terms, wrong);
        terms.deadline = RECORD + 180 days + 1;
        _refusedTerms(terms, wrong);
        terms.deadline = RECORD + 180 days;
        ask(terms);
        (terms.deadline, terms.textHash) = (RECORD + 1 days, "another");
        ask(terms);
    }

    // --- weights ------------------------------------------------------------------------------------------------

    /// @notice I13: at the record time itself a transfer is too late; in the second before it is not.
    function test_I13_the_record_is_the_second_before() public {
        vm.warp(RECORD - 1);
        vm.prank(alice);
        security.transfer(carol, 50e6);
        vm.warp(RECORD);
        vm.prank(alice);
        security.transfer(carol, 500e6);
        bytes32 id = ask(majority());
        vm.prank(alice);
        security.transfer(carol, 50e6);
        assertEq(weightOf(id, alice, 0), 550e6, "alice");
        assertEq(weightOf(id, carol, 0), 150e6, "carol");
        yes(id, alice);
        no(id, carol);
        assertTally(id, 550e6, 150e6, 0);
    }

    /// @notice I13: whatever is transferred, issued, redeemed, frozen, held or seized after the record, and how often
    /// anyone changes his vote.
    function testFuzz_I13_a_weight_is_the_balance_at_the_record_time(uint256 seed, uint8[24] memory acts) public {
        address[3] memory holders = [alice, bob, carol];
        uint256[3] memory before;
        for (uint256 i = 0; i < 12; ++i) _move(holders, acts[i], uint256(keccak256(abi.encode(seed, i))));
        vm.warp(RECORD - 1);
        for (uint256 i = 0; i < 3; ++i) before[i] = security.balanceOf(holders[i]);
        bytes32 id = asked();
        uint256[4] memory sums;
        uint8[3] memory choices;
        for (uint256 i = 12; i < 24; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            _move(holders, acts[i], dice);
            uint256 who = dice % 3;
            uint8 choice = uint8((dice >> 8) % 4);
            if (before[who] == 0) continue;
            say(id, holders[who], HolderVotes.Choice(choice));
            choices[who] = choice;
        }
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(weightOf(id, holders[i], 0), before[i], "I13");
            sums[choices[i]] += before[i];
        }
        HolderVotes.Tally memory tally = tallyOf(id);
        assertEq(tally.inFavour, sums[1], "I13: in favour");
        assertEq(tally.against, sums[2], "I13: against");
        assertEq(tally.abstained, sums[3], "I13: abstained");
        assertEq(tally.silent, sums[0], "I13: silent");
    }

    function test_units_on_hold_and_frozen_ones_are_their_holders() public {
        vm.prank(alice);
        bytes32 holdId = security.createHold("h", bob, carol, 200e6, START + 30 days);
        freeze(security, bob, 300e6);
        bytes32 id = asked();
        vm.warp(RECORD + 1);
        vm.prank(bob);
        security.executeHold(holdId, 200e6);
        yes(id, alice);
        no(id, bob);
        no(id, carol);
        assertTally(id, 600e6, 400e6, 0);
    }

    function test_a_seizure_or_a_redemption_since_takes_no_vote() public {
        bytes32 id = asked();
        vm.prank(enforcer);
        security.forcedTransfer(alice, carol, 600e6);
        vm.prank(issuer);
        security.redeem(bob, 300e6);
        yes(id, alice);
        no(id, bob);
        no(id, carol);
        assertTally(id, 600e6, 400e6, 0);
    }

    function test_a_security_that_has_ended_is_voted_on_still() public {
        uint64 end = MATURES;
        vm.warp(end - 1 days);
        HolderVotes.Terms memory terms = majority();
        (terms.recordTime, terms.deadline) = (end - 1 days, end + 1 days);
        bytes32 id = ask(terms);
        vm.warp(end);
        vm.prank(issuer);
        security.redeemMatured(alice, 600e6);
        yes(id, alice);
        assertTally(id, 600e6, 0, 0);
    }

    // --- whose --------------------------------------------------------------------------------------------------

    /// @notice A repo's collateral is its borrower's to vote; the lender lent money.
    function test_collateral_is_voted_by_the_borrower() public {
        bytes32 repoId = pledge(200e6);
        bytes32 id = asked();
        vm.warp(RECORD + 1);
        repurchaseAll(repoId, true);
        assertEq(weightOf(id, address(facility), repoId), 200e6, "I13: in custody at the record");
        refused(bob, castCall(id, address(facility), repoId), _notVoter(bob, alice));
        vm.prank(alice);
        votes.cast(id, address(facility), repoId, HolderVotes.Choice.For);
        no(id, alice);
        assertTally(id, 200e6, 400e6, 0);
    }

    function test_units_in_the_early_redemption_queue_are_voted_by_who_asked() public {
        bytes32 request = queueUp(carol, 60e6);
        bytes32 id = asked();
        queue.strike(security, 1);
        vm.prank(carol);
        votes.cast(id, address(queue), request, HolderVotes.Choice.Against);
        no(id, carol);
        assertTally(id, 0, 100e6, 0);
    }

    function test_a_managed_account_is_voted_by_its_owner() public {
        address manager_ = address(0x3A4A);
        ManagedAccount account =
            new ManagedAccount(address(settlement), carol, manager_, address(settlement), 1 days);
        enrol("fund", address(account));
        vm.prank(carol);
        security.transfer(address(account), 80e6);
        bytes32 id = asked();
        refused(manager_, castCall(id, address(account)), _notVoter(manager_, carol));
        vm.prank(carol);
        votes.cast(id, address(account), 0, HolderVotes.Choice.For);
        HolderVotes.Ballot memory ballot = ballotOf(id, address(account), HolderVotes.Choice.Against);
        ballot.nonce = 1;
        votes.castBySignature(ballot, signedBy(carolKey, ballot));
        assertTally(id, 0, 80e6, 0);
        setSanctioned("carol", true); // the account's identity is not on the list, its owner's is
        bytes memory reason = abi.encodeWithSelector(HolderVotes.VoterSanctioned.selector, carol);
        refused(carol, castCall(id, address(account)), reason);
        setSanctioned("carol", false);
        setSanctioned("fund", true); // and the other way round
        reason = abi.encodeWithSelector(HolderVotes.VoterSanctioned.selector, account);
        refused(carol, castCall(id, address(account)), reason);
    }

    function test_a_successor_votes_what_the_lost_wallet_had() public {
        address alice2 = address(0xA11CE2);
        bytes32 id = asked();
        no(id, alice);
        lose(alice, alice2);
        refused(alice, castCall(id, alice), _notVoter(alice, alice2));
        vm.prank(alice2);
        votes.cast(id, alice, 0, HolderVotes.Choice.For);
        assertTally(id, 600e6, 0, 0);
        security.recover(alice, new bytes32[](0));
        bytes memory reason = abi.encodeWithSelector(HolderVotes.NoPositionAtRecord.selector, alice2, bytes32(0));
        refused(alice2, castCall(id, alice2), reason);
        assertTally(id, 600e6, 0, 0);
    }

    function test_a_wallet_lost_before_the_record_and_not_yet_followed_there() public {
        address alice2 = address(0xA11CE2);
        vm.warp(START + 1 hours);
        lose(alice, alice2);
        HolderVotes.Terms memory terms = majority();
        terms.recordTime = uint64(block.timestamp) + 1;
        vm.warp(terms.recordTime);
        bytes32 id = ask(terms);
        vm.prank(alice2);
        votes.cast(id, alice, 0, HolderVotes.Choice.For);
        assertTally(id, 600e6, 0, 0);
    }

    function test_wallets_of_one_party_vote_what_each_had() public {
        address second = address(0xA2);
        vm.prank(registrar);
        identities.registerWallet(second, "alice");
        vm.prank(alice);
        security.transfer(second, 250e6);
        bytes32 id = asked();
        yes(id, alice);
        no(id, second);
        assertTally(id, 350e6, 250e6, 0);
    }

    function test_a_claim_may_have_lapsed_and_a_wallet_not() public {
        bytes32 id = asked();
        setClaim("alice", 0);
        yes(id, alice);
        vm.prank(registrar);
        identities.removeWallet(bob);
        refused(bob, castCall(id, bob), abi.encodeWithSelector(HolderVotes.VoterNotRegistered.selector, bob));
        vm.prank(registrar);
        identities.registerWallet(bob, "bob");
        no(id, bob);
        assertTally(id, 600e6, 300e6, 0);
    }

    function test_a_sanctioned_holder_votes_not_and_what_he_said_stands() public {
        bytes32 id = asked();
        yes(id, alice);
        setSanctioned("alice", true);
        setSanctioned("bob", true);
        bytes4 reason = HolderVotes.VoterSanctioned.selector;
        refused(alice, castCall(id, alice), abi.encodeWithSelector(reason, alice));
        refused(bob, castCall(id, bob), abi.encodeWithSelector(reason, bob));
        assertTally(id, 600e6, 0, 0);
        setSanctioned("bob", false);
        no(id, bob);
        assertTally(id, 600e6, 300e6, 0);
    }

    function test_the_issuer_has_no_vote() public {
        bytes32 id = asked();
        bytes memory reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, treasury);
        refused(treasury, castCall(id, treasury), reason);
    }

    function test_pause_default_and_stop_do_not_silence_holders() public {
        map(address(assets), assets.setPaused.selector, 3);
        vm.prank(freezer);
        assets.setPaused(address(security), true);
        vm.prank(issuer);
        issuance.declareDefault(address(security), "evidence");
        vm.prank(guardian);
        compliance.stop();
        bytes32 id = asked();
        yes(id, alice);
        assertTally(id, 600e6, 0, 0);
    }

    // --- choices ------------------------------------------------------------------------------------------------

    function test_a_vote_is_changed_and_taken_back() public {
        bytes32 id = asked();
        yes(id, alice);
        assertTally(id, 600e6, 0, 0);
        no(id, alice);
        assertTally(id, 0, 600e6, 0);
        say(id, alice, HolderVotes.Choice.Abstain);
        assertTally(id, 0, 0, 600e6);
        say(id, alice, HolderVotes.Choice.None);
        assertTally(id, 0, 0, 0);
        yes(id, alice);
        yes(id, alice);
        assertTally(id, 600e6, 0, 0);
        HolderVotes.Cast memory found = votes.castOf(id, alice, 0);
        assertTrue(found.choice == HolderVotes.Choice.For && found.count == 6, "the last, and how often");
    }

    function test_until_the_deadline_inclusive() public {
        bytes32 id = asked();
        vm.warp(DEADLINE);
        yes(id, alice);
        bytes memory early = abi.encodeWithSelector(HolderVotes.VotingGoesOn.selector, id, DEADLINE);
        refused(stranger, abi.encodeCall(votes.close, (id)), early);
        refused(stranger, abi.encodeCall(votes.isCarried, (id)), early);
        vm.warp(DEADLINE + 1);
        refused(bob, castCall(id, bob), abi.encodeWithSelector(HolderVotes.VotingOver.selector, id, DEADLINE));
    }

    function test_a_vote_by_signature_costs_the_holder_no_gas() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, alice, HolderVotes.Choice.For);
        assertEq(votes.digestOf(ballot), ballotDigest(ballot, block.chainid, address(votes)), "digest");
        bytes memory signature_ = signedBy(aliceKey, ballot);
        vm.expectEmit(address(votes));
        emit HolderVotes.VoteCast(id, alice, 0, alice, HolderVotes.Choice.For, 600e6);
        vm.prank(stranger);
        votes.castBySignature(ballot, signature_);
        assertTally(id, 600e6, 0, 0);
    }

    function test_a_contract_wallet_signs_by_erc1271() public {
        ContractWallet wallet = new ContractWallet(carol);
        enrol("contract", address(wallet));
        vm.prank(carol);
        security.transfer(address(wallet), 40e6);
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, address(wallet), HolderVotes.Choice.Against);
        votes.castBySignature(ballot, signedBy(carolKey, ballot));
        assertTally(id, 0, 40e6, 0);
    }

    // --- results ------------------------------------------------------------------------------------------------

    function test_more_than_half_of_what_voted() public {
        bytes32 id = asked();
        yes(id, bob);
        no(id, carol);
        vm.warp(DEADLINE + 1);
        vm.expectEmit(address(votes));
        emit HolderVotes.VoteClosed(id, true, HolderVotes.Tally(600e6, 300e6, 100e6, 0));
        vm.prank(stranger);
        assertTrue(votes.close(id), "carried");
        assertTrue(votes.isCarried(id), "and stays so");
    }

    function test_nobody_votes_and_nothing_is_carried() public {
        bytes32 id = asked();
        vm.warp(DEADLINE + 1);
        assertFalse(votes.close(id), "0 is not more than 0");
        HolderVotes.Terms memory terms = majority();
        terms.moreThan = false;
        assertFalse(votes.carries(terms, HolderVotes.Tally(ALL, 0, 0, 0)), "nor as much");
    }

    function test_two_thirds_of_what_is_outstanding_to_the_unit() public view {
        HolderVotes.Terms memory terms = majority();
        (terms.numerator, terms.denominator, terms.moreThan, terms.ofOutstanding) = (2, 3, false, true);
        assertTrue(votes.carries(terms, HolderVotes.Tally(1, 2, 0, 0)), "two of three");
        assertFalse(votes.carries(terms, HolderVotes.Tally(2, 3, 0, 0)), "three of five");
        assertFalse(votes.carries(terms, HolderVotes.Tally(1e20 + 1, 2e20, 0, 0)), "a unit short");
        terms.moreThan = true;
        assertFalse(votes.carries(terms, HolderVotes.Tally(1, 2, 0, 0)), "not more than two thirds");
        terms.ofOutstanding = false;
        assertTrue(votes.carries(terms, HolderVotes.Tally(1e6, 3, 1, 5)), "of what voted for or against");
        terms.moreThan = false;
        assertTrue(votes.carries(terms, HolderVotes.Tally(1e6, 2, 1, 5)), "as much");
        assertFalse(votes.carries(terms, HolderVotes.Tally(1e6, 199, 100, 5)), "a unit short");
    }

    function test_abstentions_count_to_the_quorum_and_to_neither_side() public view {
        HolderVotes.Terms memory terms = majority();
        terms.quorumBp = 2_500;
        assertFalse(votes.carries(terms, HolderVotes.Tally(751, 249, 0, 0)), "a unit short");
        assertTrue(votes.carries(terms, HolderVotes.Tally(750, 3, 2, 245)), "a quarter");
    }

    function test_called_off() public {
        bytes32 id = asked();
        yes(id, alice);
        vm.expectEmit(address(votes));
        emit HolderVotes.VoteWithdrawn(id);
        vm.prank(issuer);
        votes.withdraw(id);
        bytes memory reason =
            abi.encodeWithSelector(HolderVotes.VoteNotOpen.selector, id, HolderVotes.Stage.Withdrawn);
        refused(bob, castCall(id, bob), reason);
        vm.warp(DEADLINE + 1);
        refused(stranger, abi.encodeCall(votes.close, (id)), reason);
        refused(stranger, abi.encodeCall(votes.isCarried, (id)), reason);
    }

    function test_not_called_off_once_it_is_over() public {
        bytes32 id = asked();
        vm.warp(DEADLINE + 1);
        bytes memory over = abi.encodeWithSelector(HolderVotes.VotingOver.selector, id, DEADLINE);
        refused(issuer, abi.encodeCall(votes.withdraw, (id)), over);
        votes.close(id);
        bytes memory closed = abi.encodeWithSelector(HolderVotes.VoteNotOpen.selector, id, HolderVotes.Stage.Closed);
        refused(issuer, abi.encodeCall(votes.withdraw, (id)), closed);
        refused(stranger, abi.encodeCall(votes.close, (id)), closed);
        refused(alice, castCall(id, alice), closed);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _notVoter(address caller, address voter) private pure returns (bytes memory) {
        return abi.encodeWithSelector(HolderVotes.NotVoter.selector, caller, voter);
    }

    function _refusedTerms(HolderVotes.Terms memory terms, bytes4 reason) private {
        vm.expectPartialRevert(reason);
        vm.prank(issuer);
        votes.open(terms);
    }

    /// @dev Something that changes balances, or what of them may move.
    function _move(address[3] memory holders, uint8 act, uint256 dice) private {
        (address from, address to) = (holders[dice % 3], holders[(dice >> 8) % 3]);
        uint256 amount = between(dice >> 16, 0, security.availableOf(from));
        if (act % 6 == 0) {
            issue(security, to, (dice >> 16) % 1e9);
        } else if (act % 6 == 1) {
            vm.prank(issuer);
            security.redeem(from, amount);
        } else if (act % 6 == 2) {
            vm.prank(enforcer);
            security.forcedTransfer(from, to, amount);
        } else if (act % 6 == 3) {
            freeze(security, from, amount / 2);
        } else if (act % 6 == 4) {
            vm.warp(block.timestamp + 1 + (dice >> 16) % 1 hours);
        } else {
            vm.prank(from);
            security.transfer(to, amount);
        }
    }
}
