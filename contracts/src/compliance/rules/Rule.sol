// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";

/// @title Rule
/// @notice A number for each security under the rule, and identities that it does not bind: dealers, the Treasury, and
/// contracts that hold for others.
abstract contract Rule is IComplianceRule, AccessManaged {
    /// @notice The rule's number for a security was set (0: it does not bind).
    event RuleSet(address indexed token, uint256 value);

    /// @notice An identity is bound by the rule no longer, or again.
    event ExemptionSet(address indexed token, bytes32 indexed identity, bool exempt);

    error OnlyCompliance(address caller);
    error RuleValueOutOfRange(uint256 value, uint256 most);

    /// @notice Who asks and tells.
    address public immutable compliance;

    /// @notice The rule's number for a security.
    mapping(address token => uint256) public valueOf;

    /// @notice Whether the rule does not bind an identity.
    mapping(address token => mapping(bytes32 identity => bool)) public isExempt;

    constructor(address authority_, address compliance_) AccessManaged(authority_) {
        compliance = compliance_;
    }

    modifier onlyCompliance() {
        if (msg.sender != compliance) revert OnlyCompliance(msg.sender);
        _;
    }

    /// @notice Sets the number for a security; 0: the rule does not bind.
    function setValue(address token, uint256 value) external restricted {
        if (value > _most()) revert RuleValueOutOfRange(value, _most());
        valueOf[token] = value;
        emit RuleSet(token, value);
    }

    /// @notice Exempts an identity, or no longer.
    function setExempt(address token, bytes32 identity, bool exempt) external restricted {
        isExempt[token][identity] = exempt;
        emit ExemptionSet(token, identity, exempt);
    }

    /// @inheritdoc IComplianceRule
    function moving(Move calldata, uint256) external virtual onlyCompliance {}

    /// @inheritdoc IComplianceRule
    function counts() external pure virtual returns (bool) {
        return false;
    }

    /// @dev The greatest number there can be.
    function _most() internal pure virtual returns (uint256) {
        return type(uint88).max;
    }
}
