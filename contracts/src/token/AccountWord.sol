// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An account in one word, from the low end: balance 88 bits, held 88, since 40, pastCount 32, hasFrozen 8.
/// `since` is when the balance was last written, `pastCount` how many earlier balances are kept.
type AccountWord is uint256;

using {balanceOf, heldOf, sinceOf, pastCountOf, hasFrozen} for AccountWord global;
using {withBalance, withHeld, withFrozen, nextPeriod} for AccountWord global;

uint256 constant BALANCE_MASK = type(uint88).max;
uint256 constant HELD_MASK = BALANCE_MASK << 88;
uint256 constant TIME_MASK = uint256(type(uint40).max) << 176;
uint256 constant FROZEN_BIT = 1 << 248;

function balanceOf(AccountWord word) pure returns (uint256) {
    return AccountWord.unwrap(word) & BALANCE_MASK;
}

function heldOf(AccountWord word) pure returns (uint256) {
    return (AccountWord.unwrap(word) & HELD_MASK) >> 88;
}

function sinceOf(AccountWord word) pure returns (uint256) {
    return (AccountWord.unwrap(word) & TIME_MASK) >> 176;
}

function pastCountOf(AccountWord word) pure returns (uint256) {
    return uint32(AccountWord.unwrap(word) >> 216);
}

function hasFrozen(AccountWord word) pure returns (bool) {
    return AccountWord.unwrap(word) & FROZEN_BIT != 0;
}

/// @dev The caller has checked that `balance` fits.
function withBalance(AccountWord word, uint256 balance) pure returns (AccountWord) {
    return AccountWord.wrap((AccountWord.unwrap(word) & ~BALANCE_MASK) | balance);
}

/// @dev The caller has checked that `held` is at most the balance.
function withHeld(AccountWord word, uint256 held) pure returns (AccountWord) {
    return AccountWord.wrap((AccountWord.unwrap(word) & ~HELD_MASK) | (held << 88));
}

function withFrozen(AccountWord word, bool frozen) pure returns (AccountWord) {
    uint256 rest = AccountWord.unwrap(word) & ~FROZEN_BIT;
    return AccountWord.wrap(frozen ? rest | FROZEN_BIT : rest);
}

/// @dev A new second begins; `kept` (0 or 1) balances more are in the past. Of these there is at most one a
/// second, so that 32 bits count them for 136 years.
function nextPeriod(AccountWord word, uint256 timepoint, uint256 kept) pure returns (AccountWord) {
    return AccountWord.wrap(((AccountWord.unwrap(word) & ~TIME_MASK) | (timepoint << 176)) + (kept << 216));
}
