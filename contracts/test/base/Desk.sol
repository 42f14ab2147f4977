// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlementAsset} from "src/interfaces/ISettlementAsset.sol";
import {Instruction, Leg} from "src/settlement/Instruction.sol";
import {Ledger} from "./Ledger.sol";
import {Packing} from "./Packing.sol";

/// @notice Makes, hashes and signs instructions by a second route: the EIP-712 digest is built here from its text.
abstract contract Desk is Ledger {
    string private constant LEG = "Leg(address token,address from,address to,uint256 amount)";
    string private constant INSTRUCTION =
        "Instruction(Leg[] legs,uint64 notBefore,uint64 deadline,uint256 nonce,bytes32 contextHash,bytes32 planHash)";

    function setUp() public virtual override {
        super.setUp();
        issue(note, alice, 1_000_000);
        issueCash(usd, bob, 1_000_000);
        issueCash(eur, carol, 1_000_000);
    }

    /// @dev Alice sells 100 notes to Bob for 99 dollars.
    function dvp(uint256 nonce) internal view returns (Instruction memory instruction) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(address(note), alice, bob, 100);
        legs[1] = Leg(address(usd), bob, alice, 99);
        instruction = Instruction(legs, START, START + 60, nonce, 0, 0);
    }

    /// @dev The same as a plan.
    function plan(uint256 nonce, bytes32 contextHash) internal view returns (Instruction memory instruction) {
        instruction = dvp(nonce);
        instruction.contextHash = contextHash;
        instruction.planHash = planHash(contextHash, instruction.legs);
    }

    /// @dev Settles many, as whoever is pranked; what is expected is expected of it.
    function settleMany(Instruction[] memory list, bytes[][] memory signatures) internal {
        (address[] memory accounts, bytes memory packed) = Packing.pack(list, signatures);
        settlement.settleMany(accounts, packed);
    }

    /// @dev Settles a list that was signed as one.
    function settleBatch(Instruction[] memory list, bytes[] memory signatures) internal {
        (address[] memory accounts, bytes memory packed) = Packing.pack(list);
        settlement.settleBatch(accounts, packed, signatures);
    }

    /// @dev The calls of the two above.
    function manyCall(Instruction[] memory list, bytes[][] memory signatures) internal view returns (bytes memory) {
        (address[] memory accounts, bytes memory packed) = Packing.pack(list, signatures);
        return abi.encodeCall(settlement.settleMany, (accounts, packed));
    }

    function batchCall(Instruction[] memory list, bytes[] memory signatures) internal view returns (bytes memory) {
        (address[] memory accounts, bytes memory packed) = Packing.pack(list);
        return abi.encodeCall(settlement.settleBatch, (accounts, packed, signatures));
    }

    function planHash(bytes32 contextHash, Leg[] memory legs) internal view returns (bytes32) {
        bytes memory words;
        for (uint256 i = 0; i < legs.length; ++i) {
            words = bytes.concat(
                words,
                ISettlementAsset(legs[i].token).assetId(),
                identities.identityOf(legs[i].from),
                identities.identityOf(legs[i].to),
                bytes32(legs[i].amount)
            );
        }
        return keccak256(bytes.concat(contextHash, keccak256(words)));
    }

    function digest(Instruction memory instruction) internal view returns (bytes32) {
        return digestFor(instruction, block.chainid, address(settlement));
    }

    function digestFor(Instruction memory instruction, uint256 chain, address verifier) internal pure returns (bytes32) {
        return typed(structHash(instruction), chain, verifier);
    }

    function listDigest(Instruction[] memory list) internal view returns (bytes32) {
        return listDigestFor(list, block.chainid, address(settlement));
    }

    /// @dev What givers sign of a list of instructions.
    function listDigestFor(Instruction[] memory list, uint256 chain, address verifier) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < list.length; ++i) hashes = bytes.concat(hashes, structHash(list[i]));
        bytes32 typeHash = keccak256(bytes(string.concat("Batch(Instruction[] instructions)", INSTRUCTION, LEG)));
        return typed(keccak256(abi.encode(typeHash, keccak256(hashes))), chain, verifier);
    }

    function structHash(Instruction memory instruction) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < instruction.legs.length; ++i) {
            Leg memory leg = instruction.legs[i];
            hashes = bytes.concat(
                hashes,
                keccak256(abi.encode(keccak256(bytes(LEG)), leg.token, leg.from, leg.to, leg.amount))
            );
        }
        return keccak256(
            abi.encode(
                keccak256(bytes(string.concat(INSTRUCTION, LEG))),
                keccak256(hashes),
                instruction.notBefore,
                instruction.deadline,
                instruction.nonce,
                instruction.contextHash,
                instruction.planHash
            )
        );
    }

    function typed(bytes32 hash, uint256 chain, address verifier) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("tbill_defi Settlement"),
                keccak256("1"),
                chain,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    function signature(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Signatures of Alice and Bob over `hash`, in the order of their addresses.
    function both(bytes32 hash) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (signature(aliceKey, hash), signature(bobKey, hash));
        if (alice > bob) (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
    }

    function signed(Instruction memory instruction) internal view returns (bytes[] memory) {
        return both(digest(instruction));
    }

    /// @dev One signature each of an account (whoever signs for it) and of Bob, in the order of their addresses.
    function withBob(address account, uint256 key, bytes32 hash) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (signature(key, hash), signature(bobKey, hash));
        if (account > bob) (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
    }

    function assertNothingMoved() internal view {
        assertEq(note.balanceOf(alice), 1_000_000, "alice's notes");
        assertEq(note.balanceOf(bob), 0, "bob's notes");
        assertEq(usd.balanceOf(alice), 0, "alice's dollars");
        assertEq(usd.balanceOf(bob), 1_000_000, "bob's dollars");
    }

    function assertSettledTimes(uint256 times) internal view {
        assertEq(note.balanceOf(alice), 1_000_000 - 100 * times, "alice's notes");
        assertEq(note.balanceOf(bob), 100 * times, "bob's notes");
        assertEq(usd.balanceOf(alice), 99 * times, "alice's dollars");
        assertEq(usd.balanceOf(bob), 1_000_000 - 99 * times, "bob's dollars");
    }
}
