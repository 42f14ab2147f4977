// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice The state of a log, from the low end: the total since it began 128 bits, the second of the last addition 48,
/// how many earlier totals are kept 40, and which of these was the first inside the window then 40: a hint where to
/// look, no answer depends on it. An earlier total has the first two alone.
type LogWord is uint256;

using {totalOf, sinceOf, countOf, firstOf} for LogWord global;

function totalOf(LogWord word) pure returns (uint256) {
    return uint128(LogWord.unwrap(word));
}

function sinceOf(LogWord word) pure returns (uint256) {
    return uint48(LogWord.unwrap(word) >> 128);
}

function countOf(LogWord word) pure returns (uint256) {
    return uint40(LogWord.unwrap(word) >> 176);
}

function firstOf(LogWord word) pure returns (uint256) {
    return LogWord.unwrap(word) >> 216;
}

/// @title VolumeLog
/// @notice How much happened in any stretch of seconds that ends now: a running total and what it was before.
/// @dev One slot a log; a slot more for each earlier second in which something was added. Nothing is ever forgotten,
/// so a window may be lengthened later. A search begins where the last one that was followed by an addition ended: in
/// steady dealing it reads two entries, after a change of window the logarithm of what lies between.
library VolumeLog {
    struct Log {
        LogWord word;
        mapping(uint256 index => LogWord) past;
    }

    /// @notice Adds units at this second. `first` is what `within` gave, where it was asked.
    function add(Log storage log, uint128 units, uint256 first) internal {
        LogWord word = log.word;
        (uint256 count, uint256 since) = (word.countOf(), word.sinceOf());
        unchecked { // a count of seconds; a sum of two numbers of 128 bits
            if (since != block.timestamp && since != 0) {
                log.past[count++] = LogWord.wrap(uint176(LogWord.unwrap(word)));
            }
            uint256 total = SafeCast.toUint128(word.totalOf() + units);
            log.word = LogWord.wrap(total | (block.timestamp << 128) | (count << 176) | (first << 216));
        }
    }

    /// @notice Units added in the last `window` seconds, this one included, in (now - window, now]; and which earlier
    /// total is the first in them.
    function within(Log storage log, uint256 window) internal view returns (uint256 units, uint256 first) {
        LogWord word = log.word;
        units = word.totalOf();
        if (block.timestamp < window) return (units, 0);
        unchecked { // totals never fall
            uint256 timepoint = block.timestamp - window;
            if (word.sinceOf() <= timepoint) return (0, word.countOf());
            first = _firstAfter(log, word, timepoint);
            if (first != 0) units -= log.past[first - 1].totalOf();
        }
    }

    /// @dev Index of the first earlier total of after `timepoint`, `count` if there is none: looks 1, 2, 4, ... entries
    /// to either side of the hint, then halves.
    function _firstAfter(Log storage log, LogWord word, uint256 timepoint) private view returns (uint256 high) {
        uint256 count = word.countOf();
        uint256 low = word.firstOf();
        high = low; // entries before low are not later than timepoint, those from high on are: to be found
        uint256 step = 1;
        if (low < count && log.past[low].sinceOf() <= timepoint) {
            while (high < count && log.past[high].sinceOf() <= timepoint) {
                low = high + 1;
                high += step;
                step <<= 1;
            }
            if (high > count) high = count;
        } else {
            while (low != 0) {
                low = low > step ? low - step : 0;
                if (log.past[low].sinceOf() <= timepoint) break;
                high = low;
                step <<= 1;
            }
        }
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (log.past[middle].sinceOf() <= timepoint) low = middle + 1;
            else high = middle;
        }
    }
}
