// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction, Leg} from "src/settlement/Instruction.sol";

/// @notice Packs instructions by a second route: the form that PackedInstructions states, a byte string after the other.
library Packing {
    /// @dev Each with its signatures.
    function pack(
        Instruction[] memory list,
        bytes[][] memory signatures
    ) internal pure returns (address[] memory accounts, bytes memory packed) {
        accounts = accountsOf(list);
        packed = abi.encodePacked(uint16(list.length));
        for (uint256 i = 0; i < list.length; ++i) {
            packed = bytes.concat(packed, instruction(list[i], accounts), abi.encodePacked(uint8(signatures[i].length)));
            for (uint256 k = 0; k < signatures[i].length; ++k) {
                packed = abi.encodePacked(packed, uint16(signatures[i][k].length), signatures[i][k]);
            }
        }
    }

    /// @dev Of a list that is signed as one.
    function pack(Instruction[] memory list) internal pure returns (address[] memory accounts, bytes memory packed) {
        accounts = accountsOf(list);
        packed = abi.encodePacked(uint16(list.length));
        for (uint256 i = 0; i < list.length; ++i) packed = bytes.concat(packed, instruction(list[i], accounts));
    }

    function instruction(
        Instruction memory one,
        address[] memory accounts
    ) internal pure returns (bytes memory packed) {
        packed = bytes.concat(
            number(one.notBefore),
            number(one.deadline),
            number(one.nonce),
            number(uint256(one.contextHash)),
            number(uint256(one.planHash)),
            bytes1(uint8(one.legs.length))
        );
        for (uint256 i = 0; i < one.legs.length; ++i) {
            Leg memory leg = one.legs[i];
            packed = bytes.concat(
                packed,
                place(leg.token, accounts),
                place(leg.from, accounts),
                place(leg.to, accounts),
                number(leg.amount)
            );
        }
    }

    function number(uint256 value) internal pure returns (bytes memory) {
        bytes memory digits;
        for (uint256 rest = value; rest != 0; rest >>= 8) digits = bytes.concat(bytes1(uint8(rest)), digits);
        return bytes.concat(bytes1(uint8(digits.length)), digits);
    }

    function place(address account, address[] memory accounts) internal pure returns (bytes2) {
        uint256 at = 0;
        while (accounts[at] != account) ++at;
        return bytes2(uint16(at));
    }

    /// @dev Each once, in the order in which they come.
    function accountsOf(Instruction[] memory list) internal pure returns (address[] memory accounts) {
        for (uint256 i = 0; i < list.length; ++i) {
            for (uint256 k = 0; k < list[i].legs.length; ++k) {
                Leg memory leg = list[i].legs[k];
                accounts = _with(_with(_with(accounts, leg.token), leg.from), leg.to);
            }
        }
    }

    function _with(address[] memory some, address one) private pure returns (address[] memory more) {
        for (uint256 i = 0; i < some.length; ++i) if (some[i] == one) return some;
        more = new address[](some.length + 1);
        for (uint256 i = 0; i < some.length; ++i) more[i] = some[i];
        more[some.length] = one;
    }
}
