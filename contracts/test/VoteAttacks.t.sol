// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {HolderVotes} from "src/life/HolderVotes.sol";
import {Custody} from "src/repo/Custody.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {ContractWallet} from "./doubles/ContractWallet.sol";
import {VoteDesk} from "./base/VoteDesk.sol";

/// @notice A custody that says whatever suits its maker.
contract BoastfulCustody {
    address private immutable _friend;

    constructor(address friend) {
        _friend = friend;
    }

    function positionAt(bytes32, SecurityToken, uint48) external view returns (uint256, address) {
        return (1e12, _friend);
    }
}

/// @notice What somebody would try to have more votes than he has, or others' votes, or to keep others from theirs.
contract VoteAttacksTest is VoteDesk {
    // --- more than one's own ------------------------------------------------------------------------------------

    function test_I13_units_passed_on_are_not_voted_twice() public {
        bytes32 id = asked();
        yes(id, alice);
        vm.prank(alice);
        security.transfer(bob, 600e6);
        yes(id, bob);
        assertTally(id, 900e6, 0, 0);
        refused(stranger, castCall(id, alice), abi.encodeWithSelector(HolderVotes.NotVoter.selector, stranger, alice));
    }

    function test_I13_units_borrowed_for_the_record_second_have_no_vote() public {
        vm.warp(RECORD);
        vm.prank(alice);
        security.transfer(carol, 600e6); // and opened, cast and given back in the same second
        bytes32 id = ask(majority());
        yes(id, carol);
        vm.prank(carol);
        security.transfer(alice, 600e6);
        assertTally(id, 100e6, 0, 0);
    }

    function test_I13_a_buyer_of_after_the_record_has_no_vote() public {
        address dave = address(0xDA7E);
        enrol("dave", dave);
        bytes32 id = asked();
        vm.prank(alice);
        security.transfer(dave, 600e6);
        bytes memory reason = abi.encodeWithSelector(HolderVotes.NoPositionAtRecord.selector, dave, bytes32(0));
        refused(dave, castCall(id, dave), reason);
    }

    /// @notice A lender of cash does not vote the collateral, and the borrower votes it once, not as his own too.
    function test_I13_collateral_is_counted_once() public {
        bytes32 repoId = pledge(600e6);
        bytes32 id = asked();
        vm.prank(alice);
        votes.cast(id, address(facility), repoId, HolderVotes.Choice.For);
        bytes memory reason = abi.encodeWithSelector(HolderVotes.NoPositionAtRecord.selector, alice, bytes32(0));
        refused(alice, castCall(id, alice), reason);
        assertTally(id, 600e6, 0, 0);
        reason = abi.encodeWithSelector(HolderVotes.NoSuchPosition.selector, facility, bytes32(0));
        refused(address(facility), castCall(id, address(facility)), reason);
    }

    /// @notice What was seized out of a custody before the record is in its accounts still; it is nobody's vote.
    function test_I13_accounts_vote_no_more_than_their_custody_had() public {
        address[2] memory holders = [bob, carol];
        bytes32[2] memory requests;
        for (uint256 i = 0; i < 2; ++i) {
            requests[i] = queueUp(holders[i], 100e6);
        }
        vm.prank(enforcer);
        security.forcedTransfer(address(queue), alice, 150e6);
        bytes32 id = asked();
        bytes memory short = abi.encodeWithSelector(HolderVotes.CustodyShort.selector, queue, 50e6);
        refused(bob, castCall(id, address(queue), requests[0]), short);
        refused(carol, castCall(id, address(queue), requests[1]), short);
        yes(id, alice);
        assertTally(id, 750e6, 0, 0);
    }

    function test_a_vote_changed_counts_its_custody_once() public {
        bytes32 request = queueUp(bob, 100e6);
        bytes32 id = asked();
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(bob);
            votes.cast(id, address(queue), request, HolderVotes.Choice(i));
        }
        assertTally(id, 0, 0, 100e6);
    }

    function test_a_custody_of_ones_own_making_is_none() public {
        bytes32 id = asked();
        address boast = address(new BoastfulCustody(stranger));
        bytes memory reason = abi.encodeWithSelector(HolderVotes.NoSuchPosition.selector, boast, bytes32("all"));
        refused(stranger, castCall(id, boast, "all"), reason);
        reason = abi.encodeWithSelector(HolderVotes.NoSuchPosition.selector, alice, bytes32("x"));
        refused(alice, castCall(id, alice, "x"), reason); // a second name of her own position
        assertFalse(votes.isCustody(boast), "not one");
    }

    // --- the issuer's -------------------------------------------------------------------------------------------

    function test_an_issuers_wallet_under_another_name_has_no_vote() public {
        bytes32 id = asked();
        _rename(treasury);
        bytes memory reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, treasury);
        refused(treasury, castCall(id, treasury), reason);
    }

    function test_an_issuers_wallet_of_after_the_opening_has_no_vote() public {
        bytes32 id = asked();
        vm.prank(registrar);
        identities.removeWallet(carol);
        vm.prank(registrar);
        identities.registerWallet(carol, "treasury");
        refused(carol, castCall(id, carol), abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, carol));
    }

    function test_an_issuers_wallet_that_was_recovered_has_no_vote() public {
        address treasury2 = address(0x7EA52);
        lose(treasury, treasury2);
        HolderVotes.Terms memory terms = majority();
        terms.recordTime = uint64(block.timestamp);
        bytes32 id = ask(terms);
        bytes memory reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, treasury2);
        refused(treasury2, castCall(id, treasury), reason);
    }

    function test_an_issuers_collateral_has_no_vote() public {
        bytes32 request = queueUp(treasury, 50e6);
        bytes32 id = asked();
        bytes memory reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, treasury);
        refused(treasury, castCall(id, address(queue), request), reason);
    }

    function test_an_issuers_collateral_and_lost_wallet_under_another_name_have_no_vote() public {
        bytes32 request = queueUp(treasury, 10e6);
        bytes32 id = asked();
        _rename(treasury);
        bytes memory reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, treasury);
        refused(treasury, castCall(id, address(queue), request), reason);
        address successor = address(0x7EA52);
        lose(treasury, successor);
        reason = abi.encodeWithSelector(HolderVotes.IssuerHasNoVote.selector, successor);
        refused(successor, castCall(id, treasury), reason);
    }

    function test_nobody_but_the_issuer_asks_or_calls_off() public {
        bytes32 id = asked();
        address[5] memory others = [alice, registrar, enforcer, stranger, guardian];
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory reason = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, others[i]);
            refused(others[i], abi.encodeCall(votes.open, (majority())), reason);
            refused(others[i], abi.encodeCall(votes.withdraw, (id)), reason);
        }
    }

    function test_one_id_is_one_vote() public {
        bytes32 id = asked();
        no(id, alice);
        HolderVotes.Terms memory again = majority();
        again.numerator = 1;
        again.deadline += 1;
        bytes memory reason = abi.encodeWithSelector(HolderVotes.VoteAlreadyOpened.selector, id);
        refused(issuer, abi.encodeCall(votes.open, (again)), reason);
        vm.prank(issuer);
        votes.withdraw(id);
        refused(issuer, abi.encodeCall(votes.open, (again)), reason);
        again.textHash = "another";
        assertTrue(ask(again) != id, "another text is another vote");
    }

    function test_an_id_that_was_never_opened() public {
        bytes memory reason =
            abi.encodeWithSelector(HolderVotes.VoteNotOpen.selector, bytes32("?"), HolderVotes.Stage.Unknown);
        refused(alice, castCall("?", alice), reason);
        refused(alice, abi.encodeCall(votes.close, ("?")), reason);
        refused(issuer, abi.encodeCall(votes.withdraw, ("?")), reason);
    }

    function test_cash_has_no_votes() public {
        vm.warp(RECORD);
        HolderVotes.Terms memory terms = majority();
        terms.token = SecurityToken(address(usd));
        vm.expectRevert();
        vm.prank(issuer);
        votes.open(terms);
    }

    // --- signatures ---------------------------------------------------------------------------------------------

    function test_a_ballot_is_good_once_and_in_its_turn() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory first_ = ballotOf(id, alice, HolderVotes.Choice.For);
        HolderVotes.Ballot memory second_ = ballotOf(id, alice, HolderVotes.Choice.Against);
        second_.nonce = 1;
        (bytes memory one_, bytes memory two_) = (signedBy(aliceKey, first_), signedBy(aliceKey, second_));
        _refusedBallot(second_, two_, abi.encodeWithSelector(HolderVotes.BallotOutOfTurn.selector, 1, 0));
        votes.castBySignature(first_, one_);
        _refusedBallot(first_, one_, abi.encodeWithSelector(HolderVotes.BallotOutOfTurn.selector, 0, 1));
        votes.castBySignature(second_, two_);
        _refusedBallot(first_, one_, abi.encodeWithSelector(HolderVotes.BallotOutOfTurn.selector, 0, 2));
        assertTally(id, 0, 600e6, 0);
    }

    function test_a_call_of_ones_own_voids_a_ballot_signed_before() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory old = ballotOf(id, alice, HolderVotes.Choice.For);
        bytes memory signature_ = signedBy(aliceKey, old);
        no(id, alice);
        _refusedBallot(old, signature_, abi.encodeWithSelector(HolderVotes.BallotOutOfTurn.selector, 0, 1));
    }

    function test_a_ballot_brought_by_somebody_else_is_the_same_vote() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, alice, HolderVotes.Choice.For);
        bytes memory signature_ = signedBy(aliceKey, ballot);
        ballot.choice = HolderVotes.Choice.Against;
        _refusedBallot(ballot, signature_, _notSigned(alice));
        (ballot.choice, ballot.holder) = (HolderVotes.Choice.For, bob);
        _refusedBallot(ballot, signature_, _notSigned(bob));
        ballot.holder = alice;
        vm.prank(stranger);
        votes.castBySignature(ballot, signature_);
        assertTally(id, 600e6, 0, 0);
    }

    function test_a_ballot_for_another_chain_contract_or_vote() public {
        bytes32 id = asked();
        HolderVotes.Terms memory terms = majority();
        terms.textHash = "another";
        HolderVotes.Ballot memory other = ballotOf(ask(terms), alice, HolderVotes.Choice.For);
        HolderVotes.Ballot memory ballot = ballotOf(id, alice, HolderVotes.Choice.For);
        bytes memory reason = _notSigned(alice);
        _refusedBallot(ballot, signature(aliceKey, ballotDigest(ballot, 1, address(votes))), reason);
        _refusedBallot(ballot, signature(aliceKey, ballotDigest(ballot, block.chainid, address(this))), reason);
        _refusedBallot(ballot, signedBy(aliceKey, other), reason);
        HolderVotes twin = new HolderVotes(address(manager), identities, issuance, "treasury", new Custody[](0));
        bytes memory signature_ = signedBy(aliceKey, ballot);
        _reverts(
            stranger,
            address(twin),
            abi.encodeCall(twin.castBySignature, (ballot, signature_)),
            abi.encodeWithSelector(HolderVotes.VoteNotOpen.selector, id, HolderVotes.Stage.Unknown)
        );
        vm.chainId(99);
        _refusedBallot(ballot, signature_, reason);
    }

    function test_a_signature_bent_or_of_nobody() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, alice, HolderVotes.Choice.For);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, votes.digestOf(ballot));
        _refusedBallot(ballot, bent(v, r, s), _notSigned(alice));
        _refusedBallot(ballot, compact(v, r, s), _notSigned(alice));
        _refusedBallot(ballot, abi.encodePacked(r, s), _notSigned(alice));
        _refusedBallot(ballot, "", _notSigned(alice));
        ballot.holder = address(0);
        _refusedBallot(ballot, abi.encodePacked(r, s, v), _notSigned(address(0)));
    }

    function test_a_lost_keys_ballots_are_void() public {
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, alice, HolderVotes.Choice.Against);
        bytes memory signature_ = signedBy(aliceKey, ballot);
        address alice2 = vm.addr(0xA11CE2);
        lose(alice, alice2);
        _refusedBallot(ballot, signature_, _notSigned(alice2));
        ballot.choice = HolderVotes.Choice.For;
        votes.castBySignature(ballot, signedBy(0xA11CE2, ballot));
        assertTally(id, 600e6, 0, 0);
    }

    function test_a_wallet_that_calls_back_while_it_is_asked() public {
        ContractWallet wallet = new ContractWallet(carol);
        enrol("contract", address(wallet));
        vm.prank(carol);
        security.transfer(address(wallet), 40e6);
        bytes32 id = asked();
        HolderVotes.Ballot memory ballot = ballotOf(id, address(wallet), HolderVotes.Choice.For);
        bytes memory signature_ = signedBy(carolKey, ballot);
        wallet.setReentry(address(votes), abi.encodeCall(votes.castBySignature, (ballot, signature_)));
        _refusedBallot(ballot, signature_, _notSigned(address(wallet)));
        ContractWallet.Mood[3] memory moods =
            [ContractWallet.Mood.Refuse, ContractWallet.Mood.RevertSilently, ContractWallet.Mood.RevertLoudly];
        for (uint256 i = 0; i < 3; ++i) {
            wallet.setMood(moods[i]);
            _refusedBallot(ballot, signature_, _notSigned(address(wallet)));
        }
        assertTally(id, 0, 0, 0);
    }

    // --- in others' way -----------------------------------------------------------------------------------------

    function test_dust_keeps_nobody_from_voting_or_closing() public {
        for (uint160 i = 1; i <= 40; ++i) {
            enrol(bytes32(uint256(i)), address(0xD0000 + i));
            vm.prank(alice);
            security.transfer(address(0xD0000 + i), 1);
        }
        bytes32 id = asked();
        for (uint160 i = 1; i <= 40; ++i) no(id, address(0xD0000 + i));
        yes(id, bob);
        assertTally(id, 300e6, 40, 0);
        vm.warp(DEADLINE + 1);
        assertTrue(votes.close(id), "units count, not heads");
    }

    function test_a_choice_that_is_none() public {
        bytes32 id = asked();
        refused(alice, abi.encodeWithSelector(votes.cast.selector, id, alice, bytes32(0), uint8(4)), "");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _rename(address wallet) private {
        vm.prank(registrar);
        identities.removeWallet(wallet);
        vm.prank(registrar);
        identities.registerWallet(wallet, "bob");
    }

    function _notSigned(address voter) private pure returns (bytes memory) {
        return abi.encodeWithSelector(HolderVotes.BallotNotSigned.selector, voter);
    }

    function _refusedBallot(HolderVotes.Ballot memory ballot, bytes memory signature_, bytes memory reason) private {
        refused(stranger, abi.encodeCall(votes.castBySignature, (ballot, signature_)), reason);
    }
}
