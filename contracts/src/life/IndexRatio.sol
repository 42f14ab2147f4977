// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IndexRatio
/// @notice Index ratio of an inflation-protected security: reference CPI of a day over that of the dated date.
/// @dev 31 CFR 356 Appendix B, I.B: the quotient is truncated to six decimals and rounded half up to five.
library IndexRatio {
    /// @notice Index ratios and reference CPIs count 10^-5.
    uint64 internal constant ONE = 1e5;
    uint64 private constant LOWEST = 50 * ONE;
    uint64 private constant HIGHEST = 5_000 * ONE;

    /// @notice No CPI-U (1982-84 = 100) in 10^-5.
    error CpiOutOfRange(uint64 cpiE5);

    /// @notice The ratio, 10^-5.
    function ratioE5(uint64 referenceCpiE5, uint64 datedCpiE5) internal pure returns (uint64) {
        check(referenceCpiE5);
        check(datedCpiE5);
        uint64 truncatedE6 = (referenceCpiE5 * 1e6) / datedCpiE5;
        return (truncatedE6 + 5) / 10;
    }

    /// @notice Reverts unless 50 <= CPI <= 5,000.
    function check(uint64 cpiE5) internal pure {
        if (cpiE5 < LOWEST || cpiE5 > HIGHEST) revert CpiOutOfRange(cpiE5);
    }
}
