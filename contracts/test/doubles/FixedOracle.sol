// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPriceOracle} from "src/interfaces/IPriceOracle.sol";

/// @notice Prices as the test sets them; 0 is none. Observed when they are asked for, or when the test says.
contract FixedOracle {
    struct Quoted {
        uint64 cleanE6;
        uint64 accruedE6;
        uint64 nextCoupon;
    }

    mapping(bytes32 => Quoted) private _quoted;
    mapping(bytes32 => uint64) private _observedAt;

    function set(bytes32 cusip, uint256 cleanE6) external {
        _quoted[cusip] = Quoted(uint64(cleanE6), 0, 0);
    }

    function setAccruing(bytes32 cusip, uint64 cleanE6, uint64 accruedE6, uint64 nextCoupon) external {
        _quoted[cusip] = Quoted(cleanE6, accruedE6, nextCoupon);
    }

    function observe(bytes32 cusip, uint64 at) external {
        _observedAt[cusip] = at;
    }

    function prices(bytes32 cusip) external view returns (uint256) {
        return _quoted[cusip].cleanE6;
    }

    function price(bytes32 cusip) external view returns (IPriceOracle.Price memory found) {
        Quoted memory quoted = _quoted[cusip];
        if (quoted.cleanE6 == 0) revert IPriceOracle.PriceMissing(cusip);
        found.cleanE6 = quoted.cleanE6;
        found.accruedE6 = quoted.accruedE6;
        found.nextCoupon = quoted.nextCoupon;
        found.observedAt = _observedAt[cusip] == 0 ? uint64(block.timestamp) : _observedAt[cusip];
    }
}
