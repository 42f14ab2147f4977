// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {AssetWord, TERMS_MASK} from "./AssetWord.sol";
import {COUNTS_BIT} from "./compliance/RuleCalls.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {IComplianceRule} from "./interfaces/IComplianceRule.sol";
import {ISettlementAsset} from "./interfaces/ISettlementAsset.sol";

/// @title AssetRegistry
/// @notice One token for one asset id, for ever. What is not here does not settle.
/// @dev A security's denomination and pause stand in the word that every leg reads anyway, so that they cost nothing.
contract AssetRegistry is IAssetRegistry, AccessManaged {
    /// @notice A token was added.
    event AssetRegistered(bytes32 indexed assetId, address indexed token);

    /// @notice Amounts of a token are multiples of `units` from now on.
    event DenominationSet(address indexed token, uint256 units);

    /// @notice Dealing in a token was paused, or goes on.
    event PauseSet(address indexed token, bool paused);

    /// @notice A security is in default, or performs again.
    event DefaultSet(address indexed token, bool inDefault);

    /// @notice A security is under these rules and no others.
    event RulesSet(address indexed token, address[] rules);

    error TooManyRules(uint256 rules, uint256 most);
    error RulesNotSorted(address rule);

    /// @notice There is no code at this address.
    error NotAToken(address token);

    /// @notice The token names no asset.
    error AssetIdMissing(address token);

    /// @notice The asset id already has a token.
    error AssetAlreadyRegistered(bytes32 assetId, address token);

    /// @notice An asset id has at most 24 characters.
    error AssetIdTooLong(bytes32 assetId);

    /// @notice A denomination is 1 to 2^56 - 1 units.
    error DenominationOutOfRange(uint256 units);

    /// @notice The token is not an asset of this ledger.
    error UnregisteredAsset(address token);

    /// @dev Most rules of a security.
    uint256 private constant MAX_RULES = 8;

    mapping(bytes32 assetId => address) private _tokens;
    mapping(address token => AssetWord) private _words;
    mapping(address token => uint256[]) private _rules;

    constructor(address authority_) AccessManaged(authority_) {}

    /// @inheritdoc IAssetRegistry
    function register(address token) external restricted {
        if (token.code.length == 0) revert NotAToken(token);
        bytes32 assetId = ISettlementAsset(token).assetId();
        if (assetId == 0) revert AssetIdMissing(token);
        if (uint256(assetId) & TERMS_MASK != 0) revert AssetIdTooLong(assetId);
        if (_tokens[assetId] != address(0)) revert AssetAlreadyRegistered(assetId, _tokens[assetId]);
        bytes32 known = _words[token].assetIdOf();
        if (known != 0) revert AssetAlreadyRegistered(known, token);
        _tokens[assetId] = token;
        _words[token] = AssetWord.wrap(uint256(assetId));
        emit AssetRegistered(assetId, token);
    }

    /// @notice Sets the units of which every amount issued or transferred is a multiple.
    function setDenomination(address token, uint256 units) external restricted {
        if (units == 0 || units > type(uint56).max) revert DenominationOutOfRange(units);
        _words[token] = _registered(token).withDenomination(units == 1 ? 0 : units);
        emit DenominationSet(token, units);
    }

    /// @notice Stops dealing in a security, or lets it go on.
    /// @dev No transfer, issue, hold or settlement of it; forced transfers, recovery and redemption go on.
    function setPaused(address token, bool paused) external restricted {
        _words[token] = _registered(token).withPaused(paused);
        emit PauseSet(token, paused);
    }

    /// @inheritdoc IAssetRegistry
    /// @dev Issuance's alone, which keeps the evidence.
    function setInDefault(address token, bool inDefault) external restricted {
        _words[token] = _registered(token).withDefault(inDefault);
        emit DefaultSet(token, inDefault);
    }

    /// @notice Puts a security under these rules, ascending by address, and no others.
    function setTokenRules(address token, address[] calldata rules) external restricted {
        if (rules.length > MAX_RULES) revert TooManyRules(rules.length, MAX_RULES);
        _words[token] = _registered(token).withRules(rules.length != 0);
        delete _rules[token];
        for (uint256 i = 0; i < rules.length; ++i) {
            if (i != 0 && rules[i] <= rules[i - 1]) revert RulesNotSorted(rules[i]);
            uint256 entry = uint160(rules[i]);
            _rules[token].push(IComplianceRule(rules[i]).counts() ? entry | COUNTS_BIT : entry);
        }
        emit RulesSet(token, rules);
    }

    /// @inheritdoc IAssetRegistry
    function tokenRulesOf(address token) external view returns (uint256[] memory) {
        return _rules[token];
    }

    /// @inheritdoc IAssetRegistry
    function isRegistered(address token) external view returns (bool) {
        return AssetWord.unwrap(_words[token]) != 0;
    }

    /// @inheritdoc IAssetRegistry
    function tokenOf(bytes32 assetId) external view returns (address) {
        return _tokens[assetId];
    }

    /// @inheritdoc IAssetRegistry
    function assetIdOf(address token) external view returns (bytes32) {
        return _words[token].assetIdOf();
    }

    /// @inheritdoc IAssetRegistry
    function wordOf(address token) external view returns (AssetWord) {
        return _words[token];
    }

    /// @inheritdoc IAssetRegistry
    function denominationOf(address token) external view returns (uint256) {
        return _words[token].denominationOf();
    }

    /// @inheritdoc IAssetRegistry
    function isPaused(address token) external view returns (bool) {
        return _words[token].isPaused();
    }

    function _registered(address token) private view returns (AssetWord word) {
        word = _words[token];
        if (AssetWord.unwrap(word) == 0) revert UnregisteredAsset(token);
    }
}
