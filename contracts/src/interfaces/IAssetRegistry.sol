// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetWord} from "../AssetWord.sol";

/// @title IAssetRegistry
/// @notice Which tokens the ledger knows.
interface IAssetRegistry {
    /// @notice Adds a token under its own asset id, for ever.
    function register(address token) external;

    /// @notice Stops transfers of a security in default, or lets them go on.
    function setInDefault(address token, bool inDefault) external;

    /// @notice Whether `token` is an asset of this ledger.
    function isRegistered(address token) external view returns (bool);

    /// @notice The one token of an asset id; the zero address if there is none.
    function tokenOf(bytes32 assetId) external view returns (address);

    /// @notice The asset id a token was registered under; zero if it is not registered.
    function assetIdOf(address token) external view returns (bytes32);

    /// @notice Everything the registry knows of a token, in one word; zero if it is not registered.
    function wordOf(address token) external view returns (AssetWord);

    /// @notice Units of which every amount of a token is a multiple, at least 1.
    function denominationOf(address token) external view returns (uint256);

    /// @notice Whether dealing in a token is paused.
    function isPaused(address token) external view returns (bool);

    /// @notice Rules of a token, ascending: the address in the low 160 bits, and a bit above it if it is told of moves.
    function tokenRulesOf(address token) external view returns (uint256[] memory);
}
