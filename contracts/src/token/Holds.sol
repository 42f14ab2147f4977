// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HoldId} from "./HoldId.sol";
import {Positions} from "./Positions.sol";

/// @title Holds
/// @notice Units a holder sets aside for a named recipient until a notary decides. Held units stay in the balance.
/// @dev A hold is pending until it is executed, released or expired: exactly one of these, once. A hold that is past
/// its expiry still holds its units until anyone calls `expireHold`.
abstract contract Holds is Positions {
    enum HoldStatus {
        None,
        Pending,
        Executed,
        Released,
        Expired
    }

    struct Hold {
        address holder;
        HoldStatus status;
        uint88 amount;
        address notary;
        uint64 expiry;
        address to;
    }

    event HoldCreated(
        bytes32 indexed id,
        address indexed holder,
        address indexed notary,
        address to,
        uint256 amount,
        uint64 expiry
    );
    event HoldExecuted(bytes32 indexed id, address indexed holder, address indexed to, uint256 amount);
    event HoldReleased(bytes32 indexed id, address indexed holder, address indexed by, uint256 amount);
    /// @notice A recovered wallet's place in a pending hold is its successor's.
    event HoldFollowed(bytes32 indexed id, address indexed lost, address indexed successor);
    event HoldExpired(bytes32 indexed id, address indexed holder, uint256 amount);

    error HoldAlreadyExists(bytes32 id);
    error HoldNotPending(bytes32 id, HoldStatus status);
    error HoldWithoutAmount(bytes32 id);
    error HoldWithoutParty(bytes32 id, address notary, address to);
    error HoldAmountExceeded(bytes32 id, uint256 held, uint256 amount);
    error HoldExpiryPassed(bytes32 id, uint64 expiry);
    error HoldNotExpired(bytes32 id, uint64 expiry);
    error NotHoldNotary(bytes32 id, address caller);
    error HoldOfAnotherHolder(bytes32 id, address holder, address expected);

    mapping(bytes32 id => Hold) private _holds;

    /// @notice Sets `amount` of the caller's available units aside for `to`.
    /// @param salt Any number that no hold of the caller's in this token has had: with him it makes the hold's id.
    /// @param notary Who alone may execute, and may release.
    /// @param expiry Last second (Unix time) at which the hold can be executed.
    function createHold(
        bytes32 salt,
        address notary,
        address to,
        uint256 amount,
        uint64 expiry
    ) external returns (bytes32 id) {
        id = HoldId.derive(msg.sender, salt);
        if (_holds[id].status != HoldStatus.None) revert HoldAlreadyExists(id);
        if (amount == 0) revert HoldWithoutAmount(id);
        if (notary == address(0) || to == address(0)) revert HoldWithoutParty(id, notary, to);
        if (block.timestamp > expiry) revert HoldExpiryPassed(id, expiry);
        _requireAvailable(msg.sender, amount);
        _holds[id] = Hold(msg.sender, HoldStatus.Pending, uint88(amount), notary, expiry, to);
        _setHeld(msg.sender, heldOf(msg.sender) + amount);
        _reportHold(msg.sender, to, amount, true);
        emit HoldCreated(id, msg.sender, notary, to, amount, expiry);
    }

    /// @notice Delivers `amount` of a hold to its recipient and frees the rest; the hold is over.
    /// @dev Every rule of a transfer applies, the frozen amount included, but a default: the units were set aside for
    /// the recipient before. Only the notary, and not after expiry.
    function executeHold(bytes32 id, uint256 amount) external {
        Hold memory ended = _pendingHold(id);
        if (msg.sender != ended.notary) revert NotHoldNotary(id, msg.sender);
        if (block.timestamp > ended.expiry) revert HoldExpiryPassed(id, ended.expiry);
        if (amount == 0) revert HoldWithoutAmount(id);
        if (amount > ended.amount) revert HoldAmountExceeded(id, ended.amount, amount);
        _endHold(id, ended, HoldStatus.Executed);
        _deliver(ended.holder, ended.to, amount);
        emit HoldExecuted(id, ended.holder, ended.to, amount);
    }

    /// @notice Frees a hold's units. The notary or the recipient may, the holder may not.
    function releaseHold(bytes32 id) external {
        Hold memory ended = _pendingHold(id);
        if (msg.sender != ended.notary && msg.sender != ended.to) revert NotHoldNotary(id, msg.sender);
        _release(id, ended);
    }

    /// @notice Frees the units of a hold whose expiry has passed. Anyone may.
    function expireHold(bytes32 id) external {
        Hold memory ended = _pendingHold(id);
        if (block.timestamp <= ended.expiry) revert HoldNotExpired(id, ended.expiry);
        _endHold(id, ended, HoldStatus.Expired);
        emit HoldExpired(id, ended.holder, ended.amount);
    }

    /// @notice Id of the hold that `holder` makes, or made, with `salt`.
    function holdIdOf(address holder, bytes32 salt) external pure returns (bytes32) {
        return HoldId.derive(holder, salt);
    }

    /// @notice A hold as it was made, and its status now.
    function hold(bytes32 id) external view returns (Hold memory) {
        return _holds[id];
    }

    /// @dev Reverts with the reason if `account` cannot spare `amount`.
    function _requireAvailable(address account, uint256 amount) internal view virtual;

    /// @dev Moves units to whom they were set aside for.
    function _deliver(address from, address to, uint256 amount) internal virtual;

    /// @dev Tells the rules that a hold begins or is over.
    function _reportHold(address from, address to, uint256 amount, bool begins) internal virtual;

    /// @dev Tells the rules that a pending hold has other parties.
    function _reportRehold(Hold memory old, address holder, address to) internal virtual;

    /// @dev Ends pending holds of `holder` by name: the enforcer's way to held units.
    function _releaseHoldsOf(address holder, bytes32[] calldata ids) internal {
        for (uint256 i = 0; i < ids.length; ++i) {
            Hold memory ended = _pendingHold(ids[i]);
            if (ended.holder != holder) revert HoldOfAnotherHolder(ids[i], ended.holder, holder);
            _release(ids[i], ended);
        }
    }

    /// @dev Puts `successor` in the place of `lost` in pending holds; units held move with their holder.
    function _followHolds(address lost, address successor, bytes32[] calldata ids) internal {
        for (uint256 i = 0; i < ids.length; ++i) {
            Hold memory old = _pendingHold(ids[i]);
            if (old.holder != lost && old.to != lost && old.notary != lost) continue;
            Hold storage found = _holds[ids[i]];
            if (old.notary == lost) found.notary = successor;
            if (old.to == lost) found.to = successor;
            if (old.holder == lost) {
                found.holder = successor;
                _setHeld(lost, heldOf(lost) - old.amount);
                _setHeld(successor, heldOf(successor) + old.amount);
            }
            _reportRehold(old, found.holder, found.to);
            emit HoldFollowed(ids[i], lost, successor);
        }
    }

    function _release(bytes32 id, Hold memory ended) private {
        _endHold(id, ended, HoldStatus.Released);
        emit HoldReleased(id, ended.holder, msg.sender, ended.amount);
    }

    function _endHold(bytes32 id, Hold memory ended, HoldStatus status) private {
        _holds[id].status = status;
        _setHeld(ended.holder, heldOf(ended.holder) - ended.amount);
        _reportHold(ended.holder, ended.to, ended.amount, false);
    }

    function _pendingHold(bytes32 id) private view returns (Hold memory pending) {
        pending = _holds[id];
        if (pending.status != HoldStatus.Pending) revert HoldNotPending(id, pending.status);
    }
}
