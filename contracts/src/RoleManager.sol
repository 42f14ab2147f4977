// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Roles} from "./Roles.sol";

/// @title RoleManager
/// @notice OpenZeppelin's AccessManager, handed over to a timelock once and for good.
/// @dev I15. Until `handOver` the deployer maps functions and grants roles at once. From then on the timelock is the
/// one administrator of every role, and nothing that it decides changes that: no second administrator, no role with
/// another admin, no grant without a delay, no contract under another authority. At all times nobody holds two of
/// issuer, freezer, enforcer and oracle.
contract RoleManager is AccessManager {
    /// @notice The deployer has given up the administration to a timelock.
    event HandedOver(address indexed timelock, address indexed deployer);

    /// @notice It has been handed over already, or not to a contract.
    error CannotHandOver(address timelock);

    /// @notice Whose administrator a role has is fixed: the timelock.
    error AdministratorIsFixed();

    /// @notice The authority of a contract is fixed: this one.
    error AuthorityIsFixed();

    /// @notice Who holds the one of these roles cannot hold the other.
    error RolesKeptApart(address account, uint64 role, uint64 held);

    /// @notice What every grant waits at least, once handed over, before it is in force.
    uint32 public constant LEAST_GRANT_DELAY = 1 days;

    /// @notice The administrator; zero until handed over.
    address public timelock;

    constructor(address deployer) AccessManager(deployer) {}

    /// @notice Makes a timelock the only administrator, for ever; the caller is none any more.
    function handOver(address timelock_) external onlyAuthorized {
        if (timelock != address(0) || timelock_.code.length == 0) revert CannotHandOver(timelock_);
        timelock = timelock_;
        _grantRole(ADMIN_ROLE, timelock_, 0, 0);
        _revokeRole(ADMIN_ROLE, _msgSender());
        emit HandedOver(timelock_, _msgSender());
    }

    /// @inheritdoc AccessManager
    /// @dev Of every role there is or will be. OpenZeppelin's own delays are zero until set, which takes five days.
    function getRoleGrantDelay(uint64 roleId) public view override returns (uint32 delay) {
        delay = super.getRoleGrantDelay(roleId);
        if (timelock != address(0) && delay < LEAST_GRANT_DELAY) delay = LEAST_GRANT_DELAY;
    }

    /// @notice Reverts always.
    function updateAuthority(address, address) public pure override {
        revert AuthorityIsFixed();
    }

    function _grantRole(
        uint64 roleId,
        address account,
        uint32 grantDelay,
        uint32 executionDelay
    ) internal override returns (bool) {
        if (roleId == ADMIN_ROLE && !_mayAdminister(account)) revert AdministratorIsFixed();
        if (_isKeptApart(roleId)) _requireNoOther(roleId, account);
        return super._grantRole(roleId, account, grantDelay, executionDelay);
    }

    /// @dev Every role's admin is ADMIN.
    function _setRoleAdmin(uint64, uint64) internal pure override {
        revert AdministratorIsFixed();
    }

    /// @dev The deployer while this is being created, then the timelock.
    function _mayAdminister(address account) private view returns (bool) {
        return address(this).code.length == 0 || (account == timelock && account != address(0));
    }

    function _isKeptApart(uint64 roleId) private pure returns (bool) {
        return
            roleId == Roles.ISSUER ||
            roleId == Roles.FREEZER ||
            roleId == Roles.ENFORCER ||
            roleId == Roles.ORACLE;
    }

    /// @dev A role that was granted and is not yet in force counts.
    function _requireNoOther(uint64 roleId, address account) private view {
        for (uint64 other = Roles.ISSUER; other <= Roles.ORACLE; ++other) {
            if (other == roleId || !_isKeptApart(other)) continue;
            (uint48 since, , , ) = getAccess(other, account);
            if (since != 0) revert RolesKeptApart(account, roleId, other);
        }
    }
}
