// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Limits on what an identity deals and holds, in one word, from the low end: volume 120 bits, holding cap 120
/// (all ones: none), and a bit that says that they were set.
type LimitsWord is uint256;

using {isSet, volumeOf, capOf, withVolume, withCap} for LimitsWord global;

uint256 constant SET_BIT = 1 << 240;

LimitsWord constant NO_LIMITS = LimitsWord.wrap(type(uint240).max);

function limitsOf(bool set, uint256 volume, uint256 cap) pure returns (LimitsWord) {
    return LimitsWord.wrap(_least(volume) | (_least(cap) << 120) | (set ? SET_BIT : 0));
}

function isSet(LimitsWord word) pure returns (bool) {
    return LimitsWord.unwrap(word) & SET_BIT != 0;
}

/// @dev The maximum if there is no limit.
function volumeOf(LimitsWord word) pure returns (uint256) {
    return _shown(uint120(LimitsWord.unwrap(word)));
}

/// @dev The maximum if there is no cap.
function capOf(LimitsWord word) pure returns (uint256) {
    return _shown(uint120(LimitsWord.unwrap(word) >> 120));
}

function withVolume(LimitsWord word, uint256 units) pure returns (LimitsWord) {
    return LimitsWord.wrap(((LimitsWord.unwrap(word) >> 120) << 120) | _least(units));
}

function withCap(LimitsWord word, uint256 units) pure returns (LimitsWord) {
    return LimitsWord.wrap(uint120(LimitsWord.unwrap(word)) | (_least(units) << 120));
}

function _least(uint256 units) pure returns (uint256) {
    return units > type(uint120).max ? type(uint120).max : units;
}

function _shown(uint256 units) pure returns (uint256) {
    return units == type(uint120).max ? type(uint256).max : units;
}
