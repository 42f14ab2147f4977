// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ICompliance} from "../../interfaces/ICompliance.sol";
import {IIdentityRegistry} from "../../interfaces/IIdentityRegistry.sol";
import {IComplianceRule, Move} from "../../interfaces/IComplianceRule.sol";
import {RestrictionCodes} from "../../RestrictionCodes.sol";
import {Rule} from "./Rule.sol";

/// @title HolderCount
/// @notice At most so many identities hold a security, however many wallets each has.
/// @dev Who is exempt is not counted. When the security is full, a new holder comes in only where one leaves whole. A
/// holder costs as little as a unit: MinimumHolding beside it makes filling the register dear. `sync` brings the count
/// up to balances: when the rule is set on a security with holders, a wallet changes its identity, or an exemption
/// changes.
contract HolderCount is Rule {
    /// @notice An identity holds a security that did not, or no longer.
    event HoldersCounted(address indexed token, uint256 holders);

    error MoveUnderWay(address token);

    /// @notice Whose wallets are whose.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Identities that hold a security and are not exempt.
    mapping(address token => uint256) public holdersOf;

    /// @notice Whether an identity is among them.
    mapping(address token => mapping(bytes32 identity => bool)) public isCounted;

    constructor(
        address authority_,
        address compliance_,
        IIdentityRegistry identityRegistry_
    ) Rule(authority_, compliance_) {
        identityRegistry = identityRegistry_;
    }

    /// @inheritdoc IComplianceRule
    function largestOf(Move calldata move, uint256 amount) external view returns (uint256, uint8) {
        address token = move.token;
        uint256 most = valueOf[token];
        if (most == 0 || holdersOf[token] < most || move.to == 0) return (amount, 0);
        if (isCounted[token][move.to] || isExempt[token][move.to]) return (amount, 0);
        bool leaves = holdersOf[token] == most && isCounted[token][move.from] && amount >= move.fromUnits;
        return leaves ? (amount, 0) : (0, RestrictionCodes.HOLDER_COUNT);
    }

    /// @inheritdoc IComplianceRule
    function moving(Move calldata move, uint256 amount) external override onlyCompliance {
        if (move.from != move.to && move.from != 0 && move.fromUnits <= amount) _set(move.token, move.from, false);
        if (move.to != 0) _set(move.token, move.to, true);
    }

    /// @notice Counts identities anew by their balances. Anyone may: it states what is true, but before a move of which
    /// rules are being told.
    function sync(address token, bytes32[] calldata identities) external {
        if (ICompliance(compliance).isTelling()) revert MoveUnderWay(token);
        for (uint256 i = 0; i < identities.length; ++i) {
            address[] memory wallets = identityRegistry.walletsOf(identities[i]);
            uint256 units = 0;
            for (uint256 j = 0; j < wallets.length; ++j) units += IERC20(token).balanceOf(wallets[j]);
            _set(token, identities[i], units != 0);
        }
    }

    /// @inheritdoc IComplianceRule
    function counts() external pure override returns (bool) {
        return true;
    }

    function _set(address token, bytes32 identity, bool holds) private {
        bool counted = holds && !isExempt[token][identity];
        if (isCounted[token][identity] == counted) return;
        isCounted[token][identity] = counted;
        uint256 holders = counted ? holdersOf[token] + 1 : holdersOf[token] - 1;
        holdersOf[token] = holders;
        emit HoldersCounted(token, holders);
    }
}
