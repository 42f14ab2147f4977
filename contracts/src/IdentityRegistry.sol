// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";

/// @title IdentityRegistry
/// @notice Who is behind a wallet, in which country, and until when the registrar's claim about him holds.
contract IdentityRegistry is IIdentityRegistry, AccessManaged {
    struct Identity {
        uint64 claimExpiry;
        uint16 country;
        bool exists;
    }

    /// @notice An identity was added.
    event IdentityRegistered(bytes32 indexed identity, uint16 country, uint64 claimExpiry);

    /// @notice An identity's claim now holds until `expiry`, inclusive (0: revoked).
    event ClaimSet(bytes32 indexed identity, uint64 expiry);

    /// @notice A wallet was bound to an identity.
    event WalletRegistered(address indexed wallet, bytes32 indexed identity);

    /// @notice A wallet was unbound.
    event WalletRemoved(address indexed wallet, bytes32 indexed identity);

    error InvalidIdentity(bytes32 identity);
    error InvalidWallet(address wallet);
    error IdentityAlreadyRegistered(bytes32 identity);
    error UnknownIdentity(bytes32 identity);
    error WalletAlreadyRegistered(address wallet, bytes32 identity);
    error UnknownWallet(address wallet);

    mapping(bytes32 identity => Identity) private _identities;
    mapping(address wallet => bytes32) private _identityOf;

    constructor(address authority_) AccessManaged(authority_) {}

    /// @notice Adds an identity.
    /// @param identity Party name, ASCII, padded right with zeros.
    /// @param country_ ISO 3166-1 numeric.
    /// @param claimExpiry_ Last second at which the claim holds; 0 for none yet.
    function registerIdentity(bytes32 identity, uint16 country_, uint64 claimExpiry_) external restricted {
        if (identity == 0) revert InvalidIdentity(identity);
        if (_identities[identity].exists) revert IdentityAlreadyRegistered(identity);
        _identities[identity] = Identity(claimExpiry_, country_, true);
        emit IdentityRegistered(identity, country_, claimExpiry_);
    }

    /// @notice Renews, shortens or (0) revokes an identity's claim.
    function setClaim(bytes32 identity, uint64 expiry) external restricted {
        if (!_identities[identity].exists) revert UnknownIdentity(identity);
        _identities[identity].claimExpiry = expiry;
        emit ClaimSet(identity, expiry);
    }

    /// @notice Binds a wallet to an identity, which may have several; a wallet has one.
    function registerWallet(address wallet, bytes32 identity) external restricted {
        if (wallet == address(0)) revert InvalidWallet(wallet);
        if (!_identities[identity].exists) revert UnknownIdentity(identity);
        if (_identityOf[wallet] != 0) revert WalletAlreadyRegistered(wallet, _identityOf[wallet]);
        _identityOf[wallet] = identity;
        emit WalletRegistered(wallet, identity);
    }

    /// @notice Unbinds a wallet.
    function removeWallet(address wallet) external restricted {
        bytes32 identity = _identityOf[wallet];
        if (identity == 0) revert UnknownWallet(wallet);
        delete _identityOf[wallet];
        emit WalletRemoved(wallet, identity);
    }

    /// @inheritdoc IIdentityRegistry
    function identityOf(address wallet) external view returns (bytes32) {
        return _identityOf[wallet];
    }

    /// @inheritdoc IIdentityRegistry
    function claimExpiry(bytes32 identity) external view returns (uint64) {
        return _identities[identity].claimExpiry;
    }

    /// @inheritdoc IIdentityRegistry
    function country(bytes32 identity) external view returns (uint16) {
        return _identities[identity].country;
    }

    /// @inheritdoc IIdentityRegistry
    function isVerified(address wallet) external view returns (bool valid) {
        (, valid) = _standingOf(wallet);
    }

    /// @inheritdoc IIdentityRegistry
    function standingsOf(
        address first,
        address second
    ) external view returns (bytes32 firstIdentity, bool firstValid, bytes32 secondIdentity, bool secondValid) {
        (firstIdentity, firstValid) = _standingOf(first);
        (secondIdentity, secondValid) = _standingOf(second);
    }

    function _standingOf(address wallet) private view returns (bytes32 identity, bool valid) {
        identity = _identityOf[wallet];
        valid = identity != 0 && block.timestamp <= _identities[identity].claimExpiry;
    }
}
