// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {PaymentWindow} from "./PaymentWindow.sol";

/// @title CouponPayer
/// @notice Pays a coupon to whoever held the security at the start of its date: announced, funded in full, then pushed.
/// @dev I9. The record time is the New York midnight at which the coupon date starts. The position that counts is the
/// one at the end of the second before it, `balanceOfAt(holder, recordTime - 1)`: a transfer at the record time is a
/// transfer on the coupon date and carries no coupon. Units on hold, frozen, or since sold or redeemed count for who
/// held them then.
/// A coupon is an exact fraction of face, numerator / denominator. Funded is floor(supply x fraction); a holder is paid
/// floor(position x fraction), the rounding is his; what the floors leave, less than one unit a holder, goes back to
/// the payer when the last holder is paid.
contract CouponPayer is AccessManaged {
    using SafeERC20 for IERC20;

    struct Coupon {
        SecurityToken token;
        uint64 recordTime;
        address payer;
        uint64 payableFrom;
        uint128 numerator;
        uint128 denominator;
        uint256 faceAtRecord;
        uint256 due;
        uint256 facePaid;
        uint256 paid;
        bool closed;
    }

    event CouponAnnounced(
        bytes32 indexed couponId,
        address indexed token,
        uint64 recordTime,
        uint64 payableFrom,
        uint256 numerator,
        uint256 denominator
    );
    event CouponFunded(bytes32 indexed couponId, address indexed payer, uint256 faceAtRecord, uint256 due);
    event CouponPaid(bytes32 indexed couponId, address indexed holder, uint256 face, uint256 amount);

    /// @notice The holder's wallet is not registered, or could not be paid; what he is due stays here for him.
    event CouponWithheld(bytes32 indexed couponId, address indexed holder, uint256 face, uint256 amount);

    /// @notice Every holder is paid; `dust` went back to the payer.
    event CouponClosed(bytes32 indexed couponId, uint256 paid, uint256 dust);

    error CouponAlreadyAnnounced(bytes32 couponId);
    error CouponUnknown(bytes32 couponId);
    error CouponFractionOutOfRange(uint256 numerator, uint256 denominator);
    error CouponAfterMaturity(uint64 recordTime, uint64 maturity);
    error CouponAlreadyFunded(bytes32 couponId);
    error CouponNotFunded(bytes32 couponId);
    error RecordTimeNotPassed(uint64 recordTime);
    error CouponNotPayable(uint64 payableFrom);

    /// @notice What coupons are paid in.
    IERC20 public immutable cash;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    mapping(bytes32 couponId => Coupon) private _coupons;
    mapping(bytes32 couponId => mapping(address holder => bool)) private _paid;

    constructor(address authority_, IERC20 cash_, IIdentityRegistry identityRegistry_) AccessManaged(authority_) {
        cash = cash_;
        identityRegistry = identityRegistry_;
    }

    /// @notice Name of a security's coupon: there is one per record time.
    function couponIdOf(SecurityToken token, uint64 recordTime) public pure returns (bytes32) {
        return keccak256(abi.encode(token, recordTime));
    }

    /// @notice Announces a coupon of numerator / denominator of face.
    /// @param recordTime New York midnight of the coupon date, at most the maturity.
    /// @param payableFrom New York midnight of the day it is paid: the coupon date or the next good settlement day.
    function announce(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint128 numerator,
        uint128 denominator
    ) external restricted returns (bytes32 couponId) {
        couponId = couponIdOf(token, recordTime);
        Coupon storage coupon = _coupons[couponId];
        if (coupon.denominator != 0) revert CouponAlreadyAnnounced(couponId);
        if (numerator == 0 || numerator > denominator) revert CouponFractionOutOfRange(numerator, denominator);
        if (recordTime == 0 || recordTime > token.maturity()) revert CouponAfterMaturity(recordTime, token.maturity());
        PaymentWindow.check(recordTime, payableFrom);
        coupon.token = token;
        coupon.recordTime = recordTime;
        coupon.payableFrom = payableFrom;
        (coupon.numerator, coupon.denominator) = (numerator, denominator);
        emit CouponAnnounced(couponId, address(token), recordTime, payableFrom, numerator, denominator);
    }

    /// @notice Takes the whole coupon from the caller's allowance: floor(supply at record x fraction).
    function fund(bytes32 couponId) external {
        Coupon storage coupon = _known(couponId);
        if (coupon.payer != address(0)) revert CouponAlreadyFunded(couponId);
        if (block.timestamp < coupon.recordTime) revert RecordTimeNotPassed(coupon.recordTime);
        uint256 face = coupon.token.totalSupplyAt(uint48(coupon.recordTime - 1));
        uint256 due = _share(coupon, face);
        coupon.payer = msg.sender;
        (coupon.faceAtRecord, coupon.due) = (face, due);
        emit CouponFunded(couponId, msg.sender, face, due);
        cash.safeTransferFrom(msg.sender, address(this), due);
        if (face == 0) _close(couponId, coupon);
    }

    /// @notice Pays these holders what they are due and have not been paid. Anyone may call it, in any batches.
    /// @dev Who is due nothing or was paid is passed over; who cannot be paid is passed over with `CouponWithheld`, and
    /// may be tried again.
    function pay(bytes32 couponId, address[] calldata holders) external {
        Coupon storage coupon = _known(couponId);
        if (coupon.payer == address(0)) revert CouponNotFunded(couponId);
        if (block.timestamp < coupon.payableFrom) revert CouponNotPayable(coupon.payableFrom);
        for (uint256 i = 0; i < holders.length; ++i) _pay(couponId, coupon, holders[i]);
        if (coupon.facePaid == coupon.faceAtRecord && !coupon.closed) _close(couponId, coupon);
    }

    /// @notice A coupon as announced, and how far it is paid.
    function couponOf(bytes32 couponId) external view returns (Coupon memory) {
        return _coupons[couponId];
    }

    /// @notice Whether a holder has been paid.
    function isPaid(bytes32 couponId, address holder) external view returns (bool) {
        return _paid[couponId][holder];
    }

    /// @notice Position of `holder` that counts, and what it is due; reverts before the record time.
    function entitlementOf(bytes32 couponId, address holder) external view returns (uint256 face, uint256 amount) {
        Coupon storage known = _known(couponId);
        face = known.token.balanceOfAt(holder, uint48(known.recordTime - 1));
        amount = _share(known, face);
    }

    function _pay(bytes32 couponId, Coupon storage coupon, address holder) private {
        if (_paid[couponId][holder]) return;
        uint256 face = coupon.token.balanceOfAt(holder, uint48(coupon.recordTime - 1));
        if (face == 0) return;
        uint256 amount = _share(coupon, face);
        if (identityRegistry.identityOf(holder) == 0) {
            emit CouponWithheld(couponId, holder, face, amount);
            return;
        }
        _paid[couponId][holder] = true;
        coupon.facePaid += face;
        coupon.paid += amount;
        if (amount == 0) {
            emit CouponPaid(couponId, holder, face, amount);
            return;
        }
        try cash.transfer(holder, amount) returns (bool) {
            emit CouponPaid(couponId, holder, face, amount);
        } catch {
            _paid[couponId][holder] = false;
            coupon.facePaid -= face;
            coupon.paid -= amount;
            emit CouponWithheld(couponId, holder, face, amount);
        }
    }

    function _close(bytes32 couponId, Coupon storage coupon) private {
        coupon.closed = true;
        uint256 dust = coupon.due - coupon.paid;
        emit CouponClosed(couponId, coupon.paid, dust);
        if (dust != 0) cash.safeTransfer(coupon.payer, dust);
    }

    /// @dev floor(face x fraction): face has 88 bits, the numerator 128.
    function _share(Coupon storage coupon, uint256 face) private view returns (uint256) {
        return (face * coupon.numerator) / coupon.denominator;
    }

    function _known(bytes32 couponId) private view returns (Coupon storage known) {
        known = _coupons[couponId];
        if (known.denominator == 0) revert CouponUnknown(couponId);
    }
}
