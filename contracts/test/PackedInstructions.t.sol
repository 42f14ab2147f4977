// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {PackedInstructions} from "src/settlement/PackedInstructions.sol";
import {Desk} from "./base/Desk.sol";
import {Packing} from "./base/Packing.sol";

/// @notice What is packed comes out as the ABI has it, under the hash that is signed; what is no instruction does not.
contract PackedInstructionsTest is Desk {
    /// @notice The plain twin: abi.encodeCall of what was packed, and EIP-712 by the book.
    function testFuzz_unpacks_to_what_the_abi_has(uint256 seed, bool ofList) public view {
        (Instruction[] memory list, bytes[][] memory signatures) = _some(seed, ofList);
        (address[] memory accounts, bytes memory packed) =
            ofList ? Packing.pack(list) : Packing.pack(list, signatures);
        (bytes[] memory calls, bytes32[] memory hashes) = this.unpack(packed, accounts, ofList);
        assertEq(calls.length, list.length, "each");
        for (uint256 i = 0; i < list.length; ++i) {
            assertEq(hashes[i], structHash(list[i]), "hashStruct");
            bytes memory expected =
                abi.encodeCall(settlement.settleOne, (bytes32("hash"), ofList, list[i], signatures[i]));
            assertEq(calls[i], expected, "call");
        }
    }

    /// @notice Cut anywhere, or followed by anything, it is refused whole.
    function testFuzz_cut_or_lengthened(uint256 seed, uint256 cut) public {
        (Instruction[] memory list, bytes[][] memory signatures) = _some(seed, false);
        (address[] memory accounts, bytes memory packed) = Packing.pack(list, signatures);
        cut = cut % packed.length;
        bytes memory less = new bytes(cut);
        for (uint256 i = 0; i < cut; ++i) less[i] = packed[i];
        vm.expectPartialRevert(PackedInstructions.MalformedInstruction.selector);
        this.unpack(less, accounts, false);
        vm.expectRevert(_malformed(list.length));
        this.unpack(bytes.concat(packed, bytes1(uint8(seed))), accounts, false);
    }

    /// @notice A cut list does not read on in what stands behind it in the call.
    function test_nothing_is_read_behind_the_end() public {
        Instruction[] memory list = new Instruction[](1);
        list[0] = dvp(1);
        (address[] memory accounts, bytes memory packed) = Packing.pack(list);
        bytes memory data = abi.encodeCall(settlement.settleBatch, (accounts, packed, both(listDigest(list))));
        // behind the length: selector, the offset of the accounts, and then that of the instructions
        uint256 place;
        assembly ("memory-safe") {
            place := add(add(data, 0x24), mload(add(data, 0x44)))
            mstore(place, sub(mload(place), 1))
        }
        (bool done, bytes memory reason) = address(settlement).call(data);
        assertFalse(done, "settled");
        assertEq(reason, _malformed(0), "reason");
        assertNothingMoved();
    }

    /// @notice An account that is not in the table, whichever of the three it is.
    function test_places_beyond_the_table() public {
        Instruction[] memory list = new Instruction[](1);
        list[0] = dvp(1);
        (address[] memory accounts, bytes memory packed) = Packing.pack(list);
        // count, four numbers with their lengths, hashes, number of legs: then token, from, to of the first leg
        uint256 first = 2 + 5 + 5 + 2 + 1 + 1 + 1;
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory bent = bytes.concat(packed);
            bent[first + 2 * i + 1] = bytes1(uint8(accounts.length));
            vm.expectRevert(_malformed(0));
            this.unpack(bent, accounts, true);
            bent = bytes.concat(packed);
            bent[first + 2 * i] = 0xff;
            vm.expectRevert(_malformed(0));
            this.unpack(bent, accounts, true);
        }
        this.unpack(packed, accounts, true);
    }

    function test_times_beyond_64_bits() public {
        address[] memory none = new address[](0);
        bytes memory nothing = hex"00000000"; // nonce, hashes, legs
        bytes memory most = hex"08ffffffffffffffff";
        bytes memory more = hex"09010000000000000000";
        this.unpack(bytes.concat(hex"0001", most, most, nothing), none, true);
        vm.expectRevert(_malformed(0));
        this.unpack(bytes.concat(hex"0001", more, most, nothing), none, true);
        vm.expectRevert(_malformed(0));
        this.unpack(bytes.concat(hex"0001", most, more, nothing), none, true);
    }

    /// @notice Zeros before a number do not change it, nor what is hashed; more than 32 bytes are no number.
    function test_numbers_have_many_forms_and_one_hash() public view {
        address[] memory none = new address[](0);
        Instruction memory one = Instruction(new Leg[](0), 0, 0, 7, 0, 0);
        bytes memory tail = hex"000000";
        (, bytes32[] memory hashes) = this.unpack(bytes.concat(hex"000100000107", tail), none, true);
        assertEq(hashes[0], structHash(one), "short");
        (, hashes) = this.unpack(bytes.concat(hex"0001000020", bytes32(uint256(7)), tail), none, true);
        assertEq(hashes[0], structHash(one), "long");
        (, hashes) = this.unpack(bytes.concat(hex"0001000021", bytes32(type(uint256).max), hex"07", tail), none, true);
        one.nonce = 0;
        assertEq(hashes[0], structHash(one), "none");
    }

    function unpack(
        bytes calldata packed,
        address[] memory accounts,
        bool ofList
    ) external view returns (bytes[] memory calls, bytes32[] memory hashes) {
        (calls, hashes) = PackedInstructions.unpack(packed, accounts, settlement.settleOne.selector, ofList);
        for (uint256 i = 0; i < calls.length; ++i) PackedInstructions.setHash(calls[i], "hash");
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// @dev Up to three instructions of up to three legs, with numbers and signatures of all lengths.
    function _some(
        uint256 seed,
        bool ofList
    ) private pure returns (Instruction[] memory list, bytes[][] memory signatures) {
        list = new Instruction[](1 + seed % 3);
        signatures = new bytes[][](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            Leg[] memory legs = new Leg[](seed % 4);
            for (uint256 k = 0; k < legs.length; ++k) {
                legs[k] = Leg(_account(seed, 3 * k), _account(seed, 3 * k + 1), _account(seed, 3 * k + 2), _any(seed, k));
            }
            list[i] = Instruction({
                legs: legs,
                notBefore: uint64(_any(seed, 10)),
                deadline: uint64(_any(seed, 11)),
                nonce: _any(seed, 12),
                contextHash: bytes32(_any(seed, 13)),
                planHash: bytes32(_any(seed, 14))
            });
            signatures[i] = new bytes[](ofList ? 0 : (seed >> 8) % 4);
            for (uint256 k = 0; k < signatures[i].length; ++k) {
                signatures[i][k] = new bytes(_any(seed, 20 + k) % 300);
                for (uint256 m = 0; m < signatures[i][k].length; ++m) signatures[i][k][m] = bytes1(uint8(seed >> k));
            }
        }
    }

    /// @dev A number of some length up to 32 bytes, zero among them.
    function _any(uint256 seed, uint256 which) private pure returns (uint256 value) {
        value = uint256(keccak256(abi.encode(seed, which)));
        uint256 bits = 8 * (value % 33);
        value = bits == 0 ? 0 : value >> (256 - bits);
    }

    function _account(uint256 seed, uint256 which) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode((seed >> which) % 5)))));
    }

    function _malformed(uint256 instruction) private pure returns (bytes memory) {
        return abi.encodeWithSelector(PackedInstructions.MalformedInstruction.selector, instruction);
    }
}
