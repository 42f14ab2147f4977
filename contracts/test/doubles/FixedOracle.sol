// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";

/// @notice Prices as the test sets them; 0 is none.
contract FixedOracle {
    mapping(bytes32 => uint256) public prices;

    function set(bytes32 cusip, uint256 priceE6) external {
        prices[cusip] = priceE6;
    }

    function dirtyPrice(bytes32 cusip) external view returns (uint256, uint64) {
        if (prices[cusip] == 0) revert IPriceOracle.PriceMissing(cusip);
        return (prices[cusip], uint64(block.timestamp));
    }
}
