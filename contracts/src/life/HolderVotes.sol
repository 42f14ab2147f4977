// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {IAccountRoles, IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {Custody} from "../repo/Custody.sol";
import {SecurityToken} from "../SecurityToken.sol";

/// @title HolderVotes
/// @notice The issuer asks a security's holders for their consent; each votes with what he held at the record time.
/// @dev I13. The position that counts is the one at the end of the second before the record time, as of a coupon. That
/// second is over when the vote is opened, so nothing changes a weight: not a transfer, seizure, redemption or recovery
/// since. A buyer of later has no vote; units on hold or frozen are their holder's; units in custody are voted by who
/// gets their coupons (a repo's borrower, who asked for early redemption), so borrowed securities are not voted by the
/// lender of the cash. A position is a holder of record and, in custody, an account there; it is voted by its owner, by
/// who stands for him since his wallet was recovered, or, of a managed account, by its owner; wallets of one identity
/// are positions of their own. It may be changed or taken back until the deadline, by a call or by a signature.
/// What is outstanding leaves out what the issuer's identity has in its wallets, as an indenture disregards the
/// obligor's own securities; it votes nowhere. A wallet must be registered; a claim may have lapsed, for a vote moves
/// nothing. A sanctioned holder votes not, since a vote would be dealing in what is blocked; what he has is still
/// outstanding, and what he said before stands. Neither a pause, a default nor the emergency stop is in the way: they
/// are what holders are asked about.
contract HolderVotes is AccessManaged, EIP712 {
    /// @notice What is asked for. Carried is what has at least, or more than, numerator / denominator of what voted for
    /// or against, or of all that is outstanding, if as much as the quorum voted in any way.
    struct Terms {
        SecurityToken token;
        uint64 recordTime;
        uint64 deadline;
        uint32 numerator;
        uint32 denominator;
        uint16 quorumBp;
        bool moreThan;
        bool ofOutstanding;
        bytes32 textHash;
    }

    enum Choice {
        None,
        For,
        Against,
        Abstain
    }

    enum Stage {
        Unknown,
        Open,
        Withdrawn,
        Closed
    }

    /// @notice Face, 10^-6 dollar: what has not voted, and what has. They sum to what is outstanding.
    struct Tally {
        uint256 silent;
        uint256 inFavour;
        uint256 against;
        uint256 abstained;
    }

    /// @notice A vote of one position, the `nonce`-th: signed, it is good once and in its turn.
    struct Ballot {
        bytes32 voteId;
        address holder;
        bytes32 account;
        Choice choice;
        uint256 nonce;
    }

    struct Cast {
        Choice choice;
        uint248 count;
    }

    event VoteOpened(bytes32 indexed voteId, address indexed token, Terms terms, uint256 outstanding);
    event VoteCast(
        bytes32 indexed voteId,
        address indexed holder,
        bytes32 indexed account,
        address voter,
        Choice choice,
        uint256 weight
    );
    event VoteWithdrawn(bytes32 indexed voteId);
    event VoteClosed(bytes32 indexed voteId, bool carried, Tally tally);

    error VoteAlreadyOpened(bytes32 voteId);
    error VoteNotOpen(bytes32 voteId, Stage stage);
    error VoteTermsInvalid(bytes32 voteId);
    error RecordTimeOutOfRange(uint64 recordTime);
    error DeadlineOutOfRange(uint64 deadline);
    error NothingOutstanding(bytes32 voteId);
    error VotingOver(bytes32 voteId, uint64 deadline);
    error VotingGoesOn(bytes32 voteId, uint64 deadline);
    error NotVoter(address caller, address voter);
    error BallotNotSigned(address voter);
    error BallotOutOfTurn(uint256 nonce, uint256 expected);
    error VoterNotRegistered(address wallet);
    error VoterSanctioned(address wallet);
    error IssuerHasNoVote(address wallet);
    error NoSuchPosition(address holder, bytes32 account);
    error NoPositionAtRecord(address holder, bytes32 account);

    /// @notice Accounts claim more units than the custody had at the record time.
    error CustodyShort(address holder, uint256 units);

    /// @notice A record lies at most this far back: nobody looks for a day on which the register suited him.
    uint64 public constant OLDEST_RECORD = 60 days;

    /// @notice Nobody is outrun: a vote takes this long at least.
    uint64 public constant SHORTEST_VOTE = 1 days;
    uint64 public constant LONGEST_VOTE = 180 days;
    uint256 private constant ALL_BP = 10_000;
    bytes32 private constant BALLOT_TYPE =
        keccak256("Ballot(bytes32 voteId,address holder,bytes32 account,uint8 choice,uint256 nonce)");

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Who knows which securities there are.
    ISecurityLife public immutable life;

    /// @notice The issuer's identity.
    bytes32 public immutable issuer;

    /// @notice Contracts that hold units for accounts.
    mapping(address holder => bool) public isCustody;
    mapping(bytes32 voteId => Terms) private _terms;
    mapping(bytes32 voteId => Stage) private _stages;

    /// @dev By choice. All begins as `None`: a vote moves its weight from one to another, so that the sum stays.
    mapping(bytes32 voteId => uint256[4]) private _weights;
    mapping(bytes32 voteId => mapping(address holder => mapping(bytes32 account => Cast))) private _casts;
    mapping(bytes32 voteId => mapping(address holder => uint256)) private _counted;
    mapping(bytes32 voteId => mapping(address wallet => bool)) private _disregarded;

    constructor(
        address authority_,
        IIdentityRegistry identityRegistry_,
        ISecurityLife life_,
        bytes32 issuer_,
        Custody[] memory custodies
    ) AccessManaged(authority_) EIP712("tbill_defi HolderVotes", "1") {
        (identityRegistry, life, issuer) = (identityRegistry_, life_, issuer_);
        for (uint256 i = 0; i < custodies.length; ++i) isCustody[address(custodies[i])] = true;
    }

    // --- the issuer ---------------------------------------------------------------------------------------------

    /// @notice Name of a vote: there is one of a security, a record time and a text.
    function voteIdOf(SecurityToken token, uint64 recordTime, bytes32 textHash) public pure returns (bytes32) {
        return keccak256(abi.encode(token, recordTime, textHash));
    }

    /// @notice Asks the holders of a record time that has passed.
    /// @param terms `recordTime` is a New York midnight, `deadline` the last second of voting, `textHash` the
    /// Keccak-256 of the resolution.
    function open(Terms calldata terms) external restricted returns (bytes32 voteId) {
        voteId = voteIdOf(terms.token, terms.recordTime, terms.textHash);
        if (_stages[voteId] != Stage.Unknown) revert VoteAlreadyOpened(voteId);
        bool sound = terms.textHash != 0 && terms.quorumBp <= ALL_BP && terms.numerator != 0;
        sound = sound && terms.numerator <= terms.denominator;
        if (terms.moreThan && terms.numerator == terms.denominator) sound = false;
        if (!sound || !life.assetRegistry().isRegistered(address(terms.token))) revert VoteTermsInvalid(voteId);
        (uint64 record, uint64 now_) = (terms.recordTime, uint64(block.timestamp));
        if (record == 0 || record > now_ || now_ - record > OLDEST_RECORD) revert RecordTimeOutOfRange(record);
        bool inTime = terms.deadline >= now_ + SHORTEST_VOTE && terms.deadline <= now_ + LONGEST_VOTE;
        if (!inTime) revert DeadlineOutOfRange(terms.deadline);
        (_terms[voteId], _stages[voteId]) = (terms, Stage.Open);
        uint256 outstanding = terms.token.totalSupplyAt(uint48(record - 1));
        address[] memory own = identityRegistry.walletsOf(issuer);
        for (uint256 i = 0; i < own.length; ++i) {
            _disregarded[voteId][own[i]] = true;
            outstanding -= terms.token.balanceOfAt(own[i], uint48(record - 1));
        }
        if (outstanding == 0) revert NothingOutstanding(voteId);
        _weights[voteId][uint256(Choice.None)] = outstanding;
        emit VoteOpened(voteId, address(terms.token), terms, outstanding);
    }

    /// @notice Calls a vote off before its deadline, for good.
    function withdraw(bytes32 voteId) external restricted {
        _requireVoting(voteId);
        _stages[voteId] = Stage.Withdrawn;
        emit VoteWithdrawn(voteId);
    }

    // --- the holders --------------------------------------------------------------------------------------------

    /// @notice Votes a position of the caller's, or changes its vote; `None` takes it back.
    /// @param account Zero, or an account of the custody that `holder` is.
    function cast(bytes32 voteId, address holder, bytes32 account, Choice choice) external {
        (address owner, address voter, uint256 weight) = positionOf(voteId, holder, account);
        if (msg.sender != voter) revert NotVoter(msg.sender, voter);
        _cast(Ballot(voteId, holder, account, choice, 0), owner, voter, weight);
    }

    /// @notice The same by signature of who may vote it (EIP-712; a key's, or ERC-1271). Anyone may bring it.
    function castBySignature(Ballot calldata ballot, bytes calldata signature) external {
        (address owner, address voter, uint256 weight) = positionOf(ballot.voteId, ballot.holder, ballot.account);
        uint256 expected = _casts[ballot.voteId][ballot.holder][ballot.account].count;
        if (ballot.nonce != expected) revert BallotOutOfTurn(ballot.nonce, expected);
        bool valid = SignatureChecker.isValidSignatureNowCalldata(voter, digestOf(ballot), signature);
        if (!valid) revert BallotNotSigned(voter);
        _cast(ballot, owner, voter, weight);
    }

    /// @notice Puts the result on record once the deadline is over. Anyone may.
    function close(bytes32 voteId) external returns (bool carried) {
        carried = isCarried(voteId);
        if (_stages[voteId] != Stage.Open) revert VoteNotOpen(voteId, _stages[voteId]);
        _stages[voteId] = Stage.Closed;
        emit VoteClosed(voteId, carried, _tally(voteId));
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @notice A vote as it stands.
    function voteOf(bytes32 voteId) external view returns (Terms memory terms, Stage stage, Tally memory tally) {
        return (_terms[voteId], _stages[voteId], _tally(voteId));
    }

    /// @notice What a position has voted, and how often it did: the nonce of its next ballot.
    function castOf(bytes32 voteId, address holder, bytes32 account) external view returns (Cast memory) {
        return _casts[voteId][holder][account];
    }

    /// @notice Whether it was carried; reverts before the deadline is over, and of a vote that was called off.
    function isCarried(bytes32 voteId) public view returns (bool) {
        Stage stage = _stages[voteId];
        if (stage != Stage.Open && stage != Stage.Closed) revert VoteNotOpen(voteId, stage);
        Terms memory terms = _terms[voteId];
        if (block.timestamp <= terms.deadline) revert VotingGoesOn(voteId, terms.deadline);
        return carries(terms, _tally(voteId));
    }

    /// @notice Whether a tally carries: exact, nothing is rounded.
    function carries(Terms memory terms, Tally memory tally) public pure returns (bool) {
        uint256 sides = tally.inFavour + tally.against;
        uint256 outstanding = sides + tally.abstained + tally.silent;
        if ((sides + tally.abstained) * ALL_BP < outstanding * terms.quorumBp) return false;
        uint256 needed = (terms.ofOutstanding ? outstanding : sides) * terms.numerator;
        uint256 found = tally.inFavour * terms.denominator;
        return found > needed || (found == needed && found != 0 && !terms.moreThan);
    }

    /// @notice A position: whose it is now, who votes it, and its units at the record time.
    function positionOf(
        bytes32 voteId,
        address holder,
        bytes32 account
    ) public view returns (address owner, address voter, uint256 weight) {
        if (_stages[voteId] == Stage.Unknown) revert VoteNotOpen(voteId, Stage.Unknown);
        if (isCustody[holder] != (account != 0)) revert NoSuchPosition(holder, account);
        if (account == 0) (owner, weight) = (holder, _heldAtRecord(voteId, holder));
        else (weight, owner) = Custody(holder).positionAt(account, _terms[voteId].token, _lastSecond(voteId));
        owner = identityRegistry.currentWallet(owner);
        bool managed = ERC165Checker.supportsInterface(owner, type(IManagedAccount).interfaceId);
        voter = managed ? identityRegistry.currentWallet(IAccountRoles(owner).owner()) : owner;
    }

    /// @notice What the voter of a position signs.
    function digestOf(Ballot calldata ballot) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(
                        BALLOT_TYPE,
                        ballot.voteId,
                        ballot.holder,
                        ballot.account,
                        ballot.choice,
                        ballot.nonce
                    )
                )
            );
    }

    // --- inside -------------------------------------------------------------------------------------------------

    function _cast(Ballot memory ballot, address owner, address voter, uint256 weight) private {
        (bytes32 voteId, address holder) = (ballot.voteId, ballot.holder);
        _requireVoting(voteId);
        _requireEntitled(voteId, holder, owner, voter);
        if (weight == 0) revert NoPositionAtRecord(holder, ballot.account);
        Cast storage last = _casts[voteId][holder][ballot.account];
        if (last.count == 0 && ballot.account != 0) _count(voteId, holder, weight);
        _weights[voteId][uint256(last.choice)] -= weight;
        _weights[voteId][uint256(ballot.choice)] += weight;
        (last.choice, last.count) = (ballot.choice, last.count + 1);
        emit VoteCast(voteId, holder, ballot.account, voter, ballot.choice, weight);
    }

    /// @dev What was redeemed or seized out of a custody is still in its accounts.
    function _count(bytes32 voteId, address holder, uint256 weight) private {
        uint256 counted = _counted[voteId][holder] + weight;
        uint256 units = _heldAtRecord(voteId, holder);
        if (counted > units) revert CustodyShort(holder, units);
        _counted[voteId][holder] = counted;
    }

    function _requireEntitled(bytes32 voteId, address holder, address owner, address voter) private view {
        bytes32 identity = identityRegistry.identityOf(owner);
        if (identity == 0) revert VoterNotRegistered(owner);
        if (identityRegistry.isSanctioned(identity)) revert VoterSanctioned(owner);
        if (identityRegistry.isWalletSanctioned(voter)) revert VoterSanctioned(voter);
        bool own = identity == issuer || _disregarded[voteId][holder] || _disregarded[voteId][owner];
        if (own) revert IssuerHasNoVote(owner);
    }

    function _heldAtRecord(bytes32 voteId, address holder) private view returns (uint256) {
        return _terms[voteId].token.balanceOfAt(holder, _lastSecond(voteId));
    }

    function _lastSecond(bytes32 voteId) private view returns (uint48) {
        return uint48(_terms[voteId].recordTime - 1);
    }

    function _requireVoting(bytes32 voteId) private view {
        if (_stages[voteId] != Stage.Open) revert VoteNotOpen(voteId, _stages[voteId]);
        uint64 deadline = _terms[voteId].deadline;
        if (block.timestamp > deadline) revert VotingOver(voteId, deadline);
    }

    function _tally(bytes32 voteId) private view returns (Tally memory) {
        uint256[4] storage found = _weights[voteId];
        return
            Tally(
                found[uint256(Choice.None)],
                found[uint256(Choice.For)],
                found[uint256(Choice.Against)],
                found[uint256(Choice.Abstain)]
            );
    }
}
