// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {LimitsWord, NO_LIMITS, limitsOf} from "./LimitsWord.sol";
import {NO_RULES, RulesWord} from "./RulesWord.sol";
import {RestrictionCodes} from "../RestrictionCodes.sol";

/// @title Limits
/// @notice The limits on all securities together, as the compliance role sets them.
abstract contract Limits is AccessManaged {
    enum CountryRule {
        Any,
        Admit,
        Refuse
    }

    /// @notice The single-trade limit was set, in base units of the asset (the maximum: no limit).
    event TradeLimitSet(uint256 units);

    /// @notice The most that an identity may send and receive in any `window` seconds was set (0 seconds: no limit).
    event VolumeLimitSet(uint256 units, uint40 window);

    /// @notice The most that an identity may hold over all securities was set.
    event HoldingCapSet(uint256 units);

    /// @notice An identity has limits of its own (or, if not `set`, the general ones again).
    event OwnLimitsSet(bytes32 indexed identity, bool set, uint256 volume, uint256 holding);

    /// @notice Countries were admitted or refused by list.
    event CountriesSet(CountryRule rule, uint16[] countries);

    /// @notice A window must be at most this long.
    error WindowTooLong(uint40 window, uint40 most);

    /// @notice Longest window: 366 days.
    uint40 public constant MAX_WINDOW = 366 days;

    RulesWord internal _rules = NO_RULES;
    LimitsWord internal _limits = NO_LIMITS;
    uint16[] private _countries;
    uint256[256] private _listed; // a bit a country
    mapping(bytes32 identity => LimitsWord) private _own;

    // --- limits -------------------------------------------------------------------------------------------------

    /// @notice Sets the single-trade limit; `type(uint256).max` is none, 0 stops dealing.
    function setTradeLimit(uint256 units) external restricted {
        _rules = _rules.withTrade(units > type(uint128).max ? type(uint128).max : uint128(units));
        emit TradeLimitSet(units);
    }

    /// @notice Sets the volume limit and its window in seconds; 0 seconds: no limit, and nothing is counted.
    function setVolumeLimit(uint256 units, uint40 window) external restricted {
        if (window > MAX_WINDOW) revert WindowTooLong(window, MAX_WINDOW);
        _rules = _rules.withWindow(window);
        _limits = _limits.withVolume(units);
        emit VolumeLimitSet(units, window);
    }

    /// @notice Sets the holding cap; `type(uint256).max` is none.
    function setHoldingCap(uint256 units) external restricted {
        _limits = _limits.withCap(units);
        _rules = _rules.withHoldings(_limits.capOf() != type(uint256).max);
        emit HoldingCapSet(units);
    }

    /// @notice Gives an identity its own volume limit and holding cap (the maximum: none), or takes them away.
    function setOwnLimits(bytes32 identity, bool set, uint256 volume, uint256 holding_) external restricted {
        _own[identity] = limitsOf(set, volume, holding_);
        _rules = _rules.withOwn();
        emit OwnLimitsSet(identity, set, volume, holding_);
    }

    /// @notice Replaces the list of countries (ISO 3166-1 numeric) and what it means.
    function setCountries(CountryRule rule, uint16[] calldata countries_) external restricted {
        for (uint256 i = 0; i < _countries.length; ++i) _listed[_countries[i] >> 8] = 0;
        for (uint256 i = 0; i < countries_.length; ++i) {
            _listed[countries_[i] >> 8] |= 1 << (countries_[i] & 0xff);
        }
        _countries = countries_;
        _rules = _rules.withCountryRule(uint8(rule));
        emit CountriesSet(rule, countries_);
    }

    /// @notice Largest amount of one transfer, in base units of the asset.
    function tradeLimit() external view returns (uint256) {
        return _rules.tradeOf();
    }

    /// @notice The general volume limit and its window in seconds.
    function volumeLimit() external view returns (uint256 units, uint40 window) {
        return (_limits.volumeOf(), _rules.windowOf());
    }

    /// @notice The general holding cap.
    function holdingCap() external view returns (uint256) {
        return _limits.capOf();
    }

    /// @notice The list of countries and what it means.
    function countries() external view returns (CountryRule rule, uint16[] memory list) {
        return (CountryRule(_rules.countryRuleOf()), _countries);
    }

    /// @notice Whether any rule counts what identities deal or hold: each leg of an instruction then costs more gas.
    function countsIdentities() external view returns (bool) {
        return _rules.bindsIdentities();
    }

    /// @dev Volume limit and holding cap in force for an identity; the maximum is none. Without a window none counts.
    function _limitsOf(bytes32 identity, RulesWord rules) internal view returns (uint256 volume, uint256 cap) {
        LimitsWord limits;
        if (rules.knowsOwn()) limits = _own[identity];
        if (!limits.isSet()) limits = _limits;
        volume = rules.windowOf() == 0 ? type(uint256).max : limits.volumeOf();
        cap = limits.capOf();
    }

    /// @dev The lesser of `largest` and what a holding cap leaves.
    function _leastUnderCap(
        uint256 largest,
        uint8 code,
        uint256 cap,
        uint256 held
    ) internal pure returns (uint256, uint8) {
        if (cap == type(uint256).max) return (largest, code);
        uint256 left = Math.saturatingSub(cap, held);
        return left < largest ? (left, RestrictionCodes.HOLDING_CAP) : (largest, code);
    }

    /// @dev Both sides' countries, looked up once if it is one.
    function _areAdmitted(uint256 giver, uint256 taker, RulesWord rules) internal view returns (bool) {
        return _isAdmitted(giver, rules) && (uint16(giver) == uint16(taker) || _isAdmitted(taker, rules));
    }

    function _isAdmitted(uint256 found, RulesWord rules) internal view returns (bool) {
        uint8 rule = rules.countryRuleOf();
        if (rule == uint8(CountryRule.Any)) return true;
        bool listed = (_listed[uint8(found >> 8)] >> uint8(found)) & 1 != 0;
        return listed == (rule == uint8(CountryRule.Admit));
    }
}
