// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Accrual} from "../oracle/Accrual.sol";
import {IndexRatio} from "./IndexRatio.sol";
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
/// The fraction is the issuer's word (fixed), or computed here from published figures that the event shows: the real
/// coupon times the index ratio (inflation-protected), the sum of each day's max(0, index + spread) / 360 (floating).
/// What is recovered of a security in default is paid by the same record, funding and payment.
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
        bool recovery;
    }

    /// @notice Days in a row on which one index rate counts, 10^-9.
    struct Stretch {
        uint32 daysCount;
        int64 indexE9;
    }

    event CouponAnnounced(
        bytes32 indexed couponId,
        address indexed token,
        uint64 recordTime,
        uint64 payableFrom,
        uint256 numerator,
        uint256 denominator
    );

    /// @notice What the fraction of an inflation-protected security comes from: the real coupon is
    /// numerator / denominator.
    event CouponIndexed(
        bytes32 indexed couponId,
        uint256 numerator,
        uint256 denominator,
        uint64 referenceCpiE5,
        uint64 datedCpiE5,
        uint64 indexRatioE5
    );

    /// @notice What the fraction of a floating rate note comes from.
    event CouponFloated(bytes32 indexed couponId, uint64 accrualStart, int64 spreadE9, Stretch[] stretches);

    /// @notice The payment is no coupon but a recovery of a security in default.
    event RecoveryAnnounced(bytes32 indexed couponId, address indexed token, bytes32 evidenceHash);
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
    error SecurityIndexed(address token, uint64 datedCpiE5);
    error SecurityNotIndexed(address token);
    error SecurityInDefault(address token, bytes32 evidenceHash);
    error SecurityPerforms(address token);

    /// @notice The stretches must cover every day from the start of the period to the coupon date.
    error DaysMissing(uint256 given, uint256 expected);
    error RateOutOfRange(int64 rateE9);

    /// @notice No coupon is longer than this many stretches of one index.
    uint256 public constant MOST_STRETCHES = 64;
    int64 private constant HIGHEST_RATE_E9 = 1e9;
    uint128 private constant YEAR_E9 = 360e9;

    /// @notice What coupons are paid in.
    IERC20 public immutable cash;

    /// @notice Whose wallets are registered.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Who knows when securities end, their index and their default.
    ISecurityLife public immutable life;

    mapping(bytes32 couponId => Coupon) private _coupons;
    mapping(bytes32 couponId => mapping(address holder => bool)) private _paid;

    constructor(
        address authority_,
        IERC20 cash_,
        IIdentityRegistry identityRegistry_,
        ISecurityLife life_
    ) AccessManaged(authority_) {
        cash = cash_;
        identityRegistry = identityRegistry_;
        life = life_;
    }

    /// @notice Name of a security's coupon: there is one per record time.
    function couponIdOf(SecurityToken token, uint64 recordTime) public pure returns (bytes32) {
        return keccak256(abi.encode(token, recordTime));
    }

    /// @notice Announces a coupon of numerator / denominator of face.
    /// @param recordTime New York midnight of the coupon date, at most the maturity or the call.
    /// @param payableFrom New York midnight of the day it is paid: the coupon date or the next good settlement day.
    function announce(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint128 numerator,
        uint128 denominator
    ) external restricted returns (bytes32 couponId) {
        uint64 dated = life.datedCpiOf(address(token));
        if (dated != 0) revert SecurityIndexed(address(token), dated);
        couponId = _announceCoupon(token, recordTime, payableFrom, numerator, denominator);
    }

    /// @notice Announces a coupon of an inflation-protected security: the real one times the index ratio of its date.
    /// @param numerator Of the real coupon, at most 2^64.
    /// @param referenceCpiE5 Reference CPI of the coupon date, 10^-5.
    function announceIndexed(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint64 numerator,
        uint64 denominator,
        uint64 referenceCpiE5
    ) external restricted returns (bytes32 couponId) {
        uint64 dated = life.datedCpiOf(address(token));
        if (dated == 0) revert SecurityNotIndexed(address(token));
        uint64 ratio = IndexRatio.ratioE5(referenceCpiE5, dated);
        uint128 top = uint128(numerator) * ratio;
        couponId = _announceCoupon(token, recordTime, payableFrom, top, uint128(denominator) * IndexRatio.ONE);
        emit CouponIndexed(couponId, numerator, denominator, referenceCpiE5, dated, ratio);
    }

    /// @notice Announces the interest of a floating rate note: each day's max(0, index + spread) / 360, summed.
    /// @param accrualStart New York midnight of the dated date or of the last payment date.
    function announceFloating(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint64 accrualStart,
        int64 spreadE9,
        Stretch[] calldata stretches
    ) external restricted returns (bytes32 couponId) {
        uint128 numerator = _floating(accrualStart, recordTime, spreadE9, stretches);
        couponId = _announceCoupon(token, recordTime, payableFrom, numerator, YEAR_E9);
        emit CouponFloated(couponId, accrualStart, spreadE9, stretches);
    }

    /// @notice Announces what is recovered of a security in default, as a fraction of face, for the record of any time.
    function announceRecovery(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint128 numerator,
        uint128 denominator
    ) external restricted returns (bytes32 couponId) {
        bytes32 evidence = life.defaultOf(address(token));
        if (evidence == 0) revert SecurityPerforms(address(token));
        couponId = _announce(token, recordTime, payableFrom, numerator, denominator);
        _coupons[couponId].recovery = true;
        emit RecoveryAnnounced(couponId, address(token), evidence);
    }

    function _announceCoupon(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint128 numerator,
        uint128 denominator
    ) private returns (bytes32) {
        _requirePerforming(token);
        uint64 end = life.endOf(address(token));
        if (recordTime > end) revert CouponAfterMaturity(recordTime, end);
        return _announce(token, recordTime, payableFrom, numerator, denominator);
    }

    function _announce(
        SecurityToken token,
        uint64 recordTime,
        uint64 payableFrom,
        uint128 numerator,
        uint128 denominator
    ) private returns (bytes32 couponId) {
        couponId = couponIdOf(token, recordTime);
        Coupon storage coupon = _coupons[couponId];
        if (coupon.denominator != 0) revert CouponAlreadyAnnounced(couponId);
        if (numerator == 0 || numerator > denominator) revert CouponFractionOutOfRange(numerator, denominator);
        if (recordTime == 0) revert CouponAfterMaturity(recordTime, life.endOf(address(token)));
        PaymentWindow.check(recordTime, payableFrom);
        coupon.token = token;
        coupon.recordTime = recordTime;
        coupon.payableFrom = payableFrom;
        (coupon.numerator, coupon.denominator) = (numerator, denominator);
        emit CouponAnnounced(couponId, address(token), recordTime, payableFrom, numerator, denominator);
    }

    /// @dev Sum of days x max(0, index + spread), 10^-9; the days are those of the period.
    function _floating(
        uint64 start,
        uint64 end,
        int64 spreadE9,
        Stretch[] calldata stretches
    ) private pure returns (uint128 sum) {
        _requireRate(spreadE9);
        uint256 expected = start < end ? Accrual.daysBetween(start, end) : 0;
        uint256 given = 0;
        if (stretches.length > MOST_STRETCHES) revert DaysMissing(stretches.length, MOST_STRETCHES);
        for (uint256 i = 0; i < stretches.length; ++i) {
            _requireRate(stretches[i].indexE9);
            given += stretches[i].daysCount;
            int64 rate = stretches[i].indexE9 + spreadE9;
            if (rate > 0) sum += uint128(stretches[i].daysCount) * uint64(rate);
        }
        if (given != expected) revert DaysMissing(given, expected);
    }

    function _requireRate(int64 rateE9) private pure {
        if (rateE9 < -HIGHEST_RATE_E9 || rateE9 > HIGHEST_RATE_E9) revert RateOutOfRange(rateE9);
    }

    function _requirePerforming(SecurityToken token) private view {
        bytes32 evidence = life.defaultOf(address(token));
        if (evidence != 0) revert SecurityInDefault(address(token), evidence);
    }

    /// @notice Takes the whole coupon from the caller's allowance: floor(supply at record x fraction).
    function fund(bytes32 couponId) external {
        Coupon storage coupon = _known(couponId);
        if (coupon.payer != address(0)) revert CouponAlreadyFunded(couponId);
        if (block.timestamp < coupon.recordTime) revert RecordTimeNotPassed(coupon.recordTime);
        if (!coupon.recovery) _requirePerforming(coupon.token);
        uint256 face = coupon.token.totalSupplyAt(uint48(coupon.recordTime - 1));
        uint256 due = _share(coupon, face);
        coupon.payer = msg.sender;
        (coupon.faceAtRecord, coupon.due) = (face, due);
        emit CouponFunded(couponId, msg.sender, face, due);
        cash.safeTransferFrom(msg.sender, address(this), due);
        if (face == 0) _close(couponId, coupon);
    }

    /// @notice Pays these holders what they are due and have not been paid. Anyone may call it, in any batches.
    /// @dev What a recovered wallet is due its successor gets. Who is due nothing or was paid is passed over; who
    /// cannot be paid is passed over with `CouponWithheld`, and may be tried again.
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
        address payee = identityRegistry.currentWallet(holder);
        bytes32 identity = identityRegistry.identityOf(payee);
        if (identity == 0 || identityRegistry.isSanctioned(identity)) {
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
        try cash.transfer(payee, amount) returns (bool) {
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
