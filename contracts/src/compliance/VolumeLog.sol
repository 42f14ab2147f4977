// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title VolumeLog
/// @notice How much happened in any stretch of seconds that ends now: a running total and what it was before.
/// @dev One slot a log; a slot more for each earlier second in which something was added. Nothing is ever forgotten,
/// so a window may be lengthened later. A search costs the logarithm of the entries inside the window.
library VolumeLog {
    /// @dev The total since the log began, the second of the last addition, and how many earlier totals are kept.
    struct Log {
        uint128 total;
        uint48 since;
        uint48 count;
        mapping(uint256 index => Entry) past;
    }

    struct Entry {
        uint128 total;
        uint48 since;
    }

    /// @notice Adds units at this second.
    function add(Log storage log, uint128 units) internal {
        (uint128 total, uint48 since, uint48 count) = (log.total, log.since, log.count);
        if (since != block.timestamp && since != 0) log.past[count++] = Entry(total, since);
        (log.total, log.since, log.count) = (total + units, uint48(block.timestamp), count);
    }

    /// @notice Units added in the last `window` seconds, this one included: in (now - window, now].
    function within(Log storage log, uint256 window) internal view returns (uint256) {
        if (block.timestamp < window) return log.total;
        return log.total - _totalAt(log, block.timestamp - window);
    }

    /// @dev The total at the end of second `timepoint`. Looks 1, 2, 4, ... entries back, then halves.
    function _totalAt(Log storage log, uint256 timepoint) private view returns (uint256) {
        if (log.since <= timepoint) return log.total;
        uint256 high = log.count; // entries from here on are later than timepoint
        uint256 low = high;
        uint256 step = 1;
        while (low != 0) {
            low = low > step ? low - step : 0;
            if (log.past[low].since <= timepoint) break;
            high = low;
            step <<= 1;
        }
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (log.past[middle].since <= timepoint) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? 0 : log.past[low - 1].total;
    }
}
