// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limits} from "./Limits.sol";
import {RulesWord} from "./RulesWord.sol";
import {IEmergencyStop} from "../interfaces/IEmergencyStop.sol";

/// @title EmergencyStop
/// @notice The guardian may stop everything that moves, for 72 hours in all; only the administrator gives him more.
/// @dev Securities are neither transferred, settled, issued, redeemed nor put on hold, and cash does not move; so no
/// auction settles, no coupon is paid, no repo or option goes on. What the freezer, the enforcer and the registrar do
/// about it goes on, and holds can be released. The end stands in the word that every transfer reads anyway.
abstract contract EmergencyStop is Limits, IEmergencyStop {
    /// @notice Everything is stopped until then.
    event Stopped(uint40 until);

    /// @notice The stop was lifted; the guardian may stop for this many seconds more.
    event Resumed(uint40 left);

    /// @notice The guardian may stop for 72 hours again, or the stop that is on lasts that long from now.
    event StopRenewed(uint40 until);

    /// @notice The guardian has used up his 72 hours.
    error StopUsedUp();

    /// @notice Nothing is stopped.
    error NotStopped();

    /// @notice Longest stop without the administrator: 72 hours.
    uint40 public constant MAX_STOP = 72 hours;

    /// @dev Seconds for which the guardian may still stop; while a stop is on they are in it.
    uint40 private _stopLeft = MAX_STOP;

    /// @notice Stops everything for as long as the guardian still may.
    function stop() external restricted {
        if (_rules.isStopped()) revert LedgerStopped(_rules.stopOf());
        if (_stopLeft == 0) revert StopUsedUp();
        _stopUntil(uint40(block.timestamp) + _stopLeft);
    }

    /// @notice Lifts the stop; what is left of it may be used another time.
    function resume() external restricted {
        if (!_rules.isStopped()) revert NotStopped();
        _stopLeft = _rules.stopOf() - uint40(block.timestamp);
        _rules = _rules.withStop(0);
        emit Resumed(_stopLeft);
    }

    /// @notice Gives the guardian 72 hours again; a stop that is on lasts that long from now.
    function renewStop() external restricted {
        if (_rules.isStopped()) _stopUntil(uint40(block.timestamp) + MAX_STOP);
        else _stopLeft = MAX_STOP;
        emit StopRenewed(_rules.stopOf());
    }

    /// @inheritdoc IEmergencyStop
    function stoppedUntil() external view returns (uint40) {
        return _rules.stopOf();
    }

    /// @notice Seconds for which the guardian may stop when nothing is stopped.
    function stopLeft() external view returns (uint40) {
        return _stopLeft;
    }

    /// @dev Of deeds that have no code to answer with.
    function _requireRunning(RulesWord rules) internal view {
        if (rules.isStopped()) revert LedgerStopped(rules.stopOf());
    }

    function _stopUntil(uint40 until) private {
        _stopLeft = 0;
        _rules = _rules.withStop(until);
        emit Stopped(until);
    }
}
