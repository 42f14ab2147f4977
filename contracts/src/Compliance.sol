// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ICompliance} from "./interfaces/ICompliance.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {RestrictionCodes} from "./RestrictionCodes.sol";

/// @title Compliance
/// @notice Each rule answers the largest amount it allows; the least wins and names its code.
contract Compliance is ICompliance, AccessManaged {
    /// @notice The single-trade limit was set, in base units of the asset (the maximum: no limit).
    event TradeLimitSet(uint256 units);

    /// @notice Where identities and claims are looked up.
    IIdentityRegistry public immutable identityRegistry;

    /// @notice Largest amount of one transfer, in base units of the asset.
    uint256 public tradeLimit = type(uint256).max;

    constructor(address authority_, IIdentityRegistry identityRegistry_) AccessManaged(authority_) {
        identityRegistry = identityRegistry_;
    }

    /// @notice Sets the single-trade limit; `type(uint256).max` is none, 0 stops dealing.
    function setTradeLimit(uint256 units) external restricted {
        tradeLimit = units;
        emit TradeLimitSet(units);
    }

    /// @inheritdoc ICompliance
    /// @dev The token is passed for rules of one asset; no rule needs it yet.
    function largestAmount(
        address,
        address from,
        address to
    ) external view returns (uint256 largest, uint8 code) {
        (bytes32 sender, bool senderValid, bytes32 recipient, bool recipientValid) = identityRegistry.standingsOf(
            from,
            to
        );
        if (sender == 0) return (0, RestrictionCodes.SENDER_UNKNOWN);
        if (recipient == 0) return (0, RestrictionCodes.RECIPIENT_UNKNOWN);
        if (!senderValid) return (0, RestrictionCodes.SENDER_CLAIM);
        if (!recipientValid) return (0, RestrictionCodes.RECIPIENT_CLAIM);
        largest = tradeLimit;
        code = largest == type(uint256).max ? RestrictionCodes.SUCCESS : RestrictionCodes.TRADE_LIMIT;
    }

    /// @inheritdoc ICompliance
    function isVerified(address wallet) external view returns (bool) {
        return identityRegistry.isVerified(wallet);
    }

    /// @notice The sentence that belongs to a code.
    function messageFor(uint8 code) external pure returns (string memory) {
        return RestrictionCodes.message(code);
    }
}
