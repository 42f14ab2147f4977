// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ICompliance
/// @notice Rules that answer with the largest amount they allow, not with yes or no, and count what is done.
/// @dev The functions that count may be called by registered tokens only, each of which reports its own moves.
interface ICompliance {
    /// @notice The caller is not a token of the ledger.
    error NotAToken(address caller);

    /// @notice Dealing in the security is paused.
    error SecurityPaused(address token);

    /// @notice The security is in default.
    error SecurityInDefault(address token);

    /// @notice The least amount any rule allows, and the code of the rule that binds (0: no rule does).
    function largestAmount(address token, address from, address to) external view returns (uint256 largest, uint8 code);

    /// @notice The largest amount that passes of `amount`: at least that, or the most that is allowed below it.
    function permitted(
        address token,
        address from,
        address to,
        uint256 amount
    ) external view returns (uint256 largest, uint8 code);

    /// @notice The largest amount, at most `amount`, that a security's own rules let `from` take out of it.
    function removable(
        address token,
        address from,
        uint256 amount
    ) external view returns (uint256 largest, uint8 code);

    /// @notice As `permitted`, and `amount` is counted if it is not more than that.
    function transferring(address from, address to, uint256 amount) external returns (uint256 largest, uint8 code);

    /// @notice As `transferring`, of units that were set aside for `to` before: a default does not stop them.
    function delivering(address from, address to, uint256 amount) external returns (uint256 largest, uint8 code);

    /// @notice The largest amount that may be issued to `to`, and `amount` is counted if it is not more than that.
    function issuing(address to, uint256 amount) external returns (uint256 largest, uint8 code);

    /// @notice Counts units that moved past the rules: a redemption (`to` zero) or a forced transfer.
    function moved(address from, address to, uint256 amount) external;

    /// @notice A security's rules are being told of a move, before it: nothing under rules moves meanwhile.
    function isTelling() external view returns (bool);

    /// @notice Counts a hold as pending, out of `from` and into `to`.
    function holding(address from, address to, uint256 amount) external;

    /// @notice A pending hold is another wallet's from now on: a recovered one's successor's.
    function rehold(address from, address to, address newFrom, address newTo, uint256 amount) external;

    /// @notice The hold is over.
    function unholding(address from, address to, uint256 amount) external;

    /// @notice Who may take a recovered wallet's place: itself, unless its owner lost the key.
    function currentWallet(address wallet) external view returns (address);

    /// @notice Whether a wallet has an identity with a valid claim, of an admitted country.
    function isVerified(address wallet) external view returns (bool);
}
