// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAssetRegistry} from "../interfaces/IAssetRegistry.sol";
import {ISecurityLife} from "../interfaces/ISecurityLife.sol";

/// @title Defaults
/// @notice Which securities are in default, and on what evidence.
/// @dev While the flag stands nothing is transferred, put on hold, issued or redeemed, and no coupon is announced or
/// funded; the registry's word of the token says so to every transfer. What was funded before is its holders' and is
/// paid out; units set aside before, on hold or in custody, go to whom they are due; forced transfers and recovery of a
/// lost wallet go on. What is recovered is paid pro rata by `CouponPayer.announceRecovery`.
abstract contract Defaults is AccessManaged, ISecurityLife {
    event DefaultDeclared(address indexed token, bytes32 evidenceHash);
    event DefaultCured(address indexed token, bytes32 evidenceHash);

    error SecurityInDefault(address token, bytes32 evidenceHash);
    error SecurityPerforms(address token);
    error DefaultWithoutEvidence(address token);

    /// @inheritdoc ISecurityLife
    IAssetRegistry public immutable assetRegistry;

    /// @inheritdoc ISecurityLife
    mapping(address token => bytes32) public defaultOf;

    constructor(IAssetRegistry assetRegistry_) {
        assetRegistry = assetRegistry_;
    }

    /// @notice Marks a security as in default.
    /// @param evidenceHash Keccak-256 of the document that says so.
    function declareDefault(address token, bytes32 evidenceHash) external restricted {
        if (evidenceHash == 0) revert DefaultWithoutEvidence(token);
        _requirePerforming(token);
        defaultOf[token] = evidenceHash;
        emit DefaultDeclared(token, evidenceHash);
        assetRegistry.setInDefault(token, true);
    }

    /// @notice Takes the mark away.
    /// @param evidenceHash Keccak-256 of the document of the cure.
    function cureDefault(address token, bytes32 evidenceHash) external restricted {
        if (evidenceHash == 0) revert DefaultWithoutEvidence(token);
        if (defaultOf[token] == 0) revert SecurityPerforms(token);
        delete defaultOf[token];
        emit DefaultCured(token, evidenceHash);
        assetRegistry.setInDefault(token, false);
    }

    function _requirePerforming(address token) internal view {
        if (defaultOf[token] != 0) revert SecurityInDefault(token, defaultOf[token]);
    }
}
