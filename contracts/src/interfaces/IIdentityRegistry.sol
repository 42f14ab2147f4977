// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IIdentityRegistry
/// @notice Wallets, the identities they belong to, and until when an identity's claim holds.
interface IIdentityRegistry {
    /// @notice Identity of a wallet; zero if the wallet is not registered.
    function identityOf(address wallet) external view returns (bytes32);

    /// @notice Last second (Unix time) at which the claim holds; 0 if revoked or unknown.
    function claimExpiry(bytes32 identity) external view returns (uint64);

    /// @notice ISO 3166-1 numeric country of an identity; 0 if unknown.
    function country(bytes32 identity) external view returns (uint16);

    /// @notice Whether the wallet has an identity with a valid claim.
    function isVerified(address wallet) external view returns (bool);

    /// @notice Identity of each of two wallets and whether its claim is valid now: all a transfer asks, in one call.
    function standingsOf(
        address first,
        address second
    ) external view returns (bytes32 firstIdentity, bool firstValid, bytes32 secondIdentity, bool secondValid);
}
