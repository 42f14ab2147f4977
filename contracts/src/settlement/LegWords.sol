// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementAsset} from "../interfaces/ISettlementAsset.sol";
import {Leg} from "./Instruction.sol";

/// @title LegWords
/// @notice Legs read where they lie in calldata: four words each. The caller has made sure that there is such a leg.
/// @dev Written for the hot path of Settlement: read member by member a leg costs three times as much. Held to what the
/// compiler writes by tests.
library LegWords {
    /// @notice The words of a leg; reverts, as the decoder of an ABI does, if one that is an address is none.
    function read(
        Leg[] calldata legs,
        uint256 index
    ) internal pure returns (address token, address from, address to, uint256 amount) {
        assembly ("memory-safe") {
            let leg := add(legs.offset, shl(7, index))
            token := calldataload(leg)
            from := calldataload(add(leg, 0x20))
            to := calldataload(add(leg, 0x40))
            amount := calldataload(add(leg, 0x60))
            if shr(160, or(token, or(from, to))) { revert(0, 0) }
        }
    }

    /// @notice Has a leg's token move it, as `settlementTransfer(leg.from, leg.to, leg.amount)`; passes on why it does
    /// not. That its words are addresses, `read` has told. A call of all gas is given all but a 64th (EIP-150).
    function transfer(Leg[] calldata legs, uint256 index) internal {
        bytes4 selector = ISettlementAsset.settlementTransfer.selector;
        assembly ("memory-safe") {
            let leg := add(legs.offset, shl(7, index))
            let token := calldataload(leg)
            let data := mload(0x40)
            mstore(data, selector)
            calldatacopy(add(data, 0x04), add(leg, 0x20), 0x60)
            if iszero(extcodesize(token)) { revert(0, 0) }
            if iszero(call(not(0), token, 0, data, 0x64, 0, 0)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
        }
    }
}
