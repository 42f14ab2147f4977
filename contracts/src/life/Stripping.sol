// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ICompliance} from "../interfaces/ICompliance.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {RestrictionCodes} from "../RestrictionCodes.sol";
import {SecurityToken} from "../SecurityToken.sol";

/// @title Stripping
/// @notice A note or bond taken apart into strips, one for each payment that is still to come, and put together again.
/// @dev 31 CFR 356.31. It holds the ISSUER role on security tokens. The pieces of a bond are named once, each an exact
/// fraction of its face; only a face whose pieces are multiples of their denominations is taken apart, so nothing is
/// gained or lost. An act may take several transactions (a long bond has 61 pieces, each a token of its own). Taking
/// apart destroys the bond first; putting together creates it last. A payment date that falls into putting together
/// leaves only `giveUp`, which gives the pieces back: they are paid by themselves. Who may not deal in the bond may not
/// do it under the names of its pieces either, and what a rule of a security keeps with its holder leaves it in no
/// other shape. An act follows a wallet that was recovered.
contract Stripping is AccessManaged {
    struct Piece {
        SecurityToken token;
        uint128 numerator;
        uint128 denominator;
    }

    /// @dev Pieces before `first` were paid when it began; [next, end) are still to be delivered or, if `joining`, to
    /// be taken in.
    struct Act {
        address holder;
        SecurityToken bond;
        uint88 face;
        uint16 first;
        uint16 next;
        uint16 end;
        bool joining;
        uint64 nextPayment;
    }

    event PiecesNamed(address indexed bond, Piece[] pieces);
    event StrippingBegun(bytes32 indexed actId, address indexed bond, address indexed holder, uint256 face);
    event ReconstitutionBegun(bytes32 indexed actId, address indexed bond, address indexed holder, uint256 face);
    event PieceMoved(bytes32 indexed actId, address indexed token, uint256 amount, bool joining);
    event ReconstitutionGivenUp(bytes32 indexed actId);
    /// @notice What is still to come of an act is another's.
    event ActSeized(bytes32 indexed actId, address indexed holder, address indexed to);
    event ActCompleted(bytes32 indexed actId, bool joining);

    error PiecesAlreadyNamed(address bond);
    error PiecesNotNamed(address bond);
    error InvalidPieces(address bond, uint256 piece);
    error SecurityEnded(address bond, uint64 end);
    error SecurityInDefault(address bond, bytes32 evidenceHash);
    error NothingToStrip();

    /// @notice The face gives no multiple of this token's denomination.
    error FractionOfUnit(address token, uint256 face);

    /// @notice The holder may not deal in it now, or not in so much, for the reason that the code names.
    error DealingRestricted(address bond, address holder, uint8 code);
    error NotActHolder(bytes32 actId, address holder);
    error ActIsOver(bytes32 actId);
    error NotReconstituting(bytes32 actId);
    error PaymentDatePassed(bytes32 actId, uint64 payment);

    /// @notice A bond of 30 years has 60 coupons and its principal.
    uint256 public constant MOST_PIECES = 64;

    /// @notice Who knows when securities end, and their default.
    ISecurityLife public immutable life;

    mapping(SecurityToken bond => Piece[]) private _pieces;
    mapping(bytes32 actId => Act) private _acts;
    uint256 private _begun;

    constructor(address authority_, ISecurityLife life_) AccessManaged(authority_) {
        life = life_;
    }

    /// @notice Names the pieces of a bond, once: interest by payment date, the principal last.
    function namePieces(SecurityToken bond, Piece[] calldata pieces) external restricted {
        Piece[] storage named = _pieces[bond];
        if (named.length != 0) revert PiecesAlreadyNamed(address(bond));
        uint256 count = pieces.length;
        if (count == 0 || count > MOST_PIECES) revert InvalidPieces(address(bond), count);
        uint64 before = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint64 due = pieces[i].token.maturity();
            bool whole = pieces[i].numerator != 0 && pieces[i].numerator <= pieces[i].denominator;
            if (!whole || due < before) revert InvalidPieces(address(bond), i);
            before = due;
            named.push(pieces[i]);
        }
        Piece calldata last = pieces[count - 1];
        bool principal = last.numerator == last.denominator && last.token.maturity() == bond.maturity();
        if (!principal) revert InvalidPieces(address(bond), count - 1);
        emit PiecesNamed(address(bond), pieces);
    }

    /// @notice Takes a face of the caller's bond apart; delivers the first `steps` pieces, `carryOn` the others.
    function strip(SecurityToken bond, uint88 face, uint16 steps) external returns (bytes32 actId) {
        actId = _begin(bond, face, false);
        emit StrippingBegun(actId, address(bond), msg.sender, face);
        bond.redeem(msg.sender, face);
        _move(actId, steps);
    }

    /// @notice Puts a face of a bond together from the caller's strips of all payments to come.
    function reconstitute(SecurityToken bond, uint88 face, uint16 steps) external returns (bytes32 actId) {
        actId = _begin(bond, face, true);
        emit ReconstitutionBegun(actId, address(bond), msg.sender, face);
        _move(actId, steps);
    }

    /// @notice Goes on with an act. Anyone may deliver; only the holder brings pieces in.
    function carryOn(bytes32 actId, uint16 steps) external {
        Act storage act = _acts[actId];
        if (act.next == act.end) revert ActIsOver(actId);
        if (act.joining) _requireHolder(actId, act);
        _move(actId, steps);
    }

    /// @notice Turns a reconstitution that is not complete round: the pieces brought in are delivered again.
    function giveUp(bytes32 actId) external {
        Act storage act = _acts[actId];
        _requireHolder(actId, act);
        if (!act.joining || act.next == act.end) revert NotReconstituting(actId);
        (act.joining, act.end, act.next) = (false, act.next, act.first);
        emit ReconstitutionGivenUp(actId);
        if (act.next == act.end) emit ActCompleted(actId, false);
    }

    /// @notice Gives what is still to come of an act to another, as a court has it: pieces to be delivered, or, of a
    /// reconstitution, the bond and those brought in, which he completes or gives up.
    /// @dev Nothing can be delivered to a sanctioned holder, so a forced transfer does not reach it.
    function seize(bytes32 actId, address to) external restricted {
        Act storage act = _acts[actId];
        if (act.next == act.end) revert ActIsOver(actId);
        emit ActSeized(actId, _holderOf(act), to);
        act.holder = to;
    }

    /// @notice The pieces of a bond.
    function piecesOf(SecurityToken bond) external view returns (Piece[] memory) {
        return _pieces[bond];
    }

    /// @notice An act as it stands.
    function actOf(bytes32 actId) external view returns (Act memory) {
        return _acts[actId];
    }

    /// @dev Pieces whose payment date has come are no part of it; all others must be deliverable.
    function _begin(SecurityToken bond, uint88 face, bool joining) private returns (bytes32 actId) {
        Piece[] storage pieces = _pieces[bond];
        if (pieces.length == 0) revert PiecesNotNamed(address(bond));
        if (face == 0) revert NothingToStrip();
        uint64 end = life.endOf(address(bond));
        if (block.timestamp >= end) revert SecurityEnded(address(bond), end);
        bytes32 evidence = life.defaultOf(address(bond));
        if (evidence != 0) revert SecurityInDefault(address(bond), evidence);
        _requireDealing(bond, msg.sender);
        _requireMultiple(bond, face, face);
        if (!joining) _requireRemovable(bond, msg.sender, face);
        uint64 nextPayment = 0;
        uint16 first = 0;
        for (uint256 i = 0; i < pieces.length; ++i) {
            if (nextPayment == 0) {
                uint64 due = pieces[i].token.maturity();
                if (due <= block.timestamp) {
                    ++first;
                    continue;
                }
                nextPayment = due;
            }
            uint256 amount = uint256(face) * pieces[i].numerator;
            if (amount % pieces[i].denominator != 0) revert FractionOfUnit(address(pieces[i].token), face);
            _requireMultiple(pieces[i].token, amount / pieces[i].denominator, face);
        }
        actId = keccak256(abi.encode(address(this), ++_begun));
        _acts[actId] = Act(
            msg.sender,
            bond,
            face,
            first,
            first,
            uint16(pieces.length),
            joining,
            nextPayment
        );
    }

    function _move(bytes32 actId, uint16 steps) private {
        Act storage act = _acts[actId];
        (SecurityToken bond, uint256 face, bool joining) = (act.bond, act.face, act.joining);
        address holder = _holderOf(act);
        if (joining) {
            if (block.timestamp >= act.nextPayment) revert PaymentDatePassed(actId, act.nextPayment);
            _requireDealing(bond, holder);
        }
        (uint16 next, uint16 end) = (act.next, act.end);
        uint16 stop = end - next > steps ? next + steps : end;
        act.next = stop;
        for (; next < stop; ++next) {
            Piece storage piece = _pieces[bond][next];
            uint256 amount = (face * piece.numerator) / piece.denominator;
            emit PieceMoved(actId, address(piece.token), amount, joining);
            if (!joining) {
                piece.token.issue(holder, amount);
                continue;
            }
            if (life.assetRegistry().isPaused(address(piece.token))) {
                revert ICompliance.SecurityPaused(address(piece.token));
            }
            _requireRemovable(piece.token, holder, amount);
            piece.token.redeem(holder, amount);
        }
        if (stop != end) return;
        emit ActCompleted(actId, joining);
        if (joining) bond.issue(holder, face);
    }

    /// @dev The wallet whose act it is now: the one that began it, or who stands for that one.
    function _holderOf(Act storage act) private view returns (address) {
        return act.bond.compliance().currentWallet(act.holder);
    }

    function _requireHolder(bytes32 actId, Act storage act) private view {
        address holder = _holderOf(act);
        if (msg.sender != holder) revert NotActHolder(actId, holder);
    }

    /// @dev What the token would say of a transfer of nothing, by the holder to himself: a pause, a default, a stop,
    /// his claim, a sanction.
    function _requireDealing(SecurityToken bond, address holder) private view {
        uint8 code = bond.detectTransferRestriction(holder, holder, 0);
        if (code != RestrictionCodes.SUCCESS) revert DealingRestricted(address(bond), holder, code);
    }

    /// @dev What has to stay with its holder leaves him under no other name: no bond as its pieces, no piece in a bond.
    function _requireRemovable(SecurityToken token, address holder, uint256 amount) private view {
        (uint256 largest, uint8 code) = token.compliance().removable(address(token), holder, amount);
        if (largest < amount) revert DealingRestricted(address(token), holder, code);
    }

    function _requireMultiple(SecurityToken token, uint256 amount, uint256 face) private view {
        uint256 lot = life.assetRegistry().denominationOf(address(token));
        if (amount % lot != 0) revert FractionOfUnit(address(token), face);
    }
}
