// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {ISettlementAsset} from "./interfaces/ISettlementAsset.sol";

/// @title AssetRegistry
/// @notice One token for one asset id, for ever. What is not here does not settle.
contract AssetRegistry is IAssetRegistry, AccessManaged {
    /// @notice A token was added.
    event AssetRegistered(bytes32 indexed assetId, address indexed token);

    /// @notice There is no code at this address.
    error NotAToken(address token);

    /// @notice The token names no asset.
    error AssetIdMissing(address token);

    /// @notice The asset id already has a token.
    error AssetAlreadyRegistered(bytes32 assetId, address token);

    mapping(bytes32 assetId => address) private _tokens;
    mapping(address token => bytes32) private _assetIds;

    constructor(address authority_) AccessManaged(authority_) {}

    /// @inheritdoc IAssetRegistry
    function register(address token) external restricted {
        if (token.code.length == 0) revert NotAToken(token);
        bytes32 assetId = ISettlementAsset(token).assetId();
        if (assetId == 0) revert AssetIdMissing(token);
        if (_tokens[assetId] != address(0)) revert AssetAlreadyRegistered(assetId, _tokens[assetId]);
        if (_assetIds[token] != 0) revert AssetAlreadyRegistered(_assetIds[token], token);
        _tokens[assetId] = token;
        _assetIds[token] = assetId;
        emit AssetRegistered(assetId, token);
    }

    /// @inheritdoc IAssetRegistry
    function isRegistered(address token) external view returns (bool) {
        return _assetIds[token] != 0;
    }

    /// @inheritdoc IAssetRegistry
    function tokenOf(bytes32 assetId) external view returns (address) {
        return _tokens[assetId];
    }

    /// @inheritdoc IAssetRegistry
    function assetIdOf(address token) external view returns (bytes32) {
        return _assetIds[token];
    }
}
