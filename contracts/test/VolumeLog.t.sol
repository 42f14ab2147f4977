// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {VolumeLog} from "src/compliance/VolumeLog.sol";
import {Test} from "./base/Test.sol";

/// @notice The log against a list that is added up anew: any window at any time, wherever the hint points.
contract VolumeLogTest is Test {
    using VolumeLog for VolumeLog.Log;

    VolumeLog.Log private log;
    uint256[] private times;
    uint256[] private amounts;

    function _sum(uint256 window) private view returns (uint256 sum) {
        for (uint256 i = 0; i < times.length; ++i) {
            if (times[i] + window > block.timestamp) sum += amounts[i];
        }
    }

    /// @dev Steps of none to some seconds; a window of its own at each, so that the hint is mostly wrong.
    function testFuzz_I8_the_sum_is_exact_in_any_window(
        uint8[40] memory steps,
        uint16[40] memory windows,
        uint64[40] memory sizes,
        uint48[40] memory hints
    ) public {
        vm.warp(1_780_000_000);
        for (uint256 i = 0; i < 40; ++i) {
            vm.warp(block.timestamp + (steps[i] % 4 == 0 ? 0 : steps[i]));
            uint256 window = i % 3 == 0 ? 600 : windows[i] % 8_000;
            (uint256 units, uint256 first) = log.within(window);
            assertEq(units, _sum(window), "the window's sum");
            assertTrue(first <= log.word.countOf(), "an entry");
            log.add(sizes[i], i % 5 == 4 ? hints[i] % (log.word.countOf() + 1) : first);
            times.push(block.timestamp);
            amounts.push(sizes[i]);
            (units, ) = log.within(window);
            assertEq(units, _sum(window), "with what was just added");
        }
    }

    /// @dev In steady dealing two entries are read however many there are.
    function test_a_search_begins_where_the_last_one_ended() public {
        vm.warp(1_780_000_000);
        uint256 window = 1_000;
        for (uint256 i = 0; i < 3_000; ++i) {
            vm.warp(block.timestamp + 1);
            (, uint256 first) = log.within(window);
            log.add(1, first);
        }
        vm.warp(block.timestamp + 1);
        vm.record();
        (uint256 units, ) = log.within(window);
        (bytes32[] memory read, ) = vm.accesses(address(this));
        assertEq(units, window - 1, "one a second, and none in this one");
        assertEq(_distinct(read), 3, "the log and two entries");
    }

    /// @dev A total beyond 128 bits would hide what was dealt before: it is refused.
    function test_a_total_does_not_wrap() public {
        vm.warp(1_780_000_000);
        log.add(type(uint128).max, 0);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, 1 << 128));
        this.add(1);
        (uint256 units, ) = log.within(600);
        assertEq(units, type(uint128).max, "as before");
    }

    function add(uint128 units) external {
        log.add(units, 0);
    }

    function _distinct(bytes32[] memory slots) private pure returns (uint256 count) {
        for (uint256 i = 0; i < slots.length; ++i) {
            bool again;
            for (uint256 j = 0; j < i; ++j) again = again || slots[j] == slots[i];
            if (!again) ++count;
        }
    }
}
