// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SortedAddresses} from "src/settlement/SortedAddresses.sol";
import {Test} from "./base/Test.sol";

/// @notice The list against one that is searched from its beginning.
contract SortedAddressesTest is Test {
    using SortedAddresses for uint256[];

    /// @dev Few different addresses, so that most come again; what lies behind the list stays as it is.
    function testFuzz_each_once_and_in_order(uint8[24] memory picks, uint160 salt) public pure {
        uint256[] memory list = SortedAddresses.create(picks.length);
        uint256[1] memory behind = [uint256(salt)];
        for (uint256 i = 0; i < picks.length; ++i) {
            address one = _pick(picks[i], salt);
            list.insert(one);
            assertEq(list.get(list.indexOf(one)), one, "it is where it is looked for");
        }
        for (uint256 i = 0; i < picks.length; ++i) {
            assertEq(_count(list, _pick(picks[i], salt)), 1, "once");
        }
        for (uint256 i = 1; i < list.length; ++i) assertTrue(list[i - 1] < list[i], "ascending");
        assertEq(behind[0], salt, "nothing but the list is written");
    }

    function _pick(uint8 pick, uint160 salt) private pure returns (address) {
        return address(bytes20(keccak256(abi.encode(pick % 12, salt))));
    }

    function _count(uint256[] memory list, address one) private pure returns (uint256 times) {
        for (uint256 i = 0; i < list.length; ++i) if (list[i] == uint160(one)) ++times;
    }
}
