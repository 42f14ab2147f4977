// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {KeySignature} from "src/settlement/KeySignature.sol";
import {Test} from "./base/Test.sol";

/// @notice Signatures of keys, against OpenZeppelin's checker of accounts without code.
contract KeySignatureTest is Test {
    function isOf(address signer, bytes32 digest, bytes calldata signature) external view returns (bool) {
        return KeySignature.isOf(signer, digest, signature);
    }

    /// @dev `signer` is the lower 20 bytes of a word in which the caller may have left dirt: the decoder cleans it.
    function _same(address signer, bytes32 digest, bytes memory signature) private view returns (bool valid) {
        valid = this.isOf(signer, digest, signature);
        assertTrue(valid == SignatureChecker.isValidSignatureNow(signer, digest, signature), "as the library says");
    }

    function testFuzz_what_a_key_signed(uint256 key, bytes32 digest, bytes32 other, address stranger) public view {
        key = 1 + key % (ORDER - 1);
        address signer = vm.addr(key);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes memory signature = abi.encodePacked(r, s, v);
        assertTrue(_same(signer, digest, signature), "the key's");
        assertTrue(_same(signer, other, signature) == (other == digest), "of nothing else");
        if (stranger.code.length == 0) assertTrue(_same(stranger, digest, signature) == (stranger == signer), "alone");
        assertFalse(_same(address(0), digest, signature), "nobody's");
        signature = bent(v, r, s);
        assertFalse(_same(signer, digest, signature), "one of two forms");
        assertFalse(_same(signer, digest, abi.encodePacked(r, s)), "64 bytes");
        assertFalse(_same(signer, digest, abi.encodePacked(r, s, v, v)), "66 bytes");
        assertFalse(_same(signer, digest, abi.encodePacked(r, s, v - 27)), "v of 0 or 1");
    }

    function testFuzz_any_bytes(address signer, bytes32 digest, bytes calldata signature) public view {
        if (signer.code.length == 0) assertFalse(_same(signer, digest, signature), "no key's");
    }

    function testFuzz_any_words(bytes32 digest, bytes32 r, bytes32 s, uint8 v) public view {
        address signer = ecrecover(digest, v, r, s);
        _same(signer, digest, abi.encodePacked(r, s, v));
        v = 27 + v % 2;
        s = bytes32(uint256(s) >> 1);
        _same(ecrecover(digest, v, r, s), digest, abi.encodePacked(r, s, v));
    }
}
