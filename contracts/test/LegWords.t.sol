// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {Leg} from "src/settlement/Instruction.sol";
import {LegWords} from "src/settlement/LegWords.sol";
import {Test} from "./base/Test.sol";

/// @notice What was asked of it last; says no in the words that it was given.
contract ObstinateAsset {
    bytes public asked;
    bytes private _reason;
    bool private _refuses;

    function refuse(bytes calldata reason) external {
        (_refuses, _reason) = (true, reason);
    }

    fallback() external {
        asked = msg.data;
        if (!_refuses) return;
        bytes memory reason = _reason;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }
}

/// @notice Legs read and moved word by word, as the compiler would member by member.
contract LegWordsTest is Test {
    function testFuzz_a_leg_reads_as_its_members(Leg[] calldata legs) public view {
        for (uint256 i = 0; i < legs.length; ++i) {
            (address token, address from, address to, uint256 amount) = this.legAt(legs, i);
            assertEq(token, legs[i].token, "token");
            assertEq(from, legs[i].from, "from");
            assertEq(to, legs[i].to, "to");
            assertEq(amount, legs[i].amount, "amount");
        }
    }

    function testFuzz_words_that_are_no_addresses(uint8 word, uint96 dirt) public {
        vm.assume(dirt != 0);
        Leg[] memory legs = new Leg[](1);
        bytes memory data = abi.encodeCall(this.legAt, (legs, 0));
        uint256 place = 0x20 + 4 + 0x60 + uint256(word % 3) * 0x20;
        assembly ("memory-safe") {
            mstore(add(data, place), shl(160, dirt))
        }
        (bool done, bytes memory reason) = address(this).call(data);
        assertFalse(done, "read");
        assertEq(reason.length, 0, "no answer but the decoder's");
    }

    function testFuzz_a_transfer_asks_what_the_abi_has(address from, address to, uint256 amount) public {
        ObstinateAsset asset = new ObstinateAsset();
        this.transfer(_one(address(asset), from, to, amount), 0);
        assertEq(asset.asked(), abi.encodeCall(ISettlementAsset.settlementTransfer, (from, to, amount)), "asked");
    }

    function testFuzz_a_refusal_is_passed_on(bytes calldata reason) public {
        ObstinateAsset asset = new ObstinateAsset();
        asset.refuse(reason);
        bytes memory data = abi.encodeCall(this.transfer, (_one(address(asset), address(1), address(2), 3), 0));
        (bool moved, bytes memory told) = address(this).call(data);
        assertFalse(moved, "moved");
        assertEq(told, reason, "reason");
    }

    function test_what_has_no_code_moves_nothing() public {
        bytes memory data = abi.encodeCall(this.transfer, (_one(address(0xbeef), address(1), address(2), 3), 0));
        (bool moved, bytes memory reason) = address(this).call(data);
        assertFalse(moved, "nobody there to move it");
        assertEq(reason.length, 0, "no answer but the compiler's");
    }

    function legAt(Leg[] calldata legs, uint256 index) external pure returns (address, address, address, uint256) {
        return LegWords.read(legs, index);
    }

    function transfer(Leg[] calldata legs, uint256 index) external {
        LegWords.transfer(legs, index);
    }

    function _one(address token, address from, address to, uint256 amount) private pure returns (Leg[] memory legs) {
        legs = new Leg[](1);
        legs[0] = Leg(token, from, to, amount);
    }
}
