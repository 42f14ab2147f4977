// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {ICompliance} from "./interfaces/ICompliance.sol";

/// @title AssetFactory
/// @notice Makes the one token of a CUSIP and registers it.
contract AssetFactory is AccessManaged {
    /// @notice A security was created.
    event SecurityCreated(bytes32 indexed cusip, address indexed token, bytes32 termsHash, uint64 maturity);

    /// @notice Where new securities are registered.
    IAssetRegistry public immutable registry;

    /// @notice The rules new securities obey.
    ICompliance public immutable compliance;

    /// @notice The SecurityToken that every clone runs.
    address public immutable implementation;

    constructor(
        address authority_,
        IAssetRegistry registry_,
        ICompliance compliance_,
        address implementation_
    ) AccessManaged(authority_) {
        registry = registry_;
        compliance = compliance_;
        implementation = implementation_;
    }

    /// @notice Creates and registers a security.
    /// @param cusip ASCII, padded right with zeros.
    /// @param termsHash Keccak-256 of the canonical JSON of the terms.
    /// @param maturity Unix time of the maturity date's New York midnight.
    function create(bytes32 cusip, bytes32 termsHash, uint64 maturity) external restricted returns (address token) {
        token = Clones.cloneDeterministicWithImmutableArgs(
            implementation,
            _arguments(cusip, termsHash, maturity),
            _salt(cusip, termsHash)
        );
        emit SecurityCreated(cusip, token, termsHash, maturity);
        registry.register(token);
    }

    /// @notice Address `create` gives, or gave, for these terms.
    function predict(bytes32 cusip, bytes32 termsHash, uint64 maturity) external view returns (address token) {
        token = Clones.predictDeterministicAddressWithImmutableArgs(
            implementation,
            _arguments(cusip, termsHash, maturity),
            _salt(cusip, termsHash)
        );
    }

    function _arguments(bytes32 cusip, bytes32 termsHash, uint64 maturity) private view returns (bytes memory) {
        return abi.encode(authority(), compliance, cusip, termsHash, maturity);
    }

    function _salt(bytes32 cusip, bytes32 termsHash) private pure returns (bytes32) {
        return keccak256(abi.encode(cusip, termsHash));
    }
}
