// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title KeySignature
/// @notice Whether a signature is of a key: 65 bytes r, s, v, with s in the lower half of the order, so that nobody
/// makes a second one of it.
/// @dev Written for the hot path of Settlement, at a third of the steps of OpenZeppelin's SignatureChecker, to whose
/// answers for accounts without code it is held by a fuzz test.
library KeySignature {
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Whether `signature` of `digest` is of the key whose address is `signer`; nobody's is of address zero.
    /// @dev The precompile fails for want of gas alone; then this does, without a word. What no key has signed it
    /// answers with nothing, which leaves the zero that stands in the answer's place.
    function isOf(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool valid) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, digest)
            mstore(add(data, 0x20), byte(0, calldataload(add(signature.offset, 0x40))))
            calldatacopy(add(data, 0x40), signature.offset, 0x40)
            if and(eq(signature.length, 65), iszero(gt(mload(add(data, 0x60)), HALF_ORDER))) {
                mstore(0x00, 0)
                if iszero(staticcall(not(0), 1, data, 0x80, 0x00, 0x20)) { revert(0, 0) }
                let recovered := mload(0x00)
                valid := and(eq(recovered, signer), iszero(iszero(recovered)))
            }
        }
    }
}
