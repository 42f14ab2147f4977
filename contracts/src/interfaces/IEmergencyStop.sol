// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IEmergencyStop
/// @notice Until when nothing on the ledger moves.
interface IEmergencyStop {
    /// @notice The ledger is stopped until then.
    error LedgerStopped(uint40 until);

    /// @notice Unix time at which the last stop ends or ended; 0 if it was lifted or there was none.
    function stoppedUntil() external view returns (uint40);
}
