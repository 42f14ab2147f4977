// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A move of units between two identities, and what there was before it. From an identity to itself: units of a
/// lost wallet come back to it, which were not among its own meanwhile.
/// @param from Who gives; zero: the units are issued.
/// @param to Who takes; zero: they are redeemed.
/// @param fromUnits, toUnits What each has of the token over all its wallets.
/// @param supply All units of the token.
struct Move {
    address token;
    bytes32 from;
    bytes32 to;
    uint256 fromUnits;
    uint256 toUnits;
    uint256 supply;
}

/// @title IComplianceRule
/// @notice One rule of a security, in a contract of its own. `AssetRegistry.setTokenRules` puts a security under it.
/// @dev Compliance asks it by a static call of bounded gas; a rule that fails allows nothing. Moves between wallets of
/// one identity, and zero amounts, are not asked about. Redemption and forced transfers do not ask rules at all;
/// stripping does, which is of the holder's own will.
interface IComplianceRule {
    /// @notice The largest amount, at most `amount`, that the rule allows, and why not more (a restriction code).
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256 largest, uint8 code);

    /// @notice Tells a rule that `counts` of a move that is about to happen. It must not fail where it has allowed it.
    function moving(Move calldata move, uint256 amount) external;

    /// @notice Whether the rule is to be told of moves.
    function counts() external view returns (bool);
}
