// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EarlyRedemption} from "src/life/EarlyRedemption.sol";
import {HolderVotes} from "src/life/HolderVotes.sol";
import {IdentityRegistry} from "src/IdentityRegistry.sol";
import {SecurityToken} from "src/SecurityToken.sol";
import {Test} from "./base/Test.sol";
import {VoteDesk} from "./base/VoteDesk.sol";

/// @notice Holders trade, leave, are seized and recovered, queue and vote in any order; keeps a register of its own.
contract VoteHandler is Test {
    struct World {
        SecurityToken token;
        HolderVotes votes;
        EarlyRedemption queue;
        IdentityRegistry identities;
        address issuer;
        address enforcer;
        address registrar;
    }

    struct Position {
        address holder;
        bytes32 account;
    }

    uint256 private constant MOST_VOTES = 3;
    World private _world;
    uint256[4] private _keys;

    /// @dev Alice, Bob, Carol, and whom Alice's wallet is recovered to; the Treasury trades and has no vote.
    address[5] public wallets;
    bytes32[] public requests;
    bytes32[] public voteIds;
    bool private _announced;

    mapping(bytes32 voteId => uint256) public outstanding;
    mapping(bytes32 voteId => uint256) public positionCount;
    mapping(bytes32 voteId => mapping(uint256 index => Position)) private _positions;
    mapping(bytes32 voteId => mapping(uint256 index => uint256)) public weight;
    mapping(bytes32 voteId => mapping(uint256 index => uint8)) public choice;
    mapping(bytes32 voteId => bool) public carriedAtClose;
    mapping(bytes32 voteId => bool) public isClosed;
    uint256 public wrongVoters;
    uint256 public outOfTime;

    constructor(World memory world, uint256[4] memory keys, address treasury) {
        (_world, _keys) = (world, keys);
        for (uint256 i = 0; i < 4; ++i) wallets[i] = vm.addr(keys[i]);
        wallets[4] = treasury;
    }

    function trade(uint8 from, uint8 to, uint256 seed) external {
        (address giver, address taker) = (wallets[from % 5], wallets[to % 5]);
        uint256 amount = between(seed, 0, _world.token.availableOf(giver));
        vm.prank(giver);
        try _world.token.transfer(taker, amount) {} catch {}
    }

    function issueOrRedeem(uint8 who, uint32 amount, bool more) external {
        vm.prank(_world.issuer);
        if (more) try _world.token.issue(wallets[who % 5], amount) {} catch {}
        else try _world.token.redeem(wallets[who % 5], amount) {} catch {}
    }

    function seize(uint8 from, uint8 to, uint256 seed) external {
        uint256 amount = between(seed, 0, _world.token.balanceOf(wallets[from % 5]));
        vm.prank(_world.enforcer);
        try _world.token.forcedTransfer(wallets[from % 5], wallets[to % 5], amount) {} catch {}
    }

    function queueUp(uint8 who, uint256 seed) external {
        address holder = wallets[who % 4];
        uint256 free = _world.token.availableOf(holder);
        if (free < 1e6 || requests.length == 6) return;
        vm.prank(holder);
        _world.token.approve(address(_world.queue), type(uint256).max);
        vm.prank(holder);
        try _world.queue.request(_world.token, uint88(between(seed, 1e6, free))) returns (bytes32 id) {
            requests.push(id);
        } catch {}
    }

    function strikeOrCancel(uint256 seed, bool strikes) external {
        if (requests.length == 0) return;
        bytes32 id = requests[seed % requests.length];
        address holder = _world.identities.currentWallet(_world.queue.requestOf(id).holder);
        if (strikes) try _world.queue.strike(_world.token, 3) {} catch {}
        else {
            vm.prank(holder);
            try _world.queue.cancel(id) {} catch {}
        }
    }

    function loseAlice() external {
        if (!_announced && _world.identities.currentWallet(wallets[0]) == wallets[0]) {
            vm.prank(_world.registrar);
            _world.identities.announceRecovery(wallets[0], wallets[3]);
            _announced = true;
            return;
        }
        vm.prank(_world.enforcer);
        try _world.identities.confirmRecovery(wallets[0]) {} catch {}
        try _world.token.recover(wallets[0], new bytes32[](0)) {} catch {}
    }

    function pass(uint32 seconds_) external {
        vm.warp(block.timestamp + between(seconds_, 0, 1 days));
    }

    /// @dev The register is copied in the last second before the record time.
    function open(uint8 kind, uint16 quorumBp) external {
        if (voteIds.length == MOST_VOTES) return;
        uint64 record = uint64(block.timestamp) + 1;
        bytes32 text = bytes32(voteIds.length + 1);
        bytes32 id = _world.votes.voteIdOf(_world.token, record, text);
        if (!_copyRegister(id)) return;
        vm.warp(record);
        HolderVotes.Terms memory terms = HolderVotes.Terms(
            _world.token,
            record,
            record + 3 days,
            1 + kind % 3,
            4,
            quorumBp % 10_001,
            kind % 2 == 0,
            kind % 5 < 2,
            text
        );
        vm.prank(_world.issuer);
        _world.votes.open(terms);
        voteIds.push(id);
    }

    function vote(uint256 seed, uint8 what, uint8 caller, bool bySignature) external {
        if (voteIds.length == 0) return;
        bytes32 id = voteIds[seed % voteIds.length];
        uint256 index = (seed >> 8) % positionCount[id];
        if (!_vote(id, index, HolderVotes.Choice(what % 4), caller % 4, bySignature)) return;
        choice[id][index] = what % 4;
        address owner = _firstOwner(_positions[id][index]);
        if (_world.identities.currentWallet(owner) != wallets[caller % 4]) ++wrongVoters;
        (HolderVotes.Terms memory terms, , ) = _world.votes.voteOf(id);
        if (block.timestamp > terms.deadline) ++outOfTime;
    }

    function close(uint256 seed) external {
        if (voteIds.length == 0) return;
        bytes32 id = voteIds[seed % voteIds.length];
        try _world.votes.close(id) returns (bool carried) {
            (carriedAtClose[id], isClosed[id]) = (carried, true);
        } catch {}
    }

    function voteCount() external view returns (uint256) {
        return voteIds.length;
    }

    function positionAt(bytes32 id, uint256 index) external view returns (address, bytes32) {
        return (_positions[id][index].holder, _positions[id][index].account);
    }

    function _vote(
        bytes32 id,
        uint256 index,
        HolderVotes.Choice wanted,
        uint256 who,
        bool bySignature
    ) private returns (bool done) {
        Position memory position = _positions[id][index];
        bytes memory data = abi.encodeCall(_world.votes.cast, (id, position.holder, position.account, wanted));
        if (bySignature) {
            uint256 nonce = _world.votes.castOf(id, position.holder, position.account).count;
            HolderVotes.Ballot memory ballot =
                HolderVotes.Ballot(id, position.holder, position.account, wanted, nonce);
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[who], _world.votes.digestOf(ballot));
            data = abi.encodeCall(_world.votes.castBySignature, (ballot, abi.encodePacked(r, s, v)));
        }
        vm.prank(wallets[who]);
        (done, ) = address(_world.votes).call(data);
    }

    function _copyRegister(bytes32 id) private returns (bool) {
        uint256 count;
        for (uint256 i = 0; i < 4; ++i) {
            weight[id][count] = _world.token.balanceOf(wallets[i]);
            _positions[id][count++] = Position(wallets[i], 0);
        }
        for (uint256 i = 0; i < requests.length; ++i) {
            weight[id][count] = _world.queue.heldFor(requests[i], _world.token);
            _positions[id][count++] = Position(address(_world.queue), requests[i]);
        }
        uint256 sum;
        for (uint256 i = 0; i < count; ++i) sum += weight[id][i];
        (outstanding[id], positionCount[id]) = (sum, count);
        return sum != 0;
    }

    function _firstOwner(Position memory position) private view returns (address owner) {
        if (position.account == 0) return position.holder;
        (, owner) = _world.queue.positionAt(position.account, _world.token, 0);
    }
}

