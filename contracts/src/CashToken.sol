// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuthorityUtils} from "@openzeppelin/contracts/access/manager/AuthorityUtils.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Bytes32Text} from "./token/Bytes32Text.sol";
import {IEmergencyStop} from "./interfaces/IEmergencyStop.sol";
import {ISettlementAsset} from "./interfaces/ISettlementAsset.sol";
import {RestrictionCodes} from "./RestrictionCodes.sol";

/// @title CashToken
/// @notice A currency on the ledger, counted in units of 10^-decimals. Cash has no compliance rule of its own, but it
/// stands still while the ledger is stopped.
/// @dev The RoleManager knows the restricted functions of all currencies by the dollar's address: a new currency needs
/// no wiring, and no role can be had on one currency alone.
contract CashToken is ERC20Permit, AccessManaged, ISettlementAsset {
    /// @notice The one contract that may call `settlementTransfer`.
    address public immutable settlement;

    /// @inheritdoc ISettlementAsset
    bytes32 public immutable assetId;

    /// @notice Who knows until when nothing moves.
    IEmergencyStop public immutable emergencyStop;

    /// @notice The currency on whose address the map of roles stands.
    address public immutable model;

    uint8 private immutable _decimals;

    /// @param model_ Zero for the one that is the model itself.
    /// @param currency ISO 4217 code, ASCII, padded right with zeros.
    /// @param name_ At most 31 bytes; also the Permit domain.
    /// @param decimals_ One unit is 10^-decimals of the currency.
    constructor(
        address authority_,
        address settlement_,
        IEmergencyStop emergencyStop_,
        address model_,
        bytes32 currency,
        string memory name_,
        uint8 decimals_
    ) ERC20(name_, Bytes32Text.toText(currency)) ERC20Permit(name_) AccessManaged(authority_) {
        settlement = settlement_;
        emergencyStop = emergencyStop_;
        model = model_ == address(0) ? address(this) : model_;
        assetId = currency;
        _decimals = decimals_;
    }

    /// @notice One unit is 10^-decimals of the currency.
    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    /// @notice Creates cash.
    function issue(address to, uint256 amount) external restricted {
        _mint(to, amount);
    }

    /// @notice Destroys cash of `from`.
    function redeem(address from, uint256 amount) external restricted {
        _burn(from, amount);
    }

    /// @inheritdoc ISettlementAsset
    function judge(address from, address, uint256 amount) external view returns (uint256 largest, uint8 code) {
        if (block.timestamp < emergencyStop.stoppedUntil()) return (0, RestrictionCodes.STOPPED);
        largest = balanceOf(from);
        code = amount > largest ? RestrictionCodes.BALANCE : RestrictionCodes.SUCCESS;
    }

    /// @inheritdoc ISettlementAsset
    function settlementTransfer(address from, address to, uint256 amount) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        _transfer(from, to, amount);
    }

    /// @dev Cash that is transferred, settled, issued or redeemed: all of it moves here.
    function _update(address from, address to, uint256 amount) internal override {
        uint40 until = emergencyStop.stoppedUntil();
        if (block.timestamp < until) revert IEmergencyStop.LedgerStopped(until);
        super._update(from, to, amount);
    }

    /// @dev Asks about the model, on which the map of roles stands. No role acts with a delay here.
    function _checkCanCall(address caller, bytes calldata data) internal view override {
        (bool immediate, ) = AuthorityUtils.canCallWithDelay(authority(), caller, model, bytes4(data[0:4]));
        if (!immediate) revert AccessManagedUnauthorized(caller);
    }
}
