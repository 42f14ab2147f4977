// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Exposures
/// @notice What each wallet has of all securities together, and what pending holds take out of it and bring in.
/// @dev Counted per wallet, so that it goes along when the registrar binds a wallet to another identity.
abstract contract Exposures {
    using SafeCast for uint256;

    /// @dev Units, and a bit above them that says whether anything is pending: else the second slot is not read.
    struct Exposure {
        uint256 word;
        uint128 pendingIn;
        uint128 pendingOut;
    }

    uint256 private constant PENDING_BIT = 1 << 255;

    mapping(address wallet => Exposure) private _exposures;

    function _sumOf(
        address[] memory wallets
    ) internal view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        for (uint256 i = 0; i < wallets.length; ++i) {
            (uint256 one, uint256 in_, uint256 out) = _exposureAt(wallets[i]);
            (units, pendingIn, pendingOut) = (units + one, pendingIn + in_, pendingOut + out);
        }
    }

    function _exposureAt(
        address wallet
    ) internal view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        Exposure storage one = _exposures[wallet];
        uint256 word = one.word;
        units = word & ~PENDING_BIT;
        if (word & PENDING_BIT != 0) (pendingIn, pendingOut) = (one.pendingIn, one.pendingOut);
    }

    /// @dev What pending holds take out of a wallet and bring in, together.
    function _pendingAt(address wallet) internal view returns (uint256 pending) {
        Exposure storage one = _exposures[wallet];
        if (one.word & PENDING_BIT != 0) pending = uint256(one.pendingIn) + one.pendingOut;
    }

    /// @dev Mirrors what a token is about to do, or has done, with its own balances: it fails if these do not suffice,
    /// and no supply exceeds 2^88, so neither sum wraps, or reaches the bit above it, in a transaction that stands.
    function _move(address from, address to, uint256 amount) internal {
        if (from == to) return;
        unchecked {
            if (from != address(0)) _exposures[from].word -= amount;
            if (to != address(0)) _exposures[to].word += amount;
        }
    }

    function _pend(address from, address to, uint256 amount) internal {
        Exposure storage giver = _exposures[from];
        Exposure storage taker = _exposures[to];
        giver.pendingOut += amount.toUint128();
        taker.pendingIn += amount.toUint128();
        giver.word |= PENDING_BIT;
        taker.word |= PENDING_BIT;
    }

    function _unpend(address from, address to, uint256 amount) internal {
        Exposure storage giver = _exposures[from];
        Exposure storage taker = _exposures[to];
        giver.pendingOut -= amount.toUint128();
        taker.pendingIn -= amount.toUint128();
        if (giver.pendingIn | giver.pendingOut == 0) giver.word &= ~PENDING_BIT;
        if (taker.pendingIn | taker.pendingOut == 0) taker.word &= ~PENDING_BIT;
    }
}
