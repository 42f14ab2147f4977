// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title VolumeLog
/// @notice How much happened in any stretch of seconds that ends now: a running total and what it was before.
/// @dev One slot a log; a slot more for each earlier second in which something was added. Nothing is ever forgotten,
/// so a window may be lengthened later. A search begins where the last one that was followed by an addition ended: in
/// steady dealing it reads two entries, after a change of window the logarithm of what lies between.
library VolumeLog {
    /// @dev The total since the log began, the second of the last addition, how many earlier totals are kept, and which
    /// of these was the first inside the window then: a hint where to look, no answer depends on it.
    struct Log {
        uint128 total;
        uint48 since;
        uint40 count;
        uint40 first;
        mapping(uint256 index => Entry) past;
    }

    struct Entry {
        uint128 total;
        uint48 since;
    }

    /// @notice Adds units at this second. `first` is what `within` gave, where it was asked.
    function add(Log storage log, uint128 units, uint256 first) internal {
        (uint128 total, uint48 since, uint40 count) = (log.total, log.since, log.count);
        if (since != block.timestamp && since != 0) log.past[count++] = Entry(total, since);
        (log.total, log.since, log.count, log.first) = (total + units, uint48(block.timestamp), count, uint40(first));
    }

    /// @notice Units added in the last `window` seconds, this one included: in (now - window, now]; and the index of the
    /// first earlier total in them.
    function within(Log storage log, uint256 window) internal view returns (uint256 units, uint256 first) {
        if (block.timestamp < window) return (log.total, 0);
        uint256 timepoint = block.timestamp - window;
        if (log.since <= timepoint) return (0, log.count);
        first = _firstAfter(log, timepoint);
        units = first == 0 ? log.total : log.total - log.past[first - 1].total;
    }

    /// @dev Index of the first earlier total of after `timepoint`, `count` if there is none: looks 1, 2, 4, ... entries
    /// to either side of the hint, then halves.
    function _firstAfter(Log storage log, uint256 timepoint) private view returns (uint256 high) {
        uint256 count = log.count;
        uint256 low = log.first;
        high = low; // entries before low are not later than timepoint, those from high on are: to be found
        uint256 step = 1;
        if (low < count && log.past[low].since <= timepoint) {
            while (high < count && log.past[high].since <= timepoint) {
                low = high + 1;
                high += step;
                step <<= 1;
            }
            if (high > count) high = count;
        } else {
            while (low != 0) {
                low = low > step ? low - step : 0;
                if (log.past[low].since <= timepoint) break;
                high = low;
                step <<= 1;
            }
        }
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (log.past[middle].since <= timepoint) low = middle + 1;
            else high = middle;
        }
    }
}
