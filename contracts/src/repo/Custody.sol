// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {CouponPayer} from "../life/CouponPayer.sol";
import {SecurityToken} from "../SecurityToken.sol";

/// @title Custody
/// @notice Securities held for accounts: what each account has had since when, coupons passed on, deliveries.
/// @dev An account is a repo's id, or an address (as a word) for units that could not be delivered to it. A security
/// that was redeemed while it was held here is cash, as much as its redemption pays for the units.
abstract contract Custody {
    using Checkpoints for Checkpoints.Trace208;
    using SafeERC20 for IERC20;

    /// @dev What was passed on of a coupon: the face that it was for, cash, and to whom.
    struct Passed {
        uint256 face;
        uint256 cash;
        mapping(bytes32 account => bool) to;
    }

    /// @notice An account now has `units` of a security here.
    event CustodyChanged(bytes32 indexed account, address indexed token, uint256 units);
    event CouponPassed(bytes32 indexed account, bytes32 indexed couponId, address indexed beneficiary, uint256 amount);

    /// @notice The recipient cannot receive now; the units stay here in his name, see `collect`.
    event DeliveryDeferred(address indexed owner, address indexed token, uint256 units);
    event DeliveryCollected(address indexed owner, address indexed token, uint256 units);

    error CouponNotReceived(bytes32 couponId);
    error CouponAlreadyPassed(bytes32 couponId, bytes32 account);
    error NoPositionAtRecord(bytes32 couponId, bytes32 account);
    error BeneficiarySanctioned();
    error NothingToCollect(address owner, address token);

    /// @notice Dollars.
    IERC20 public immutable cash;

    /// @notice Who pays coupons.
    CouponPayer public immutable couponPayer;

    mapping(bytes32 account => mapping(SecurityToken token => Checkpoints.Trace208)) private _positions;
    mapping(bytes32 couponId => Passed) private _passed;

    constructor(IERC20 cash_, CouponPayer couponPayer_) {
        cash = cash_;
        couponPayer = couponPayer_;
    }

    /// @notice Units held for an account: a repo's id, or an address as a word.
    function heldFor(bytes32 account, SecurityToken token) public view returns (uint256) {
        return _positions[account][token].latest();
    }

    /// @notice The same at the end of a second, final once that is over; and who gets the account's coupons, and votes.
    function positionAt(
        bytes32 account,
        SecurityToken token,
        uint48 timepoint
    ) public view returns (uint256 units, address beneficiary) {
        units = _positions[account][token].upperLookup(timepoint);
        beneficiary = _beneficiaryOf(account);
    }

    /// @notice Whether an account's share of a coupon was passed on.
    function isPassed(bytes32 couponId, bytes32 account) external view returns (bool) {
        return _passed[couponId].to[account];
    }

    /// @notice Passes an account's share of a coupon on: floor(its position at record x fraction). Anyone may.
    /// @dev What the floors leave goes with the last account, so that nothing stays here.
    function passCoupon(bytes32 account, bytes32 couponId) external returns (uint256 amount) {
        CouponPayer.Coupon memory coupon = couponPayer.couponOf(couponId);
        if (!couponPayer.isPaid(couponId, address(this))) revert CouponNotReceived(couponId);
        Passed storage passed = _passed[couponId];
        if (passed.to[account]) revert CouponAlreadyPassed(couponId, account);
        uint48 record = uint48(coupon.recordTime - 1);
        (uint256 face, address beneficiary) = positionAt(account, coupon.token, record);
        if (face == 0) revert NoPositionAtRecord(couponId, account);
        uint256 total = coupon.token.balanceOfAt(address(this), record);
        passed.to[account] = true;
        passed.face += face;
        bool last = passed.face == total;
        amount = ((last ? total : face) * coupon.numerator) / coupon.denominator;
        if (last) amount -= passed.cash;
        passed.cash += amount;
        beneficiary = _payee(beneficiary);
        emit CouponPassed(account, couponId, beneficiary, amount);
        if (amount != 0) cash.safeTransfer(beneficiary, amount);
    }

    /// @notice Delivers units that could not be delivered before to their owner, or to the wallet that stands for his
    /// now. Anyone may.
    function collect(address owner, SecurityToken token) external {
        uint256 units = heldFor(_nameOf(owner), token);
        if (units == 0) revert NothingToCollect(owner, address(token));
        _setHeld(_nameOf(owner), token, 0);
        emit DeliveryCollected(owner, address(token), units);
        address to = _payee(owner);
        if (!_paysOut(token, to, units)) token.deliver(to, units);
    }

    /// @dev The wallet that stands for another since it was recovered, or itself.
    function _currentWallet(address wallet) internal view returns (address) {
        return _identities().currentWallet(wallet);
    }

    /// @dev Who is entitled to an account's coupons.
    function _beneficiaryOf(bytes32 account) internal view virtual returns (address);

    function _nameOf(address owner) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(owner)));
    }

    function _setHeld(bytes32 account, SecurityToken token, uint256 units) internal {
        // a balance has 88 bits
        _positions[account][token].push(uint48(block.timestamp), uint208(units));
        emit CustodyChanged(account, address(token), units);
    }

    /// @dev Sends units out of custody; those of a recipient who cannot receive stay in his name.
    function _deliver(SecurityToken token, address to, uint256 units) internal {
        if (units == 0) return;
        if (!_isSanctioned(to)) {
            if (_paysOut(token, to, units)) return;
            try token.deliver(to, units) {
                return;
            } catch {}
        }
        _setHeld(_nameOf(to), token, heldFor(_nameOf(to), token) + units);
        emit DeliveryDeferred(to, address(token), units);
    }

    /// @dev The wallet that stands for `wallet` now; what a sanctioned party is due stays here.
    function _payee(address wallet) private view returns (address payee) {
        payee = _currentWallet(wallet);
        if (_isSanctioned(payee)) revert BeneficiarySanctioned();
    }

    function _isSanctioned(address wallet) private view returns (bool) {
        return _identities().isWalletSanctioned(wallet);
    }

    function _identities() private view returns (IIdentityRegistry) {
        return couponPayer.identityRegistry();
    }

    /// @dev Once the units were redeemed here, pays their cash, which has no rule of its own. Redemption takes all of a
    /// holder's units at once.
    function _paysOut(SecurityToken token, address to, uint256 units) private returns (bool) {
        ISecurityLife life = couponPayer.life();
        bool ended = block.timestamp >= life.endOf(address(token));
        if (!ended || token.balanceOf(address(this)) >= units) return false;
        cash.safeTransfer(to, life.redemptionCash(address(token), units));
        return true;
    }
}
