// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title PaymentWindow
/// @notice When a payment that falls due may be made: on its date, or on the next good settlement day.
/// @dev Contracts compute no calendars. The day is decided off chain and passed as the timestamp of its New York
/// midnight; all that is checked here is that it is neither before the due time nor put off for long.
library PaymentWindow {
    /// @notice No run of weekends and holidays has been as long as this.
    uint64 internal constant LONGEST_DELAY = 7 days;

    /// @notice The payment time is before the due time, or too long after it.
    error PaymentTimeOutOfRange(uint64 dueTime, uint64 payableFrom);

    /// @notice Reverts unless dueTime <= payableFrom <= dueTime + LONGEST_DELAY.
    function check(uint64 dueTime, uint64 payableFrom) internal pure {
        if (payableFrom < dueTime || payableFrom - dueTime > LONGEST_DELAY) {
            revert PaymentTimeOutOfRange(dueTime, payableFrom);
        }
    }
}
