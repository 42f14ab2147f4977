// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LimitsWord, limitsOf} from "../src/compliance/LimitsWord.sol";
import {RulesWord} from "../src/compliance/RulesWord.sol";
import {VolumeLog} from "../src/compliance/VolumeLog.sol";
import {AccountWord} from "../src/token/AccountWord.sol";
import {Vm} from "./base/Vm.sol";

/// @notice Arithmetic that is shown for every input, by halmos: `python proofs.py` runs each `check_`.
contract Proofs {
    using VolumeLog for VolumeLog.Log;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    VolumeLog.Log private _log;

    /// @notice I2: what is written of an account is read again, and nothing else of it changes.
    function check_I2_account_word(AccountWord word, uint88 balance, uint88 held, bool frozen) public pure {
        AccountWord made = word.withBalance(balance).withHeld(held).withFrozen(frozen);
        assert(made.balanceOf() == balance && made.heldOf() == held && made.hasFrozen() == frozen);
        assert(made.sinceOf() == word.sinceOf() && made.pastCountOf() == word.pastCountOf());
    }

    /// @notice I2: a new second leaves balance, held units and the mark of frozen ones alone.
    function check_I2_account_word_in_a_new_second(AccountWord word, uint40 time, bool kept) public pure {
        if (word.pastCountOf() == type(uint32).max) return;
        AccountWord made = word.nextPeriod(time, kept ? 1 : 0);
        assert(made.sinceOf() == time && made.pastCountOf() == word.pastCountOf() + (kept ? 1 : 0));
        assert(made.balanceOf() == word.balanceOf() && made.heldOf() == word.heldOf());
        assert(made.hasFrozen() == word.hasFrozen());
    }

    /// @notice I8: limits are read as they were set, the largest as none, and one does not change the other.
    function check_I8_limits_word(bool set, uint256 volume, uint256 cap, uint256 other) public pure {
        LimitsWord word = limitsOf(set, volume, cap);
        assert(word.isSet() == set && word.volumeOf() == _shown(volume) && word.capOf() == _shown(cap));
        assert(word.withVolume(other).capOf() == word.capOf() && word.withVolume(other).volumeOf() == _shown(other));
        assert(word.withCap(other).volumeOf() == word.volumeOf() && word.withCap(other).capOf() == _shown(other));
    }

    /// @notice I8: of the rules' word each setting changes itself alone.
    function check_I8_rules_word(RulesWord word, uint128 trade, uint8 rule, uint40 window, bool capped) public pure {
        RulesWord made = word.withTrade(trade).withCountryRule(rule).withWindow(window).withHoldings(capped);
        assert(made.tradeOf() == (trade == type(uint128).max ? type(uint256).max : trade));
        assert(made.countryRuleOf() == rule && made.windowOf() == window && made.knowsOwn() == word.knowsOwn());
        assert(made.bindsHoldings() == (capped || word.knowsOwn()));
    }

    /// @notice I8: whatever two additions and whenever, a window counts those that are in it, and no other.
    function check_I8_window_counts_what_is_in_it(
        uint96 first,
        uint96 second,
        uint16 start,
        uint16 gap,
        uint16 rest,
        uint16 window
    ) public {
        if (start == 0 || window == 0) return;
        vm.warp(start);
        _log.add(first, 0);
        vm.warp(uint256(start) + gap);
        (, uint256 hint) = _log.within(window);
        _log.add(second, hint);
        uint256 time = uint256(start) + gap + rest;
        vm.warp(time);
        (uint256 units, ) = _log.within(window);
        uint256 expected = uint256(gap) + rest < window ? uint256(first) : 0;
        if (rest < window) expected += second;
        assert(units == expected);
    }

    function _shown(uint256 units) private pure returns (uint256) {
        return units >= type(uint120).max ? type(uint256).max : units;
    }
}
