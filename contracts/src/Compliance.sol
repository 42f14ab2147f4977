// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EmergencyStop} from "./compliance/EmergencyStop.sol";
import {Exposures} from "./compliance/Exposures.sol";
import {RuleCalls} from "./compliance/RuleCalls.sol";
import {RulesWord} from "./compliance/RulesWord.sol";
import {VolumeLog} from "./compliance/VolumeLog.sol";
import {AssetWord} from "./AssetWord.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {ICompliance} from "./interfaces/ICompliance.sol";
import {Move} from "./interfaces/IComplianceRule.sol";
import {IIdentityRegistry, ONLY_WALLET, SANCTIONED, VALID_CLAIM} from "./interfaces/IIdentityRegistry.sol";
import {RestrictionCodes} from "./RestrictionCodes.sol";

/// @title Compliance
/// @notice Each rule answers the largest amount it allows; the least wins and names its code.
/// @dev Units are 10^-6 dollar of face, of all securities together. Limits follow the identity: its wallets count as
/// one, and what it moves between them counts for the trade limit alone. Volume is what an identity sends and receives
/// in a sliding window (I8); it is counted while a window is set. Pending holds count on both sides as if they were
/// executed. The holding cap is on securities held plus pending in. Balances are counted per wallet, so that they go
/// along when the registrar binds a wallet to another identity; volume is the identity's own and stays.
contract Compliance is ICompliance, EmergencyStop, Exposures {
    using SafeCast for uint256;
    using VolumeLog for VolumeLog.Log;

    /// @dev One side of a transfer: what the registry says of it, and where its window was found to begin.
    struct Side {
        address wallet;
        bytes32 identity;
        uint256 found;
        uint256 first;
    }

    /// @notice Where identities and claims are looked up.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Whose tokens may report their moves.
    IAssetRegistry public immutable assetRegistry;

    mapping(bytes32 identity => VolumeLog.Log) private _volumes;

    /// @inheritdoc ICompliance
    bool public transient isTelling;

    constructor(
        address authority_,
        IIdentityRegistry identityRegistry_,
        IAssetRegistry assetRegistry_
    ) AccessManaged(authority_) {
        identityRegistry = identityRegistry_;
        assetRegistry = assetRegistry_;
    }

    modifier onlyToken() {
        _callingToken();
        _;
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
    function largestAmount(address token, address from, address to) external view returns (uint256, uint8) {
        return permitted(token, from, to, type(uint256).max);
    }

    /// @inheritdoc ICompliance
    function permitted(
        address token,
        address from,
        address to,
        uint256 amount
    ) public view returns (uint256 largest, uint8 code) {
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        Side memory from_ = Side(from, sender, giver, 0);
        Side memory to_ = Side(to, recipient, taker, 0);
        (largest, code) = _assess(from_, to_, _rules);
        AssetWord word = assetRegistry.wordOf(token);
        (largest, code) = _ofToken(word, largest, code, amount);
        if (_asksRules(word, largest, amount) && sender != recipient) {
            (largest, code) = _underRules(word, _moveOf(token, from_, to_), largest, code, amount);
        }
    }

    /// @inheritdoc ICompliance
    function removable(address token, address from, uint256 amount) external view returns (uint256, uint8) {
        AssetWord word = assetRegistry.wordOf(token);
        if (!_asksRules(word, amount, amount)) return (amount, RestrictionCodes.SUCCESS);
        (bytes32 identity, uint256 found) = identityRegistry.standingOf(from);
        Move memory move = _moveOf(token, Side(from, identity, found, 0), Side(address(0), 0, 0, 0));
        return _underRules(word, move, amount, RestrictionCodes.SUCCESS, amount);
    }

    /// @inheritdoc ICompliance
    function currentWallet(address wallet) external view returns (address) {
        return identityRegistry.currentWallet(wallet);
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
    function transferring(address from, address to, uint256 amount) external returns (uint256 largest, uint8 code) {
        AssetWord token = _callingToken();
        RulesWord rules = _rules;
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        if (
            giver & taker & VALID_CLAIM != 0 &&
            token.isPlain() &&
            (rules.bindsOnlyTrades() ||
                (!rules.isStopped() && !rules.bindsIdentities() && _areAdmitted(giver, taker, rules)))
        ) {
            // the usual case, at a quarter of the price: two valid claims, and no rule but country and trade limit
            largest = rules.tradeOf();
            if (largest != type(uint256).max) code = RestrictionCodes.TRADE_LIMIT;
            if (amount <= largest) _move(from, to, amount);
            return (largest, code);
        }
        return _count(Side(from, sender, giver, 0), Side(to, recipient, taker, 0), amount, rules, token);
    }

    /// @inheritdoc ICompliance
    function delivering(address from, address to, uint256 amount) external returns (uint256 largest, uint8 code) {
        AssetWord token = _callingToken().withDefault(false);
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        return _count(Side(from, sender, giver, 0), Side(to, recipient, taker, 0), amount, _rules, token);
    }

    /// @inheritdoc ICompliance
    function issuing(address to, uint256 amount) external returns (uint256 largest, uint8 code) {
        AssetWord token = _callingToken();
        RulesWord rules = _rules;
        if (rules.isStopped()) return (0, RestrictionCodes.STOPPED);
        (bytes32 identity, uint256 found) = identityRegistry.standingOf(to);
        if (identity == 0) return (0, RestrictionCodes.RECIPIENT_UNKNOWN);
        if (found & SANCTIONED != 0) return (0, RestrictionCodes.RECIPIENT_SANCTIONED);
        if (found & VALID_CLAIM == 0) return (0, RestrictionCodes.RECIPIENT_CLAIM);
        if (!_isAdmitted(found, rules)) return (0, RestrictionCodes.RECIPIENT_COUNTRY);
        largest = type(uint256).max;
        if (rules.bindsHoldings()) {
            (, uint256 cap) = _limitsOf(identity, rules);
            (uint256 units, uint256 pendingIn, ) = _exposureOf(Side(to, identity, found, 0));
            (largest, code) = _leastUnderCap(largest, code, cap, units + pendingIn);
        }
        (largest, code) = _ofToken(token, largest, code, amount);
        bool ruled = _asksRules(token, largest, amount);
        Move memory move;
        if (ruled) {
            move = _moveOf(msg.sender, Side(address(0), 0, 0, 0), Side(to, identity, found, 0));
            (move.toUnits, move.supply) = (move.toUnits - amount, move.supply - amount); // they are there already
            (largest, code) = _underRules(token, move, largest, code, amount);
        }
        if (amount > largest) return (largest, code);
        _move(address(0), to, amount);
        if (ruled) _tell(move, amount, true);
    }

    /// @inheritdoc ICompliance
    function moved(address from, address to, uint256 amount) external {
        AssetWord token = _callingToken();
        if (to == address(0)) _requireRunning(_rules);
        _move(from, to, amount);
        if (!token.hasRules() || amount == 0) return;
        (bytes32 sender, uint256 giver, bytes32 recipient, uint256 taker) = identityRegistry.standingsOf(from, to);
        Side memory from_ = Side(from, sender, giver, 0);
        Side memory to_ = Side(to, recipient, taker, 0);
        bool recovered = sender == 0 && recipient != 0 && identityRegistry.currentWallet(from) == to;
        if (recovered) from_ = to_;
        else if (sender == recipient) return;
        _tell(_moveOf(msg.sender, from_, to_), amount, false);
    }

    /// @inheritdoc ICompliance
    function holding(address from, address to, uint256 amount) external {
        AssetWord token = _callingToken();
        if (token.isPaused()) revert SecurityPaused(msg.sender);
        if (token.isInDefault()) revert SecurityInDefault(msg.sender);
        _requireRunning(_rules);
        _pend(from, to, amount);
    }

    /// @inheritdoc ICompliance
    function rehold(
        address from,
        address to,
        address newFrom,
        address newTo,
        uint256 amount
    ) external onlyToken {
        _unpend(from, to, amount);
        _pend(newFrom, newTo, amount);
    }

    /// @inheritdoc ICompliance
    function unholding(address from, address to, uint256 amount) external onlyToken {
        _unpend(from, to, amount);
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev Asks every rule, and counts what passes.
    function _count(
        Side memory giver,
        Side memory taker,
        uint256 amount,
        RulesWord rules,
        AssetWord token
    ) private returns (uint256 largest, uint8 code) {
        (largest, code) = _assess(giver, taker, rules);
        if (!token.isPlain()) {
            (largest, code) = _ofToken(token, largest, code, amount);
            if (_asksRules(token, largest, amount) && giver.identity != taker.identity) {
                Move memory move = _moveOf(msg.sender, giver, taker);
                (largest, code) = _underRules(token, move, largest, code, amount);
                if (amount <= largest) _tell(move, amount, true);
            }
        }
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
        if (rules.isStopped()) return (0, RestrictionCodes.STOPPED);
        if (giver.found & taker.found & VALID_CLAIM == 0) {
            // nobody unknown or sanctioned has a valid claim
            if (giver.identity == 0) return (0, RestrictionCodes.SENDER_UNKNOWN);
            if (taker.identity == 0) return (0, RestrictionCodes.RECIPIENT_UNKNOWN);
            if (giver.found & SANCTIONED != 0) return (0, RestrictionCodes.SENDER_SANCTIONED);
            if (taker.found & SANCTIONED != 0) return (0, RestrictionCodes.RECIPIENT_SANCTIONED);
            bool sender = giver.found & VALID_CLAIM == 0;
            return (0, sender ? RestrictionCodes.SENDER_CLAIM : RestrictionCodes.RECIPIENT_CLAIM);
        }
        if (!_areAdmitted(giver.found, taker.found, rules)) {
            bool sender = _isAdmitted(giver.found, rules);
            return (0, sender ? RestrictionCodes.RECIPIENT_COUNTRY : RestrictionCodes.SENDER_COUNTRY);
        }
        largest = rules.tradeOf();
        if (largest != type(uint256).max) code = RestrictionCodes.TRADE_LIMIT;
        if (!rules.bindsIdentities() || giver.identity == taker.identity) return (largest, code);
        if (!rules.bindsHoldings()) {
            // a window and one volume for all
            uint256 volume = _limits.volumeOf();
            if (volume == type(uint256).max) return (largest, code);
            uint256 left = _volumeLeft(giver, volume, rules);
            if (left < largest) (largest, code) = (left, RestrictionCodes.SENDER_VOLUME);
            left = _volumeLeft(taker, volume, rules);
            return left < largest ? (left, RestrictionCodes.RECIPIENT_VOLUME) : (largest, code);
        }
        (largest, code) = _leastLeft(largest, code, giver, RestrictionCodes.SENDER_VOLUME, rules);
        (largest, code) = _leastLeft(largest, code, taker, RestrictionCodes.RECIPIENT_VOLUME, rules);
    }

    // --- the rules of one security ------------------------------------------------------------------------------

    function _asksRules(AssetWord token, uint256 largest, uint256 amount) private pure returns (bool) {
        return token.hasRules() && largest != 0 && amount != 0;
    }

    /// @dev What a security's own rules leave of what the others let pass; nothing while they are being told of a move.
    function _underRules(
        AssetWord token,
        Move memory move,
        uint256 largest,
        uint8 code,
        uint256 amount
    ) private view returns (uint256, uint8) {
        if (isTelling) return (0, RestrictionCodes.RULE);
        uint256 wanted = Math.min(amount, largest);
        uint256[] memory rules = assetRegistry.tokenRulesOf(move.token);
        (uint256 passes, uint8 why) = RuleCalls.least(move, rules, token.denominationOf(), wanted);
        return passes == wanted ? (largest, code) : (passes, why);
    }

    function _tell(Move memory move, uint256 amount, bool mustPass) private {
        bool outer = isTelling;
        isTelling = true;
        RuleCalls.tell(move, assetRegistry.tokenRulesOf(move.token), amount, mustPass);
        isTelling = outer;
    }

    function _moveOf(address token, Side memory giver, Side memory taker) private view returns (Move memory) {
        (uint256 fromUnits, uint256 toUnits) = (_unitsOf(IERC20(token), giver), _unitsOf(IERC20(token), taker));
        return Move(token, giver.identity, taker.identity, fromUnits, toUnits, IERC20(token).totalSupply());
    }

    function _unitsOf(IERC20 token, Side memory side) private view returns (uint256 units) {
        if (side.identity == 0) return 0;
        if (side.found & ONLY_WALLET != 0) return token.balanceOf(side.wallet);
        address[] memory wallets = identityRegistry.walletsOf(side.identity);
        for (uint256 i = 0; i < wallets.length; ++i) units += token.balanceOf(wallets[i]);
    }

    /// @dev What the registry says of the token itself: nothing while it is paused or in default, multiples of its
    /// denomination.
    function _ofToken(
        AssetWord token,
        uint256 largest,
        uint8 code,
        uint256 amount
    ) private pure returns (uint256, uint8) {
        if (token.isPlain() || (largest == 0 && code != RestrictionCodes.SUCCESS)) return (largest, code);
        if (token.isPaused()) return (0, RestrictionCodes.PAUSED);
        if (token.isInDefault()) return (0, RestrictionCodes.IN_DEFAULT);
        uint256 wanted = Math.min(amount, largest);
        uint256 odd = wanted % token.denominationOf();
        return odd == 0 ? (largest, code) : (wanted - odd, RestrictionCodes.DENOMINATION);
    }

    /// @dev The token that calls, as the registry knows it.
    function _callingToken() private view returns (AssetWord token) {
        token = assetRegistry.wordOf(msg.sender);
        if (AssetWord.unwrap(token) == 0) revert NotAToken(msg.sender);
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
            uint256 left = _leftOf(volume, side, pendingIn + pendingOut, rules);
            if (left < largest) (largest, code) = (left, volumeCode);
        }
        return _leastUnderCap(largest, code, cap, units + pendingIn);
    }

    /// @dev What the volume limit of all leaves to one side, whose holdings nobody asks for.
    function _volumeLeft(Side memory side, uint256 volume, RulesWord rules) private view returns (uint256) {
        if (side.found & ONLY_WALLET != 0) return _leftOf(volume, side, _pendingAt(side.wallet), rules);
        (, uint256 pendingIn, uint256 pendingOut) = _exposureOf(side);
        return _leftOf(volume, side, pendingIn + pendingOut, rules);
    }

    /// @dev What is left of a volume, and, kept for what is then added, where the side's window begins.
    function _leftOf(uint256 volume, Side memory side, uint256 used, RulesWord rules) private view returns (uint256) {
        uint256 dealt;
        (dealt, side.first) = _volumes[side.identity].within(rules.windowOf());
        unchecked {
            used += dealt; // sums of a few numbers of 128 bits
            return volume > used ? volume - used : 0;
        }
    }

    /// @dev What an identity has over all its wallets; most have one, and the registry says so.
    function _exposureOf(
        Side memory side
    ) private view returns (uint256 units, uint256 pendingIn, uint256 pendingOut) {
        if (side.found & ONLY_WALLET != 0) return _exposureAt(side.wallet);
        return _sumOf(identityRegistry.walletsOf(side.identity));
    }
}
