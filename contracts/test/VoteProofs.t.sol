// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../src/interfaces/IIdentityRegistry.sol";
import {ISecurityLife} from "../src/interfaces/ISecurityLife.sol";
import {HolderVotes} from "../src/life/HolderVotes.sol";
import {Custody} from "../src/repo/Custody.sol";
import {SecurityToken} from "../src/SecurityToken.sol";
import {OpenRules} from "./doubles/OpenRules.sol";
import {TwoHolders} from "./doubles/TwoHolders.sol";
import {Vm} from "./base/Vm.sol";

/// @notice Arithmetic of votes.
contract VoteProofs {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    uint64 private constant DAY = 1_780_000_000;

    TwoHolders private _token;
    HolderVotes private _votes;

    function setUp() public {
        address open = address(new OpenRules());
        _token = new TwoHolders();
        _votes = new HolderVotes(open, IIdentityRegistry(open), ISecurityLife(open), "issuer", new Custody[](0));
        vm.warp(DAY);
    }

    /// @notice I13: whatever two holders say, and say again, the tally is the sum of their balances by their last word.
    function check_I13_tally(uint88 first, uint88 second, uint8 one, uint8 other, uint8 again) public {
        vm.assume(one < 4 && other < 4 && again < 4);
        vm.assume(first != 0 && second != 0 && uint256(first) + second <= type(uint88).max);
        _token.set(first, second);
        bytes32 id = _votes.open(_terms(1, 2, 0, true, false));
        _say(id, ALICE, one);
        _say(id, BOB, other);
        _say(id, ALICE, again);
        (, , HolderVotes.Tally memory tally) = _votes.voteOf(id);
        assert(tally.silent == (again == 0 ? first : 0) + uint256(other == 0 ? second : 0));
        assert(tally.inFavour == (again == 1 ? first : 0) + uint256(other == 1 ? second : 0));
        assert(tally.against == (again == 2 ? first : 0) + uint256(other == 2 ? second : 0));
        assert(tally.abstained == (again == 3 ? first : 0) + uint256(other == 3 ? second : 0));
    }

    /// @notice I13: a threshold of what is outstanding rounds nothing: at least n/d of it is for x d >= all x n.
    function check_I13_threshold_of_what_is_outstanding(
        uint88 inFavour,
        uint88 silent,
        uint32 numerator,
        uint32 denominator,
        bool moreThan
    ) public view {
        vm.assume(numerator != 0 && numerator <= denominator && inFavour != 0);
        HolderVotes.Tally memory tally = HolderVotes.Tally(silent, inFavour, 0, 0);
        bool carried = _votes.carries(_terms(numerator, denominator, 0, moreThan, true), tally);
        uint256 has = uint256(inFavour) * denominator;
        uint256 needs = (uint256(inFavour) + silent) * numerator;
        assert(carried == (moreThan ? has > needs : has >= needs));
    }

    /// @notice I13: of what voted for or against, what is silent changes nothing but the quorum.
    function check_I13_threshold_of_what_voted(
        uint88 inFavour,
        uint88 against,
        uint88 silent,
        uint16 quorumBp
    ) public view {
        vm.assume(quorumBp <= 10_000);
        HolderVotes.Tally memory tally = HolderVotes.Tally(silent, inFavour, against, 0);
        bool carried = _votes.carries(_terms(1, 2, quorumBp, true, false), tally);
        uint256 cast = uint256(inFavour) + against;
        assert(carried == (inFavour > against && cast * 10_000 >= (cast + silent) * quorumBp));
    }

    function _say(bytes32 id, address holder, uint8 choice) private {
        vm.prank(holder);
        _votes.cast(id, holder, 0, HolderVotes.Choice(choice));
    }

    function _terms(
        uint32 top,
        uint32 bottom,
        uint16 quorumBp,
        bool moreThan,
        bool ofOutstanding
    ) private view returns (HolderVotes.Terms memory) {
        SecurityToken token = SecurityToken(address(_token));
        return HolderVotes.Terms(token, DAY, DAY + 2 days, top, bottom, quorumBp, moreThan, ofOutstanding, "text");
    }
}
