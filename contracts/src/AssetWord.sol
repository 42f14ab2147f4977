// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the registry knows of a token, in the one word that every leg reads: the asset id's 24 characters from
/// the high end, the denomination 56 bits (0: one unit), and flags in the low byte. Zero: not registered.
type AssetWord is uint256;

using {assetIdOf, denominationOf, isPaused, isInDefault, hasRules, isPlain} for AssetWord global;
using {withDenomination, withPaused, withDefault, withRules} for AssetWord global;

uint256 constant PAUSED_FLAG = 1;
uint256 constant DEFAULT_FLAG = 1 << 1;
uint256 constant RULES_FLAG = 1 << 2;
uint256 constant TERMS_MASK = type(uint64).max;

function assetIdOf(AssetWord word) pure returns (bytes32) {
    return bytes32(AssetWord.unwrap(word) & ~TERMS_MASK);
}

/// @dev Units of which every amount is a multiple, at least 1.
function denominationOf(AssetWord word) pure returns (uint256 units) {
    units = uint56(AssetWord.unwrap(word) >> 8);
    if (units == 0) units = 1;
}

function isPaused(AssetWord word) pure returns (bool) {
    return AssetWord.unwrap(word) & PAUSED_FLAG != 0;
}

function isInDefault(AssetWord word) pure returns (bool) {
    return AssetWord.unwrap(word) & DEFAULT_FLAG != 0;
}

/// @dev Rules of its own, in contracts, are to be asked.
function hasRules(AssetWord word) pure returns (bool) {
    return AssetWord.unwrap(word) & RULES_FLAG != 0;
}

/// @dev Registered, and nothing of its own is to be observed: the usual case.
function isPlain(AssetWord word) pure returns (bool) {
    return AssetWord.unwrap(word) & TERMS_MASK == 0;
}

function withDenomination(AssetWord word, uint256 units) pure returns (AssetWord) {
    uint256 rest = AssetWord.unwrap(word) & ~(uint256(type(uint56).max) << 8);
    return AssetWord.wrap(rest | (uint256(uint56(units)) << 8));
}

function withPaused(AssetWord word, bool paused) pure returns (AssetWord) {
    uint256 rest = AssetWord.unwrap(word) & ~PAUSED_FLAG;
    return AssetWord.wrap(paused ? rest | PAUSED_FLAG : rest);
}

function withDefault(AssetWord word, bool inDefault) pure returns (AssetWord) {
    uint256 rest = AssetWord.unwrap(word) & ~DEFAULT_FLAG;
    return AssetWord.wrap(inDefault ? rest | DEFAULT_FLAG : rest);
}

function withRules(AssetWord word, bool ruled) pure returns (AssetWord) {
    uint256 rest = AssetWord.unwrap(word) & ~RULES_FLAG;
    return AssetWord.wrap(ruled ? rest | RULES_FLAG : rest);
}
