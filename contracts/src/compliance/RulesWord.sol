// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What most transfers need to know of the rules, in one word, from the low end: single-trade limit 128 bits
/// (all ones: none), country rule 8, window 40 (0: no volume is counted), a bit each for a holding cap and for
/// identities with limits of their own, and until when everything is stopped 40.
type RulesWord is uint256;

using {tradeOf, countryRuleOf, windowOf, knowsOwn} for RulesWord global;
using {stopOf, isStopped, bindsOnlyTrades, bindsIdentities, bindsHoldings} for RulesWord global;
using {withTrade, withCountryRule, withWindow, withHoldings, withOwn, withStop} for RulesWord global;

RulesWord constant NO_RULES = RulesWord.wrap(type(uint128).max);

uint256 constant HOLDINGS_BIT = 1 << 176;
uint256 constant OWN_BIT = 1 << 177;
uint256 constant STOP_SHIFT = 178;
uint256 constant IDENTITY_RULES = ((1 << (STOP_SHIFT - 136)) - 1) << 136;

/// @dev The largest amount of one transfer, the maximum if there is no limit.
function tradeOf(RulesWord word) pure returns (uint256 units) {
    units = uint128(RulesWord.unwrap(word));
    if (units == type(uint128).max) units = type(uint256).max;
}

function countryRuleOf(RulesWord word) pure returns (uint8) {
    return uint8(RulesWord.unwrap(word) >> 128);
}

function windowOf(RulesWord word) pure returns (uint40) {
    return uint40(RulesWord.unwrap(word) >> 136);
}

/// @dev Unix time at which the stop ends or ended; 0: there is none.
function stopOf(RulesWord word) pure returns (uint40) {
    return uint40(RulesWord.unwrap(word) >> STOP_SHIFT);
}

function isStopped(RulesWord word) view returns (bool) {
    return block.timestamp < word.stopOf();
}

/// @dev Whether the trade limit is all there is, if that: nothing has been stopped either.
function bindsOnlyTrades(RulesWord word) pure returns (bool) {
    return RulesWord.unwrap(word) >> 128 == 0;
}

/// @dev Whether any rule speaks of what an identity holds or has dealt.
function bindsIdentities(RulesWord word) pure returns (bool) {
    return RulesWord.unwrap(word) & IDENTITY_RULES != 0;
}

function bindsHoldings(RulesWord word) pure returns (bool) {
    return RulesWord.unwrap(word) & (HOLDINGS_BIT | OWN_BIT) != 0;
}

function knowsOwn(RulesWord word) pure returns (bool) {
    return RulesWord.unwrap(word) & OWN_BIT != 0;
}

function withTrade(RulesWord word, uint128 units) pure returns (RulesWord) {
    return RulesWord.wrap(((RulesWord.unwrap(word) >> 128) << 128) | units);
}

function withCountryRule(RulesWord word, uint8 rule) pure returns (RulesWord) {
    return RulesWord.wrap((RulesWord.unwrap(word) & ~(uint256(type(uint8).max) << 128)) | (uint256(rule) << 128));
}

function withWindow(RulesWord word, uint40 window) pure returns (RulesWord) {
    return RulesWord.wrap((RulesWord.unwrap(word) & ~(uint256(type(uint40).max) << 136)) | (uint256(window) << 136));
}

function withHoldings(RulesWord word, bool capped) pure returns (RulesWord) {
    uint256 rest = RulesWord.unwrap(word) & ~HOLDINGS_BIT;
    return RulesWord.wrap(capped ? rest | HOLDINGS_BIT : rest);
}

function withOwn(RulesWord word) pure returns (RulesWord) {
    return RulesWord.wrap(RulesWord.unwrap(word) | OWN_BIT);
}

function withStop(RulesWord word, uint40 until) pure returns (RulesWord) {
    uint256 rest = RulesWord.unwrap(word) & ~(uint256(type(uint40).max) << STOP_SHIFT);
    return RulesWord.wrap(rest | (uint256(until) << STOP_SHIFT));
}
