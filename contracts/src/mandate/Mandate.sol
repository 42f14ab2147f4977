// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a manager may do with an account. `durationMaxE6` is zero where there is no mandate.
/// @param durationMinE6 Least modified duration of the portfolio, 10^-6 of a year; cash counts with 0.
/// @param durationMaxE6 Greatest.
/// @param issueCapBp Greatest share of one security in the portfolio, bp of its value.
/// @param turnoverBp Half of what is bought and sold in any `window` seconds, bp of the portfolio's value after the
/// last trade.
/// @param slippageBp What a plan may cost against the oracle's prices, bp of the securities it trades (I12).
struct Mandate {
    uint32 durationMinE6;
    uint32 durationMaxE6;
    uint16 issueCapBp;
    uint32 turnoverBp;
    uint32 window;
    uint16 slippageBp;
}

/// @title Mandates
/// @notice Which mandates make sense, and which are looser than others.
library Mandates {
    /// @notice Whether the numbers can be meant.
    function isSound(Mandate memory mandate) internal pure returns (bool) {
        return
            mandate.durationMinE6 <= mandate.durationMaxE6 &&
            mandate.durationMaxE6 != 0 &&
            mandate.issueCapBp != 0 &&
            mandate.issueCapBp <= 10_000 &&
            mandate.window != 0 &&
            mandate.window <= 366 days &&
            mandate.slippageBp <= 1_000;
    }

    /// @notice Whether `next` allows anything that `current` does not.
    function isLooser(Mandate memory next, Mandate memory current) internal pure returns (bool) {
        return
            next.durationMinE6 < current.durationMinE6 ||
            next.durationMaxE6 > current.durationMaxE6 ||
            next.issueCapBp > current.issueCapBp ||
            next.turnoverBp > current.turnoverBp ||
            next.window < current.window ||
            next.slippageBp > current.slippageBp;
    }
}
