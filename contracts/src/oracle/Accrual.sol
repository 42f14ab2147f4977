// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Where a coupon accrues, at a market date; all zero for a bill. Dates are New York midnights.
struct Schedule {
    uint32 couponE9;
    uint40 accrualStart;
    uint40 priorCoupon;
    uint40 previousCoupon;
    uint40 nextCoupon;
}

/// @title Accrual
/// @notice ActAct(ICMA) accrued interest of 31 CFR 356 Appendix B, in 10^-6 per 100 face, rounded half up once.
library Accrual {
    /// @notice The settlement date is not in the schedule's current coupon period.
    error SettlementOutsidePeriod(uint64 settlement, uint64 first, uint64 last);

    /// @notice Accrued interest at `settlement`, a New York midnight in [previous, next) quasi-coupon date.
    /// @dev Half a coupon accrues in each quasi-coupon period by its actual days. In a long first period the days
    /// before `previousCoupon` count in their own period: 100 c/2 (a/b + d/p), with one rounding at the end.
    function accruedE6(Schedule memory schedule, uint64 settlement) internal pure returns (uint256) {
        if (schedule.couponE9 == 0) return 0;
        uint64 first = schedule.accrualStart > schedule.previousCoupon
            ? schedule.accrualStart
            : schedule.previousCoupon;
        if (settlement < first || settlement >= schedule.nextCoupon) {
            revert SettlementOutsidePeriod(settlement, first, schedule.nextCoupon);
        }
        uint256 period = daysBetween(schedule.previousCoupon, schedule.nextCoupon);
        uint256 numerator;
        uint256 denominator = period;
        if (schedule.priorCoupon == 0) {
            numerator = daysBetween(first, settlement);
        } else {
            uint256 prior = daysBetween(schedule.priorCoupon, schedule.previousCoupon);
            numerator =
                daysBetween(schedule.accrualStart, schedule.previousCoupon) *
                period +
                daysBetween(schedule.previousCoupon, settlement) *
                prior;
            denominator *= prior;
        }
        // 100 x couponE9 / 10^9 / 2, in 10^-6: couponE9 / 20; half of the divisor is added to round half up
        return (uint256(schedule.couponE9) * numerator + 10 * denominator) / (20 * denominator);
    }

    /// @notice Calendar days between two New York midnights, which are an hour off whole days across a clock change.
    function daysBetween(uint64 start, uint64 end) internal pure returns (uint256) {
        return (uint256(end) - start + 12 hours) / 1 days;
    }
}
