// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IPriceOracle
/// @notice Signed prices per CUSIP. Every answer reverts with `PriceMissing` or `StalePrice` rather than mislead.
/// @dev Prices are per 100 face in 10^-6 of a point, yields 10^-9, durations 10^-6 of a year, dates New York midnights.
interface IPriceOracle {
    /// @notice All that is known of one security.
    struct Price {
        uint64 cleanE6;
        uint64 accruedE6;
        int64 yieldE9;
        uint32 durationE6;
        uint64 maturity;
        uint8 rating;
        uint32 couponE9;
        uint64 accrualStart;
        uint64 priorCoupon;
        uint64 previousCoupon;
        uint64 nextCoupon;
        uint64 roundId;
        uint64 marketDate;
        uint64 observedAt;
    }

    /// @notice What a limit is checked against.
    struct Measure {
        uint64 dirtyE6;
        int64 yieldE9;
        uint32 durationE6;
        uint64 maturity;
        uint8 rating;
        uint64 observedAt;
    }

    /// @notice No round ever priced this security.
    error PriceMissing(bytes32 cusip);

    /// @notice The last observation is older than `maxAge` seconds.
    error StalePrice(bytes32 cusip, uint64 observedAt, uint64 maxAge);

    /// @notice Clean price plus interest accrued to the price's market date, and when it was observed.
    function dirtyPrice(bytes32 cusip) external view returns (uint256 priceE6per100, uint64 observedAt);

    /// @notice The whole price.
    function price(bytes32 cusip) external view returns (Price memory);

    /// @notice The whole price however old it is; reverts only if there is none.
    function lastPrice(bytes32 cusip) external view returns (Price memory);

    /// @notice Interest accrued per 100 face at `settlement`, a New York midnight in the current coupon period.
    function accruedInterest(bytes32 cusip, uint64 settlement) external view returns (uint256 accruedE6);

    /// @notice Measures of several securities in one call, in their order.
    function measures(bytes32[] calldata cusips) external view returns (Measure[] memory);

    /// @notice Whether an address signs rounds: no manager of money may.
    function isPricer(address account) external view returns (bool);
}
