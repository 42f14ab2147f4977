// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {LimitsWord, NO_LIMITS, limitsOf} from "./compliance/LimitsWord.sol";
import {NO_RULES, RulesWord} from "./compliance/RulesWord.sol";
import {VolumeLog} from "./compliance/VolumeLog.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {ICompliance} from "./interfaces/ICompliance.sol";
import {IIdentityRegistry, ONLY_WALLET, VALID_CLAIM} from "./interfaces/IIdentityRegistry.sol";
import {RestrictionCodes} from "./RestrictionCodes.sol";

/// @title Compliance
/// @notice Each rule answers the largest amount it allows; the least wins and names its code.
/// @dev Units are 10^-6 dollar of face, of all securities together. Limits follow the identity: its wallets count as
/// one, and what it moves between them counts for the trade limit alone. Volume is what an identity sends and receives
/// in a sliding window (I8); it is counted while a window is set. Pending holds count on both sides as if they were
/// executed. The holding cap is on securities held plus pending in. Balances are counted per wallet, so that they go
/// along when the registrar binds a wallet to another identity; volume is the identity's own and stays.
contract Compliance is ICompliance, AccessManaged {
    using BitMaps for BitMaps.BitMap;
    using SafeCast for uint256;
    using VolumeLog for VolumeLog.Log;

    enum CountryRule {
        Any,
        Admit,
        Refuse
    }

    /// @dev Units, and a bit above them that says whether anything is pending: else the second slot is not read.
    struct Exposure {
        uint256 word;
        uint128 pendingIn;
        uint128 pendingOut;
    }

    /// @dev One side of a transfer: what the registry says of it, and where its window was found to begin.
    struct Side {
        address wallet;
        bytes32 identity;
        uint256 found;
        uint256 first;
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

    /// @notice Where identities and claims are looked up.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Whose tokens may report their moves.
    IAssetRegistry public immutable assetRegistry;

    uint256 private constant PENDING_BIT = 1 << 255;

    RulesWord private _rules = NO_RULES;
    LimitsWord private _limits = NO_LIMITS;
    uint16[] private _countries;
    BitMaps.BitMap private _listed;
    mapping(bytes32 identity => LimitsWord) private _own;
    mapping(bytes32 identity => VolumeLog.Log) private _volumes;
    mapping(address wallet => Exposure) private _exposures;

    constructor(
        address authority_,
        IIdentityRegistry identityRegistry_,
        IAssetRegistry assetRegistry_
    ) AccessManaged(authority_) {
        identityRegistry = identityRegistry_;
        assetRegistry = assetRegistry_;
    }

    modifier onlyToken() {
        if (!assetRegistry.isRegistered(msg.sender)) revert NotAToken(msg.sender);
        _;
    }

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
        for (uint256 i = 0; i < _countries.length; ++i) _listed.unset(_countries[i]);
        for (uint256 i = 0; i < countries_.length; ++i) _listed.set(countries_[i]);
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

    /// @notice Where an identity stands: its limits in force, what counts against them, and what is left.
    function standing(
        bytes32 identity
    )
        external
        view
        returns (uint256 volume, uint256 used, uint256 volumeLeft, uint256 cap, uint256 held, uint256 capLeft)
    {
        RulesWord rules = _rules;
        uint256 pendingIn;
        (held, pendingIn, used) = _sumOf(identityRegistry.walletsOf(identity));
        (volume, cap) = _limitsOf(identity, rules);
        (uint256 dealt, ) = _volumes[identity].within(rules.windowOf());
        (used, held) = (used + pendingIn + dealt, held + pendingIn);
        volumeLeft = volume == type(uint256).max ? volume : Math.saturatingSub(volume, used);
        capLeft = cap == type(uint256).max ? cap : Math.saturatingSub(cap, held);
    }

    // --- questions ----------------------------------------------------------------------------------------------

    /// @inheritdoc ICompliance
    /// @dev The token is passed for rules of one asset; no rule needs it yet.
    function largestAmount(
        address,
        address from,
        address to
    ) external view returns (uint256 largest, uint8 code) {
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        return _assess(Side(from, sender, giver, 0), Side(to, recipient, taker, 0), _rules);
    }

    /// @inheritdoc ICompliance
    function isVerified(address wallet) external view returns (bool) {
        (, uint256 found) = identityRegistry.standingOf(wallet);
        return found & VALID_CLAIM != 0 && _isAdmitted(found, _rules);
    }

    /// @notice The sentence that belongs to a code.
    function messageFor(uint8 code) external pure returns (string memory) {
        return RestrictionCodes.message(code);
    }

    // --- what tokens report -------------------------------------------------------------------------------------

    /// @inheritdoc ICompliance
    function transferring(
        address from,
        address to,
        uint256 amount
    ) external onlyToken returns (uint256 largest, uint8 code) {
        RulesWord rules = _rules;
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        if (rules.bindsOnlyTrades() && giver & taker & VALID_CLAIM != 0) {
            // the usual case, at a quarter of the price: two valid claims, and no rule but the trade limit
            largest = rules.tradeOf();
            if (largest != type(uint256).max) code = RestrictionCodes.TRADE_LIMIT;
            if (amount <= largest) _move(from, to, amount);
            return (largest, code);
        }
        return _count(Side(from, sender, giver, 0), Side(to, recipient, taker, 0), amount, rules);
    }

    /// @inheritdoc ICompliance
    function issuing(address to, uint256 amount) external onlyToken returns (uint256 largest, uint8 code) {
        RulesWord rules = _rules;
        (bytes32 identity, uint256 found) = identityRegistry.standingOf(to);
        if (identity == 0) return (0, RestrictionCodes.RECIPIENT_UNKNOWN);
        if (found & VALID_CLAIM == 0) return (0, RestrictionCodes.RECIPIENT_CLAIM);
        if (!_isAdmitted(found, rules)) return (0, RestrictionCodes.RECIPIENT_COUNTRY);
        largest = type(uint256).max;
        if (rules.bindsHoldings()) {
            (, uint256 cap) = _limitsOf(identity, rules);
            (uint256 units, uint256 pendingIn, ) = _exposureOf(Side(to, identity, found, 0));
            (largest, code) = _leastUnderCap(largest, code, cap, units + pendingIn);
        }
        if (amount <= largest) _move(address(0), to, amount);
    }

    /// @inheritdoc ICompliance
    function moved(address from, address to, uint256 amount) external onlyToken {
        _move(from, to, amount);
    }

    /// @inheritdoc ICompliance
    function holding(address from, address to, uint256 amount) external onlyToken {
        Exposure storage giver = _exposures[from];
        Exposure storage taker = _exposures[to];
        giver.pendingOut += amount.toUint128();
        taker.pendingIn += amount.toUint128();
        giver.word |= PENDING_BIT;
        taker.word |= PENDING_BIT;
    }

    /// @inheritdoc ICompliance
    function unholding(address from, address to, uint256 amount) external onlyToken {
        Exposure storage giver = _exposures[from];
        Exposure storage taker = _exposures[to];
        giver.pendingOut -= amount.toUint128();
        taker.pendingIn -= amount.toUint128();
        if (giver.pendingIn | giver.pendingOut == 0) giver.word &= ~PENDING_BIT;
        if (taker.pendingIn | taker.pendingOut == 0) taker.word &= ~PENDING_BIT;
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev Asks every rule, and counts what passes.
    function _count(
        Side memory giver,
        Side memory taker,
        uint256 amount,
        RulesWord rules
    ) private returns (uint256 largest, uint8 code) {
        (largest, code) = _assess(giver, taker, rules);
        if (amount > largest) return (largest, code);
        _move(giver.wallet, taker.wallet, amount);
        if (rules.windowOf() == 0 || giver.identity == taker.identity || amount == 0) return (largest, code);
        uint128 units = amount.toUint128();
        _volumes[giver.identity].add(units, giver.first);
        _volumes[taker.identity].add(units, taker.first);
    }

    /// @dev One answer for questions and deeds (I3).
    function _assess(
        Side memory giver,
        Side memory taker,
        RulesWord rules
    ) private view returns (uint256 largest, uint8 code) {
        if (giver.identity == 0) return (0, RestrictionCodes.SENDER_UNKNOWN);
        if (taker.identity == 0) return (0, RestrictionCodes.RECIPIENT_UNKNOWN);
        if (giver.found & VALID_CLAIM == 0) return (0, RestrictionCodes.SENDER_CLAIM);
        if (taker.found & VALID_CLAIM == 0) return (0, RestrictionCodes.RECIPIENT_CLAIM);
        if (!_isAdmitted(giver.found, rules)) return (0, RestrictionCodes.SENDER_COUNTRY);
        if (uint16(giver.found) != uint16(taker.found) && !_isAdmitted(taker.found, rules)) {
            return (0, RestrictionCodes.RECIPIENT_COUNTRY);
        }
        largest = rules.tradeOf();
        if (largest != type(uint256).max) code = RestrictionCodes.TRADE_LIMIT;
        if (!rules.bindsIdentities() || giver.identity == taker.identity) return (largest, code);
        (largest, code) = _leastLeft(largest, code, giver, RestrictionCodes.SENDER_VOLUME, rules);
        (largest, code) = _leastLeft(largest, code, taker, RestrictionCodes.RECIPIENT_VOLUME, rules);
    }

    /// @dev The lesser of `largest` and what volume limit and holding cap leave to one side.
    function _leastLeft(
        uint256 largest,
        uint8 code,
        Side memory side,
        uint8 volumeCode,
        RulesWord rules
    ) private view returns (uint256, uint8) {
        (uint256 volume, uint256 cap) = _limitsOf(side.identity, rules);
        if (volumeCode == RestrictionCodes.SENDER_VOLUME) cap = type(uint256).max;
        if (volume == type(uint256).max && cap == type(uint256).max) return (largest, code);
        (uint256 units, uint256 pendingIn, uint256 pendingOut) = _exposureOf(side);
        if (volume != type(uint256).max) {
            uint256 used;
            (used, side.first) = _volumes[side.identity].within(rules.windowOf());
            uint256 left = Math.saturatingSub(volume, used + pendingIn + pendingOut);
            if (left < largest) (largest, code) = (left, volumeCode);
        }
        return _leastUnderCap(largest, code, cap, units + pendingIn);
    }

    function _leastUnderCap(
        uint256 largest,
        uint8 code,
        uint256 cap,
        uint256 held
    ) private pure returns (uint256, uint8) {
        if (cap == type(uint256).max) return (largest, code);
        uint256 left = Math.saturatingSub(cap, held);
        return left < largest ? (left, RestrictionCodes.HOLDING_CAP) : (largest, code);
    }

    /// @dev Volume limit and holding cap in force for an identity; the maximum is none. Without a window none counts.
    function _limitsOf(bytes32 identity, RulesWord rules) private view returns (uint256 volume, uint256 cap) {
        LimitsWord limits;
        if (rules.knowsOwn()) limits = _own[identity];
        if (!limits.isSet()) limits = _limits;
        volume = rules.windowOf() == 0 ? type(uint256).max : limits.volumeOf();
        cap = limits.capOf();
    }

    /// @dev What an identity has over all its wallets; most have one, and the registry says so.
    function _exposureOf(
        Side memory side
    ) private view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        if (side.found & ONLY_WALLET != 0) return _exposureAt(side.wallet);
        return _sumOf(identityRegistry.walletsOf(side.identity));
    }

    function _sumOf(
        address[] memory wallets
    ) private view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        for (uint256 i = 0; i < wallets.length; ++i) {
            (uint256 one, uint256 in_, uint256 out) = _exposureAt(wallets[i]);
            (units, pendingIn, pendingOut) = (units + one, pendingIn + in_, pendingOut + out);
        }
    }

    function _exposureAt(
        address wallet
    ) private view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        Exposure storage one = _exposures[wallet];
        uint256 word = one.word;
        units = word & ~PENDING_BIT;
        if (word & PENDING_BIT != 0) (pendingIn, pendingOut) = (one.pendingIn, one.pendingOut);
    }

    function _isAdmitted(uint256 found, RulesWord rules) private view returns (bool) {
        uint8 rule = rules.countryRuleOf();
        return rule == uint8(CountryRule.Any) || _listed.get(uint16(found)) == (rule == uint8(CountryRule.Admit));
    }

    /// @dev Mirrors what a token is about to do, or has done, with its own balances: it fails if these do not suffice,
    /// and no supply exceeds 2^88, so neither sum wraps, or reaches the bit above it, in a transaction that stands.
    function _move(address from, address to, uint256 amount) private {
        if (from == to) return;
        unchecked {
            if (from != address(0)) _exposures[from].word -= amount;
            if (to != address(0)) _exposures[to].word += amount;
        }
    }
}