/// @notice I13, whatever happens in between.
contract HolderVotesInvariantTest is VoteDesk {
    VoteHandler private _handler;

    function setUp() public override {
        super.setUp();
        VoteHandler.World memory world =
            VoteHandler.World(security, votes, queue, identities, issuer, enforcer, registrar);
        _handler = new VoteHandler(world, [aliceKey, bobKey, carolKey, uint256(0xA11CE2)], treasury);
        targetContract(address(_handler));
    }

    /// @notice I13: weights are the balances of the last second before the record time, for ever.
    function invariant_I13_a_weight_is_the_balance_at_the_record_time() public view {
        for (uint256 v = 0; v < _handler.voteCount(); ++v) {
            bytes32 id = _handler.voteIds(v);
            for (uint256 i = 0; i < _handler.positionCount(id); ++i) {
                (address holder, bytes32 account) = _handler.positionAt(id, i);
                assertEq(weightOf(id, holder, account), _handler.weight(id, i), "I13: weight");
            }
        }
    }

    /// @notice I13: the tally is the sum of the weights by what each position said last; no more than is outstanding.
    function invariant_I13_a_tally_is_the_sum_of_weights() public view {
        for (uint256 v = 0; v < _handler.voteCount(); ++v) {
            bytes32 id = _handler.voteIds(v);
            uint256[4] memory sums;
            for (uint256 i = 0; i < _handler.positionCount(id); ++i) {
                sums[_handler.choice(id, i)] += _handler.weight(id, i);
            }
            HolderVotes.Tally memory tally = tallyOf(id);
            assertEq(tally.inFavour, sums[1], "I13: in favour");
            assertEq(tally.against, sums[2], "I13: against");
            assertEq(tally.abstained, sums[3], "I13: abstained");
            assertEq(tally.silent, sums[0], "I13: silent");
            assertEq(sums[0] + sums[1] + sums[2] + sums[3], _handler.outstanding(id), "I13: outstanding");
        }
        assertEq(_handler.wrongVoters(), 0, "only who stands for the holder of record");
        assertEq(_handler.outOfTime(), 0, "and in time");
    }

    /// @notice I13: what was put on record stays what the tally says.
    function invariant_I13_a_result_stays() public view {
        for (uint256 v = 0; v < _handler.voteCount(); ++v) {
            bytes32 id = _handler.voteIds(v);
            if (_handler.isClosed(id)) assertTrue(votes.isCarried(id) == _handler.carriedAtClose(id), "I13: result");
        }
    }
}
