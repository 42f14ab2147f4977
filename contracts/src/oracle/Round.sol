// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One security as priced: everything per 100 face is in 10^-6 of a point, dates are New York midnights.
/// @param cleanE6 Clean price at the round's market date.
/// @param yieldE9 STREET yield, 10^-9.
/// @param durationE6 Modified duration, 10^-6 of a year.
/// @param rating 1 for AAA, 2 for AA+ and so on down the S&P scale; 0 for none.
/// @param couponE9 Annual rate, 10^-9; 0 for a bill, which accrues nothing and leaves the four dates below 0.
/// @param accrualStart First day of the interest that accrues: the last coupon date, or the dated date before the
/// first coupon.
/// @param priorCoupon In a long first period, the quasi-coupon date before `previousCoupon` if interest has accrued
/// from before `previousCoupon`; else 0.
/// @param previousCoupon Quasi-coupon date at or before the market date.
/// @param nextCoupon Quasi-coupon date after it.
struct Quote {
    bytes32 cusip;
    uint64 cleanE6;
    int64 yieldE9;
    uint32 durationE6;
    uint64 maturity;
    uint8 rating;
    uint64 couponE9;
    uint64 accrualStart;
    uint64 priorCoupon;
    uint64 previousCoupon;
    uint64 nextCoupon;
}

/// @notice What pricers sign: one market date's prices, observed at one moment.
/// @param id Greater than that of every round before.
/// @param marketDate New York midnight of the date the prices are of.
/// @param observedAt Unix time of the observation; age is counted from it.
/// @param quotes Strictly ascending by CUSIP.
struct Round {
    uint64 id;
    uint64 marketDate;
    uint64 observedAt;
    Quote[] quotes;
}

/// @title RoundHash
/// @notice EIP-712 struct hash of a Round.
library RoundHash {
    bytes32 internal constant QUOTE_TYPEHASH =
        keccak256(
            "Quote(bytes32 cusip,uint64 cleanE6,int64 yieldE9,uint32 durationE6,uint64 maturity,uint8 rating,"
            "uint64 couponE9,uint64 accrualStart,uint64 priorCoupon,uint64 previousCoupon,uint64 nextCoupon)"
        );

    bytes32 internal constant ROUND_TYPEHASH =
        keccak256(
            "Round(uint64 id,uint64 marketDate,uint64 observedAt,Quote[] quotes)"
            "Quote(bytes32 cusip,uint64 cleanE6,int64 yieldE9,uint32 durationE6,uint64 maturity,uint8 rating,"
            "uint64 couponE9,uint64 accrualStart,uint64 priorCoupon,uint64 previousCoupon,uint64 nextCoupon)"
        );

    /// @notice hashStruct(round).
    function structHash(Round calldata round) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](round.quotes.length);
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = keccak256(abi.encode(QUOTE_TYPEHASH, round.quotes[i]));
        return
            keccak256(
                abi.encode(
                    ROUND_TYPEHASH,
                    round.id,
                    round.marketDate,
                    round.observedAt,
                    keccak256(abi.encodePacked(hashes))
                )
            );
    }
}
