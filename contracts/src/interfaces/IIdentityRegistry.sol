// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Set in a standing if the claim holds now.
uint256 constant VALID_CLAIM = 1 << 16;

/// @dev Set in a standing if the identity has this one wallet.
uint256 constant ONLY_WALLET = 1 << 17;

/// @dev Set in a standing if the identity is sanctioned; then its claim does not hold.
uint256 constant SANCTIONED = 1 << 18;

/// @title IIdentityRegistry
/// @notice Wallets, the identities they belong to, and until when an identity's claim holds.
interface IIdentityRegistry {
    /// @notice Identity of a wallet; zero if the wallet is not registered.
    function identityOf(address wallet) external view returns (bytes32);

    /// @notice Last second (Unix time) at which a claim holds, the registrar's or a trusted issuer's; 0 if revoked or
    /// unknown.
    function claimExpiry(bytes32 identity) external view returns (uint64);

    /// @notice Whether an identity is on the sanctions list.
    function isSanctioned(bytes32 identity) external view returns (bool);

    /// @notice Whether the identity of a wallet is.
    function isWalletSanctioned(address wallet) external view returns (bool);

    /// @notice ISO 3166-1 numeric country of an identity; 0 if unknown.
    function country(bytes32 identity) external view returns (uint16);

    /// @notice Whether the wallet has an identity with a valid claim.
    function isVerified(address wallet) external view returns (bool);

    /// @notice What a transfer asks of two wallets, in one call: identity (zero: none), and its standing: the country
    /// in the low 16 bits, bit 16 if its claim holds now, bit 17 if it has no other wallet, bit 18 if it is sanctioned.
    function standingsOf(
        address first,
        address second
    )
        external
        view
        returns (
            bytes32 firstIdentity,
            uint256 firstStanding,
            bytes32 secondIdentity,
            uint256 secondStanding
        );

    /// @notice The same of one wallet.
    function standingOf(address wallet) external view returns (bytes32 identity, uint256 standing);

    /// @notice The wallet that stands for `wallet` now: the last of those it was recovered to, or itself.
    function currentWallet(address wallet) external view returns (address);

    /// @notice Wallets of an identity, at most 16.
    function walletsOf(bytes32 identity) external view returns (address[] memory);
}
