// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Roles
/// @notice The roles of the one RoleManager that every contract asks. Numbers are AccessManager role ids.
/// @dev No contract grants itself a role: deployment maps each restricted selector to one of these.
library Roles {
    uint64 internal constant ADMIN = 0;
    /// @notice Identities, wallets and claims.
    uint64 internal constant REGISTRAR = 1;
    /// @notice Creates security tokens, issues and redeems them.
    uint64 internal constant ISSUER = 2;
    /// @notice Sets frozen amounts.
    uint64 internal constant FREEZER = 3;
    /// @notice Forced transfers.
    uint64 internal constant ENFORCER = 4;
    /// @notice Issues and redeems cash.
    uint64 internal constant CASH_ISSUER = 5;
    /// @notice Sets compliance limits.
    uint64 internal constant LIMITS = 6;
    /// @notice Registers assets; held by the factory.
    uint64 internal constant FACTORY = 7;
    /// @notice Names the pricers and sets the rules of their rounds; signs none.
    uint64 internal constant ORACLE = 8;
    /// @notice Stops transfers of securities in default; held by Issuance.
    uint64 internal constant DEFAULTS = 9;
    /// @notice Delivers securities it holds for others, in default too; held by RepoFacility and EarlyRedemption.
    uint64 internal constant CUSTODIAN = 10;
    /// @notice Stops everything for a while.
    uint64 internal constant GUARDIAN = 11;
}
