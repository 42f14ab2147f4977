// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {SecurityToken} from "../SecurityToken.sol";
import {Settlement} from "../Settlement.sol";
import {Instruction, Leg} from "../settlement/Instruction.sol";
import {Redemptions} from "./Redemptions.sol";

/// @title Issuance
/// @notice The two ends of a security: sold against payment, and redeemed at maturity or when it is called.
/// @dev It holds the ISSUER role on security tokens. The end is in Redemptions, the flag of default in Defaults.
contract Issuance is Redemptions {
    /// @notice `face` units were sold for `proceeds` by `account`, in this instruction.
    event Issued(
        address indexed token,
        address indexed account,
        bytes32 indexed instructionHash,
        uint256 face,
        uint256 proceeds
    );

    /// @notice The security has reached its maturity or its call.
    error SecurityMatured(address token, uint64 maturity);
    error NothingToIssue(address token);
    error IssueWithoutPayment(address token);
    error IssuedFromTwoAccounts(address first, address second);

    /// @notice Where securities are sold.
    Settlement public immutable settlement;

    /// @notice Face sold through this contract; securities registered by deposit are not in it.
    mapping(address token => uint256) public issuedOf;

    constructor(
        address authority_,
        Settlement settlement_,
        IERC20 cash_,
        IIdentityRegistry identityRegistry_
    ) AccessManaged(authority_) Redemptions(cash_, identityRegistry_, settlement_.assetRegistry()) {
        settlement = settlement_;
    }

    /// @notice Sells a security, for the first time or again: creates what the instruction delivers of it, and settles.
    /// @dev Every leg of `token` must come from one account, the seller's, which signs like any giver and is paid in
    /// cash by the same instruction; the units exist there only within this transaction.
    function issue(
        SecurityToken token,
        Instruction calldata instruction,
        bytes[] calldata signatures
    ) external restricted {
        _requirePerforming(address(token));
        uint64 end = endOf(address(token));
        if (block.timestamp >= end) revert SecurityMatured(address(token), end);
        (address account, uint256 face, uint256 proceeds) = _sale(address(token), instruction.legs);
        issuedOf[address(token)] += face;
        token.issue(account, face);
        emit Issued(address(token), account, settlement.hashInstruction(instruction), face, proceeds);
        settlement.settle(instruction, signatures);
    }

    function _sale(
        address token,
        Leg[] calldata legs
    ) private view returns (address account, uint256 face, uint256 proceeds) {
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].token != token) continue;
            if (account == address(0)) account = legs[i].from;
            if (legs[i].from != account) revert IssuedFromTwoAccounts(account, legs[i].from);
            face += legs[i].amount;
        }
        if (face == 0) revert NothingToIssue(token);
        for (uint256 i = 0; i < legs.length; ++i) {
            if (legs[i].token == address(cash) && legs[i].to == account) proceeds += legs[i].amount;
        }
        if (proceeds == 0) revert IssueWithoutPayment(token);
    }
}
