// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IManagedAccount} from "../interfaces/IManagedAccount.sol";
import {IMandateGuard} from "../interfaces/IMandateGuard.sol";
import {Leg} from "./Instruction.sol";
import {KeySignature} from "./KeySignature.sol";

/// @title GuardCalls
/// @notice Calls to contracts that nobody vouches for: signers and guards.
/// @dev A callee that fails without a word has either refused or run out of gas. Contracts here never read gas, so
/// each such failure is followed by `_outlastStarvedCallee`: what was out of gas goes on as out of gas, and only a
/// plain refusal becomes an error of its own.
abstract contract GuardCalls {
    /// @notice The account's guard refused without (or with more than 1 kB of) a reason, or is not a contract.
    error GuardRefused(address account, address guard);

    /// @notice The signature is not the giver's over this instruction.
    error InvalidSignature(address giver);

    uint256 private constant MAX_REASON_BYTES = 1024;

    /// @dev Expanding memory to this many bytes costs 323,000 gas.
    uint256 private constant TOLL_BYTES = 0x60000;

    /// @dev EOA or ERC-1271, read only.
    function _requireSignature(address giver, bytes32 digest, bytes calldata signature) internal view {
        if (giver.code.length == 0) {
            if (KeySignature.isOf(giver, digest, signature)) return;
        } else {
            if (SignatureChecker.isValidERC1271SignatureNowCalldata(giver, digest, signature)) return;
            _outlastStarvedCallee();
        }
        revert InvalidSignature(giver);
    }

    /// @dev Asks the guard of `account`, if it is a managed account; the guard's reason is passed on.
    function _requireMandate(address account, bytes32 planHash, Leg[] calldata legs) internal {
        if (account.code.length == 0) return;
        if (!ERC165Checker.supportsInterface(account, type(IManagedAccount).interfaceId)) return;
        address guard = _guardOf(account);
        if (guard.code.length == 0) revert GuardRefused(account, guard);
        if (LowLevelCall.callNoReturn(guard, abi.encodeCall(IMandateGuard.check, (account, planHash, legs)))) return;
        uint256 size = LowLevelCall.returnDataSize();
        if (size == 0) _outlastStarvedCallee();
        if (size == 0 || size > MAX_REASON_BYTES) revert GuardRefused(account, guard);
        LowLevelCall.bubbleRevert();
    }

    function _guardOf(address account) private view returns (address) {
        (bool success, bytes32 word, ) = LowLevelCall.staticcallReturn64Bytes(
            account,
            abi.encodeCall(IManagedAccount.guard, ())
        );
        if (!success) _outlastStarvedCallee();
        if (!success || LowLevelCall.returnDataSize() < 32) revert GuardRefused(account, address(0));
        return address(uint160(uint256(word)));
    }

    /// @dev A callee that used up its gas leaves its caller a 64th (EIP-150), less than 2^18 in a transaction of at
    /// most 2^24 gas (EIP-7825). This costs more than that, so it runs out too; after a plain refusal it passes. The
    /// call itself does nothing: no gas is forwarded, only memory for its input is paid.
    function _outlastStarvedCallee() private view {
        assembly ("memory-safe") {
            pop(staticcall(0, 4, mload(0x40), TOLL_BYTES, 0, 0))
        }
    }
}
