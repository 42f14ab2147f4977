// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IERC7943Fungible
/// @notice Fungible interface of ERC-7943 (universal real-world asset), as finalised: interface id 0x3edbb4c4.
interface IERC7943Fungible {
    /// @notice Units were moved by the enforcer, without the holder's consent.
    event ForcedTransfer(address indexed from, address indexed to, uint256 amount);

    /// @notice The frozen amount of an account was set to `amount`.
    event Frozen(address indexed account, uint256 amount);

    /// @notice `account` may not send.
    error ERC7943CannotSend(address account);

    /// @notice `account` may not receive.
    error ERC7943CannotReceive(address account);

    /// @notice Both parties may deal, but not this amount.
    error ERC7943CannotTransfer(address from, address to, uint256 amount);

    /// @notice The balance suffices, the part of it that is neither frozen nor held does not.
    error ERC7943InsufficientUnfrozenBalance(address account, uint256 amount, uint256 unfrozen);

    /// @notice Moves units of `from` whatever is frozen.
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool result);

    /// @notice Sets (does not add to) the frozen amount of `account`; it may exceed the balance.
    function setFrozenTokens(address account, uint256 amount) external returns (bool result);

    /// @notice Whether `account` may send at all.
    function canSend(address account) external view returns (bool allowed);

    /// @notice Whether `account` may receive at all.
    function canReceive(address account) external view returns (bool allowed);

    /// @notice Frozen amount of `account`.
    function getFrozenTokens(address account) external view returns (uint256 amount);

    /// @notice Whether exactly this transfer, made by `from`, would succeed now.
    function canTransfer(address from, address to, uint256 amount) external view returns (bool allowed);
}
